//! The namespaces in which a lab's hosts are made: a user namespace, in which an ordinary user may make them, and in it a
//! network namespace, the middle. To make them takes the kernel as long as anything else in a lab's start, and nothing
//! has to be known of the lab for it. So a process of its own does it, which can be started before anything else.

use std::os::fd::{AsFd, OwnedFd};

use kernel::namespace::{self, Ids, Namespace};
use kernel::process::{self, NeverBack, Pid, Processors, Signal};
use kernel::signal::Mask;
use wire::refusal::Step;

use crate::control::{Control, Report};
use crate::hosts::Refused;
use crate::network::{failed, refused};
use crate::outcome::NotMade;

/// Places in each host's own table of TCP sockets, so that looking through it takes microseconds.
const TCP_TABLE: &str = "1024";

/// Namespaces that are being made. Dropping this ends their maker.
#[derive(Debug)]
pub struct Namespaces {
    /// What their maker hands over, and who that is.
    from: Control,
    maker: Pid,
    /// The signals that were blocked when all this began, and are for the programs.
    pub(crate) mask: Mask,
}

impl Namespaces {
    /// Begins to make them, in a process that lives as long as this. Whether the system allows it is seen when a lab is
    /// made in them. The calling process has to have one thread.
    ///
    /// # Errors
    /// When there can be no such process.
    pub fn begin() -> Result<Namespaces, NotMade> {
        let (from, to) = Control::pair().map_err(|errno| failed("a socket pair", errno))?;
        // What is sent to all processes of its group is for the tool, which decides how the lab ends; the maker never
        // takes it.
        let mask = Mask::block(&[Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT]);
        let held = match process::fork_held() {
            Ok(None) => make_all(&to),
            Ok(Some(held)) => Ok(held),
            Err(errno) => Err(refused(Step::Fork, errno)),
        };
        mask.restore();
        Ok(Namespaces { from, maker: held?.let_go_apart(&Processors::allowed()), mask })
    }

    /// Waits for the user namespace and takes the calling process into it, which has one thread and keeps its ids.
    pub(crate) fn enter_user(&self, ids: Ids) -> Result<(), Refused> {
        let refused = |errno| (Step::UserNamespace, errno);
        let user = self.from.next_namespace().map_err(refused)??;
        namespace::enter(Namespace::User, user.as_fd()).map_err(refused)?;
        // Once more: the kernel forgets the death signal when a process changes its credentials, as in a user namespace.
        process::die_with_parent();
        // Not by the maker, which has more to do.
        namespace::keep_ids(ids).map_err(|errno| (Step::IdMaps, errno))
    }

    /// Waits for the middle.
    pub(crate) fn middle(&self) -> Result<OwnedFd, Refused> {
        self.from.next_namespace().map_err(|errno| (Step::NetworkNamespace, errno))?
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.from.hang_up();
        let _ = process::wait(self.maker);
    }
}

fn make_all(to: &Control) -> ! {
    let _never_back = NeverBack;
    process::die_with_parent();
    let _ = rustix::thread::set_name(c"lab namespaces");
    let made = make(Namespace::User, to).and_then(|()| make(Namespace::Network, to));
    if let Err((step, errno)) = made {
        let _ = to.report(Report::Refused(step, errno));
    }
    // To end takes the kernel time too, and whoever has got them is busy now.
    let _ = to.next_report();
    process::exit_now(0)
}

/// Makes the next and hands it over.
fn make(namespace: Namespace, to: &Control) -> Result<(), Refused> {
    let step = if namespace == Namespace::User { Step::UserNamespace } else { Step::NetworkNamespace };
    let refused = |errno| (step, errno);
    namespace::unshare(namespace).map_err(refused)?;
    match namespace {
        Namespace::User => process::die_with_parent(),
        // It counts for the namespaces made from here, since Linux 6.1; before, they share a table.
        _ => drop(namespace::set_sysctl("net.ipv4.tcp_child_ehash_entries", TCP_TABLE)),
    }
    let own = namespace::own(namespace).map_err(refused)?;
    to.hand_over(Report::Namespace, &[own.as_fd()]).map_err(refused)
}
