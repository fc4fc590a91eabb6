//! The keeper: the process that makes the hosts and whose death, or whose parent's, ends everything inside.
//!
//! The tool stays outside of every namespace. The keeper goes in first, hands the link's descriptors out, and forks
//! init, the first process of the new pid namespace. When the tool is killed, even by KILL, the kernel kills the keeper
//! (PR_SET_PDEATHSIG), then init, and with a pid namespace's first process everything in it; no program inside can
//! evade that, whatever it does to its own signals.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use kernel::namespace::Ids;
use kernel::process::{self, Forked};
use wire::refusal::Step;

use crate::calibration::Calibration;
use crate::config::Config;
use crate::control::{Control, Report};
use crate::hosts::{self, Hosts};
use crate::init::{self, Networks};
use crate::lesson::Part;
use crate::programs::Outputs;

/// What the processes inside get from the tool by being forked from it.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) config: &'a Config,
    pub(crate) control: Control,
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
    match hosts::make(inside.config, Ids::own()) {
        Ok(hosts) => keep(inside, hosts),
        Err(refused) => refuse(&inside.control, refused),
    }
}

fn keep(inside: Inside<'_>, hosts: Hosts) -> ! {
    // Once more: the kernel forgets the death signal when a process changes its credentials, as in a user namespace.
    process::die_with_parent();
    let handle = match process::own_handle() {
        Ok(handle) => handle,
        Err(errno) => refuse(&inside.control, (Step::Fork, errno)),
    };
    if let Err(errno) = hand_over(&inside.control, &hosts) {
        refuse(&inside.control, (Step::Fork, errno));
    }
    if inside.config.link.delays() {
        let _ = inside.control.report(calibrated(&hosts));
    }
    match process::fork() {
        Ok(Forked::Child) => init::run(&inside, &networks(hosts), &handle),
        Ok(Forked::Parent(init)) => {
            drop(inside);
            let _ = process::wait(init);
            // The hosts' devices go here and not in the tool, which has better things to do: it takes RCU's time.
            drop(hosts);
            process::exit_now(0)
        }
        Err(errno) => refuse(&inside.control, (Step::Fork, errno)),
    }
}

/// All that init needs of the hosts; it and its programs hold nothing else of them.
fn networks(hosts: Hosts) -> Networks {
    hosts.hosts.into_iter().map(|host| host.network).collect()
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

fn calibrated(hosts: &Hosts) -> Report {
    let Calibration { entering, leaving } = hosts.calibration;
    let nanos = |time: Duration| i32::try_from(time.as_nanos()).unwrap_or(i32::MAX);
    Report::Calibrated { entering: nanos(entering), leaving: nanos(leaving) }
}

fn refuse(control: &Control, (step, errno): hosts::Refused) -> ! {
    // When the tool does not hear this, it is gone.
    let _ = control.report(Report::Refused(step, errno));
    process::exit_now(1)
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
