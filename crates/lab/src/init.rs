//! Init: the first process of the lab's pid namespace. It lets programs see names and processes as they are inside, forks a
//! process for each, reaps everything that ends inside, and tells the tool; when it ends, the kernel ends everything inside.

use std::os::fd::{AsFd, OwnedFd};

use kernel::mount;
use kernel::namespace::{self, Namespace};
use kernel::process::{self, Forked, Pid, Processors};
use kernel::signal::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use wire::refusal::Step;

use crate::config::Config;
use crate::control::{Control, Order, Report};
use crate::event::Role;
use crate::hosts::{Refused, names};
use crate::keeper::Inside;
use crate::lines::Lines;
use crate::programs::{self, EXIT_NOT_STARTED};

/// The processes of the hosts' programs, while they live.
#[derive(Debug, Default)]
struct Programs(Vec<(Role, Pid)>);

/// Is init, in a process forked for it. `keeper` is a handle of its parent; it and the programs may run on all of
/// `processors`, but keep out of the keeper's way as long as that makes the hosts.
pub(crate) fn run(inside: Inside<'_>, lines: &Lines, processors: &Processors, keeper: &OwnedFd) -> ! {
    process::die_with(keeper.as_fd());
    let _ = rustix::thread::set_name(c"lab init");
    if let Err((step, errno)) = see_inside(inside.config) {
        let _ = inside.control.report(Report::Refused(step, errno));
        process::exit_now(1);
    }
    let Ok(ended) = Signals::take(&[Signal::CHILD]) else { process::exit_now(1) };
    let programs = fork_programs(&inside, lines, processors);
    processors.use_all();
    // What only the programs need, they have: kept here, none of it would ever end.
    let Inside { config, control, .. } = inside;
    let _ = control.report(Report::Ready);
    serve(config.leader, &control, programs, &ended)
}

/// Takes this process, and all that it will fork, into a mount namespace in which the hosts have names and /proc has only
/// what runs inside.
fn see_inside(config: &Config) -> Result<(), Refused> {
    let refused = |errno| (Step::MountNamespace, errno);
    namespace::unshare(Namespace::Mount).map_err(refused)?;
    mount::make_private().map_err(refused)?;
    // Without names the addresses still work.
    let _ = mount::replace_hosts(&names(config));
    // In a container that hides parts of /proc this is refused; then the programs see the outer one, as before.
    let _ = mount::mount_proc();
    Ok(())
}

/// Forks a process for each program, which waits for its network and for the word to start.
fn fork_programs(inside: &Inside<'_>, lines: &Lines, processors: &Processors) -> Programs {
    let mut programs = Programs::default();
    for line in lines.iter() {
        let role = line.role;
        match process::fork() {
            Ok(Forked::Child) => programs::run(inside, line, processors),
            Ok(Forked::Parent(pid)) => {
                if role != inside.config.leader {
                    // The child does the same: whoever comes first, it is done before the group is sent a signal.
                    let _ = rustix::process::setpgid(Some(pid), Some(pid));
                }
                programs.0.push((role, pid));
            }
            Err(errno) => {
                let control = &inside.control;
                let not_started = control.report(Report::NotStarted(role, errno));
                let _ = not_started.and_then(|()| control.report(Report::Exited(role, EXIT_NOT_STARTED)));
            }
        }
    }
    programs
}

fn serve(leader: Role, control: &Control, mut programs: Programs, ended: &Signals) -> ! {
    loop {
        let [ordered, somebody_ended] = wait_for_either(control, ended);
        if somebody_ended {
            while ended.next().is_some() {}
            reap_all(&mut programs, control);
        }
        if !ordered {
            continue;
        }
        match control.next_order() {
            Ok(Some(Order { role, signal })) => {
                send(programs.get(role), role != leader, signal);
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
        if has_others(programs) {
            let _ = control.report(Report::LeftSome(role));
        }
        let report = match (ended.exit, ended.signal) {
            (_, Some(signal)) => Report::Killed(role, signal),
            (status, None) => Report::Exited(role, status.unwrap_or_default()),
        };
        let _ = control.report(report);
    }
}

/// Whether orphans have become init's: what programs have put in the background. No where the kernel does not say.
fn has_others(programs: &Programs) -> bool {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    children.split_whitespace().count() > programs.0.len()
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
