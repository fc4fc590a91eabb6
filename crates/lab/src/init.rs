//! Init: the first process of the lab's pid namespace. It starts the programs, reaps everything that ends inside, and
//! tells the tool; when it ends, the kernel ends everything inside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::process::{self, Forked, Pid};
use kernel::signal::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;

use crate::control::{Control, Order, Report};
use crate::event::Role;
use crate::keeper::Inside;
use crate::programs;

/// The hosts' network namespaces.
#[derive(Debug)]
pub(crate) struct Networks {
    /// Of those that stood when init was forked, and of those that the keeper has told of.
    pub(crate) standing: Vec<(Role, OwnedFd)>,
    /// Where the keeper tells of each when all stand.
    pub(crate) later: Control,
}

/// The processes of the hosts' programs, while they live.
#[derive(Debug, Default)]
struct Programs(Vec<(Role, Pid)>);

/// Is init, in a process forked for it. `keeper` is a handle of its parent.
pub(crate) fn run(inside: &Inside<'_>, networks: Networks, keeper: &OwnedFd) -> ! {
    process::die_with(keeper.as_fd());
    let _ = rustix::thread::set_name(c"lab init");
    // In a container that hides parts of /proc this is refused; then the programs see the outer one, as before.
    let _ = kernel::mount::mount_proc();
    let Ok(ended) = Signals::take(&[Signal::CHILD]) else { process::exit_now(1) };
    serve(inside, networks, &ended)
}

fn serve(inside: &Inside<'_>, mut networks: Networks, ended: &Signals) -> ! {
    let mut programs = Programs::default();
    if let Some(first) = inside.first {
        start(first, inside, &mut networks, &mut programs);
    }
    loop {
        let [ordered, somebody_ended] = wait_for_either(&inside.control, ended);
        if somebody_ended {
            while ended.next().is_some() {}
            reap_all(&mut programs, &inside.control);
        }
        if !ordered {
            continue;
        }
        match inside.control.next_order() {
            Ok(Some(Order::Start(role))) => start(role, inside, &mut networks, &mut programs),
            Ok(Some(Order::Signal(role, signal))) => {
                send(programs.get(role), role != inside.config.leader, signal);
            }
            // The tool has ended the lab, or is gone.
            Ok(None) | Err(_) => process::exit_now(0),
        }
    }
}

fn wait_for_either(control: &Control, ended: &Signals) -> [bool; 2] {
    let mut watched = [
        PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN),
    ];
    // A failure (EINTR) leaves the answers empty: then the next round waits again.
    let _ = poll(&mut watched, None);
    watched.map(|one| !one.revents().is_empty())
}

fn start(role: Role, inside: &Inside<'_>, networks: &mut Networks, programs: &mut Programs) {
    let Some(network) = networks.of(role) else { return };
    match fork_program(role, inside, network) {
        Ok(pid) => {
            if role != inside.config.leader {
                // The child does the same: whoever comes first, it is done before the group is sent a signal.
                let _ = rustix::process::setpgid(Some(pid), Some(pid));
            }
            programs.0.push((role, pid));
        }
        Err(errno) => {
            let _ = inside.control.report(Report::NotStarted(role, errno));
        }
    }
}

/// A process for a host's program, which tells by itself that it is there.
fn fork_program(role: Role, inside: &Inside<'_>, network: BorrowedFd<'_>) -> Result<Pid, i32> {
    if programs::executes(role, inside) {
        return process::fork_to_execute(|| programs::run(role, inside, network));
    }
    match process::fork()? {
        Forked::Child => programs::run(role, inside, network),
        Forked::Parent(pid) => Ok(pid),
    }
}

/// Each program is a process group of its own, but for that which shares the terminal's foreground with the tool.
fn send(program: Option<Pid>, is_group: bool, signal: i32) {
    let (Some(pid), Some(signal)) = (program, Signal::from_named_raw(signal)) else { return };
    let _ = match is_group {
        true => rustix::process::kill_process_group(pid, signal),
        false => rustix::process::kill_process(pid, signal),
    };
}

/// Reaps the programs and every orphan that became init's child.
fn reap_all(programs: &mut Programs, control: &Control) {
    while let Some(ended) = process::reap() {
        let Some(role) = programs.forget(ended.pid) else { continue };
        let report = match (ended.exit, ended.signal) {
            (_, Some(signal)) => Report::Killed(role, signal),
            (status, None) => Report::Exited(role, status.unwrap_or_default()),
        };
        let _ = control.report(report);
    }
}

impl Programs {
    fn get(&self, role: Role) -> Option<Pid> {
        self.0.iter().find(|(of, _)| *of == role).map(|(_, pid)| *pid)
    }

    /// Whose process this was, if it was a program's.
    fn forget(&mut self, pid: Pid) -> Option<Role> {
        let place = self.0.iter().position(|(_, its)| *its == pid)?;
        Some(self.0.swap_remove(place).0)
    }
}

impl Networks {
    /// That of a host, once it stands; none when the keeper has gone.
    fn of(&mut self, role: Role) -> Option<BorrowedFd<'_>> {
        while self.standing.iter().all(|(of, _)| *of != role) {
            let Ok(Some((Report::Stands(of), descriptors))) = self.later.next_report() else { return None };
            self.standing.push((of, descriptors.into_iter().next()?));
        }
        self.standing.iter().find(|(of, _)| *of == role).map(|(_, network)| network.as_fd())
    }
}
