//! What is asked of the kernel about sockets, and what it answers: netlink messages of family `NETLINK_SOCK_DIAG`. Read
//! first: sock_diag(7), netlink(7); linux/{sock_diag,inet_diag,unix_diag,packet_diag}.h.
//!
//! Answers are read in the byte order of this machine, as they are written. Lengths are checked wherever something is
//! taken: a message or an attribute that ends early ends what is read, nothing panics, and a row takes no more memory
//! than its message.

mod attributes;
mod inet;
#[cfg(test)]
mod oracle;
mod packet;
mod request;
mod stored;
#[cfg(test)]
mod tests;
mod unix;

pub use inet::inet_row;
pub use packet::packet_row;
pub use request::{
    Extensions, destroy_inet, dump_inet, dump_inet_at_port, dump_inet_both, dump_packet, dump_unix,
};
pub use stored::{Damage, Stored, stored, stored_end};
pub use unix::unix_row;

/// The type of requests and answers: `SOCK_DIAG_BY_FAMILY`.
pub const BY_FAMILY: u16 = 20;
/// The older type of requests about TCP, for IPv4 and IPv6 at once: `TCPDIAG_GETSOCK`.
pub const TCP_OF_BOTH_FAMILIES: u16 = 18;
/// A request to end a socket: `SOCK_DESTROY`.
pub const DESTROY: u16 = 21;
/// `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_PACKET`: socket(2).
pub const AF_UNIX: u8 = 1;
/// See [`AF_UNIX`].
pub const AF_INET: u8 = 2;
/// See [`AF_UNIX`].
pub const AF_INET6: u8 = 10;
/// See [`AF_UNIX`].
pub const AF_PACKET: u8 = 17;

/// `NLMSG_ERROR`, `NLMSG_DONE`: netlink(7).
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the table changed while it was read.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;

/// One message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The number of the request that it answers.
    pub sequence: u32,
    /// Whether the table changed while it was read: rows may be missing, or be there twice.
    pub is_interrupted: bool,
    /// What it is.
    pub content: Content<'a>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A socket: its family decides how it is read.
    Socket(&'a [u8]),
    /// All has been said; an error number that ended it, or 0.
    Done(i32),
    /// An error number; 0 is the acknowledgement.
    Error(i32),
    /// Something else.
    Other(u16),
}

/// The messages in what one read gave. A message whose length is wrong ends them.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = usize::try_from(u32_at(rest, 0)?).ok()?;
        let body = rest.get(HEADER_BYTES..len)?;
        let (kind, flags) = (u16_at(rest, 4)?, u16_at(rest, 6)?);
        let message = Message {
            sequence: u32_at(rest, 8)?,
            is_interrupted: flags & DUMP_INTERRUPTED != 0,
            content: match kind {
                BY_FAMILY | TCP_OF_BOTH_FAMILIES | DESTROY => Content::Socket(body),
                DONE => Content::Done(errno_in(body)),
                ERROR => Content::Error(errno_in(body)),
                other => Content::Other(other),
            },
        };
        // The next one begins at a multiple of four.
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The kernel writes error numbers as negative ones.
fn errno_in(body: &[u8]) -> i32 {
    u32_at(body, 0).map_or(0, |number| number.cast_signed().saturating_abs())
}

/// The row in a message about a socket, of whichever family; `protocol` is what was asked for, as the answer does not
/// always name it (6 TCP, 17 UDP, 255 raw).
pub fn row(body: &[u8], protocol: u8) -> Option<crate::socket_row::SocketRow> {
    match *body.first()? {
        AF_INET | AF_INET6 => inet_row(body, protocol),
        AF_UNIX => unix_row(body),
        AF_PACKET => packet_row(body),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
