//! Conversations by datagrams with real sockets at the other end.

use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread::JoinHandle;

use wire::Transport;

mod trouble;

use super::*;
use crate::dial::{self, Target, dial_datagrams};
use crate::listen::{self, At, Opened, Place};
use crate::pump::Script;

/// So long nobody waits in a test that passes.
const PATIENCE: Duration = Duration::from_secs(20);

fn listening(at: At) -> (DatagramSocket, Address) {
    match listen::open(&Place::new(at), &|_| ()).expect("it can be bound") {
        Opened::Datagrams(socket) => {
            let address = socket.address.clone();
            (socket, address)
        }
        Opened::Connections(_) => panic!("these are datagrams"),
    }
}

fn on_loopback() -> (DatagramSocket, SocketAddr) {
    let (socket, address) = listening(At::Address(Transport::Udp, SocketAddr::from(([127, 0, 0, 1], 0))));
    (socket, address.internet().expect("of the internet"))
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
}

fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = [0; 2000];
    let (length, _) = socket.recv_from(&mut bytes).expect("it was sent");
    bytes[..length].to_vec()
}

fn called(socket: &UdpSocket) -> (DatagramSocket, Option<Address>) {
    let address = socket.local_addr().expect("bound");
    let target = Target::Internet { transport: Transport::Udp, addresses: vec![address] };
    let (socket, server) =
        dial_datagrams(&target, &dial::Options::default(), &|_| ()).expect("there is a way");
    (socket, Some(server))
}

fn reader(mut pipe: PipeReader) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe");
        bytes
    })
}

fn script(texts: &[&str]) -> Input<'static> {
    Input::Script(Script { texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(), every: None })
}

fn options<'a>(input: &'a PipeReader, output: &'a PipeWriter) -> Options<'a> {
    let (input, output) = (Input::Fd(input.as_fd()), Some(output.as_fd()));
    Options { input, output, total: Some(PATIENCE), ..Options::default() }
}

#[test]
fn every_peer_is_heard_and_answered_by_default_the_last() {
    let (socket, address) = on_loopback();
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    let (mut written, output) = std::io::pipe().expect("a pipe");
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let server = std::thread::spawn(move || {
        let shown =
            |arrival: &Arrival<'_>| [format!("{} ", arrival.client).as_bytes(), arrival.bytes].concat();
        let options = Options { shown: Some(&shown), ..options(&input, &output) };
        converse(socket, None, options, Some(&stop), &|_| ()).expect("it works")
    });
    let mut shows = |text: &str| {
        let mut bytes = vec![0; text.len()];
        written.read_exact(&mut bytes).expect("a pipe");
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    };
    let (one, two) = (peer(), peer());
    one.send_to(b"a\n", address).expect("it leaves");
    shows("1 a\n");
    two.send_to(b"b\n", address).expect("it leaves");
    shows("2 b\n");
    keyboard.write_all(b"to two\n").expect("a pipe");
    assert_eq!(heard(&two), b"to two\n");
    let to_one = format!("@{} to one\n@home is sent\n", one.local_addr().expect("bound"));
    keyboard.write_all(to_one.as_bytes()).expect("a pipe");
    assert_eq!((heard(&one), heard(&two)), (b"to one\n".to_vec(), b"@home is sent\n".to_vec()));
    handle.stop();
    let outcome = server.join().expect("it ends");
    assert!(matches!(outcome.over, Over::Interrupted(_)));
    assert_eq!((outcome.peers, outcome.received, outcome.sent), (2, 2, 3));
    assert_eq!((outcome.account.in_bytes, outcome.account.out_bytes), (4, 28));
}

#[test]
fn what_is_typed_before_anybody_spoke_waits_for_the_first() {
    let (socket, address) = on_loopback();
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    keyboard.write_all(b"welcome\n").expect("a pipe");
    drop(keyboard);
    let (_reader, output) = std::io::pipe().expect("a pipe");
    let server = std::thread::spawn(move || {
        let options = Options { linger: Some(Duration::ZERO), ..options(&input, &output) };
        converse(socket, None, options, None, &|_| ()).expect("it works")
    });
    let one = peer();
    one.send_to(b"", address).expect("it leaves");
    assert_eq!(heard(&one), b"welcome\n");
    let outcome = server.join().expect("it ends");
    assert_eq!((outcome.over, outcome.account.how), (Over::LingerEnded, How::Idle));
    assert_eq!((outcome.received, outcome.account.in_bytes), (1, 0), "one without bytes is one");
}

#[test]
fn one_that_does_not_fit_is_told_to_be_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("d");
    let (socket, _) = listening(At::Unix(Transport::UnixDgram, Address::Path(path.clone())));
    let big = UnixDatagram::unbound().expect("a socket");
    socket2::SockRef::from(&big).set_send_buffer_size(1 << 20).expect("a socket");
    let length = big.send_to(&vec![b'x'; 300_000], &path);
    if length.is_err() {
        return; // net.core.wmem_max does not allow it
    }
    let (written, output) = std::io::pipe().expect("a pipe");
    let written = reader(written);
    let told = RefCell::new(Vec::new());
    let options = Options { output: Some(output.as_fd()), once: true, ..Options::default() };
    let outcome = converse(socket, None, options, None, &|event| {
        if let Event::Data { bytes, whole_bytes, .. } = event {
            told.borrow_mut().push((bytes.len(), whole_bytes));
        }
    });
    assert_eq!(outcome.expect("it works").over, Over::Once);
    drop(output);
    assert_eq!(told.into_inner(), [(262_144, Some(300_000))]);
    assert_eq!(written.join().expect("it ends").len(), 262_144);
}

#[test]
fn nobody_there_is_told_and_is_what_it_came_to() {
    let nobody = peer();
    let (socket, server) = called(&nobody);
    drop(nobody);
    let at = server.as_ref().expect("called").in_full(Transport::Udp);
    let told = RefCell::new(Vec::new());
    let linger = Some(Duration::from_millis(50));
    let options = Options { input: script(&["a", "b"]), linger, ..Options::default() };
    let outcome = converse(socket, server, options, None, &|event| {
        if let Event::Trouble(fault) = event {
            told.borrow_mut().push((fault.end, fault.at.clone(), fault.raw_errno()));
        }
    });
    let outcome = outcome.expect("it works");
    assert_eq!((outcome.over, outcome.account.how), (Over::LingerEnded, How::Refused));
    let refused = (End::Peer, at, Some(Errno::CONNREFUSED.raw_os_error()));
    assert_eq!(told.into_inner(), [refused.clone(), refused], "each datagram, once");
    assert_eq!(outcome.sent, 2);
}

#[test]
fn an_answer_breaks_the_silence_and_silence_ends_it() {
    let server = peer();
    let (socket, address) = called(&server);
    let answers = std::thread::spawn(move || {
        let mut bytes = [0; 100];
        let (length, from) = server.recv_from(&mut bytes).expect("it was sent");
        server.send_to(&bytes[..length].to_ascii_uppercase(), from).expect("it leaves");
        server
    });
    let (written, output) = std::io::pipe().expect("a pipe");
    let written = reader(written);
    let linger = Some(Duration::from_millis(300));
    let options =
        Options { input: script(&["hello"]), output: Some(output.as_fd()), linger, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    drop(output);
    answers.join().expect("it ends");
    assert_eq!(written.join().expect("it ends"), b"HELLO");
    assert_eq!((outcome.over, outcome.peers), (Over::LingerEnded, 1));
    assert!(outcome.first_byte.is_some() && outcome.account.open >= Duration::from_millis(300));
}

#[test]
fn sending_alone_ends_when_all_is_sent_and_expecting_when_it_has_come() {
    let server = peer();
    let (socket, address) = called(&server);
    let options = Options { input: script(&["one", "two"]), send_only: true, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    assert_eq!((outcome.over, outcome.sent, outcome.account.how), (Over::Sent, 2, How::Fin));
    assert_eq!((heard(&server), heard(&server)), (b"one".to_vec(), b"two".to_vec()));

    let (socket, address) = called(&server);
    let to = socket.address.internet().expect("of the internet").port();
    for text in ["no", "yes", "more"] {
        server.send_to(text.as_bytes(), ("127.0.0.1", to)).expect("it leaves");
    }
    let mut expect = |bytes: &[u8]| bytes == b"yes";
    let options = Options { expect: Some(&mut expect), recv_only: true, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    assert_eq!((outcome.over, outcome.received), (Over::Expected, 2));
}

#[test]
fn a_time_and_a_reader_that_goes_end_it() {
    let (socket, _) = on_loopback();
    let options = Options { idle: Some(Duration::from_millis(20)), ..Options::default() };
    assert_eq!(converse(socket, None, options, None, &|_| ()).expect("it works").over, Over::IdleEnded);

    let (socket, _) = on_loopback();
    let total = Some(Duration::from_millis(20));
    let options = Options { input: Input::None, linger: None, total, ..Options::default() };
    let outcome = converse(socket, None, options, None, &|_| ()).expect("it works");
    assert_eq!((outcome.over, outcome.account.how), (Over::TotalEnded, How::Limit));

    let (socket, _) = on_loopback();
    let (written, output) = std::io::pipe().expect("a pipe");
    drop(written);
    let options = Options { output: Some(output.as_fd()), total: Some(PATIENCE), ..Options::default() };
    assert_eq!(converse(socket, None, options, None, &|_| ()).expect("it works").over, Over::OutputClosed);
}

#[test]
fn a_line_that_is_too_long_costs_only_itself() {
    let server = peer();
    let (socket, address) = called(&server);
    let mut file = tempfile::tempfile().expect("a file");
    let text = [b"one\n", &[b'x'; 70_000][..], b"\ntwo\n"].concat();
    std::io::Seek::rewind(file.write_all(&text).map(|()| &mut file).expect("a file")).expect("a file");
    let told = RefCell::new(Vec::new());
    let options = Options { input: Input::Fd(file.as_fd()), send_only: true, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|event| {
        if let Event::Trouble(fault) = event {
            told.borrow_mut().push(fault.to_string());
        }
    });
    assert_eq!((heard(&server), heard(&server)), (b"one\n".to_vec(), b"two\n".to_vec()));
    assert_eq!(outcome.expect("it works").account.unsent_bytes, 70_001);
    let told = told.into_inner();
    assert!(told.len() == 1 && told[0].contains("70001 bytes is longer"), "{told:?}");
}

#[test]
fn a_socket_for_both_families_shows_and_answers_ipv4_as_what_it_is() {
    let (socket, address) = listening(At::EveryInterface(Transport::Udp, 0));
    let port = address.port().expect("of the internet");
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    let one = peer();
    one.send_to(b"hi", ("127.0.0.1", port)).expect("it leaves");
    let own = one.local_addr().expect("bound");
    keyboard.write_all(format!("last\n@{own} named\n").as_bytes()).expect("a pipe");
    drop(keyboard);
    let from = RefCell::new(Vec::new());
    let shown = |arrival: &Arrival<'_>| {
        from.borrow_mut().push(arrival.from.to_string());
        Vec::new()
    };
    let (_reader, output) = std::io::pipe().expect("a pipe");
    let linger = Some(Duration::ZERO);
    let options = Options { shown: Some(&shown), linger, ..options(&input, &output) };
    let outcome = converse(socket, None, options, None, &|_| ()).expect("it works");
    assert_eq!((heard(&one), heard(&one)), (b"last\n".to_vec(), b"named\n".to_vec()));
    assert_eq!((from.into_inner(), outcome.sent), (vec![own.to_string()], 2));
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let every = SocketAddr::from(([0, 0, 0, 0], 0));
    let (socket, address) = listening(At::Address(Transport::Udp, every));
    let asked = SocketAddr::from(([127, 0, 0, 2], address.port().expect("of the internet")));
    let one = peer();
    one.connect(asked).expect("loopback");
    one.send(b"hi").expect("it leaves");
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    keyboard.write_all(b"yes\n").expect("a pipe");
    drop(keyboard);
    let (_reader, output) = std::io::pipe().expect("a pipe");
    let options = Options { linger: Some(Duration::ZERO), ..options(&input, &output) };
    converse(socket, None, options, None, &|_| ()).expect("it works");
    // Connected, it takes nothing from anywhere else.
    assert_eq!(one.recv(&mut [0; 9]).expect("an answer"), 4);
}

#[test]
fn unix_datagrams_go_both_ways() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("d");
    let server = UnixDatagram::bind(&path).expect("a new file");
    let target = Target::Unix { transport: Transport::UnixDgram, address: Address::Path(path) };
    let dialled = dial_datagrams(&target, &dial::Options::default(), &|_| ());
    let (socket, address) = dialled.expect("it is there");
    let answers = std::thread::spawn(move || {
        let mut bytes = [0; 100];
        let (length, from) = server.recv_from(&mut bytes).expect("it was sent");
        server.send_to_addr(&bytes[..length], &from).expect("it has a name");
    });
    let (written, output) = std::io::pipe().expect("a pipe");
    let written = reader(written);
    let options = Options {
        input: script(&["hello"]),
        output: Some(output.as_fd()),
        once: true,
        total: Some(PATIENCE),
        ..Options::default()
    };
    let outcome = converse(socket, Some(address), options, None, &|_| ()).expect("it works");
    drop(output);
    answers.join().expect("it ends");
    assert_eq!((written.join().expect("it ends"), outcome.over), (b"hello".to_vec(), Over::Once));
}

#[test]
fn what_waited_for_the_first_peer_goes_to_it_even_if_no_other_is_wanted() {
    let (socket, address) = on_loopback();
    let one = peer();
    one.send_to(b"anyone?", address).expect("it leaves");
    let options = Options { input: script(&["yes"]), once: true, ..Options::default() };
    let outcome = converse(socket, None, options, None, &|_| ()).expect("it works");
    assert_eq!((outcome.over, outcome.account.unsent_bytes), (Over::Once, 0));
    assert_eq!(heard(&one), b"yes");
}

#[test]
fn nobody_in_time_is_a_fault_and_who_may_not_speak_is_nobody() {
    let (socket, address) = on_loopback();
    let stranger = peer();
    stranger.send_to(b"let me in", address).expect("it leaves");
    let asked = RefCell::new(Vec::new());
    let admits = |from: &Address| {
        asked.borrow_mut().push(from.clone());
        false
    };
    let patience = Some(Duration::from_millis(30));
    let options = Options { admits: Some(&admits), patience, ..Options::default() };
    let fault = converse(socket, None, options, None, &|_| ()).expect_err("nobody came");
    assert_eq!((fault.doing, fault.cause), (Doing::Accept, Cause::TimedOut));
    assert_eq!(fault.at, format!("udp://{address}"));
    assert_eq!(asked.into_inner(), [Address::from(stranger.local_addr().expect("bound"))]);
}

#[test]
fn new_peers_are_told_and_shown_with_our_end() {
    let every = SocketAddr::from(([0, 0, 0, 0], 0));
    let (socket, address) = listening(At::Address(Transport::Udp, every));
    let port = address.port().expect("of the internet");
    let (one, two) = (peer(), peer());
    for (who, ip) in [(&one, [127, 0, 0, 1]), (&two, [127, 0, 0, 2]), (&one, [127, 0, 0, 1])] {
        who.send_to(b"x", SocketAddr::from((ip, port))).expect("it leaves");
    }
    let seen = RefCell::new(Vec::new());
    let shown = |arrival: &Arrival<'_>| {
        seen.borrow_mut().push((arrival.client, arrival.is_first, arrival.local.to_string()));
        b"x".to_vec()
    };
    let (_reader, output) = std::io::pipe().expect("a pipe");
    let told = RefCell::new(Vec::new());
    let options = Options {
        output: Some(output.as_fd()),
        shown: Some(&shown),
        recv_only: true,
        idle: Some(Duration::from_millis(50)),
        ..Options::default()
    };
    let outcome = converse(socket, None, options, None, &|event| {
        if let Event::Opened { client, local, .. } = event {
            told.borrow_mut().push((client, local.to_string()));
        }
    });
    assert_eq!(outcome.expect("it works").peers, 2);
    let (first, second) = (format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}"));
    assert_eq!(told.into_inner(), [(1, first.clone()), (2, second.clone())]);
    assert_eq!(seen.into_inner(), [(1, true, first.clone()), (2, true, second), (1, false, first)]);
}

#[test]
fn a_mistake_in_typing_goes_nowhere() {
    let server = peer();
    let (socket, address) = called(&server);
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    keyboard.write_all(b"@nobody hello\n@ @home\n").expect("a pipe");
    drop(keyboard);
    let told = RefCell::new(Vec::new());
    let options =
        Options { input: Input::Fd(input.as_fd()), by_hand: true, send_only: true, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|event| {
        if let Event::Trouble(fault) = event {
            told.borrow_mut().push(fault.to_string());
        }
    });
    let outcome = outcome.expect("it works");
    assert_eq!((outcome.sent, outcome.account.unsent_bytes), (1, 14));
    assert_eq!(heard(&server), b"@home\n");
    assert_eq!(told.into_inner(), ["send to nobody: it has to be an IP address with its port"]);
}

#[test]
fn line_ends_a_word_and_a_beat_are_for_datagrams_too() {
    let server = peer();
    let (socket, address) = called(&server);
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    keyboard.write_all(b"one\ntwo\nquit\nthree\n").expect("a pipe");
    let until = vec![b"quit".to_vec()];
    let input = Input::Fd(input.as_fd());
    let options = Options { input, until, crlf: true, send_only: true, ..Options::default() };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    assert_eq!(
        (outcome.over, heard(&server), heard(&server)),
        (Over::Sent, b"one\r\n".into(), b"two\r\n".into())
    );
    let (socket, address) = called(&server);
    let texts = vec![b"tick".to_vec(), b"tock".to_vec()];
    let input = Input::Script(Script { texts, every: Some(Duration::from_millis(20)) });
    let options = Options { input, total: Some(Duration::from_millis(500)), ..Options::default() };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    assert!((3..=26).contains(&outcome.sent), "{outcome:?}");
    assert_eq!(
        (heard(&server), heard(&server), heard(&server)),
        (b"tick".into(), b"tock".into(), b"tick".into())
    );
}

#[test]
fn ipv6_peers_are_heard_and_named_like_any() {
    let (socket, address) = listening(At::EveryInterface(Transport::Udp, 0));
    let port = address.port().expect("of the internet");
    let Ok(one) = UdpSocket::bind("[::1]:0") else { return };
    one.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let own = one.local_addr().expect("bound");
    one.send_to(b"hi", ("::1", port)).expect("it leaves");
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    keyboard.write_all(format!("last\n@{own} named\n").as_bytes()).expect("a pipe");
    drop(keyboard);
    let (written, output) = std::io::pipe().expect("a pipe");
    let shown = |arrival: &Arrival<'_>| format!("{} to {}", arrival.from, arrival.local).into_bytes();
    let options = Options { shown: Some(&shown), linger: Some(Duration::ZERO), ..options(&input, &output) };
    converse(socket, None, options, None, &|_| ()).expect("it works");
    drop(output);
    assert_eq!((heard(&one), heard(&one)), (b"last\n".to_vec(), b"named\n".to_vec()));
    let shown = reader(written).join().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&shown), format!("{own} to [::1]:{port}"));
}

#[test]
fn one_of_a_pair_needs_no_name() {
    let (ours, theirs) = UnixDatagram::pair().expect("a pair");
    theirs.send(b"hello").expect("room");
    let socket = DatagramSocket::of(ours.into(), Transport::UnixDgram);
    let options = Options { input: script(&["yes"]), linger: Some(Duration::ZERO), ..Options::default() };
    let outcome = converse(socket, Some(Address::Unnamed), options, None, &|_| ()).expect("it works");
    assert_eq!((outcome.received, outcome.sent, outcome.peers), (1, 1, 1));
    assert_eq!(theirs.recv(&mut [0; 9]).expect("it was sent"), 3);
}
