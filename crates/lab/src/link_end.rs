//! One end of the link as the forwarding loop gets it: a descriptor, and what its reads and writes begin with.

use std::os::fd::OwnedFd;

use kernel::packet_ring::Ring;

/// One host's end of the link: reading gives what the host sends, writing delivers to the host. Never blocks.
#[derive(Debug)]
pub(crate) struct LinkEnd {
    /// The device or socket, non-blocking.
    pub(crate) fd: OwnedFd,
    /// The socket's ring, where it has one: packets are taken from there.
    pub(crate) ring: Option<Ring>,
    /// Whether each packet is preceded by a virtio-net header of 10 bytes, in native byte order, both ways.
    pub(crate) vnet_header: bool,
    /// Bytes of Ethernet header between the virtio-net header and the IP header. The checksum start and header length
    /// in the virtio-net header count from here.
    pub(crate) l2_len: usize,
}
