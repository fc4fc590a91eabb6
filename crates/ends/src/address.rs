//! Between the kernel's socket addresses and [`wire::Address`].

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::net::{SocketAddrAny, SocketAddrUnix};
use wire::Address;

/// What the kernel gave; unnamed where it gave nothing, as for most clients of Unix sockets.
pub(crate) fn from_kernel(any: Option<SocketAddrAny>) -> Address {
    let Some(any) = any else { return Address::Unnamed };
    match SocketAddr::try_from(any.clone()) {
        Ok(address) => Address::Internet(plain(address)),
        Err(_) => SocketAddrUnix::try_from(any).map_or(Address::Unnamed, |unix| of_unix(&unix)),
    }
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

fn of_unix(unix: &SocketAddrUnix) -> Address {
    use std::os::unix::ffi::OsStringExt;
    match (unix.abstract_name(), unix.path()) {
        // An address of no length, as of a socket that was never bound, reads as a name without a byte.
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
            Address::Unnamed,
        ];
        for address in addresses {
            let any: SocketAddrAny = match &address {
                Address::Internet(internet) => (*internet).into(),
                Address::Path(path) => SocketAddrUnix::new(path.as_path()).expect("it fits").into(),
                Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name).expect("it fits").into(),
                Address::Unnamed => SocketAddrUnix::new_unnamed().into(),
            };
            assert_eq!(from_kernel(Some(any)), address);
        }
        assert_eq!(from_kernel(None), Address::Unnamed);
    }

    #[test]
    fn an_ipv4_client_is_shown_as_one() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        assert_eq!(plain(mapped).to_string(), "192.0.2.1:80");
    }
}
