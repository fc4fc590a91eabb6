//! What goes wrong: it is told with the peer that it is about, and ends nothing.

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Everything that was told, as text.
fn told(run: impl FnOnce(&dyn Fn(Event)) -> Outcome) -> (Outcome, Vec<String>) {
    let told = RefCell::new(Vec::new());
    let outcome = run(&|event| {
        if let Event::Trouble(fault) = event {
            told.borrow_mut().push(fault.to_string());
        }
    });
    (outcome, told.into_inner())
}

/// How long this thread has been running on a processor.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("below a second"))
}

#[test]
fn a_line_that_ipv4_cannot_carry_is_told_once_and_the_next_one_goes_out() {
    let server = peer();
    let (socket, address) = called(&server);
    let long = "x".repeat(65_508);
    let input = script(&[&long, "next"]);
    let options = Options { input, send_only: true, total: Some(PATIENCE), ..Options::default() };
    let (outcome, told) = told(|tell| converse(socket, address, options, None, tell).expect("it works"));
    assert_eq!((outcome.over, outcome.sent), (Over::Sent, 1), "{:?}", told.first());
    assert_eq!(told.len(), 1, "{:?}", told.first());
    assert!(
        told[0].contains("65508 bytes do not fit into a datagram, which holds at most 65507"),
        "{told:?}"
    );
    assert_eq!(heard(&server), b"next");
}

#[test]
fn a_unix_peer_that_does_not_read_is_waited_for_without_haste() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("d");
    let _server = UnixDatagram::bind(&path).expect("a new file");
    let target = Target::Unix { transport: Transport::UnixDgram, address: Address::Path(path) };
    let dialled = dial_datagrams(&target, &dial::Options::default(), &|_| ());
    let (socket, address) = dialled.expect("it is there");
    // More than lets itself be queued there (net.unix.max_dgram_qlen).
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&b"x\n".repeat(5000)).expect("a file");
    std::io::Seek::rewind(&mut file).expect("a file");
    let total = Some(Duration::from_millis(500));
    let options = Options { input: Input::Fd(file.as_fd()), total, ..Options::default() };
    let before = busy();
    let outcome = converse(socket, Some(address), options, None, &|_| ()).expect("it works");
    assert_eq!(outcome.over, Over::TotalEnded);
    assert!(outcome.sent < 5000, "{outcome:?}");
    assert!(busy() - before < Duration::from_millis(60), "{:?}", busy() - before);
}

#[test]
fn what_came_is_written_out_before_silence_ends_it() {
    let server = peer();
    let (socket, address) = called(&server);
    let to = socket.address.internet().expect("of the internet").port();
    server.send_to(&[b'x'; 20_000], ("127.0.0.1", to)).expect("it leaves");
    let (written, output) = std::io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&output, 4096).expect("a pipe");
    let reader = std::thread::spawn(move || {
        // Not before the time of `linger` has gone by more than once.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::thread::yield_now();
        }
        super::reader(written).join().expect("it ends")
    });
    let linger = Some(Duration::from_millis(20));
    let options = Options {
        input: script(&["hello"]),
        output: Some(output.as_fd()),
        linger,
        total: Some(PATIENCE),
        ..Options::default()
    };
    let outcome = converse(socket, address, options, None, &|_| ()).expect("it works");
    drop(output);
    assert_eq!(reader.join().expect("it ends").len(), 20_000);
    assert_eq!((outcome.over, outcome.account.unread_bytes), (Over::LingerEnded, 0));
}

#[test]
fn the_same_over_and_over_is_told_a_few_times_and_counted() {
    let nobody = peer();
    let (socket, address) = called(&nobody);
    drop(nobody);
    let every = Some(Duration::from_millis(1));
    let input = Input::Script(Script { texts: vec![b"anyone?".to_vec()], every });
    let options = Options { input, total: Some(Duration::from_millis(300)), ..Options::default() };
    let (outcome, told) = told(|tell| converse(socket, address, options, None, tell).expect("it works"));
    assert!(outcome.sent > 10, "{outcome:?}");
    assert!(told.len() < 12, "{} lines", told.len());
    let last = told.last().expect("told");
    assert!(last.contains("the same") && last.ends_with("times more"), "{last}");
    assert_eq!((outcome.account.how, outcome.account.closed_by), (How::Refused, ClosedBy::Peer));
}

#[test]
fn a_broadcast_without_leave_is_told_and_not_counted_as_sent() {
    let server = peer();
    let (socket, _) = called(&server);
    let everybody = Some(Address::from(SocketAddr::from(([127, 255, 255, 255], 9))));
    let options = Options { input: script(&["all"]), send_only: true, ..Options::default() };
    let (outcome, told) = told(|tell| converse(socket, everybody, options, None, tell).expect("it works"));
    assert_eq!((outcome.sent, outcome.account.unsent_bytes), (0, 3));
    assert!(told.len() == 1 && told[0].contains("Permission denied"), "{told:?}");
}

#[test]
fn a_peer_without_an_address_is_told_once_and_what_is_typed_waits_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("d");
    let (socket, _) = listening(At::Unix(Transport::UnixDgram, Address::Path(path.clone())));
    let nameless = UnixDatagram::unbound().expect("a socket");
    for _ in 0..2 {
        nameless.send_to(b"hi", &path).expect("room");
    }
    let named = UnixDatagram::bind(folder.path().join("named")).expect("a new file");
    named.send_to(b"hi", &path).expect("room");
    let options = Options { input: script(&["yes"]), linger: Some(Duration::ZERO), ..Options::default() };
    let (outcome, told) = told(|tell| converse(socket, None, options, None, tell).expect("it works"));
    assert_eq!((outcome.received, outcome.peers, outcome.sent), (3, 2, 1));
    assert_eq!(named.recv(&mut [0; 9]).expect("it was sent"), 3);
    assert_eq!(told, ["send to an unnamed peer: it has no address, so nothing can be sent to it"]);
}

#[test]
fn a_unix_server_that_has_gone_has_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("d");
    let server = UnixDatagram::bind(&path).expect("a new file");
    let target = Target::Unix { transport: Transport::UnixDgram, address: Address::Path(path) };
    let dialled = dial_datagrams(&target, &dial::Options::default(), &|_| ());
    let (socket, address) = dialled.expect("it is there");
    drop(server);
    let options = Options { input: script(&["hello"]), linger: Some(Duration::ZERO), ..Options::default() };
    let (outcome, told) =
        told(|tell| converse(socket, Some(address), options, None, tell).expect("it works"));
    assert_eq!((outcome.account.how, outcome.account.closed_by), (How::Refused, ClosedBy::Peer));
    assert_eq!((outcome.sent, outcome.account.unsent_bytes), (0, 5));
    assert!(told.len() == 1 && told[0].contains("Connection refused"), "{told:?}");
}

#[test]
fn a_flood_from_many_neither_grows_nor_drowns_what_is_typed() {
    let (socket, address) = on_loopback();
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let (written, output) = std::io::pipe().expect("a pipe");
    let written = reader(written);
    let (input, mut keyboard) = std::io::pipe().expect("a pipe");
    let server = std::thread::spawn(move || {
        let options = Options { total: Some(3 * PATIENCE), ..options(&input, &output) };
        converse(socket, None, options, Some(&stop), &|_| ()).expect("it works")
    });
    let friend = peer();
    let flooding = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let strangers: Vec<UdpSocket> = (0..200).map(|_| peer()).collect();
            while flooding.load(std::sync::atomic::Ordering::Relaxed) {
                for stranger in &strangers {
                    // Where there is no room for it, it is lost.
                    let _ = stranger.send_to(&[b'x'; 1000], address);
                }
            }
        });
        for _ in 0..20 {
            keyboard
                .write_all(format!("@{} hello\n", friend.local_addr().expect("bound")).as_bytes())
                .expect("a pipe");
            assert_eq!(heard(&friend), b"hello\n");
        }
        flooding.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    handle.stop();
    let outcome = server.join().expect("it ends");
    let written = written.join().expect("it ends");
    // Of the one that was being written at the end, a part may be there: it counts as a whole as unread.
    let part = written.len() as u64 - (outcome.account.in_bytes - outcome.account.unread_bytes);
    assert!(part < 1000 && (part == 0 || outcome.output_was_cut), "{part}: {outcome:?}");
    assert!(outcome.peers <= 200, "{outcome:?}");
}
