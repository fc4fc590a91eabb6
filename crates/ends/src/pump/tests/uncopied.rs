//! Pages that the kernel moves, and the places that take none; and the sockets of this machine alone.

use std::fs::File;
use std::os::unix::net::UnixStream;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, shutdown, socketpair,
};

use super::*;

/// Every byte differs from its neighbours, and none repeats at the size of a page.
fn pattern(length: u32) -> Vec<u8> {
    (0..length).map(|place| (place ^ (place >> 8) ^ (place >> 16)) as u8).collect()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("a file");
    file
}

/// Two ends of a Unix connection, ours open to the pump.
fn unix_connection(transport: Transport, kind: SocketType) -> (Connected, std::os::fd::OwnedFd) {
    let (ours, peer) =
        socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a pair of sockets");
    rustix::io::ioctl_fionbio(&ours, true).expect("a socket");
    let (local, remote) = (Address::Unnamed, Address::Unnamed);
    (Connected { socket: ours, transport, local, remote, times: Times::default() }, peer)
}

/// What arrives at the output is what was sent to the peer and back, to the byte.
fn goes_round(input: &File, output: &File) -> Outcome {
    let (connected, peer) = connection();
    let server = echo(peer);
    let options =
        Options { input: Input::Fd(input.as_fd()), output: Some(output.as_fd()), ..Options::default() };
    let outcome = pump(connected, options);
    server.join().expect("the server ends");
    outcome
}

#[test]
fn from_a_file_into_a_file_every_byte_is_moved_and_counted() {
    let bytes = pattern(5_000_001);
    let (input, mut output) = (file_of(&bytes), tempfile::tempfile().expect("a file"));
    let account = goes_round(&input, &output).account;
    let mut written = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut written)).expect("a file");
    assert!(written == bytes);
    assert_eq!((account.in_bytes, account.out_bytes, account.unsent_bytes), (5_000_001, 5_000_001, 0));
}

#[test]
fn a_file_is_read_and_written_from_where_it_stands() {
    let mut input = file_of(b"skipped, then sent");
    input.seek(std::io::SeekFrom::Start(14)).expect("a file");
    let mut output = file_of(b"kept ");
    output.seek(std::io::SeekFrom::End(0)).expect("a file");
    goes_round(&input, &output);
    let mut written = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut written)).expect("a file");
    assert_eq!(written, "kept sent");
}

#[test]
fn a_file_that_only_grows_takes_it_by_the_buffer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    std::fs::write(&path, "before ").expect("a file");
    let output = File::options().append(true).open(&path).expect("a file");
    let bytes = pattern(3_000_000);
    let account = goes_round(&file_of(&bytes), &output).account;
    assert_eq!((account.in_bytes, account.unread_bytes), (3_000_000, 0));
    let written = std::fs::read(&path).expect("a file");
    assert!(written.strip_prefix(b"before ") == Some(&bytes[..]));
}

#[test]
fn nothing_is_a_place_too() {
    let null = File::options().write(true).open("/dev/null").expect("it is always there");
    assert_eq!(goes_round(&file_of(&pattern(2_000_000)), &null).account.in_bytes, 2_000_000);
}

#[test]
fn urgent_bytes_end_nothing() {
    let (connected, peer) = connection();
    let (output_end, output) = pipe();
    let sent = send(&peer, b"!", SendFlags::OOB).expect("room");
    assert_eq!(sent, 1);
    let mut peer = peer;
    peer.write_all(b"behind it").expect("room");
    drop(peer);
    let options = Options { output: Some(output.as_fd()), recv_only: true, ..Options::default() };
    let outcome = pump(connected, options);
    drop(output);
    assert_eq!(outcome.over, Over::Closed);
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"behind it");
}

#[test]
fn what_is_stuck_in_our_pipe_at_a_reset_was_never_sent() {
    let (connected, peer) = connection();
    socket2::SockRef::from(&peer).set_recv_buffer_size(4096).expect("a socket");
    let bytes = pattern(32 << 20);
    let mut input = file_of(&bytes);
    let outcome = std::thread::scope(|scope| {
        let pumping = scope
            .spawn(|| pump(connected, Options { input: Input::Fd(input.as_fd()), ..Options::default() }));
        // The file stands still once nothing more fits: into the peer, the kernel and our pipe.
        peer.peek(&mut [0]).expect("it sends");
        drop(peer); // with unread bytes: a reset
        pumping.join().expect("it ends")
    });
    let taken = input.stream_position().expect("a file");
    let account = outcome.account;
    assert_eq!((outcome.over, account.how), (Over::Closed, How::Reset));
    // Every byte of the file has left, waits in the kernel or in our pipe, or was not even taken.
    assert_eq!(account.out_bytes + account.never_sent_bytes, bytes.len() as u64);
    assert!(account.unsent_bytes >= account.never_sent_bytes && account.out_bytes < taken);
    assert!(account.never_sent_bytes > bytes.len() as u64 - taken, "nothing was stuck");
}

/// Both FINs are said; the last bytes are on their way when the peer is gone.
#[test]
fn who_sends_only_hears_of_a_reset_behind_both_fins() {
    let (connected, peer) = connection();
    socket2::SockRef::from(&peer).set_recv_buffer_size(4096).expect("a socket");
    peer.shutdown(Shutdown::Write).expect("open");
    let bytes = pattern(400_000);
    let input = file_of(&bytes);
    let options = || Options {
        send_only: true,
        may_leave_open_input: false,
        input: Input::Fd(input.as_fd()),
        ..Options::default()
    };
    let outcome = std::thread::scope(|scope| {
        let pumping = scope.spawn(|| pump(connected, options()));
        // Nobody else moves the place in the file: all of it is with the kernel, which the peer has no room for.
        while rustix::fs::tell(&input).expect("a file") < bytes.len() as u64 {
            std::thread::yield_now();
        }
        drop(peer); // with unread bytes: a reset
        pumping.join().expect("it ends")
    });
    let account = outcome.account;
    assert_eq!((account.how, account.closed_by), (How::Reset, ClosedBy::Peer), "{account:?}");
    assert!(account.unsent_bytes > 0, "{account:?}");
}

#[test]
fn a_unix_stream_goes_uncopied_and_ends_as_tcp_does() {
    let (connected, peer) = unix_connection(Transport::Unix, SocketType::STREAM);
    let bytes = pattern(3_000_000);
    let server = std::thread::spawn(move || {
        let mut peer = UnixStream::from(peer);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("our end");
        peer.write_all(b"thanks").expect("we read on");
        heard
    });
    let (input, mut output) = (file_of(&bytes), tempfile::tempfile().expect("a file"));
    let options =
        Options { input: Input::Fd(input.as_fd()), output: Some(output.as_fd()), ..Options::default() };
    let outcome = pump(connected, options);
    assert!(server.join().expect("the server ends") == bytes);
    let mut written = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut written)).expect("a file");
    assert_eq!(written, "thanks");
    assert_eq!((outcome.over, outcome.account.how), (Over::Closed, How::Fin));
    assert_eq!((outcome.account.out_bytes, outcome.account.unsent_bytes), (3_000_000, 0));
}

#[test]
fn what_waits_in_the_queue_of_a_unix_peer_has_arrived() {
    let (connected, peer) = unix_connection(Transport::Unix, SocketType::STREAM);
    let (input, mut typed) = pipe();
    typed.write_all(b"a note\n").expect("room");
    drop(typed);
    let options = Options { input: Input::Fd(input.as_fd()), send_only: true, ..Options::default() };
    let outcome = pump(connected, options);
    assert_eq!((outcome.over, outcome.account.unsent_bytes), (Over::Sent, 0));
    let mut note = String::new();
    UnixStream::from(peer).read_to_string(&mut note).expect("it is there, though we have gone");
    assert_eq!(note, "a note\n");
}

#[test]
fn a_unix_peer_that_goes_ends_it_though_the_input_goes_first() {
    let (connected, peer) = unix_connection(Transport::Unix, SocketType::STREAM);
    let (input, typed) = pipe();
    let (_output_end, output) = pipe();
    drop(peer);
    let outcome = pump(connected, Options { may_leave_open_input: false, ..options(&input, &output) });
    assert_eq!((outcome.over, outcome.account.how), (Over::Closed, How::Fin));
    assert_eq!(outcome.account.closed_by, ClosedBy::Peer);
    drop(typed);
}

#[test]
fn messages_stay_apart_and_an_empty_one_ends_nothing() {
    let (connected, peer) = unix_connection(Transport::UnixSeqpacket, SocketType::SEQPACKET);
    let (output_end, output) = pipe();
    for message in [&b"one"[..], b"", b"two"] {
        send(&peer, message, SendFlags::empty()).expect("room");
    }
    shutdown(&peer, rustix::net::Shutdown::Write).expect("open");
    let texts = vec![b"what".to_vec(), b"next".to_vec()];
    let shown = |bytes: &[u8], _| format!("<{}>", String::from_utf8_lossy(bytes)).into_bytes();
    let options = Options {
        input: Input::Script(Script { texts, every: None }),
        output: Some(output.as_fd()),
        shown: Some(&shown),
        ..Options::default()
    };
    let outcome = pump(connected, options);
    drop(output);
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"<one><two>");
    let mut heard = [0; 16];
    for expected in [&b"what"[..], b"next", b""] {
        let (length, _) = recv(&peer, &mut heard, RecvFlags::empty()).expect("a message, or the end");
        assert_eq!(&heard[..length], expected);
    }
    assert_eq!((outcome.account.in_bytes, outcome.account.out_bytes), (6, 8));
}

#[test]
fn a_peer_that_leaves_messages_unread_has_reset_and_is_heard_all_the_same() {
    let (connected, peer) = unix_connection(Transport::UnixSeqpacket, SocketType::SEQPACKET);
    let (output_end, output) = pipe();
    for message in [&b""[..], b"first ", b"last"] {
        send(&peer, message, SendFlags::empty()).expect("room");
    }
    send(&connected.socket, b"for nobody", SendFlags::empty()).expect("room");
    drop(peer);
    let options = Options { output: Some(output.as_fd()), recv_only: true, ..Options::default() };
    let outcome = pump(connected, options);
    drop(output);
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"first last");
    assert_eq!((outcome.over, outcome.account.how), (Over::Closed, How::Reset));
    assert_eq!((outcome.account.in_bytes, outcome.account.unread_bytes), (10, 0));
    assert_eq!(outcome.errno, Some(Errno::CONNRESET.raw_os_error()));
}
