//! Moments of a play on a real kernel: what the kernel's tables of sockets said on each host when somebody had come to it.

use wire::Time;
use wire::socket_row::SocketRow;

/// A moment, and all TCP sockets of the hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// What it is called.
    pub name: String,
    /// When it was looked.
    pub time: Time,
    /// The sockets, each with the name of its host.
    pub sockets: Vec<(&'static str, SocketRow)>,
}
