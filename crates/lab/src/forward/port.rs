//! One end of the link as the loop uses it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use wire::virtio_net::{self, VirtioNetHeader};

use super::outgoing::Outgoing;
use super::queue::Waiting;
use crate::link_end::LinkEnd;

/// A descriptor and what is known about it.
#[derive(Debug)]
pub(super) struct Port {
    fd: OwnedFd,
    vnet_header: bool,
    l2_len: usize,
    /// It failed or ended: never read again.
    dead: bool,
    /// What the descriptor had no room for, in order.
    pub(super) blocked: VecDeque<Waiting>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    /// It is delivered.
    Yes,
    /// There is no room now.
    Blocked,
    /// It cannot be delivered.
    Failed(Errno),
}

impl Port {
    pub(super) fn new(end: LinkEnd) -> Port {
        let LinkEnd { fd, vnet_header, l2_len, .. } = end;
        Port { fd, vnet_header, l2_len, dead: false, blocked: VecDeque::new() }
    }

    /// Where packets begin in what is read.
    pub(super) fn packet_at(&self) -> usize {
        if self.vnet_header { virtio_net::LEN } else { 0 }
    }

    /// Where the IP header begins in packets.
    pub(super) fn network(&self) -> usize {
        self.l2_len
    }

    /// What the bytes that were read say is left to the device.
    pub(super) fn vnet(&self, read: &[u8]) -> Option<VirtioNetHeader> {
        if self.vnet_header { VirtioNetHeader::parse(read) } else { Some(VirtioNetHeader::default()) }
    }

    /// Reads one packet; none when there is none now or never will be one again.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match rustix::io::read(&self.fd, &mut *buffer) {
                Ok(0) => self.dead = true,
                Ok(len) => return Some(len),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {}
                Err(_) => self.dead = true,
            }
            return None;
        }
    }

    /// Writes one packet.
    pub(super) fn write(&self, packet: &Outgoing) -> Written {
        loop {
            match packet.write(|pieces| rustix::io::writev(&self.fd, pieces)) {
                Ok(_) => return Written::Yes,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Written::Blocked,
                Err(errno) => return Written::Failed(errno),
            }
        }
    }

    /// What to wait for: packets if `reading`, room if something is blocked. A dead descriptor would end every wait at
    /// once, so it is waited for only while something is blocked on it.
    pub(super) fn interest(&self, reading: bool) -> Option<PollFd<'_>> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reading && !self.dead);
        flags.set(PollFlags::OUT, !self.blocked.is_empty());
        (!flags.is_empty()).then(|| PollFd::new(&self.fd, flags))
    }

    /// Told that the descriptor reports an error although reading it gives none.
    pub(super) fn bury(&mut self) {
        self.dead = true;
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;
    use crate::event::Role;
    use crate::link_end::LinkKind;

    #[test]
    fn a_port_that_ended_is_not_waited_for() {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, peer) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let kind = LinkKind::Tun;
        let mut port =
            Port::new(LinkEnd { role: Role::Client, fd, kind, vnet_header: true, offload: true, l2_len: 0 });
        assert_eq!(port.read(&mut [0; 100]), None);
        assert!(port.interest(true).is_some(), "nothing to read is not the end");
        drop(peer);
        assert_eq!(port.read(&mut [0; 100]), None);
        assert!(port.interest(true).is_none());
    }
}
