//! A socket as the kernel's tables have it, whichever table it came from: sock_diag ([`crate::sock_diag`]) or the text of
//! /proc/net (`proc`). Read first: sock_diag(7), proc_pid_net(5).

mod proc;
mod state;

use std::net::IpAddr;

use crate::address::Address;
use crate::tcp_info::TcpInfo;

pub use proc::{packet_rows, rows, rows_of, unix_rows};
pub use state::{SocketState, States};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// TCP (RFC 9293).
    #[default]
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// IP packets of one protocol: raw(7).
    Raw,
    /// Frames with their link-layer header: packet(7).
    PacketRaw,
    /// Frames without it.
    PacketDgram,
    /// A Unix stream: unix(7).
    UnixStream,
    /// Unix datagrams.
    UnixDgram,
    /// A Unix stream of messages.
    UnixSeqpacket,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Kind; 8] = [
        Kind::PacketRaw,
        Kind::PacketDgram,
        Kind::UnixStream,
        Kind::UnixDgram,
        Kind::UnixSeqpacket,
        Kind::Raw,
        Kind::Udp,
        Kind::Tcp,
    ];

    /// The word of ss(8)'s column Netid.
    pub fn netid(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::Udp => "udp",
            Kind::Raw => "raw",
            Kind::PacketRaw => "p_raw",
            Kind::PacketDgram => "p_dgr",
            Kind::UnixStream => "u_str",
            Kind::UnixDgram => "u_dgr",
            Kind::UnixSeqpacket => "u_seq",
        }
    }

    /// The word in records; those of [`crate::Transport`] where it has one.
    pub fn transport(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::Udp => "udp",
            Kind::Raw => "raw",
            Kind::PacketRaw => "packet",
            Kind::PacketDgram => "packet-dgram",
            Kind::UnixStream => "unix",
            Kind::UnixDgram => "unix-dgram",
            Kind::UnixSeqpacket => "unix-seqpacket",
        }
    }

    /// Whether its addresses are hosts'.
    pub fn is_internet(self) -> bool {
        matches!(self, Kind::Tcp | Kind::Udp | Kind::Raw)
    }

    /// Whether its addresses are files and names.
    pub fn is_unix(self) -> bool {
        matches!(self, Kind::UnixStream | Kind::UnixDgram | Kind::UnixSeqpacket)
    }

    /// Whether it takes frames off an interface.
    pub fn is_packet(self) -> bool {
        matches!(self, Kind::PacketRaw | Kind::PacketDgram)
    }

    /// The kind of a Unix socket by its type: `SOCK_STREAM` 1, `SOCK_DGRAM` 2, `SOCK_SEQPACKET` 5 (socket(2)).
    pub(crate) fn of_unix(number: u32) -> Option<Kind> {
        match number {
            1 => Some(Kind::UnixStream),
            2 => Some(Kind::UnixDgram),
            5 => Some(Kind::UnixSeqpacket),
            _ => None,
        }
    }

    /// The kind of a packet socket by its type: `SOCK_DGRAM` 2, `SOCK_RAW` 3.
    pub(crate) fn of_packet(number: u32) -> Option<Kind> {
        match number {
            2 => Some(Kind::PacketDgram),
            3 => Some(Kind::PacketRaw),
            _ => None,
        }
    }
}

/// A socket as its table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketRow {
    /// What it speaks.
    pub kind: Kind,
    /// Its state.
    pub state: SocketState,
    /// Its own address. Of a raw socket the port is the number of the IP protocol.
    pub local: Address,
    /// The other end's; port 0 where there is none.
    pub remote: Address,
    /// The interface that it is bound to, by its index; 0: any.
    pub interface: u32,
    /// Of a packet socket: the EtherType that it takes, 3 for all of them (packet(7)).
    pub ether_type: u16,
    /// Bytes that wait to be read, of UDP and of raw sockets with what the kernel needs beside them; of a TCP or Unix
    /// listener, connections that wait to be accepted.
    pub to_read_bytes: u32,
    /// Bytes that wait to be sent or acknowledged; of a listener, as many as may wait to be accepted.
    pub to_send_bytes: u32,
    /// The user that made it, where the kernel says.
    pub uid: Option<u32>,
    /// The inode that descriptors of it name; 0: no process has it any more.
    pub inode: u64,
    /// The kernel's own number for it, never used again; 0: not told.
    pub cookie: u64,
    /// What it waits for, and for how long.
    pub timer: Option<Timer>,
    /// The other end of a Unix connection.
    pub peer_inode: Option<u64>,
    /// Which directions have ended: 1 receiving, 2 sending (shutdown(2)).
    pub shutdown: Option<u8>,
    /// Of IPv6: whether it leaves IPv4 to others. Told of those that are not connected.
    pub v6_only: Option<bool>,
    /// `SO_MARK`; told to those with CAP_NET_ADMIN.
    pub mark: Option<u32>,
    /// The control group that made it.
    pub cgroup: Option<u64>,
    /// Datagrams that were dropped because nobody read them in time.
    pub drops: Option<u64>,
    /// Options that are on, as they lie in struct inet_diag_sockopt; told since Linux 5.10.
    pub options: Option<[u8; 2]>,
    /// What is only there when it was asked for.
    pub details: Option<Box<Details>>,
}

/// What the kernel tells of a socket on demand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Its memory.
    pub memory: Option<Memory>,
    /// Of TCP: everything else.
    pub tcp: Option<TcpInfo>,
    /// The congestion control's name; from strangers as far as the terminal is concerned.
    pub congestion: Option<String>,
    /// What the congestion control says of itself.
    pub model: Option<Model>,
    /// The type of service of what it sends (RFC 2474).
    pub tos: Option<u8>,
    /// The same in IPv6.
    pub traffic_class: Option<u8>,
    /// `SO_PRIORITY` or the class of cls_cgroup.
    pub class_id: Option<u32>,
    /// The file of a Unix socket: its inode and its device.
    pub file: Option<(u32, u32)>,
    /// A protocol above TCP that the kernel speaks for it, as `tls`.
    pub upper: Option<String>,
}

/// What a congestion control says of itself: linux/inet_diag.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// BBR.
    Bbr {
        /// How fast it believes the path to be.
        bandwidth_bytes_per_s: u64,
        /// The shortest round trip time of late.
        min_rtt_us: u32,
        /// In 256ths.
        pacing_gain: u32,
        /// In 256ths.
        cwnd_gain: u32,
    },
    /// DCTCP.
    Dctcp {
        /// Whether ECN works on the path.
        enabled: bool,
        /// Whether the last packet was marked.
        ce_state: u16,
        /// The share of marked bytes, in 1024ths.
        alpha: u32,
        /// Bytes acknowledged that were marked.
        ab_ecn: u32,
        /// Bytes acknowledged.
        ab_tot: u32,
    },
    /// Vegas.
    Vegas {
        /// Whether it is at work.
        enabled: bool,
        /// Round trips counted.
        rtt_count: u32,
        /// The last round trip time; 0x7fffffff: none.
        rtt_us: u32,
        /// The shortest.
        min_rtt_us: u32,
    },
}

/// The memory of a socket, in bytes: `SK_MEMINFO_*` of linux/sock_diag.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What waits to be read, with its overhead.
    pub receive_bytes: u32,
    /// Room for that.
    pub receive_room_bytes: u32,
    /// What waits to be sent, with its overhead.
    pub send_bytes: u32,
    /// Room for that.
    pub send_room_bytes: u32,
    /// Reserved and not used yet.
    pub forward_bytes: u32,
    /// Queued by the program.
    pub queued_bytes: u32,
    /// Options and filters.
    pub option_bytes: u32,
    /// Segments that arrived while the program had hold of the socket.
    pub backlog_bytes: u32,
    /// Packets dropped; absent on kernels before 4.7.
    pub drops: Option<u32>,
}

/// What a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// For what.
    pub kind: TimerKind,
    /// For how long still.
    pub expires_ms: u32,
    /// How often in a row it has run out.
    pub retransmits: u8,
}

/// The timers of TCP, by their numbers in sock_diag(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// Until what was sent is sent again.
    Retransmit,
    /// Until it is asked whether the other end still lives.
    KeepAlive,
    /// Until the address is forgotten.
    TimeWait,
    /// Until a window of 0 is probed.
    Persist,
    /// Until an acknowledgement leaves.
    DelayedAck,
    /// One that this program does not know.
    Other(u8),
}

impl TimerKind {
    /// By its number in the kernel; 0 is no timer.
    pub fn of(number: u8) -> Option<TimerKind> {
        match number {
            0 => None,
            1 => Some(TimerKind::Retransmit),
            2 => Some(TimerKind::KeepAlive),
            3 => Some(TimerKind::TimeWait),
            4 => Some(TimerKind::Persist),
            5 => Some(TimerKind::DelayedAck),
            other => Some(TimerKind::Other(other)),
        }
    }

    /// ss(8)'s word.
    pub fn name(self) -> &'static str {
        match self {
            TimerKind::Retransmit => "on",
            TimerKind::KeepAlive => "keepalive",
            TimerKind::TimeWait => "timewait",
            TimerKind::Persist => "persist",
            TimerKind::DelayedAck => "delack",
            TimerKind::Other(_) => "unknown",
        }
    }
}

/// One descriptor of a process that names a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// The process's name (proc_pid_comm(5)): any text, with whatever a stranger put into it.
    pub name: String,
}

impl Default for SocketRow {
    fn default() -> SocketRow {
        SocketRow {
            kind: Kind::default(),
            state: SocketState::CLOSED,
            local: Address::Unnamed,
            remote: Address::Unnamed,
            interface: 0,
            ether_type: 0,
            to_read_bytes: 0,
            to_send_bytes: 0,
            uid: None,
            inode: 0,
            cookie: 0,
            timer: None,
            peer_inode: None,
            shutdown: None,
            v6_only: None,
            mark: None,
            cgroup: None,
            drops: None,
            options: None,
            details: None,
        }
    }
}

impl SocketRow {
    /// Everything that the kernel says of the connection, if it was asked for and it is one of TCP.
    pub fn tcp(&self) -> Option<&TcpInfo> {
        self.details.as_ref()?.tcp.as_ref()
    }

    /// Its memory, if it was asked for.
    pub fn memory(&self) -> Option<&Memory> {
        self.details.as_ref()?.memory.as_ref()
    }

    /// Whether it waits for connections, and both queues count those.
    pub fn is_listener(&self) -> bool {
        self.state == SocketState::LISTEN
    }

    /// The bytes that wait to be read. The kernel counts a FIN of TCP that was not read up to as one more.
    pub fn unread_bytes(&self) -> u32 {
        let has_fin = self.kind == Kind::Tcp
            && matches!(self.state, SocketState::CLOSE_WAIT | SocketState::CLOSING | SocketState::LAST_ACK);
        self.to_read_bytes - u32::from(has_fin).min(self.to_read_bytes)
    }

    /// The bytes that wait to be sent or acknowledged. The kernel counts a FIN of TCP that was not acknowledged as one more.
    pub fn unacknowledged_bytes(&self) -> u32 {
        let has_fin = self.kind == Kind::Tcp
            && matches!(self.state, SocketState::FIN_WAIT_1 | SocketState::CLOSING | SocketState::LAST_ACK);
        self.to_send_bytes - u32::from(has_fin).min(self.to_send_bytes)
    }

    /// Whether its own address is one of IPv6.
    pub fn is_ipv6(&self) -> bool {
        matches!(self.local.internet().map(|local| local.ip()), Some(IpAddr::V6(_)))
    }

    /// The own port; of a raw socket the protocol; 0 where there is none.
    pub fn local_port(&self) -> u16 {
        self.local.port().unwrap_or(0)
    }

    /// The other end's.
    pub fn remote_port(&self) -> u16 {
        self.remote.port().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fin_is_no_byte() {
        let bytes = |state, kind| {
            let row = SocketRow { kind, state, to_read_bytes: 4, to_send_bytes: 7, ..SocketRow::default() };
            (row.unread_bytes(), row.unacknowledged_bytes())
        };
        assert_eq!(bytes(SocketState::ESTABLISHED, Kind::Tcp), (4, 7));
        assert_eq!(bytes(SocketState::CLOSE_WAIT, Kind::Tcp), (3, 7));
        assert_eq!(bytes(SocketState::FIN_WAIT_1, Kind::Tcp), (4, 6));
        assert_eq!(bytes(SocketState::LAST_ACK, Kind::Tcp), (3, 6));
        assert_eq!(bytes(SocketState::CLOSE_WAIT, Kind::UnixStream), (4, 7));
        let empty = SocketRow { state: SocketState::CLOSING, ..SocketRow::default() };
        assert_eq!((empty.unread_bytes(), empty.unacknowledged_bytes()), (0, 0));
    }
}
