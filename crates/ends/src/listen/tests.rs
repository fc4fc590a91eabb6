//! Places opened for real, on loopback and in folders of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use super::*;

#[test]
fn port_zero_becomes_a_real_port_and_a_second_listener_is_refused() {
    let place = Place::tcp("127.0.0.1:0".parse().expect("an address"));
    let first = Listener::open(&place, &|_| ()).expect("loopback");
    let address = first.address.internet().expect("TCP");
    assert_ne!(address.port(), 0);
    let fault = Listener::open(&Place::tcp(address), &|_| ()).expect_err("it is taken");
    assert_eq!(fault.raw_errno(), Some(rustix::io::Errno::ADDRINUSE.raw_os_error()));
    assert_eq!(fault.at, first.address.to_string());
}

#[test]
fn a_shared_port_is_shared_by_those_who_ask() {
    let options = Options { reuse_port: true, ..Options::default() };
    let place = Place::tcp("127.0.0.1:0".parse().expect("an address"));
    let place = Place { options: options.clone(), ..place };
    let first = Listener::open(&place, &|_| ()).expect("loopback");
    let address = first.address.internet().expect("TCP");
    Listener::open(&Place { options, ..Place::tcp(address) }, &|_| ()).expect("both asked");
}

#[test]
fn every_interface_takes_both_families() {
    let listener =
        Listener::open(&Place::new(At::EveryInterface(Transport::Tcp, 0)), &|_| ()).expect("a port");
    let address = listener.address.internet().expect("TCP");
    let port = address.port();
    TcpStream::connect(("127.0.0.1", port)).expect("IPv4");
    if address.is_ipv6() && TcpStream::connect(("::1", port)).is_err() {
        assert!(std::net::TcpListener::bind("[::1]:0").is_err(), "this machine has IPv6");
    }
}

#[test]
fn an_ipv6_address_takes_ipv6_only() {
    let place = Place::tcp("[::]:0".parse().expect("an address"));
    if let Ok(listener) = Listener::open(&place, &|_| ()) {
        let port = listener.address.port().expect("TCP");
        TcpStream::connect(("127.0.0.1", port)).expect_err("nobody listens on IPv4");
    }
}

fn place(at: At) -> Place {
    Place::new(at)
}

fn at(transport: Transport, text: &str) -> Place {
    place(At::Address(transport, text.parse().expect("an address")))
}

fn unix(transport: Transport, path: &Path) -> Place {
    place(At::Unix(transport, Address::Path(path.to_owned())))
}

fn errno(fault: &Fault) -> Option<Errno> {
    fault.raw_errno().map(Errno::from_raw_os_error)
}

fn words(fault: &Fault) -> &str {
    match &fault.cause {
        Cause::Words(words) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_for_datagrams_is_not_taken_twice() {
    let first = DatagramSocket::open(&at(Transport::Udp, "127.0.0.1:0"), &|_| ()).expect("loopback");
    let address = first.address.to_string();
    let fault = DatagramSocket::open(&at(Transport::Udp, &address), &|_| ()).expect_err("it is taken");
    assert_eq!((fault.doing, errno(&fault)), (Doing::Bind, Some(Errno::ADDRINUSE)));
}

#[test]
fn datagrams_of_both_families_come_to_every_interface() {
    let socket =
        DatagramSocket::open(&place(At::EveryInterface(Transport::Udp, 0)), &|_| ()).expect("a port");
    let port = socket.address.port().expect("UDP");
    assert_ne!(port, 0);
    let mut senders = vec![UdpSocket::bind("127.0.0.1:0").expect("loopback")];
    senders.extend(UdpSocket::bind("[::1]:0"));
    for sender in senders {
        let own = sender.local_addr().expect("bound");
        sender.send_to(b"x", (own.ip(), port)).expect("loopback");
        let from = received_from(&socket).internet().expect("UDP");
        assert_eq!(from, own);
    }
}

/// Loopback delivers before send returns.
fn received_from(socket: &DatagramSocket) -> Address {
    let (_, _, from) =
        rustix::net::recvfrom(socket, &mut [0u8; 16], rustix::net::RecvFlags::DONTWAIT).expect("a datagram");
    crate::address::from_kernel(from)
}

#[test]
fn who_joined_no_group_hears_none() {
    for text in ["127.0.0.1:0", "[::]:0"] {
        let Ok(socket) = DatagramSocket::open(&at(Transport::Udp, text), &|_| ()) else { continue };
        let all = SockRef::from(&socket).multicast_all_v4().expect("ip(7)");
        assert!(!all, "{text}");
    }
}

#[test]
fn an_address_of_nobody_here_is_refused() {
    // RFC 5737: for documentation, so nobody's.
    for transport in [Transport::Tcp, Transport::Udp] {
        let fault = open(&at(transport, "192.0.2.1:0"), &|_| ()).expect_err("it is not ours");
        assert_eq!((fault.doing, errno(&fault)), (Doing::Bind, Some(Errno::ADDRNOTAVAIL)));
        assert_eq!(fault.at, "192.0.2.1:0");
    }
}

#[test]
fn every_unix_transport_has_its_file_for_as_long_as_it_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    for transport in [Transport::Unix, Transport::UnixSeqpacket, Transport::UnixDgram] {
        let path = folder.path().join("socket");
        let opened = open(&unix(transport, &path), &|_| ()).expect("an empty folder");
        let (is, address) = match &opened {
            Opened::Connections(listener) => (listener.transport, listener.address.clone()),
            Opened::Datagrams(socket) => (socket.transport, socket.address.clone()),
        };
        assert_eq!((is, address), (transport, Address::Path(path.clone())));
        assert_eq!(matches!(opened, Opened::Connections(_)), transport.has_connections());
        let kind = std::fs::symlink_metadata(&path).expect("it is there").file_type();
        assert!(std::os::unix::fs::FileTypeExt::is_socket(&kind));
        drop(opened);
        assert!(std::fs::symlink_metadata(&path).is_err(), "{transport:?} leaves nothing behind");
    }
}

#[test]
fn whoever_has_a_socket_file_is_found_without_being_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let taken = UnixListener::bind(&path).unwrap();
    taken.set_nonblocking(true).unwrap();
    let place = unix(Transport::Unix, &path);
    let fault = Listener::open(&place, &|_| ()).expect_err("somebody has it");
    assert_eq!(fault.raw_errno(), Some(Errno::ADDRINUSE.raw_os_error()));
    let came = taken.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(came, Err(std::io::ErrorKind::WouldBlock), "nobody has called");
    // What a listener took has its file too, and does not keep the name.
    let (client, _server) = (UnixStream::connect(&path).unwrap(), taken.accept().unwrap());
    drop(taken);
    Listener::open(&place, &|_| ()).expect("nobody listens any more");
    drop(client);
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // The standard library's listeners leave their files behind.
    drop(UnixListener::bind(&path).expect("an empty folder"));
    let _listener = Listener::open(&unix(Transport::Unix, &path), &|_| ()).expect("nobody listens");
    UnixStream::connect(&path).expect("we do");
}

#[test]
fn a_live_socket_is_in_use_whatever_its_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let live = UnixListener::bind(&path).expect("an empty folder");
    for transport in [Transport::Unix, Transport::UnixSeqpacket, Transport::UnixDgram] {
        let fault = open(&unix(transport, &path), &|_| ()).expect_err("it is used");
        assert_eq!((fault.doing, errno(&fault)), (Doing::Bind, Some(Errno::ADDRINUSE)), "{transport:?}");
        assert_eq!(fault.at, path.display().to_string());
    }
    // Nobody stands in the queue: the first who comes is the first who is served.
    let mut client = UnixStream::connect(&path).expect("it is alive and in its place");
    client.write_all(b"x").expect("a connection");
    drop(client);
    let mut received = Vec::new();
    live.accept().expect("a client").0.read_to_end(&mut received).expect("its bytes");
    assert_eq!(received, b"x");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "precious").expect("a file");
    // Where it leads nothing is: binding would make the file there.
    std::os::unix::fs::symlink(folder.path().join("nothing"), &link).expect("a link");
    for path in [&file, &link] {
        let fault = open(&unix(Transport::Unix, path), &|_| ()).expect_err("it is no socket");
        assert_eq!(fault.doing, Doing::Bind);
        assert!(words(&fault).contains("no socket"), "{fault}");
    }
    assert_eq!(std::fs::read(&file).expect("it is there still"), b"precious");
    assert!(std::fs::symlink_metadata(&link).is_ok());
}

#[test]
fn a_file_that_took_our_place_is_not_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let ours = Listener::open(&unix(Transport::Unix, &path), &|_| ()).expect("an empty folder");
    std::fs::rename(&path, folder.path().join("old")).expect("our file");
    let _theirs = UnixListener::bind(&path).expect("the name is free");
    drop(ours);
    UnixStream::connect(&path).expect("theirs is in its place");
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, mode) in [0o600, 0o666, 0o660].into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let options = Options { mode: Some(mode), ..Options::default() };
        let place = Place { options, ..unix(Transport::UnixDgram, &path) };
        let _socket = open(&place, &|_| ()).expect("an empty folder");
        let is = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(is & 0o777, mode);
    }
}

#[test]
fn what_the_kernel_says_of_a_path_is_passed_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing =
        open(&unix(Transport::Unix, &folder.path().join("no/socket")), &|_| ()).expect_err("no folder");
    assert_eq!(errno(&missing), Some(Errno::NOENT));
    let long =
        open(&unix(Transport::Unix, &folder.path().join("x".repeat(200))), &|_| ()).expect_err("too long");
    assert_eq!(errno(&long), Some(Errno::NAMETOOLONG));
}

/// A name that nobody else has.
fn name() -> Address {
    let folder = tempfile::tempdir().expect("a folder");
    Address::Abstract(folder.path().as_os_str().as_encoded_bytes().to_vec())
}

#[test]
fn abstract_names_are_taken_and_given_back() {
    let name = name();
    let place = place(At::Unix(Transport::UnixSeqpacket, name.clone()));
    let listener = Listener::open(&place, &|_| ()).expect("nobody has it");
    assert_eq!(listener.address, name);
    let fault = Listener::open(&place, &|_| ()).expect_err("it is taken");
    assert_eq!(errno(&fault), Some(Errno::ADDRINUSE));
    drop(listener);
    Listener::open(&place, &|_| ()).expect("it is free again");
    let options = Options { mode: Some(0o600), ..Options::default() };
    let fault = open(&Place { options, ..place }, &|_| ()).expect_err("it has no permissions");
    assert!(words(&fault).contains("no permissions"));
}

/// The number of a socket as a program finds it that was started with it.
fn handed_on(socket: impl Into<OwnedFd>) -> u32 {
    let socket: OwnedFd = socket.into();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).expect("it is open");
    u32::try_from(socket.into_raw_fd()).expect("a number")
}

#[test]
fn inherited_sockets_are_what_they_say() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = Address::from(listener.local_addr().expect("bound"));
    let opened = Listener::open(&place(At::Inherited(handed_on(listener))), &|_| ()).expect("it listens");
    assert_eq!((opened.transport, &opened.address), (Transport::Tcp, &address));
    TcpStream::connect(address.internet().expect("TCP")).expect("it listens still");
    let again = rustix::net::acceptfrom_with(&opened, rustix::net::SocketFlags::CLOEXEC);
    again.expect("the client");
    let nobody = rustix::net::acceptfrom_with(&opened, rustix::net::SocketFlags::CLOEXEC);
    assert_eq!(nobody.err(), Some(Errno::AGAIN), "it never waits");

    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let address = Address::from(socket.local_addr().expect("bound"));
    let opened = DatagramSocket::open(&place(At::Inherited(handed_on(socket))), &|_| ()).expect("UDP");
    assert_eq!((opened.transport, &opened.address), (Transport::Udp, &address));
}

#[test]
fn inherited_descriptors_of_other_kinds_are_refused_in_words() {
    let refused = |number: u32, why: &str| {
        let fault = open(&place(At::Inherited(number)), &|_| ()).expect_err(why);
        assert_eq!((fault.end, fault.doing, &*fault.at), (End::You, Doing::Listen, &*format!("fd:{number}")));
        assert!(words(&fault).contains(why), "{fault}");
    };
    let (stream, _peer) = UnixStream::pair().expect("a pair");
    refused(handed_on(stream), "a connection already");
    let (datagrams, _peer) = UnixDatagram::pair().expect("a pair");
    refused(handed_on(datagrams), "one peer");
    let address = Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    refused(handed_on(new_socket(Transport::Tcp, &address).expect("TCP")), "neither listens");
    refused(handed_on(std::io::pipe().expect("a pipe").0), "no socket");
    refused(987_654, "no descriptor");
}

#[test]
fn whether_an_address_can_be_had_is_tried_without_listening() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::tcp(address);
    assert_eq!(super::can_be_had(&place), Some(false));
    drop(taken);
    assert_eq!(super::can_be_had(&place), Some(true));
    let datagrams = Place::new(At::Address(Transport::Udp, address));
    assert_eq!(super::can_be_had(&datagrams), None);
}
