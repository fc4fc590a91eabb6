//! Calls made for real: on loopback, to ports that are closed or never answer, and to Unix sockets.

use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::IntoRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use rustix::net::listen;

use super::race::ATTEMPT_DELAY;
use super::*;
use crate::address::{new_socket, to_kernel};
use crate::listen::{Listener, Place};

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn has_ipv6() -> bool {
    TcpListener::bind(V6).is_ok()
}

/// An address of loopback at which nobody listens.
fn closed(any: SocketAddr) -> SocketAddr {
    TcpListener::bind(any).and_then(|listener| listener.local_addr()).expect("loopback")
}

fn listening(any: SocketAddr) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(any).expect("loopback");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn tcp(addresses: &[SocketAddr]) -> Target {
    Target::Internet { transport: Transport::Tcp, addresses: addresses.to_vec() }
}

fn call(target: &Target, options: &Options) -> Result<Dialled, Fault> {
    dial(target, options, None, &|_| ())
}

fn open(dialled: Dialled) -> Connected {
    match dialled {
        Dialled::Open(connected) => connected,
        other => panic!("{other:?}"),
    }
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

/// An address that answers no SYN: its queue is full, and Linux then drops them.
struct Silent {
    address: SocketAddr,
    _listener: Listener,
    _queue: Vec<Connected>,
}

fn silent(any: SocketAddr) -> Silent {
    let options = crate::listen::Options { backlog: 0, ..Default::default() };
    let listener = Listener::open(&Place { options, ..Place::tcp(any) }, &|_| ()).expect("loopback");
    let address = listener.address.internet().expect("TCP");
    // A backlog of 0 holds one connection; one more may stand before the queue.
    let mut queue = Vec::new();
    let options = Options { timeout: Some(Duration::from_millis(50)), ..Options::default() };
    while let Ok(dialled) = call(&Target::tcp(address), &options) {
        queue.push(open(dialled));
        assert!(queue.len() < 10, "the queue is never full");
    }
    Silent { address, _listener: listener, _queue: queue }
}

#[test]
fn an_answer_opens_with_both_addresses() {
    for any in [V4, V6] {
        if any.is_ipv6() && !has_ipv6() {
            continue;
        }
        let (listener, address) = listening(any);
        let connected = open(call(&Target::tcp(address), &Options::default()).expect("it listens"));
        let (_, client) = listener.accept().expect("we called");
        assert_eq!((&connected.local, &connected.remote), (&client.into(), &address.into()));
        assert_eq!(connected.transport, Transport::Tcp);
    }
}

#[test]
fn a_closed_port_refuses() {
    let address = closed(V4);
    let fault = call(&Target::tcp(address), &Options::default()).expect_err("nobody listens");
    assert_eq!((fault.end, fault.doing, &*fault.at), (End::Peer, Doing::Connect, &*address.to_string()));
    assert_eq!(errno(&fault), Some(Errno::CONNREFUSED));
}

#[test]
fn the_second_address_is_tried_when_the_first_refuses() {
    let (_listener, address) = listening(V4);
    let told = RefCell::new(Vec::new());
    let tell = |event| told.borrow_mut().push(event);
    let refused = closed(V4);
    let dialled = dial(&tcp(&[refused, address]), &Options::default(), None, &tell);
    assert_eq!(open(dialled.expect("the second answers")).remote, address.into());
    let told = told.borrow();
    let [Event::Trouble(fault)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((fault.end, &fault.at), (End::Peer, &refused.to_string()));
}

/// What refuses costs no Connection Attempt Delay. The machine may be busy, so the quickest of some runs counts.
#[test]
fn a_refusal_lets_the_next_begin_at_once() {
    let (_listener, address) = listening(V4);
    let addresses = [closed(V4), closed(V4), closed(V4), address];
    let times = || open(call(&tcp(&addresses), &Options::default()).expect("the last answers")).times.connect;
    let quickest = (0..5).map(|_| times()).min().expect("five");
    assert!(quickest < ATTEMPT_DELAY, "{quickest:?}");
}

#[test]
fn a_silent_address_delays_the_next_by_a_quarter_of_a_second() {
    let silent = silent(V4);
    let families = if has_ipv6() { vec![V4, V6] } else { vec![V4] };
    for any in families {
        let (_listener, address) = listening(any);
        let told = RefCell::new(0);
        let tell = |_| *told.borrow_mut() += 1;
        let dialled = dial(&tcp(&[silent.address, address]), &Options::default(), None, &tell);
        let connected = open(dialled.expect("the second answers"));
        assert_eq!(connected.remote, address.into());
        let took = connected.times.connect;
        assert!(took >= ATTEMPT_DELAY && took < Duration::from_secs(1), "{took:?}");
        assert_eq!(told.take(), 0, "the first has not failed, it was left");
        assert_eq!(being_opened_to(silent.address), 0, "the loser is closed");
    }
}

/// Also while another is silent. As above, the quickest of some runs counts.
#[test]
fn a_refusal_beside_silence_lets_the_next_begin_at_once() {
    let silent = silent(V4);
    let (_listener, address) = listening(V4);
    let addresses = [silent.address, closed(V4), address];
    let times = || open(call(&tcp(&addresses), &Options::default()).expect("the last answers")).times.connect;
    let quickest = (0..3).map(|_| times()).min().expect("three");
    assert!(quickest >= ATTEMPT_DELAY && quickest < 2 * ATTEMPT_DELAY, "{quickest:?}");
}

/// How many sockets of this machine are in SYN_SENT to an IPv4 address: proc(5), state 02.
fn being_opened_to(address: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table");
    let port = format!(":{:04X}", address.port());
    let row = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next().is_some_and(|remote| remote.ends_with(&port)) && columns.next() == Some("02")
    };
    table.lines().filter(row).count()
}

#[test]
fn families_take_turns() {
    if !has_ipv6() {
        return;
    }
    let told = RefCell::new(Vec::new());
    let tell = |event| told.borrow_mut().push(event);
    let addresses = [closed(V6), closed(V6), closed(V4)];
    let fault = dial(&tcp(&addresses), &Options::default(), None, &tell).expect_err("nobody listens");
    let tried: Vec<String> = told
        .take()
        .into_iter()
        .map(|event| match event {
            Event::Trouble(fault) => fault.at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tried, [addresses[0].to_string(), addresses[2].to_string()]);
    assert_eq!(fault.at, addresses[1].to_string(), "the last is returned");
}

#[test]
fn a_refusal_says_more_than_that_there_is_no_way() {
    // Class E has no routes (RFC 1112 §4); the kernel says at once that there is none.
    let nowhere: SocketAddr = "240.0.0.1:1".parse().expect("an address");
    let at_once = call(
        &Target::tcp(nowhere),
        &Options { timeout: Some(Duration::from_millis(100)), ..Options::default() },
    );
    let Err(Fault { cause: Cause::Errno(_), .. }) = at_once else { return };
    let refused = closed(V4);
    for addresses in [[refused, nowhere], [nowhere, refused]] {
        let fault = call(&tcp(&addresses), &Options::default()).expect_err("nobody listens");
        assert_eq!((errno(&fault), fault.at), (Some(Errno::CONNREFUSED), refused.to_string()));
    }
}

#[test]
fn silence_ends_with_the_time_for_all() {
    let silent = silent(V4);
    let timeout = Duration::from_millis(300);
    let options = Options { timeout: Some(timeout), ..Options::default() };
    let began = Instant::now();
    let fault = call(&tcp(&[silent.address, silent.address]), &options).expect_err("nobody answers");
    assert!(began.elapsed() >= timeout);
    assert_eq!((fault.end, fault.cause, fault.at), (End::Path, Cause::TimedOut, silent.address.to_string()));
}

#[test]
fn a_request_to_stop_interrupts_the_waiting() {
    let silent = silent(V4);
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    handle.stop();
    let dialled = dial(&Target::tcp(silent.address), &Options::default(), Some(&stop), &|_| ());
    assert!(matches!(dialled, Ok(Dialled::Interrupted(Asked { signal: None }))), "{dialled:?}");
}

#[test]
fn no_address_at_all_is_told() {
    let fault = call(&tcp(&[]), &Options::default()).expect_err("nobody to call");
    assert_eq!(words(&fault), "no address was given");
}

#[test]
fn our_address_and_port_are_those_asked_for() {
    let (listener, address) = listening(V4);
    let port = closed(SocketAddr::from(([127, 0, 0, 5], 0))).port();
    let source = "127.0.0.5".parse().expect("an address");
    let options = Options { source: Some(source), source_port: Some(port), ..Options::default() };
    let connected = open(call(&Target::tcp(address), &options).expect("it listens"));
    let (_, client) = listener.accept().expect("we called");
    assert_eq!(client, SocketAddr::new(source, port));
    assert_eq!(connected.local, client.into());
    let alone = Options { source_port: Some(closed(V4).port()), ..Options::default() };
    open(call(&Target::tcp(address), &alone).expect("it listens"));
    let (_, client) = listener.accept().expect("we called");
    assert_eq!(Some(client.port()), alone.source_port);
}

#[test]
fn a_source_that_is_not_ours_or_of_another_family_is_told() {
    let (_listener, address) = listening(V4);
    let from = |source: &str| {
        let source = Some(source.parse().expect("an address"));
        call(&Target::tcp(address), &Options { source, ..Options::default() }).expect_err("it cannot be used")
    };
    let not_ours = from("192.0.2.1");
    assert_eq!((not_ours.doing, errno(&not_ours)), (Doing::Bind, Some(Errno::ADDRNOTAVAIL)));
    assert_eq!(not_ours.at, "192.0.2.1:0");
    assert_eq!(words(&from("::1")), "it is IPv4, and ::1 is IPv6");
}

#[test]
fn a_socket_that_meets_itself_is_refused() {
    let address = closed(V4);
    let (source, source_port) = (Some(address.ip()), Some(address.port()));
    let options = Options { source, source_port, ..Options::default() };
    let fault = call(&Target::tcp(address), &options).expect_err("nobody listens");
    assert_eq!((fault.end, errno(&fault)), (End::Peer, Some(Errno::CONNREFUSED)));
}

#[test]
fn pauses_double_up_to_the_longest() {
    let ms = Duration::from_millis;
    let retry = Retry { times: 5, first_pause: ms(100), longest_pause: ms(500) };
    assert_eq!(retry.pauses().collect::<Vec<_>>(), [ms(100), ms(200), ms(400), ms(500), ms(500)]);
    assert_eq!(Retry::default().pauses().count(), 0);
    let endless = Retry { times: u32::MAX, first_pause: Duration::MAX, longest_pause: ms(1) };
    assert_eq!(endless.pauses().take(100).last(), Some(ms(1)));
}

#[test]
fn a_server_that_comes_later_is_reached() {
    let address = closed(V4);
    let server = RefCell::new(None);
    let tell = |event| {
        let Event::Trouble(fault) = event else { panic!("{event:?}") };
        assert_eq!(errno(&fault), Some(Errno::CONNREFUSED));
        *server.borrow_mut() = Some(TcpListener::bind(address).expect("the port is free"));
    };
    let first_pause = Duration::from_millis(20);
    let options =
        Options { retry: Retry { times: 1, first_pause, ..Retry::default() }, ..Options::default() };
    let connected = open(dial(&Target::tcp(address), &options, None, &tell).expect("it came"));
    assert!(connected.times.connect >= first_pause, "it was not tried before");
}

#[test]
fn who_never_comes_is_tried_as_often_as_asked_for() {
    let told = RefCell::new(0);
    let tell = |_| *told.borrow_mut() += 1;
    let retry = Retry { times: 3, first_pause: Duration::from_millis(1), ..Retry::default() };
    let options = Options { retry, ..Options::default() };
    let fault = dial(&Target::tcp(closed(V4)), &options, None, &tell).expect_err("nobody listens");
    assert_eq!((errno(&fault), told.take()), (Some(Errno::CONNREFUSED), 3));
    let own = Options { source: Some("192.0.2.1".parse().expect("an address")), ..options };
    dial(&Target::tcp(closed(V4)), &own, None, &tell).expect_err("it is not ours");
    assert_eq!(told.take(), 0, "an address of ours that cannot be used will not pass");
}

#[test]
fn who_is_silent_is_called_again_and_the_time_is_for_each_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, _queue) = full(&folder.path().join("socket"));
    let silent = silent(V4);
    for target in [Target::tcp(silent.address), unix(Transport::Unix, &folder.path().join("socket"))] {
        let told = RefCell::new(Vec::new());
        let tell = |event| match event {
            Event::Trouble(fault) => told.borrow_mut().push(fault.cause),
            other => panic!("{other:?}"),
        };
        let timeout = Duration::from_millis(60);
        let retry = Retry { times: 2, first_pause: Duration::from_millis(1), ..Retry::default() };
        let options = Options { timeout: Some(timeout), retry, ..Options::default() };
        let began = Instant::now();
        let fault = dial(&target, &options, None, &tell).expect_err("nobody answers");
        assert_eq!(fault.cause, Cause::TimedOut, "{target}");
        assert_eq!(told.take(), [Cause::TimedOut, Cause::TimedOut], "{target}");
        assert!(began.elapsed() >= 3 * timeout, "{target}");
    }
}

#[test]
fn a_request_to_stop_ends_a_pause() {
    let hour = Duration::from_secs(3600);
    let options =
        Options { retry: Retry { times: 1, first_pause: hour, longest_pause: hour }, ..Options::default() };
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let dialled = dial(&Target::tcp(closed(V4)), &options, Some(&stop), &|_| handle.stop());
    assert!(matches!(dialled, Ok(Dialled::Interrupted(_))), "{dialled:?}");
}

fn unix(transport: Transport, path: &Path) -> Target {
    Target::Unix { transport, address: Address::Path(path.to_owned()) }
}

#[test]
fn unix_sockets_of_streams_and_packets_are_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Address::Path(folder.path().join("socket"));
    let name = Address::Abstract(folder.path().as_os_str().as_encoded_bytes().to_vec());
    for transport in [Transport::Unix, Transport::UnixSeqpacket] {
        for address in [&path, &name] {
            let place = Place::new(crate::listen::At::Unix(transport, address.clone()));
            let _listener = Listener::open(&place, &|_| ()).expect("nobody has it");
            let target = Target::Unix { transport, address: address.clone() };
            let connected = open(call(&target, &Options::default()).expect("it listens"));
            assert_eq!((connected.transport, &connected.remote), (transport, address));
            assert_eq!(connected.local, Address::Unnamed);
        }
    }
}

#[test]
fn unix_sockets_without_a_server_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (missing, stale) = (folder.path().join("missing"), folder.path().join("stale"));
    drop(UnixListener::bind(&stale).expect("an empty folder"));
    let fault = |path: &Path| call(&unix(Transport::Unix, path), &Options::default()).expect_err("nobody");
    assert_eq!(errno(&fault(&missing)), Some(Errno::NOENT));
    let refused = fault(&stale);
    assert_eq!((refused.end, errno(&refused)), (End::Peer, Some(Errno::CONNREFUSED)));
    assert_eq!(refused.at, stale.display().to_string());
}

/// A Unix listener whose queue is full.
fn full(path: &Path) -> (UnixListener, Vec<UnixStream>) {
    let address = Address::Path(path.to_owned());
    let socket = new_socket(Transport::Unix, &address).expect("a socket");
    let bound = to_kernel(&address).and_then(|to| rustix::net::bind(&socket, &to));
    bound.and_then(|()| listen(&socket, 0)).expect("an empty folder");
    rustix::io::ioctl_fionbio(&socket, false).expect("a socket");
    let mut queue = Vec::new();
    loop {
        let client = new_socket(Transport::Unix, &address).expect("a socket");
        match to_kernel(&address).and_then(|to| rustix::net::connect(&client, &to)) {
            Ok(()) => queue.push(client.into()),
            Err(Errno::AGAIN) => return (socket.into(), queue),
            Err(other) => panic!("{other}"),
        }
        assert!(queue.len() < 10, "the queue is never full");
    }
}

#[test]
fn a_full_queue_of_a_unix_socket_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let (listener, queue) = full(&path);
    let timeout = Some(Duration::from_millis(120));
    let late = call(&unix(Transport::Unix, &path), &Options { timeout, ..Options::default() });
    assert_eq!(late.expect_err("it stays full").cause, Cause::TimedOut);

    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    handle.stop();
    let stopped = dial(&unix(Transport::Unix, &path), &Options::default(), Some(&stop), &|_| ());
    assert!(matches!(stopped, Ok(Dialled::Interrupted(_))), "{stopped:?}");

    let waiting = queue.len() + 1;
    let accepting = std::thread::spawn(move || (0..waiting).all(|_| listener.accept().is_ok()));
    let connected =
        open(call(&unix(Transport::Unix, &path), &Options::default()).expect("there is room again"));
    let flags = rustix::fs::fcntl_getfl(connected.as_fd()).expect("a socket");
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "it never waits from now on");
    assert!(accepting.join().expect("no panic"), "all were accepted, we too");
}

#[test]
fn datagrams_have_no_connection_and_connections_no_datagrams() {
    let udp = Target::Internet { transport: Transport::Udp, addresses: vec![V4] };
    assert!(words(&call(&udp, &Options::default()).expect_err("UDP")).contains("no connection"));
    let fault = dial_datagrams(&Target::tcp(V4), &Options::default(), &|_| ()).expect_err("TCP");
    assert!(words(&fault).contains("not for datagrams"));
}

fn udp(addresses: &[SocketAddr]) -> Target {
    Target::Internet { transport: Transport::Udp, addresses: addresses.to_vec() }
}

#[test]
fn datagrams_go_and_are_answered_by_both_families() {
    for any in [V4, V6] {
        let Ok(server) = UdpSocket::bind(any) else { continue };
        let address = server.local_addr().expect("bound");
        let (socket, peer) =
            dial_datagrams(&udp(&[address]), &Options::default(), &|_| ()).expect("loopback");
        assert_eq!((peer, socket.transport), (address.into(), Transport::Udp));
        let port = socket.address.port().expect("UDP");
        assert_ne!(port, 0, "it is known before anything is sent");
        rustix::net::sendto(&socket, b"ask", rustix::net::SendFlags::empty(), &address).expect("loopback");
        let (_, client) = server.recv_from(&mut [0; 8]).expect("it was sent");
        assert_eq!(client, SocketAddr::new(any.ip(), port));
        server.send_to(b"answer", client).expect("loopback");
        let mut answer = [0u8; 8];
        let (_, length, _) =
            rustix::net::recvfrom(&socket, &mut answer, rustix::net::RecvFlags::empty()).expect("an answer");
        assert_eq!(&answer[..length], b"answer");
    }
}

#[test]
fn datagrams_come_from_where_was_asked_for() {
    let source = "127.0.0.7".parse().expect("an address");
    let options = Options { source: Some(source), ..Options::default() };
    let (socket, _) = dial_datagrams(&udp(&["127.0.0.1:9".parse().expect("an address")]), &options, &|_| ())
        .expect("loopback");
    assert_eq!(socket.address.internet().expect("UDP").ip(), source);
    let six: SocketAddr = "[::1]:9".parse().expect("an address");
    let fault = dial_datagrams(&udp(&[six]), &options, &|_| ()).expect_err("from IPv4 to IPv6");
    assert_eq!(errno(&fault), Some(Errno::AFNOSUPPORT));
}

#[test]
fn a_client_of_unix_datagrams_can_be_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let target = unix(Transport::UnixDgram, &path);
    let fault = dial_datagrams(&target, &Options::default(), &|_| ()).expect_err("nobody is there");
    assert_eq!((fault.doing, errno(&fault)), (Doing::Connect, Some(Errno::NOENT)));
    let server = UnixDatagram::bind(&path).expect("an empty folder");
    let (socket, peer) = dial_datagrams(&target, &Options::default(), &|_| ()).expect("it is there");
    assert!(matches!(socket.address, Address::Abstract(_)), "{:?}", socket.address);
    let to = to_kernel(&peer).expect("a path");
    rustix::net::sendto(&socket, b"ask", rustix::net::SendFlags::empty(), &to).expect("it is there");
    let (_, client) = server.recv_from(&mut [0; 8]).expect("it was sent");
    server.send_to_addr(b"answer", &client).expect("it has a name");
    let mut answer = [0u8; 8];
    let (_, length, _) =
        rustix::net::recvfrom(&socket, &mut answer, rustix::net::RecvFlags::empty()).expect("an answer");
    assert_eq!(&answer[..length], b"answer");
}

/// The number of a socket as a program finds it that was started with it.
fn handed_on(socket: impl Into<OwnedFd>) -> u32 {
    let socket: OwnedFd = socket.into();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).expect("it is open");
    u32::try_from(socket.into_raw_fd()).expect("a number")
}

#[test]
fn inherited_sockets_are_used_for_what_they_are() {
    let (listener, address) = listening(V4);
    let client = std::net::TcpStream::connect(address).expect("it listens");
    let local = Address::from(client.local_addr().expect("bound"));
    let connected = open(call(&Target::Inherited(handed_on(client)), &Options::default()).expect("open"));
    assert_eq!((connected.local, connected.remote), (local, address.into()));

    let listens = call(&Target::Inherited(handed_on(listener)), &Options::default()).expect_err("it listens");
    assert!(words(&listens).contains("listening socket"), "{listens}");
    let datagrams = UdpSocket::bind(V4).expect("loopback");
    datagrams.connect("127.0.0.1:9").expect("UDP");
    let number = handed_on(datagrams);
    let fault = call(&Target::Inherited(number), &Options::default()).expect_err("datagrams");
    assert!(words(&fault).contains("datagrams of one peer"), "{fault}");
    let (_, peer) = dial_datagrams(&Target::Inherited(number), &Options::default(), &|_| ()).expect("UDP");
    assert_eq!(peer.to_string(), "127.0.0.1:9");
    let without = handed_on(UdpSocket::bind(V4).expect("loopback"));
    let fault =
        dial_datagrams(&Target::Inherited(without), &Options::default(), &|_| ()).expect_err("nobody");
    assert!(words(&fault).contains("no peer"), "{fault}");
}
