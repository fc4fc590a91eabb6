//! The options that Linux has since 5.10, and the useful ones of later kernels. Numbers are those of linux/tcp.h, in.h,
//! in6.h, udp.h and of asm-generic/socket.h, which all architectures but Alpha, MIPS, PA-RISC, PowerPC and SPARC have.

use super::Kind::{
    Address4, Choice, Credentials, Flag, Group4, Group6, Hex, Int, Linger, Long, Ports, Structure, Text,
    Timeval, Unsigned,
};
use super::Level::{Ip, Ipv6, Socket, Tcp, Udp};
use super::Unit::{Bits, Bytes, Micros, Millis, Plain, Seconds};
use super::When::{Any, BeforeBind, BeforeConnect, BeforeListen, ReadOnly};
use super::{Kind, Level, Of, Sockopt, When};

/// `IFNAMSIZ` of linux/if.h, with the NUL.
const DEVICE: Kind = Text(16);
/// `TCP_CA_NAME_MAX` of net/tcp.h, with the NUL.
const ALGORITHM: Kind = Text(16);
/// `SOCK_STREAM` and its like: socket(2).
const TYPE: Kind = Choice(&[("stream", 1), ("dgram", 2), ("seqpacket", 5)]);
/// Address families: socket(2).
const DOMAIN: Kind = Choice(&[("unix", 1), ("inet", 2), ("inet6", 10)]);
/// Protocols: IANA's numbers, and Linux's own for MPTCP.
const PROTOCOL: Kind = Choice(&[("tcp", 6), ("udp", 17), ("mptcp", 262)]);
/// Path MTU discovery: ip(7), `IP_MTU_DISCOVER`.
const DISCOVERY: Kind =
    Choice(&[("dont", 0), ("want", 1), ("do", 2), ("probe", 3), ("interface", 4), ("omit", 5)]);

/// All options, by level, each level's in alphabetical order.
pub static TABLE: &[Sockopt] = &ROWS;

#[rustfmt::skip] // a table
const ROWS: [Sockopt; 123] = [
    row("SO_ACCEPTCONN", Socket, 30, Flag, Of::All, ReadOnly, "The socket listens."),
    row("SO_BINDTODEVICE", Socket, 25, DEVICE, Of::Internet, BeforeBind, "Send and receive by this network device only."),
    row("SO_BINDTOIFINDEX", Socket, 62, Int(Plain), Of::Internet, BeforeBind, "The same, by the device's number."),
    row("SO_BROADCAST", Socket, 6, Flag, Of::Udp, Any, "Let datagrams go to broadcast addresses."),
    row("SO_BUF_LOCK", Socket, 72, Int(Bits), Of::All, Any, "Buffers that the kernel must not tune: 1 send, 2 receive (5.14)."),
    row("SO_BUSY_POLL", Socket, 46, Int(Micros), Of::Internet, Any, "Poll the device for so long before waiting; more needs CAP_NET_ADMIN."),
    row("SO_BUSY_POLL_BUDGET", Socket, 70, Int(Plain), Of::Internet, Any, "Packets to take in one poll; more needs CAP_NET_ADMIN (5.11)."),
    row("SO_COOKIE", Socket, 57, Long, Of::All, ReadOnly, "The kernel's own number for the socket, as sock_diag has it."),
    row("SO_DEBUG", Socket, 1, Flag, Of::All, Any, "Debugging; needs CAP_NET_ADMIN."),
    row("SO_DOMAIN", Socket, 39, DOMAIN, Of::All, ReadOnly, "The address family."),
    row("SO_DONTROUTE", Socket, 5, Flag, Of::Internet, Any, "Reach only hosts of the same link; no gateway."),
    row("SO_ERROR", Socket, 4, Int(Plain), Of::All, ReadOnly, "The error that is pending; reading takes it away."),
    row("SO_INCOMING_CPU", Socket, 49, Int(Plain), Of::Internet, Any, "The CPU that packets come in on; with SO_REUSEPORT: the one wanted."),
    row("SO_INCOMING_NAPI_ID", Socket, 56, Unsigned(Plain), Of::Internet, ReadOnly, "The queue of the device that the last packet came in by."),
    row("SO_KEEPALIVE", Socket, 9, Flag, Of::Tcp, Any, "Probe the peer when nothing was said for TCP_KEEPIDLE."),
    row("SO_LINGER", Socket, 13, Linger, Of::All, Any, "Let close wait so long for what is unsent; 0: close by a reset."),
    row("SO_MARK", Socket, 36, Unsigned(Plain), Of::Internet, Any, "A mark for routing and filters; needs CAP_NET_ADMIN or CAP_NET_RAW."),
    row("SO_MAX_PACING_RATE", Socket, 47, Long, Of::Internet, Any, "Send at most so many bytes a second."),
    row("SO_MEMINFO", Socket, 55, Structure, Of::All, ReadOnly, "How full the buffers are."),
    row("SO_NO_CHECK", Socket, 11, Flag, Of::Udp, Any, "Send datagrams over IPv4 without checksum."),
    row("SO_OOBINLINE", Socket, 10, Flag, Of::All, Any, "Leave urgent bytes in their place among the others."),
    row("SO_PASSCRED", Socket, 16, Flag, Of::Unix, Any, "Receive the sender's process, user and group with each message."),
    row("SO_PASSSEC", Socket, 34, Flag, Of::Unix, Any, "Receive the sender's security context with each message."),
    row("SO_PEEK_OFF", Socket, 42, Int(Bytes), Of::All, Any, "Where peeking goes on; -1: always at the beginning."),
    row("SO_PEERCRED", Socket, 17, Credentials, Of::Unix, ReadOnly, "Who is at the other end: process, user, group."),
    row("SO_PREFER_BUSY_POLL", Socket, 69, Flag, Of::Internet, Any, "Rather poll the device than be interrupted; needs CAP_NET_ADMIN (5.11)."),
    row("SO_PRIORITY", Socket, 12, Int(Plain), Of::All, Any, "Which queue of the device packets go to; more than 6 needs CAP_NET_ADMIN."),
    row("SO_PROTOCOL", Socket, 38, PROTOCOL, Of::All, ReadOnly, "The protocol."),
    row("SO_RCVBUF", Socket, 8, Int(Bytes), Of::All, BeforeConnect, "The receive buffer; the kernel doubles the number, and tunes no more."),
    row("SO_RCVBUFFORCE", Socket, 33, Int(Bytes), Of::All, BeforeConnect, "The same beyond net.core.rmem_max; needs CAP_NET_ADMIN."),
    row("SO_RCVLOWAT", Socket, 18, Int(Bytes), Of::All, Any, "Be readable only once so much is there."),
    row("SO_RCVTIMEO", Socket, 20, Timeval, Of::All, Any, "How long a receive may wait; 0: for ever."),
    row("SO_RESERVE_MEM", Socket, 73, Int(Bytes), Of::All, Any, "Memory that stays reserved for the socket (5.17)."),
    row("SO_REUSEADDR", Socket, 2, Flag, Of::Internet, BeforeBind, "Take a port although old connections of it are in TIME_WAIT."),
    row("SO_REUSEPORT", Socket, 15, Flag, Of::Internet, BeforeBind, "Share a port with others who ask for the same."),
    row("SO_RXQ_OVFL", Socket, 40, Flag, Of::Datagrams, Any, "Receive with each datagram how many found no room."),
    row("SO_SELECT_ERR_QUEUE", Socket, 45, Flag, Of::All, Any, "Let poll tell of the error queue as POLLPRI."),
    row("SO_SNDBUF", Socket, 7, Int(Bytes), Of::All, BeforeConnect, "The send buffer; the kernel doubles the number, and tunes no more."),
    row("SO_SNDBUFFORCE", Socket, 32, Int(Bytes), Of::All, BeforeConnect, "The same beyond net.core.wmem_max; needs CAP_NET_ADMIN."),
    row("SO_SNDTIMEO", Socket, 21, Timeval, Of::All, Any, "How long a send, or connect, may wait; 0: for ever."),
    row("SO_TIMESTAMP", Socket, 29, Flag, Of::All, Any, "Receive the time of arrival with each message, in microseconds."),
    row("SO_TIMESTAMPING", Socket, 37, Int(Bits), Of::All, Any, "Time stamps of sending and receiving, by hardware too."),
    row("SO_TIMESTAMPNS", Socket, 35, Flag, Of::All, Any, "Receive the time of arrival with each message, in nanoseconds."),
    row("SO_TXREHASH", Socket, 74, Int(Plain), Of::Tcp, BeforeConnect, "Another path after a timeout: 1; not: 0; as the system says: 255 (6.0)."),
    row("SO_TYPE", Socket, 3, TYPE, Of::All, ReadOnly, "Stream, datagrams or sequenced packets."),
    row("SO_ZEROCOPY", Socket, 60, Flag, Of::Internet, Any, "Allow sends without copying (MSG_ZEROCOPY)."),

    row("TCP_CC_INFO", Tcp, 26, Structure, Of::Tcp, ReadOnly, "What congestion control knows."),
    row("TCP_CONGESTION", Tcp, 13, ALGORITHM, Of::Tcp, Any, "The algorithm of congestion control: cubic, reno, bbr."),
    row("TCP_CORK", Tcp, 3, Flag, Of::Tcp, Any, "Send full segments only, for at most 200 ms, until it is taken away."),
    row("TCP_DEFER_ACCEPT", Tcp, 9, Int(Seconds), Of::Tcp, BeforeListen, "Accept clients only once they have said something, or after so long."),
    row("TCP_DELACK_MAX_US", Tcp, 46, Int(Micros), Of::Tcp, Any, "How long an acknowledgement may be delayed (6.15)."),
    row("TCP_FASTOPEN", Tcp, 23, Int(Plain), Of::Tcp, BeforeListen, "Take data in the SYN (RFC 7413); so many such clients may wait."),
    row("TCP_FASTOPEN_CONNECT", Tcp, 30, Flag, Of::Tcp, BeforeConnect, "Let connect wait for the first data, to send it in the SYN."),
    row("TCP_FASTOPEN_KEY", Tcp, 33, Hex(&[16, 32]), Of::Tcp, BeforeListen, "The key of the cookies; two: the second is the old one."),
    row("TCP_FASTOPEN_NO_COOKIE", Tcp, 34, Flag, Of::Tcp, BeforeConnect, "Take and send data in the SYN without cookie."),
    row("TCP_INFO", Tcp, 11, Structure, Of::Tcp, ReadOnly, "All that the kernel knows about the connection: --info."),
    row("TCP_INQ", Tcp, 36, Flag, Of::Tcp, Any, "Receive with the data how much more there is."),
    row("TCP_IS_MPTCP", Tcp, 43, Flag, Of::Tcp, ReadOnly, "The connection has several paths (RFC 8684) (6.8)."),
    row("TCP_KEEPCNT", Tcp, 6, Int(Plain), Of::Tcp, Any, "Keep-alive: give up after so many probes without answer."),
    row("TCP_KEEPIDLE", Tcp, 4, Int(Seconds), Of::Tcp, Any, "Keep-alive: probe after so much silence."),
    row("TCP_KEEPINTVL", Tcp, 5, Int(Seconds), Of::Tcp, Any, "Keep-alive: the time between probes."),
    row("TCP_LINGER2", Tcp, 8, Int(Seconds), Of::Tcp, Any, "How long a closed socket stays in FIN-WAIT-2."),
    row("TCP_MAXSEG", Tcp, 2, Int(Bytes), Of::Tcp, BeforeConnect, "The largest segment to send and to ask for."),
    row("TCP_NODELAY", Tcp, 1, Flag, Of::Tcp, Any, "Send small segments at once (no Nagle, RFC 896)."),
    row("TCP_NOTSENT_LOWAT", Tcp, 25, Unsigned(Bytes), Of::Tcp, Any, "Be writable only while less than this is unsent."),
    row("TCP_QUICKACK", Tcp, 12, Flag, Of::Tcp, Any, "Acknowledge at once, until the kernel knows better."),
    row("TCP_RTO_MAX_MS", Tcp, 44, Int(Millis), Of::Tcp, Any, "The longest time until a retransmission (6.15)."),
    row("TCP_RTO_MIN_US", Tcp, 45, Int(Micros), Of::Tcp, Any, "The shortest time until a retransmission (6.15)."),
    row("TCP_SAVE_SYN", Tcp, 27, Int(Plain), Of::Tcp, BeforeListen, "Keep clients' SYN: 1 from the IP header on, 2 from the link's."),
    row("TCP_SYNCNT", Tcp, 7, Int(Plain), Of::Tcp, BeforeConnect, "Send the SYN again so many times."),
    row("TCP_THIN_LINEAR_TIMEOUTS", Tcp, 16, Flag, Of::Tcp, Any, "Do not double the timeout while little is out."),
    row("TCP_TIMESTAMP", Tcp, 24, Unsigned(Plain), Of::Tcp, ReadOnly, "The clock of the timestamps option (RFC 7323)."),
    row("TCP_TX_DELAY", Tcp, 37, Int(Micros), Of::Tcp, Any, "Send everything so much later; needs the fq queue."),
    row("TCP_USER_TIMEOUT", Tcp, 18, Unsigned(Millis), Of::Tcp, Any, "Give up when nothing is acknowledged for so long (RFC 5482)."),
    row("TCP_WINDOW_CLAMP", Tcp, 10, Int(Bytes), Of::Tcp, BeforeConnect, "The largest window to advertise."),

    row("IP_ADD_MEMBERSHIP", Ip, 35, Group4, Of::Udp, Any, "Join a multicast group: --join."),
    row("IP_BIND_ADDRESS_NO_PORT", Ip, 24, Flag, Of::Internet, BeforeBind, "With port 0, choose the port at connect: more ports to choose from."),
    row("IP_DROP_MEMBERSHIP", Ip, 36, Group4, Of::Udp, Any, "Leave a multicast group."),
    row("IP_FREEBIND", Ip, 15, Flag, Of::Internet, BeforeBind, "Take addresses that this machine does not have (yet)."),
    row("IP_LOCAL_PORT_RANGE", Ip, 51, Ports, Of::Internet, BeforeBind, "Choose ports from these (6.3)."),
    row("IP_MINTTL", Ip, 21, Int(Plain), Of::Tcp, Any, "Drop packets that have come farther (RFC 5082)."),
    row("IP_MTU", Ip, 14, Int(Bytes), Of::Internet, ReadOnly, "The largest packet of the path; of connected sockets."),
    row("IP_MTU_DISCOVER", Ip, 10, DISCOVERY, Of::Internet, Any, "Whether packets may be fragmented on their way (RFC 1191)."),
    row("IP_MULTICAST_ALL", Ip, 49, Flag, Of::Udp, Any, "Receive the groups that any socket here has joined."),
    row("IP_MULTICAST_IF", Ip, 32, Address4, Of::Udp, Any, "The interface for sending to groups, by an address of its: --interface."),
    row("IP_MULTICAST_LOOP", Ip, 34, Flag, Of::Udp, Any, "Receive here too what is sent to groups: --no-loop."),
    row("IP_MULTICAST_TTL", Ip, 33, Int(Plain), Of::Udp, Any, "The routers, plus one, that a datagram to a group may pass: --ttl."),
    row("IP_PKTINFO", Ip, 8, Flag, Of::Udp, Any, "Receive with each datagram where it was sent to, and by which device."),
    row("IP_RECVERR", Ip, 11, Flag, Of::Internet, Any, "Keep ICMP messages in the error queue."),
    row("IP_RECVFRAGSIZE", Ip, 25, Flag, Of::Udp, Any, "Receive with each datagram the size of its largest fragment."),
    row("IP_RECVOPTS", Ip, 6, Flag, Of::Udp, Any, "Receive with each datagram its IP options."),
    row("IP_RECVORIGDSTADDR", Ip, 20, Flag, Of::Udp, Any, "Receive with each datagram where it was sent to before it was redirected."),
    row("IP_RECVTOS", Ip, 13, Flag, Of::Udp, Any, "Receive with each datagram its type of service."),
    row("IP_RECVTTL", Ip, 12, Flag, Of::Udp, Any, "Receive with each datagram its TTL."),
    row("IP_TOS", Ip, 1, Int(Bits), Of::Internet, Any, "The type of service: DSCP and ECN (RFC 2474, RFC 3168)."),
    row("IP_TRANSPARENT", Ip, 19, Flag, Of::Internet, BeforeBind, "Answer for any address; needs CAP_NET_ADMIN or CAP_NET_RAW."),
    row("IP_TTL", Ip, 2, Int(Plain), Of::Internet, Any, "The routers, plus one, that a packet may pass."),

    row("IPV6_ADDR_PREFERENCES", Ipv6, 72, Int(Bits), Of::Internet, BeforeConnect, "Which of our addresses to prefer, temporary or public (RFC 5014)."),
    row("IPV6_ADD_MEMBERSHIP", Ipv6, 20, Group6, Of::Udp, Any, "Join a multicast group: --join."),
    row("IPV6_AUTOFLOWLABEL", Ipv6, 70, Flag, Of::Internet, Any, "Label packets by flow, for routers to tell flows apart (RFC 6438)."),
    row("IPV6_DONTFRAG", Ipv6, 62, Flag, Of::Udp, Any, "Never fragment: a datagram that does not fit fails (RFC 3542)."),
    row("IPV6_DROP_MEMBERSHIP", Ipv6, 21, Group6, Of::Udp, Any, "Leave a multicast group."),
    row("IPV6_FREEBIND", Ipv6, 78, Flag, Of::Internet, BeforeBind, "Take addresses that this machine does not have (yet)."),
    row("IPV6_MINHOPCOUNT", Ipv6, 73, Int(Plain), Of::Tcp, Any, "Drop packets that have come farther (RFC 5082)."),
    row("IPV6_MTU", Ipv6, 24, Int(Bytes), Of::Udp, Any, "The size of fragments; read: the path's, of connected sockets."),
    row("IPV6_MTU_DISCOVER", Ipv6, 23, DISCOVERY, Of::Internet, Any, "What to do with packets that the path cannot take (RFC 8201)."),
    row("IPV6_MULTICAST_ALL", Ipv6, 29, Flag, Of::Udp, Any, "Receive the groups that any socket here has joined."),
    row("IPV6_MULTICAST_HOPS", Ipv6, 18, Int(Plain), Of::Udp, Any, "The routers, plus one, that a datagram to a group may pass: --ttl."),
    row("IPV6_MULTICAST_IF", Ipv6, 17, Int(Plain), Of::Udp, Any, "The interface for sending to groups, by its number: --interface."),
    row("IPV6_MULTICAST_LOOP", Ipv6, 19, Flag, Of::Udp, Any, "Receive here too what is sent to groups: --no-loop."),
    row("IPV6_RECVERR", Ipv6, 25, Flag, Of::Internet, Any, "Keep ICMPv6 messages in the error queue."),
    row("IPV6_RECVFRAGSIZE", Ipv6, 77, Flag, Of::Udp, Any, "Receive with each datagram the size of its largest fragment."),
    row("IPV6_RECVHOPLIMIT", Ipv6, 51, Flag, Of::Udp, Any, "Receive with each datagram its hop limit."),
    row("IPV6_RECVORIGDSTADDR", Ipv6, 74, Flag, Of::Udp, Any, "Receive with each datagram where it was sent to before it was redirected."),
    row("IPV6_RECVPKTINFO", Ipv6, 49, Flag, Of::Udp, Any, "Receive with each datagram where it was sent to, and by which device."),
    row("IPV6_RECVTCLASS", Ipv6, 66, Flag, Of::Udp, Any, "Receive with each datagram its traffic class."),
    row("IPV6_TCLASS", Ipv6, 67, Int(Bits), Of::Internet, Any, "The traffic class: DSCP and ECN."),
    row("IPV6_TRANSPARENT", Ipv6, 75, Flag, Of::Internet, BeforeBind, "Answer for any address; needs CAP_NET_ADMIN or CAP_NET_RAW."),
    row("IPV6_UNICAST_HOPS", Ipv6, 16, Int(Plain), Of::Internet, Any, "The routers, plus one, that a packet may pass; -1: as the system says."),
    row("IPV6_V6ONLY", Ipv6, 26, Flag, Of::Internet, BeforeBind, "IPv6 only, not IPv4 by mapped addresses."),

    row("UDP_CORK", Udp, 1, Flag, Of::Udp, Any, "Gather what is written into one datagram, until it is taken away."),
    row("UDP_GRO", Udp, 104, Flag, Of::Udp, Any, "Receive several datagrams of one sender as one."),
    row("UDP_SEGMENT", Udp, 103, Int(Bytes), Of::Udp, Any, "Cut what is written into datagrams of this size."),
];

const fn row(
    name: &'static str,
    level: Level,
    number: i32,
    kind: Kind,
    of: Of,
    when: When,
    help: &'static str,
) -> Sockopt {
    Sockopt { name, level, number, kind, of, when, help }
}
