//! One end of the link as the loop uses it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use kernel::packet_ring::{Next, Ring};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use wire::virtio_net::{self, VirtioNetHeader};

use super::bundle::{Bundle, Frame};
use super::outgoing::Outgoing;
use super::queue::Waiting;
use crate::link_end::LinkEnd;

/// A descriptor and what is known about it.
#[derive(Debug)]
pub(super) struct Port {
    fd: OwnedFd,
    /// Where packets come in without a call for each, on a socket that has it.
    ring: Option<Ring>,
    /// Packets that came in and found no room, of which nobody else knows.
    lost: u32,
    vnet_header: bool,
    l2_len: usize,
    /// It failed or ended: never read again.
    dead: bool,
    /// What the descriptor had no room for, in order.
    pub(super) blocked: VecDeque<Waiting>,
    /// What is about to be written, behind that.
    pub(super) bundle: Bundle,
    /// The kernel has refused packets that were joined: each goes by itself.
    refuses_joined: bool,
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
        let LinkEnd { fd, ring, vnet_header, l2_len, .. } = end;
        let (blocked, bundle) = (VecDeque::new(), Bundle::default());
        let (lost, dead, refuses_joined) = (0, false, false);
        Port { fd, ring, lost, vnet_header, l2_len, dead, blocked, bundle, refuses_joined }
    }

    /// How packets lie in what is read and written.
    pub(super) fn frame(&self) -> Frame {
        Frame { packet_at: if self.vnet_header { virtio_net::LEN } else { 0 }, network: self.l2_len }
    }

    /// What the bytes that were read say is left to the device.
    pub(super) fn vnet(&self, read: &[u8]) -> Option<VirtioNetHeader> {
        if self.vnet_header { VirtioNetHeader::parse(read) } else { Some(VirtioNetHeader::default()) }
    }

    /// Reads one packet; none when there is none now or never will be one again.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        while let Some(ring) = self.ring.as_mut().filter(|_| !self.dead) {
            match ring.take(buffer) {
                Next::Packet(len) => return Some(len),
                Next::Nothing => return None,
                Next::InSocket => match self.read_descriptor(buffer) {
                    Some(len) => return Some(len),
                    None => self.lost += 1,
                },
                Next::Lost => self.lost += 1,
            }
        }
        self.read_descriptor(buffer)
    }

    /// How many packets came in and found no room, since this was last asked; what the device counts is not among them.
    pub(super) fn take_lost(&mut self) -> u32 {
        std::mem::take(&mut self.lost)
    }

    fn read_descriptor(&mut self, buffer: &mut [u8]) -> Option<usize> {
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
        packet.write(|pieces| self.write_pieces(pieces))
    }

    /// Writes the packets of the bundle as one; where that fails, none is written, nor ever joined again.
    pub(super) fn write_bundle(&mut self) -> Written {
        let nothing = Written::Failed(Errno::INVAL);
        let written = self.bundle.write(self.frame(), |pieces| self.write_pieces(pieces)).unwrap_or(nothing);
        self.refuses_joined |= matches!(written, Written::Failed(_));
        written
    }

    /// The packet goes out with those before it; any other is given back.
    pub(super) fn gather(&mut self, waiting: Waiting) -> Option<Waiting> {
        self.bundle.gather(self.frame(), waiting)
    }

    /// The packet waits for those that go out with it, until the bundle is flushed; one that goes by itself is given back.
    pub(super) fn begin(&mut self, waiting: Waiting) -> Option<Waiting> {
        if self.refuses_joined || !self.blocked.is_empty() {
            return Some(waiting);
        }
        self.bundle.begin(self.frame(), waiting)
    }

    fn write_pieces(&self, pieces: &[IoSlice<'_>]) -> Written {
        loop {
            match rustix::io::writev(&self.fd, pieces) {
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

    #[test]
    fn a_port_that_ended_is_not_waited_for() {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, peer) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let mut port = Port::new(LinkEnd { fd, ring: None, vnet_header: true, l2_len: 0 });
        assert_eq!(port.read(&mut [0; 100]), None);
        assert!(port.interest(true).is_some(), "nothing to read is not the end");
        drop(peer);
        assert_eq!(port.read(&mut [0; 100]), None);
        assert!(port.interest(true).is_none());
    }
}
