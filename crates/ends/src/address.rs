//! Between the kernel's socket addresses and [`wire::Address`], and sockets that fit an address.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use wire::{Address, Transport};

/// What the kernel gave; unnamed where it gave nothing, as for most clients of Unix sockets.
pub(crate) fn from_kernel(any: Option<SocketAddrAny>) -> Address {
    let Some(any) = any else { return Address::Unnamed };
    match SocketAddr::try_from(any.clone()) {
        Ok(address) => Address::Internet(plain(address)),
        Err(_) => SocketAddrUnix::try_from(any).map_or(Address::Unnamed, |unix| of_unix(&unix)),
    }
}

/// What the kernel wants.
///
/// # Errors
/// A path or name that does not fit into `sun_path`, and the address of a socket that has none.
pub(crate) fn to_kernel(address: &Address) -> Result<SocketAddrAny, Errno> {
    Ok(match address {
        Address::Internet(address) => (*address).into(),
        Address::Path(path) => SocketAddrUnix::new(path.as_path())?.into(),
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?.into(),
        Address::Unnamed => return Err(Errno::DESTADDRREQ),
    })
}

/// A socket for this transport and an address of this kind. It never waits, and no program that is started gets it.
pub(crate) fn new_socket(transport: Transport, address: &Address) -> Result<OwnedFd, Errno> {
    let family = match address {
        Address::Internet(SocketAddr::V4(_)) => AddressFamily::INET,
        Address::Internet(SocketAddr::V6(_)) => AddressFamily::INET6,
        Address::Path(_) | Address::Abstract(_) | Address::Unnamed => AddressFamily::UNIX,
    };
    let kind = match transport {
        Transport::Tcp | Transport::Unix => SocketType::STREAM,
        Transport::Udp | Transport::UnixDgram => SocketType::DGRAM,
        Transport::UnixSeqpacket => SocketType::SEQPACKET,
    };
    if transport.is_internet() == (family == AddressFamily::UNIX) {
        return Err(Errno::AFNOSUPPORT);
    }
    socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

/// The address that a socket is bound to.
pub(crate) fn local(socket: impl AsFd) -> Address {
    from_kernel(rustix::net::getsockname(socket).ok())
}

/// `::ffff:192.0.2.1` as `192.0.2.1` (RFC 4291 §2.5.5.2): an IPv4 client of a socket for both families.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(six) => match six.ip().to_ipv4_mapped() {
            Some(four) => SocketAddr::new(four.into(), six.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// The address in the form that a socket bound to `own` sends to: an IPv4 one by a socket for both families is mapped.
pub(crate) fn fitting(to: Address, own: &Address) -> Address {
    match (to, own) {
        (Address::Internet(SocketAddr::V4(four)), Address::Internet(SocketAddr::V6(_))) => {
            Address::from(SocketAddr::from((four.ip().to_ipv6_mapped(), four.port())))
        }
        (to, _) => to,
    }
}

/// Whether nobody can have sent from there (RFC 1122 §3.2.1.3).
pub(crate) fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255])
}

fn of_unix(unix: &SocketAddrUnix) -> Address {
    use std::os::unix::ffi::OsStringExt;
    match (unix.abstract_name(), unix.path()) {
        // The kernel gives an address of no length where there is no name.
        (Some([]), _) => Address::Unnamed,
        (Some(name), _) => Address::Abstract(name.to_vec()),
        (None, Some(path)) => {
            Address::Path(PathBuf::from(std::ffi::OsString::from_vec(path.to_bytes().to_vec())))
        }
        (None, None) => Address::Unnamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_comes_back_from_the_kernels_form() {
        let addresses = [
            Address::Internet("[fe80::1%3]:80".parse().expect("an address")),
            Address::Internet("192.0.2.1:9".parse().expect("an address")),
            Address::Path("/run/x".into()),
            Address::Abstract(b"a\0b".to_vec()),
        ];
        for address in addresses {
            let any = to_kernel(&address).expect("it fits");
            assert_eq!(from_kernel(Some(any)), address);
        }
        assert_eq!(from_kernel(None), Address::Unnamed);
        let unbound = new_socket(Transport::Unix, &Address::Unnamed).expect("a socket");
        assert_eq!(local(unbound), Address::Unnamed);
        assert_eq!(to_kernel(&Address::Path("x".repeat(200).into())).err(), Some(Errno::NAMETOOLONG));
    }

    #[test]
    fn an_ipv4_client_is_shown_as_one() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        assert_eq!(plain(mapped).to_string(), "192.0.2.1:80");
    }

    #[test]
    fn nobody_sends_from_a_group() {
        let groups = ["224.0.0.1", "ff02::1", "255.255.255.255"];
        assert!(groups.iter().all(|ip| is_group(ip.parse().expect("an address"))));
        assert!(!is_group([127, 0, 0, 1].into()));
    }
}
