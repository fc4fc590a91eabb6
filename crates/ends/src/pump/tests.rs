//! The pump between a real connection and pipes or files.

mod scripted;
mod uncopied;

use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Seek, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::*;
use crate::dial::{Dialled, Target, Times, dial};
use crate::event::How;

/// A connection and its other end.
fn connection() -> (Connected, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let dialled = dial(&Target::tcp(address), &crate::dial::Options::default(), None, &|_| ());
    let dialled = dialled.expect("it listens");
    let Dialled::Open(connected) = dialled else { unreachable!("nobody asked to stop") };
    let (peer, _) = listener.accept().expect("a client is there");
    (connected, peer)
}

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().expect("a pipe")
}

fn options<'a>(input: &'a PipeReader, output: &'a PipeWriter) -> Options<'a> {
    Options { input: Input::Fd(input.as_fd()), output: Some(output.as_fd()), ..Options::default() }
}

fn pump(connected: Connected, options: Options<'_>) -> Outcome {
    run(connected, options, None, &|_| ()).expect("input and output work")
}

/// Reads everything that comes out of a pipe.
fn reader(mut pipe: PipeReader) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe");
        bytes
    })
}

/// Sends back everything and then its FIN, reading no more than it has sent.
fn echo(mut peer: TcpStream) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = vec![0; 10_000];
        while let Ok(length @ 1..) = peer.read(&mut bytes) {
            peer.write_all(&bytes[..length]).expect("the client reads");
        }
    })
}

#[test]
fn a_big_file_comes_back_from_an_echo_server() {
    let (connected, peer) = connection();
    let server = echo(peer);
    let bytes: Vec<u8> = (0..20_000_000u32).map(|place| (place ^ (place >> 8)) as u8).collect();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).and_then(|()| file.rewind()).expect("a file");
    let (output_end, output) = pipe();
    let written = reader(output_end);
    let options =
        Options { input: Input::Fd(file.as_fd()), output: Some(output.as_fd()), ..Options::default() };
    let outcome = pump(connected, options);
    drop(output);
    server.join().expect("the server ends");
    assert!(written.join().expect("the reader ends") == bytes);
    assert_eq!((outcome.over, outcome.account.never_sent_bytes), (Over::Closed, 0));
    let account = outcome.account;
    assert_eq!((account.how, account.closed_by), (How::Fin, ClosedBy::Us));
    assert_eq!((account.in_bytes, account.out_bytes, account.unsent_bytes), (20_000_000, 20_000_000, 0));
}

#[test]
fn a_late_answer_is_waited_for_after_the_input_has_ended() {
    let (connected, mut peer) = connection();
    let (input, mut typed) = pipe();
    let (output_end, output) = pipe();
    typed.write_all(b"a\0question\n").expect("room");
    drop(typed);
    let server = std::thread::spawn(move || {
        let mut question = Vec::new();
        peer.read_to_end(&mut question).expect("a FIN");
        peer.write_all(b"an answer\xff\n").expect("it reads on");
        question
    });
    let outcome = pump(connected, options(&input, &output));
    drop(output);
    assert_eq!(server.join().expect("the server ends"), b"a\0question\n");
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"an answer\xff\n");
    assert_eq!((outcome.account.how, outcome.account.closed_by), (How::Fin, ClosedBy::Us));
}

#[test]
fn the_peers_fin_ends_it_though_the_input_is_open() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    peer.write_all(b"good day\n").expect("room");
    drop(peer);
    let outcome = pump(connected, options(&input, &output));
    drop((output, typed));
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"good day\n");
    assert_eq!((outcome.over, outcome.account.closed_by), (Over::Closed, ClosedBy::Peer));
}

#[test]
fn a_closed_output_closes_both_directions() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    drop(output_end);
    peer.write_all(b"for nobody\n").expect("room");
    let outcome = pump(connected, options(&input, &output));
    assert_eq!(outcome.over, Over::OutputClosed);
    assert_eq!(outcome.account.unread_bytes, 11);
    assert_eq!(peer.read(&mut [0]).expect("its end"), 0);
    drop(typed);
}

#[test]
fn a_reset_tells_what_was_not_acknowledged_and_what_never_left() {
    let (connected, peer) = connection();
    // A receiver that hardly takes anything.
    socket2::SockRef::from(&peer).set_recv_buffer_size(4096).expect("a socket");
    let (input, mut typed) = pipe();
    let (_output_end, output) = pipe();
    let typed_bytes = &AtomicU64::new(0);
    std::thread::scope(|scope| {
        let typist = scope.spawn(move || {
            while let Ok(length) = typed.write(&[b'x'; 65536]) {
                typed_bytes.fetch_add(length as u64, Ordering::SeqCst);
            }
        });
        scope.spawn(move || {
            // By then the pump has read more than the peer's buffer and the pipe hold.
            while typed_bytes.load(Ordering::SeqCst) < 1 << 20 {
                std::thread::yield_now();
            }
            drop(peer); // with unread bytes: a reset
        });
        let outcome = pump(connected, options(&input, &output));
        drop(input); // ends the typist, whose last write is counted only when it returns
        typist.join().expect("a typist");
        let account = outcome.account;
        assert_eq!(
            (outcome.over, account.how, account.closed_by),
            (Over::Closed, How::Reset, ClosedBy::Peer)
        );
        assert!(account.never_sent_bytes > 0 && account.never_sent_bytes <= account.unsent_bytes);
        // What was typed has left, or it waits in the kernel, here or in the pipe.
        let typed = typed_bytes.load(Ordering::SeqCst);
        let counted = account.out_bytes + account.never_sent_bytes;
        assert!(counted > 1 << 20 && counted <= typed, "{counted} of {typed}");
    });
}

#[test]
fn what_came_before_a_reset_is_written_out() {
    let (connected, mut peer) = connection();
    let (input, mut typed) = pipe();
    let (output_end, output) = pipe();
    typed.write_all(b"unread").expect("room");
    peer.write_all(b"last words").expect("room");
    let server = std::thread::spawn(move || {
        peer.peek(&mut [0]).expect("it sends");
        drop(peer); // with unread bytes: a reset
    });
    let outcome = pump(connected, options(&input, &output));
    server.join().expect("the server ends");
    drop((output, typed));
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"last words");
    assert_eq!((outcome.account.how, outcome.account.never_sent_bytes), (How::Reset, 0));
}

#[test]
fn a_request_to_stop_ends_it_though_the_output_is_full() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let server = std::thread::spawn(move || {
        while let Ok(length) = peer.write(&[0; 65536]) {
            counter.fetch_add(length as u64, Ordering::SeqCst);
        }
    });
    let writer = output.try_clone().expect("a descriptor");
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let asker = std::thread::spawn(move || {
        // The pipe is full, and more than it holds has been sent: the pump waits for room in it, or will.
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let has_room = || poll(&mut [PollFd::new(&writer, PollFlags::OUT)], Some(&now)) != Ok(0);
        while has_room() || sent.load(Ordering::SeqCst) < 1 << 20 {
            std::thread::yield_now();
        }
        handle.stop();
        output_end
    });
    let outcome =
        run(connected, options(&input, &output), Some(&stop), &|_| ()).expect("input and output work");
    assert_eq!(outcome.over, Over::Interrupted(Asked { signal: None }));
    assert_eq!(outcome.account.how, How::Stopped);
    assert!(outcome.account.unread_bytes > 0);
    let flags = rustix::fs::fcntl_getfl(&output).expect("flags");
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "others share the output");
    drop((asker.join().expect("the asker ends"), typed));
    server.join().expect("the server ends");
}

#[test]
fn send_only_ends_when_all_is_acknowledged() {
    let (connected, mut peer) = connection();
    let (input, mut typed) = pipe();
    typed.write_all(b"a note\n").expect("room");
    drop(typed);
    peer.write_all(b"not wanted\n").expect("room");
    let options = Options { input: Input::Fd(input.as_fd()), send_only: true, ..Options::default() };
    // The peer neither reads nor closes.
    let outcome = pump(connected, options);
    assert_eq!((outcome.over, outcome.account.unsent_bytes), (Over::Sent, 0));
    let mut note = String::new();
    peer.read_to_string(&mut note).expect("a FIN");
    assert_eq!(note, "a note\n");
}

#[test]
fn recv_only_leaves_the_input_alone_and_sends_no_fin() {
    let (connected, mut peer) = connection();
    let (mut input, mut typed) = pipe();
    let (output_end, output) = pipe();
    typed.write_all(b"for somebody else").expect("room");
    drop(typed);
    let server = std::thread::spawn(move || {
        peer.write_all(b"news\n").expect("room");
        peer.shutdown(Shutdown::Write).expect("open");
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).expect("its end");
        rest
    });
    let outcome = pump(connected, Options { recv_only: true, ..options(&input, &output) });
    drop(output);
    assert_eq!(outcome.account.closed_by, ClosedBy::Peer);
    assert!(server.join().expect("the server ends").is_empty());
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"news\n");
    let mut left = String::new();
    input.read_to_string(&mut left).expect("a pipe");
    assert_eq!(left, "for somebody else");
}

#[test]
fn kept_half_open_no_fin_is_sent_and_linger_ends_it() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (_output_end, output) = pipe();
    drop(typed);
    let options = Options {
        keep_half_open: true,
        linger: Some(Duration::from_millis(100)),
        ..options(&input, &output)
    };
    peer.set_nonblocking(true).expect("a socket");
    let outcome = pump(connected, options);
    assert_eq!(outcome.over, Over::LingerEnded);
    assert!(outcome.account.open >= Duration::from_millis(100));
    assert_eq!(peer.read(&mut [0]).expect("the close"), 0);
}

#[test]
fn received_bytes_are_told_when_asked_for() {
    let (connected, mut peer) = connection();
    peer.write_all(b"\xffone").expect("room");
    drop(peer);
    let heard = RefCell::new(Vec::new());
    let tell = |event| {
        if let Event::Data { client: 1, bytes, .. } = event {
            heard.borrow_mut().extend(bytes);
        }
    };
    let options = Options { tell_data: true, recv_only: true, ..Options::default() };
    run(connected, options, None, &tell).expect("nothing can go wrong");
    assert_eq!(heard.into_inner(), b"\xffone");
}

#[test]
fn an_input_that_cannot_be_read_is_our_fault_and_no_fin() {
    let (connected, mut peer) = connection();
    let folder = std::fs::File::open("/").expect("a folder");
    let options = Options { input: Input::Fd(folder.as_fd()), ..Options::default() };
    let fault = run(connected, options, None, &|_| ()).expect_err("a folder has no bytes");
    assert_eq!((fault.end, fault.doing), (End::You, Doing::Read));
    let error = peer.read(&mut [0]).expect_err("a reset: the input was not all");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_full_disk_is_told() {
    let (connected, mut peer) = connection();
    peer.write_all(b"too much").expect("room");
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let options = Options { output: Some(full.as_fd()), recv_only: true, ..Options::default() };
    let fault = run(connected, options, None, &|_| ()).expect_err("/dev/full takes nothing");
    assert_eq!((fault.doing, fault.raw_errno()), (Doing::Write, Some(Errno::NOSPC.raw_os_error())));
}

#[test]
fn what_is_shown_is_written_instead_and_a_stopped_reader_is_told_apart() {
    let (connected, mut peer) = connection();
    let (output_end, output) = pipe();
    peer.write_all(b"abc").expect("room");
    drop(peer);
    let shown = |bytes: &[u8], _| format!("<{}>", String::from_utf8_lossy(bytes)).into_bytes();
    let options = || Options { output: Some(output.as_fd()), recv_only: true, ..Options::default() };
    let outcome = pump(connected, Options { shown: Some(&shown), ..options() });
    assert_eq!((outcome.account.in_bytes, outcome.account.unread_bytes), (3, 0));
    assert!(!outcome.output_was_cut);

    // One arrival that is shown as more than a pipe holds.
    let (connected, mut peer) = connection();
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let long = |_: &[u8], _| {
        handle.stop();
        vec![b'y'; 300_000]
    };
    peer.write_all(b"abcd").expect("room");
    let outcome = run(connected, Options { shown: Some(&long), ..options() }, Some(&stop), &|_| ());
    let outcome = outcome.expect("nothing failed");
    assert!(matches!(outcome.over, Over::Interrupted(_)) && outcome.output_was_cut);
    assert_eq!((outcome.account.in_bytes, outcome.account.unread_bytes), (0, 4));
    drop(output);
    let written = reader(output_end).join().expect("the reader ends");
    assert!(written.starts_with(b"<abc>yyy") && written.len() < 300_000);
}

#[test]
fn a_reader_that_goes_away_is_noticed_while_nothing_comes() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    std::thread::scope(|scope| {
        let pumping = scope.spawn(|| pump(connected, options(&input, &output)));
        peer.write_all(b"one line").expect("room");
        let mut output_end = output_end;
        output_end.read_exact(&mut [0; 8]).expect("what the peer said");
        drop(output_end);
        assert_eq!(pumping.join().expect("it ends").over, Over::OutputClosed);
    });
    assert_eq!(peer.read(&mut [0]).expect("its end"), 0);
    drop(typed);
}
