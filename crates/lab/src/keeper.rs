//! The keeper: the process that makes the hosts and whose death, or whose parent's, ends everything inside.
//!
//! The tool stays outside of every namespace. The keeper goes in first, forks init, the first process of the new pid
//! namespace, and hands the link's descriptors out. Init starts the server's program, if that is the first, as soon as its host
//! stands: a program takes longer to get ready than the other host to be made. When the tool is killed, even by KILL, the kernel kills the keeper
//! (PR_SET_PDEATHSIG), then init, and with a pid namespace's first process everything in it; no program inside can
//! evade that, whatever it does to its own signals.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};

use kernel::namespace::{self, Ids, Namespace};
use kernel::process::{self, Forked};
use wire::refusal::Step;

use crate::calibration;
use crate::config::Config;
use crate::control::{Control, Report};
use crate::event::Role;
use crate::hosts::{Hosts, Making, Refused};
use crate::init::{self, Networks};
use crate::lesson::Part;
use crate::programs::Outputs;

/// What the processes inside get from the tool by being forked from it.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) config: &'a Config,
    /// Whose program is started without an order, as soon as its host stands.
    pub(crate) first: Option<Role>,
    pub(crate) control: Control,
    /// Where the loop waits for the gauge, if the link delays.
    pub(crate) gauge: Option<Control>,
    /// Where the programs' output goes.
    pub(crate) outputs: Outputs,
    /// Who acts on a host in place of its program.
    pub(crate) cast: Vec<Part>,
}

/// Is the keeper, in a process forked for it. What the terminal sends to its whole foreground, the tool keeps back here
/// too by its mask: it decides how the lab ends. The programs get it again.
pub(crate) fn run(inside: Inside<'_>) -> ! {
    let _never_back = ExitOnUnwind;
    process::die_with_parent();
    let _ = rustix::thread::set_name(c"lab keeper");
    let control = inside.control.try_clone();
    let Err((step, errno)) = keep(inside);
    // When the tool does not hear this, it is gone.
    let _ = control.map(|control| control.report(Report::Refused(step, errno)));
    process::exit_now(1)
}

/// Makes the hosts and starts init; ends when that has ended.
fn keep(inside: Inside<'_>) -> Result<Infallible, Refused> {
    let fork_failed = |errno| (Step::Fork, errno);
    let mut making = Making::begin(inside.config, Ids::own())?;
    // Once more: the kernel forgets the death signal when a process changes its credentials, as in a user namespace.
    process::die_with_parent();
    if let Some(first) = inside.first {
        making.make_first(first)?;
    }
    let handle = process::own_handle().map_err(fork_failed)?;
    let (later, to_init) = Control::pair().map_err(fork_failed)?;
    namespace::unshare(Namespace::Pid).map_err(|errno| (Step::PidNamespace, errno))?;
    let init = match process::fork().map_err(fork_failed)? {
        Forked::Child => {
            drop(to_init);
            init::run(&inside, Networks { standing: making.standing(), later }, &handle)
        }
        Forked::Parent(init) => init,
    };
    // What the programs have of it ends with them.
    let Inside { config, control, gauge, outputs, cast, .. } = inside;
    drop((outputs, cast));
    let hosts = making.finish()?;
    for (role, host) in Role::all(config.hosts()).zip(&hosts.hosts) {
        to_init.hand_over(Report::Stands(role), &[host.network.as_fd()]).map_err(fork_failed)?;
    }
    drop((to_init, later));
    hand_over(&control, &hosts).map_err(fork_failed)?;
    if let (Some(link), Ok(ended)) = (gauge, process::handle(init)) {
        // Without it delays are longer by what waking up costs.
        let _ = be_the_gauge(config, &hosts, &link, ended.as_fd());
    }
    let _ = process::wait(init);
    // The hosts' devices go here and not in the tool, which has better things to do: it takes RCU's time.
    drop(hosts);
    process::exit_now(0)
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
    control.hand_over(Report::Made { backend: hosts.backend, tables, offload: hosts.offload }, &descriptors)
}

/// Makes the gauge, hands it to the loop, and is the program on it until `end` is readable. Only now: nobody has to wait for it.
fn be_the_gauge(config: &Config, hosts: &Hosts, link: &Control, end: BorrowedFd<'_>) -> Option<()> {
    let gauge = hosts.gauge().ok()?;
    link.hand_over(Report::Gauge, &[gauge.link.as_fd()]).ok()?;
    calibration::program::run(gauge.ends, config.link.usual_delay(), end).ok()
}

/// A panic in a forked process must not run back into what the tool was doing when it forked.
#[derive(Debug)]
struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        // EX_SOFTWARE of sysexits.h, as for a panic of the tool.
        process::exit_now(70);
    }
}
