//! The topic `sockets`: socket(2)'s three arguments, and which sockets this user may open, tried.

use kernel::families::{Kind, try_open};

const FAMILIES: [&str; 3] = ["INET", "INET6", "UNIX"];
const KINDS: [&str; 4] = ["STREAM", "DGRAM", "SEQPACKET", "RAW"];

/// One row: family, type, protocol, what it is.
const PROTOCOLS: [(&str, &str, u32, &str, &str); 14] = [
    ("INET", "STREAM", 6, "IPPROTO_TCP", "TCP: a stream of bytes, in order; tcp(7)"),
    ("INET", "STREAM", 262, "IPPROTO_MPTCP", "TCP over several ways: RFC 8684"),
    ("INET", "DGRAM", 17, "IPPROTO_UDP", "UDP: datagrams, each whole or not at all; udp(7)"),
    ("INET", "DGRAM", 1, "IPPROTO_ICMP", "echo requests without privilege, within ping_group_range; icmp(7)"),
    ("INET", "RAW", 1, "IPPROTO_ICMP", "ICMP with its header: needs CAP_NET_RAW; raw(7)"),
    ("INET", "RAW", 6, "IPPROTO_TCP", "what arrives for TCP, beside the kernel's own TCP"),
    ("INET", "RAW", 255, "IPPROTO_RAW", "to send packets with an IP header of one's own; receives nothing"),
    ("INET6", "STREAM", 6, "IPPROTO_TCP", "TCP; also for IPv4 unless IPV6_V6ONLY; ipv6(7)"),
    ("INET6", "DGRAM", 17, "IPPROTO_UDP", "UDP; also for IPv4 unless IPV6_V6ONLY"),
    ("INET6", "RAW", 58, "IPPROTO_ICMPV6", "ICMPv6"),
    ("INET", "SEQPACKET", 132, "IPPROTO_SCTP", "SCTP: RFC 9260"),
    ("PACKET", "RAW", 0, "ETH_P_…", "whole frames of a link, as trace and tcpdump take them; packet(7)"),
    ("PACKET", "DGRAM", 0, "ETH_P_…", "the same without the link's header"),
    (
        "NETLINK",
        "RAW",
        0,
        "NETLINK_ROUTE",
        "questions to the kernel: interfaces, routes, sockets; netlink(7)",
    ),
];

/// The table.
pub(super) fn text() -> String {
    let mut text = "\
socket(domain, type, protocol): the family of its addresses, how it carries
bytes, by which protocol; 0 is the usual one. Each was tried just now, as this
user: yes, or the kernel's answer.

             SOCK_STREAM     SOCK_DGRAM      SOCK_SEQPACKET  SOCK_RAW
"
    .to_owned();
    for family in FAMILIES {
        let answers = KINDS.map(|kind| answer(Kind { family, kind, protocol: usual(family, kind) }));
        let row = answers.map(|answer| format!("{answer:<16}")).concat();
        text.push_str(&format!("  {:<11}{}\n", format!("AF_{family}"), row.trim_end()));
    }
    text.push_str("\n  FAMILY      TYPE            PROTOCOL             HERE\n");
    for (family, kind, protocol, name, what) in PROTOCOLS {
        let here = answer(Kind { family, kind, protocol });
        let number = if protocol == 0 { name.to_owned() } else { format!("{name} {protocol}") };
        let (family, kind) = (format!("AF_{family}"), format!("SOCK_{kind}"));
        text.push_str(&format!("  {family:<11} {kind:<15} {number:<20} {here}\n      {what}\n"));
    }
    text.push_str(
        "\n\
         PF_ and AF_ are the same numbers: UNIX 1, INET 2, INET6 10, NETLINK 16,\n\
         PACKET 17. Types: STREAM 1, DGRAM 2, RAW 3, SEQPACKET 5. A Unix socket asked for\n\
         as RAW becomes DGRAM. EPERM: it takes CAP_NET_RAW. EACCES:\n\
         net.ipv4.ping_group_range has no group of this user. EPROTONOSUPPORT,\n\
         ESOCKTNOSUPPORT: this kernel, or this family, has no such thing.\n",
    );
    text
}

/// Raw sockets have no usual protocol: ICMP's stands for all.
fn usual(family: &str, kind: &str) -> u32 {
    match (family, kind) {
        ("INET", "RAW") => 1,
        ("INET6", "RAW") => 58,
        _ => 0,
    }
}

fn answer(kind: Kind) -> String {
    match try_open(kind) {
        Ok(()) => "yes".to_owned(),
        Err(errno) => explain::errno::name(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_may_open_is_told_so() {
        let text = text();
        let row =
            |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
        let unix: Vec<String> = row("AF_UNIX").split_whitespace().map(str::to_owned).collect();
        assert_eq!(unix, ["AF_UNIX", "yes", "yes", "yes", "yes"]);
        assert!(row("AF_INET ").split_whitespace().nth(1) == Some("yes"));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert!(!text.contains("EINVAL"), "{text}");
    }

    /// linux/in.h, linux/socket.h.
    #[test]
    fn numbers_are_those_of_the_headers() {
        let number = |name: &str| PROTOCOLS.iter().find(|row| row.3 == name).unwrap().2;
        let names =
            ["IPPROTO_TCP", "IPPROTO_UDP", "IPPROTO_ICMP", "IPPROTO_ICMPV6", "IPPROTO_SCTP", "IPPROTO_RAW"];
        assert_eq!(names.map(number), [6, 17, 1, 58, 132, 255]);
    }
}
