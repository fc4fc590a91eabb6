//! What is sent, and what ends a conversation, other than the two ends' own ends.

use super::*;

/// The script of these texts.
fn script(texts: &[&str], every: Option<Duration>) -> Input<'static> {
    Input::Script(Script { texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(), every })
}

/// Everything that the peer receives to our FIN.
fn heard(mut peer: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).expect("a FIN");
    heard
}

#[test]
fn a_script_is_sent_and_ends_by_fin() {
    let (connected, peer) = connection();
    let server = std::thread::spawn(move || heard(peer));
    let options = Options {
        input: script(&["one\n", "two"], None),
        crlf: true,
        frame: Frame::Line,
        ..Options::default()
    };
    let outcome = pump(connected, options);
    assert_eq!(server.join().expect("the server ends"), b"one\r\ntwo\r\n");
    assert_eq!((outcome.over, outcome.account.out_bytes), (Over::Closed, 10));
}

#[test]
fn a_script_with_a_beat_goes_on_until_the_peer_closes() {
    let (connected, mut peer) = connection();
    let server = std::thread::spawn(move || {
        let mut heard = [0; 6];
        peer.read_exact(&mut heard).expect("three beats");
        heard
    });
    let every = Duration::from_millis(20);
    let outcome =
        pump(connected, Options { input: script(&["a\n", "b\n"], Some(every)), ..Options::default() });
    assert_eq!(&server.join().expect("the server ends"), b"a\nb\na\n");
    assert!(outcome.account.open >= 2 * every, "the third was sent behind two beats");
    assert_eq!(outcome.account.closed_by, ClosedBy::Peer);
}

#[test]
fn a_word_ends_the_input_and_is_not_sent() {
    let (connected, peer) = connection();
    let (input, mut typed) = pipe();
    let server = std::thread::spawn(move || heard(peer));
    typed.write_all(b"not quit\nquit\nnever sent\n").expect("room");
    let options = Options {
        input: Input::Fd(input.as_fd()),
        until: vec![b"bye".to_vec(), b"quit".to_vec()],
        ..Options::default()
    };
    let outcome = pump(connected, options);
    assert_eq!(server.join().expect("the server ends"), b"not quit\n");
    assert_eq!((outcome.over, outcome.account.closed_by), (Over::Closed, ClosedBy::Us));
    drop(typed); // it was open to the end
}

#[test]
fn what_is_expected_ends_it_however_it_is_cut_and_is_written_out() {
    let (connected, mut peer) = connection();
    let (output_end, output) = pipe();
    let mut seen = Vec::new();
    let mut expect = |bytes: &[u8]| {
        seen.extend_from_slice(bytes);
        seen.windows(5).any(|window| window == b"ready")
    };
    peer.write_all(b"220 rea").expect("room");
    let outcome = std::thread::scope(|scope| {
        let pumping = scope.spawn(|| {
            let options = Options { expect: Some(&mut expect), keep_half_open: true, ..Options::default() };
            pump(connected, Options { output: Some(output.as_fd()), ..options })
        });
        let mut output_end = output_end;
        output_end.read_exact(&mut [0; 7]).expect("the first half is out, and it goes on");
        peer.write_all(b"dy\n").expect("room");
        let mut rest = [0; 3];
        output_end.read_exact(&mut rest).expect("the other half is out");
        assert_eq!(&rest, b"dy\n");
        pumping.join().expect("it ends")
    });
    assert_eq!((outcome.over, outcome.account.how), (Over::Expected, How::Fin));
    assert_eq!((outcome.account.closed_by, outcome.account.in_bytes), (ClosedBy::Us, 10));
    assert_eq!(peer.read(&mut [0]).expect("the close"), 0);
}

#[test]
fn one_arrival_is_enough_where_no_more_is_wanted() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    peer.write_all(b"first").expect("room");
    let outcome = pump(connected, Options { once: true, ..options(&input, &output) });
    drop((output, typed));
    assert_eq!((outcome.over, outcome.account.in_bytes), (Over::Once, 5));
    assert!(outcome.first_byte.is_some_and(|first| first <= outcome.account.open));
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"first");
}

#[test]
fn silence_ends_it_and_whoever_speaks_breaks_the_silence() {
    let (connected, mut peer) = connection();
    let (input, typed) = pipe();
    let (output_end, output) = pipe();
    peer.write_all(b"hello").expect("room");
    let idle = Duration::from_millis(100);
    let outcome = pump(connected, Options { idle: Some(idle), ..options(&input, &output) });
    drop((output, output_end, typed));
    assert_eq!((outcome.over, outcome.account.how), (Over::IdleEnded, How::Idle));
    assert_eq!((outcome.account.in_bytes, outcome.account.closed_by), (5, ClosedBy::Us));
    assert!(outcome.account.open >= idle);

    let (connected, _peer) = connection();
    let [beat, idle, total] = [100, 1000, 1200].map(Duration::from_millis);
    let input = script(&["tick\n"], Some(beat));
    let outcome =
        pump(connected, Options { input, idle: Some(idle), total: Some(total), ..Options::default() });
    assert_eq!(outcome.over, Over::TotalEnded, "it was never silent for a second");
}

#[test]
fn a_time_in_all_ends_it_though_the_peer_never_stops() {
    let (connected, mut peer) = connection();
    let talker = std::thread::spawn(move || while peer.write(&[b'x'; 4096]).is_ok() {});
    let total = Duration::from_millis(100);
    let options = Options { total: Some(total), recv_only: true, ..Options::default() };
    let outcome = pump(connected, options);
    talker.join().expect("it ends by the close");
    assert_eq!((outcome.over, outcome.account.how), (Over::TotalEnded, How::Limit));
    assert!(outcome.account.open >= total && outcome.account.in_bytes > 0);
}

#[test]
fn lines_go_as_messages_and_messages_come_as_lines() {
    let (connected, mut peer) = connection();
    let (input, mut typed) = pipe();
    let (output_end, output) = pipe();
    typed.write_all(b"one\ntwo\n").expect("room");
    drop(typed);
    let server = std::thread::spawn(move || {
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("a FIN");
        for byte in b"\0\0\0\x02hi\0\0\0\0\0\0\0\x05cut" {
            peer.write_all(&[*byte]).expect("it reads on");
        }
        heard
    });
    let outcome = pump(connected, Options { frame: Frame::Len32, ..options(&input, &output) });
    drop(output);
    assert_eq!(server.join().expect("the server ends"), b"\0\0\0\x03one\0\0\0\x03two");
    assert_eq!(reader(output_end).join().expect("the reader ends"), b"hi\n\n");
    assert_eq!((outcome.account.in_bytes, outcome.account.unread_bytes), (10, 7), "one was cut");
}

#[test]
fn a_length_beyond_reason_is_the_peers_fault() {
    let (connected, mut peer) = connection();
    peer.write_all(&[0xff; 8]).expect("room");
    let options = Options { frame: Frame::Len32, recv_only: true, ..Options::default() };
    let fault = run(connected, options, None, &|_| ()).expect_err("4 GiB");
    assert_eq!((fault.end, fault.doing), (End::Peer, Doing::Receive));
    assert!(fault.to_string().contains("4294967295 bytes"), "{fault}");
}

#[test]
fn an_input_that_goes_first_is_sent_to_its_end_behind_the_peers_fin() {
    let (connected, peer) = connection();
    let (input, mut typed) = pipe();
    let (output_end, output) = pipe();
    peer.shutdown(Shutdown::Write).expect("open");
    let outcome = std::thread::scope(|scope| {
        let pumping = scope
            .spawn(|| pump(connected, Options { may_leave_open_input: false, ..options(&input, &output) }));
        let mut peer = peer;
        for line in [&b"late\n"[..], b"later\n"] {
            typed.write_all(line).expect("it is still read");
            let mut heard = vec![0; line.len()];
            peer.read_exact(&mut heard).expect("sent behind our FIN");
            assert_eq!(heard, line);
        }
        drop(typed);
        assert_eq!(peer.read(&mut [0]).expect("a FIN"), 0);
        pumping.join().expect("it ends")
    });
    drop((output, output_end));
    assert_eq!((outcome.over, outcome.account.how), (Over::Closed, How::Fin));
    assert_eq!((outcome.account.closed_by, outcome.account.out_bytes), (ClosedBy::Peer, 11));
}

#[test]
fn a_reset_behind_the_peers_fin_is_noticed_while_the_input_is_silent() {
    let (connected, peer) = connection();
    let (input, typed) = pipe();
    let (_output_end, output) = pipe();
    peer.shutdown(Shutdown::Write).expect("open");
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(peer);
    let outcome = pump(connected, Options { may_leave_open_input: false, ..options(&input, &output) });
    assert_eq!((outcome.over, outcome.account.how), (Over::Closed, How::Reset));
    drop(typed);
}
