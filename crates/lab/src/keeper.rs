//! The keeper: the process that makes the hosts and whose death, or whose parent's, ends everything inside.
//!
//! The tool stays outside of every namespace. The keeper goes in first, forks init, the first process of the new pid
//! namespace, makes the hosts while init forks the programs' processes, and hands the link's descriptors out. The server's
//! program, if that is the first, starts as soon as its host stands: a program takes longer to get ready than the other host
//! to be made. When the tool is killed, even by KILL, the kernel kills the keeper (PR_SET_PDEATHSIG), then init, and with a
//! pid namespace's first process everything in it; no program inside can evade that, whatever it does to its own signals.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};

use kernel::namespace::{self, Ids, Namespace};
use kernel::process::{self, NeverBack, Processors, Signal};
use wire::refusal::Step;

use crate::calibration;
use crate::config::{Config, Program};
use crate::control::{Control, Report};
use crate::event::Role;
use crate::hosts::{Hosts, Refused, Unfinished};
use crate::init;
use crate::lesson::Part;
use crate::lines::Lines;
use crate::namespaces::Namespaces;
use crate::programs::Outputs;

/// What the processes inside get from the tool by being forked from it.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) config: &'a Config,
    /// Whose program is started without an order, as soon as its host stands.
    pub(crate) first: Option<Role>,
    /// In which the hosts are made.
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) control: Control,
    /// Where the loop waits for the gauge, if the link delays.
    pub(crate) gauge: Option<Control>,
    /// Where the programs' output goes.
    pub(crate) outputs: Outputs,
    /// Who acts on a host in place of its program.
    pub(crate) cast: Vec<Part>,
}

impl Inside<'_> {
    /// The hosts on which a program runs: those first that start first.
    pub(crate) fn programs(&self) -> Vec<Role> {
        let has_program = |role: &Role| {
            *self.config.program(*role) != Program::Idle || self.cast.iter().any(|part| part.role == *role)
        };
        let mut roles: Vec<Role> = Role::all(self.config.hosts()).filter(has_program).collect();
        roles.sort_by_key(|role| (Some(*role) != self.first, *role != self.config.leader));
        roles
    }
}

/// Is the keeper, in a process forked for it. What the terminal sends to its whole foreground, the tool keeps back here
/// too by its mask: it decides how the lab ends. The programs get it again.
pub(crate) fn run(inside: Inside<'_>, lines: &Lines) -> ! {
    let _never_back = NeverBack;
    process::die_with_parent();
    let _ = rustix::thread::set_name(c"lab keeper");
    let control = inside.control.try_clone();
    let Err((step, errno)) = keep(inside, lines);
    // When the tool does not hear this, it is gone.
    let _ = control.map(|control| control.report(Report::Refused(step, errno)));
    process::exit_now(1)
}

/// Starts init and makes the hosts; ends when init has ended.
fn keep(inside: Inside<'_>, lines: &Lines) -> Result<Infallible, Refused> {
    let fork_failed = |errno| (Step::Fork, errno);
    let ids = Ids::own();
    inside.namespaces.enter_user(ids)?;
    let handle = process::own_handle().map_err(fork_failed)?;
    namespace::unshare(Namespace::Pid).map_err(|errno| (Step::PidNamespace, errno))?;
    let processors = Processors::allowed();
    let Some(init) = process::fork_held().map_err(fork_failed)? else {
        init::run(inside, lines, &processors, &handle)
    };
    // Init is held back until the middle is there: so long that one's maker has the other processor for itself.
    let middle = match inside.namespaces.middle() {
        Ok(middle) => middle,
        Err(refused) => {
            init.end();
            return Err(refused);
        }
    };
    let init = init.let_go_apart(&processors);
    // What the programs have of it ends with them.
    let Inside { config, first, control, gauge, outputs, cast, .. } = inside;
    drop((outputs, cast));
    let unfinished = Unfinished::begin(config, ids, middle);
    let hosts = unfinished.and_then(|unfinished| make_hosts(unfinished, first, lines));
    let made = hosts.and_then(|hosts| hand_over(&control, &hosts).map_err(fork_failed).map(|()| hosts));
    match (&made, gauge, process::handle(init)) {
        (Ok(hosts), Some(link), Ok(ended)) => {
            // Without it delays are longer by what waking up costs.
            let _ = be_the_gauge(config, hosts, &link, ended.as_fd());
        }
        (Ok(_), ..) => {}
        (Err(_), ..) => drop(process::kill(init, Signal::KILL)),
    }
    // Everything inside has ended when it has.
    let _ = process::wait(init);
    // The hosts' devices go here and not in the tool, which has better things to do: it takes RCU's time.
    drop(made?);
    process::exit_now(0)
}

/// Makes all hosts, that of the first program first, and has that started as soon as its host stands: alone where they are
/// joined by TUN devices, else with the others.
fn make_hosts(mut hosts: Unfinished<'_>, first: Option<Role>, lines: &Lines) -> Result<Hosts, Refused> {
    let lost = |errno| (Step::Fork, errno);
    let mut to_start = first;
    let others = Role::all(hosts.number()).filter(|role| Some(*role) != first);
    for role in first.into_iter().chain(others) {
        let network = hosts.add(role)?;
        lines.enter(role, network).map_err(lost)?;
        if hosts.try_to_finish_last()?
            && let Some(first) = to_start.take()
        {
            lines.start(first).map_err(lost)?;
        }
    }
    let hosts = hosts.finish()?;
    if let Some(first) = to_start {
        lines.start(first).map_err(lost)?;
    }
    Ok(hosts)
}

/// The order of the descriptors: all links, all conversations about interfaces, the tables that are there, then the
/// switch's ports if there is a switch.
fn hand_over(control: &Control, hosts: &Hosts) -> Result<(), i32> {
    let all = &hosts.hosts;
    let mut descriptors: Vec<BorrowedFd<'_>> = all.iter().map(|host| host.link.as_fd()).collect();
    descriptors.extend(all.iter().map(|host| host.interfaces.as_fd()));
    let mut tables = 0;
    for (place, table) in all.iter().flat_map(|host| &host.tables).enumerate() {
        if let Some(table) = table {
            tables |= 1 << place;
            descriptors.push(table.as_fd());
        }
    }
    descriptors.extend(all.iter().filter_map(|host| host.port.as_ref()).map(AsFd::as_fd));
    control.hand_over(Report::Made { backend: hosts.backend, tables }, &descriptors)
}

/// Makes the gauge, hands it to the loop, and is the program on it until `end` is readable. Only now: nobody has to
/// wait for it.
fn be_the_gauge(config: &Config, hosts: &Hosts, link: &Control, end: BorrowedFd<'_>) -> Option<()> {
    let gauge = hosts.gauge().ok()?;
    link.hand_over(Report::Gauge, &[gauge.link.as_fd()]).ok()?;
    calibration::program::run(gauge.ends, config.link.usual_delay(), end).ok()
}
