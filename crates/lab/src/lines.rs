//! The lines on which programs wait: for the network namespace of their host, which the keeper gives, and for the word to
//! start, which the tool gives, or to the first program the keeper. Opened before anything is forked, so that all have both
//! ends of each.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::control::{Control, Report};
use crate::event::Role;

/// One for each program.
#[derive(Debug)]
pub(crate) struct Lines(Vec<Line>);

/// The line of one program.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) role: Role,
    /// Where the namespace goes in, and where it comes out.
    network: (Control, Control),
    /// Not a socket: a message on one wakes its reader as if the sender were about to sleep, and the scheduler then puts the
    /// reader on the sender's busy processor.
    start: OwnedFd,
}

impl Lines {
    pub(crate) fn open(programs: Vec<Role>) -> Result<Lines, i32> {
        let line = |role| {
            let start = eventfd(0, EventfdFlags::CLOEXEC).map_err(Errno::raw_os_error)?;
            Ok(Line { role, network: Control::pair()?, start })
        };
        programs.into_iter().map(line).collect::<Result<Vec<_>, i32>>().map(Lines)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }

    /// Tells a host's program, if it has one, to enter its network.
    pub(crate) fn enter(&self, role: Role, network: BorrowedFd<'_>) -> Result<(), i32> {
        self.of(role).map_or(Ok(()), |line| line.network.0.hand_over(Report::Namespace, &[network]))
    }

    /// Tells it to start.
    pub(crate) fn start(&self, role: Role) -> Result<(), i32> {
        let start = |line: &Line| rustix::io::write(&line.start, &1u64.to_ne_bytes());
        self.of(role).map_or(Ok(0), start).map(drop).map_err(Errno::raw_os_error)
    }

    fn of(&self, role: Role) -> Option<&Line> {
        self.0.iter().find(|line| line.role == role)
    }
}

impl Line {
    /// Waits for the network.
    pub(crate) fn network(&self) -> Result<OwnedFd, i32> {
        let namespace = self.network.1.next_namespace()?;
        namespace.map_err(|(_, errno)| errno)
    }

    /// Waits for the word to start.
    pub(crate) fn wait_for_start(&self) -> Result<(), i32> {
        rustix::io::retry_on_intr(|| rustix::io::read(&self.start, &mut [0; 8]))
            .map(drop)
            .map_err(Errno::raw_os_error)
    }

    /// What has to stay open to wait.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.network.1.as_fd(), self.start.as_fd()]
    }
}
