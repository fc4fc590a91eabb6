//! What can be set on a socket of any kind, listening or dialling.

use std::net::IpAddr;

use wire::sockopt::Setting;

/// What to set on a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The interface that it is bound to (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// `SO_BROADCAST`: datagrams may go to broadcast addresses.
    pub broadcast: bool,
    /// Multicast.
    pub multicast: Multicast,
    /// Options by name, in the order in which they were asked for.
    pub settings: Vec<Setting>,
}

/// Multicast, sent and received: ip(7), RFC 3376, RFC 3493 §5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multicast {
    /// The groups to join.
    pub join: Vec<IpAddr>,
    /// The interface, by name, to join on and to send by; none: the kernel chooses by its routes.
    pub interface: Option<String>,
    /// How many routers a datagram may pass, plus one; none: 1.
    pub ttl: Option<u8>,
    /// Whether what is sent is also received on this machine; none: it is.
    pub loopback: Option<bool>,
}
