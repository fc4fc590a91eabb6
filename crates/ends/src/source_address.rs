//! From which of our addresses the kernel would go to another: a datagram socket is connected and asked, and nothing is
//! sent. Read first: RFC 6724 §5; getaddrinfo(3) does the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The source address for a destination.
///
/// # Errors
/// The kernel's error number: `ENETUNREACH` or `EHOSTUNREACH` where it has no way there, `EAFNOSUPPORT` where it does not
/// have the family, `EACCES` for a broadcast address.
pub fn source_for(destination: SocketAddr) -> Result<IpAddr, i32> {
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The port does not matter, but it may not be 0.
    let mut destination = destination;
    if destination.port() == 0 {
        destination.set_port(9);
    }
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(destination)?;
        socket.local_addr()
    });
    // EIO, where an error has no number.
    asked.map(|address| address.ip()).map_err(|error| error.raw_os_error().unwrap_or(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_ourselves_we_go_from_ourselves() {
        let to = |text: &str| source_for(text.parse().expect("an address"));
        assert_eq!(to("127.0.0.1:80"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(to("127.9.9.9:0"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert!(to("255.255.255.255:1").is_err());
    }
}
