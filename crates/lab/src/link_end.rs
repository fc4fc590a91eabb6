//! One end of the link as the forwarding loop gets it: a descriptor, and what its reads and writes begin with.

use std::os::fd::OwnedFd;

use kernel::packet_ring::Ring;

use crate::event::Role;

/// How a [`LinkEnd`] is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A TUN device inside the host's namespace.
    Tun,
    /// A packet socket on the far end of the host's veth.
    Packet,
}

/// One host's end of the link: reading gives what the host sends, writing delivers to the host. Never blocks.
#[derive(Debug)]
pub struct LinkEnd {
    /// The host.
    pub role: Role,
    /// The device or socket, non-blocking.
    pub fd: OwnedFd,
    /// What it is.
    pub kind: LinkKind,
    /// The socket's ring, where it has one: packets are taken from there.
    pub ring: Option<Ring>,
    /// Whether each packet is preceded by a virtio-net header of 10 bytes, in native byte order, both ways.
    pub vnet_header: bool,
    /// Whether packets larger than the MTU, to be cut by the device (GSO), may be read and written.
    pub offload: bool,
    /// Bytes of Ethernet header between the virtio-net header and the IP header. The checksum start and header length
    /// in the virtio-net header count from here.
    pub l2_len: usize,
}
