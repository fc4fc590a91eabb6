//! Which addresses a bound socket takes: one, all of a family, or all. Read first: ip(7) on `INADDR_ANY`; ipv6(7) on
//! `IPV6_V6ONLY`; RFC 4291 §2.5.5.2.

use std::net::{IpAddr, Ipv6Addr};

use wire::socket_row::SocketRow;

/// The addresses that a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This one; an IPv4 one that is written as IPv6 is an IPv4 one.
    One(IpAddr),
    /// Every IPv4 address.
    EveryV4,
    /// Every IPv6 address, and no IPv4 one.
    EveryV6,
    /// Every IPv6 address, and every IPv4 one.
    Every,
}

impl Reach {
    /// Of a socket bound to this address; `v6_only` where that is known, else it is taken to leave IPv4 in.
    pub fn of(ip: IpAddr, v6_only: Option<bool>) -> Reach {
        match ip {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if v6_only == Some(true) => Reach::EveryV6,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Reach::Every,
            ip if ip.to_canonical().is_unspecified() => Reach::EveryV4,
            ip => Reach::One(ip.to_canonical()),
        }
    }

    /// Of a socket in the kernel's table; none where its address is no host's.
    pub fn of_row(row: &SocketRow) -> Option<Reach> {
        Some(Reach::of(row.local.internet()?.ip(), row.v6_only))
    }

    /// Whether it takes what is sent to this address.
    pub fn has(self, ip: IpAddr) -> bool {
        self.overlaps(Reach::One(ip.to_canonical()))
    }

    /// Whether both take some address: then they cannot have the same port, but for what `SO_REUSEADDR` and `SO_REUSEPORT`
    /// allow.
    pub fn overlaps(self, other: Reach) -> bool {
        match (self, other) {
            (Reach::One(one), Reach::One(other)) => one == other,
            (Reach::Every, _) | (_, Reach::Every) => true,
            (one, other) => one.is_ipv6() == other.is_ipv6(),
        }
    }

    fn is_ipv6(self) -> bool {
        match self {
            Reach::One(ip) => ip.is_ipv6(),
            Reach::EveryV4 => false,
            Reach::EveryV6 | Reach::Every => true,
        }
    }

    /// `every IPv4 address`; none of a single address.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Reach::One(_) => None,
            Reach::EveryV4 => Some("every IPv4 address"),
            Reach::EveryV6 => Some("every IPv6 address"),
            Reach::Every => Some("every address of IPv6 and IPv4"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(ip: &str, v6_only: Option<bool>) -> Reach {
        Reach::of(ip.parse().unwrap(), v6_only)
    }

    #[test]
    fn a_mapped_address_is_one_of_ipv4() {
        assert_eq!(reach("::ffff:127.0.0.1", None), reach("127.0.0.1", None));
        assert_eq!(reach("::ffff:0.0.0.0", Some(false)), Reach::EveryV4);
    }

    /// What bind(2) answers on Linux for the second of two listeners at one port.
    #[test]
    fn sockets_overlap_where_the_kernel_says_that_the_address_is_in_use() {
        let every = reach("::", Some(false));
        let six = reach("::", Some(true));
        let four = reach("0.0.0.0", None);
        let (one, other, loopback6) =
            (reach("127.0.0.1", None), reach("127.0.0.2", None), reach("::1", Some(true)));
        let cases = [
            (one, one, true),
            (one, other, false),
            (one, four, true),
            (one, every, true),
            (one, six, false),
            (one, loopback6, false),
            (loopback6, six, true),
            (loopback6, four, false),
            (four, six, false),
            (four, every, true),
            (six, every, true),
        ];
        for (a, b, overlap) in cases {
            assert_eq!((a.overlaps(b), b.overlaps(a)), (overlap, overlap), "{a:?} {b:?}");
        }
        assert_eq!(reach("::", None), every, "where nobody says, IPv4 may be in it");
        assert!(every.has([127, 0, 0, 1].into()) && !six.has([127, 0, 0, 1].into()));
    }
}
