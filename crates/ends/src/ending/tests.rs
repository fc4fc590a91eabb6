use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use super::*;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    (client, listener.accept().expect("a client is there").0)
}

/// Loopback delivers before the call returns, so all of this is as exact as it looks.
#[test]
fn a_fin_of_theirs_that_came_before_ours_left_was_first_read_or_not() {
    let (client, mut server) = pair();
    server.write_all(b"unread").expect("room");
    shutdown(&server, Shutdown::Write).expect("open");
    assert_eq!(send_fin(client.as_fd(), None), Ok(ClosedBy::Peer));
    assert_eq!(first_at_their_fin(client.as_fd(), Some(ClosedBy::Peer)), ClosedBy::Peer);

    let (client, server) = pair();
    assert_eq!(send_fin(client.as_fd(), None), Ok(ClosedBy::Us));
    shutdown(&server, Shutdown::Write).expect("open");
    assert_eq!(first_at_their_fin(client.as_fd(), Some(ClosedBy::Us)), ClosedBy::Us);
    assert_eq!(first_at_their_fin(client.as_fd(), None), ClosedBy::Peer);
}

#[test]
fn a_fin_that_waits_behind_what_there_is_no_room_for_has_not_left() {
    let (mut client, server) = pair();
    client.set_nonblocking(true).expect("a socket");
    while client.write(&[0; 65_536]).is_ok() {}
    assert_eq!(send_fin(client.as_fd(), None), Ok(ClosedBy::Us), "as far as is known");
    shutdown(&server, Shutdown::Write).expect("open");
    assert_eq!(first_at_their_fin(client.as_fd(), Some(ClosedBy::Us)), ClosedBy::Peer);
    let left = Left::of(client.as_fd(), true);
    assert!(left.never_sent > 0 && left.never_sent <= left.unacknowledged, "{left:?}");
}

#[test]
fn no_fin_is_sent_where_the_connection_is_over_and_none_is_counted() {
    let (mut client, server) = pair();
    client.write_all(b"unread").expect("room");
    drop(server);
    assert_eq!(send_fin(client.as_fd(), None), Err(Errno::CONNRESET), "by what ended it, not ENOTCONN");
    assert_eq!(Ending::broken(Errno::CONNRESET), Ending::reset(ClosedBy::Peer));
    assert_eq!(Ending::broken(Errno::CONNABORTED), Ending::reset(ClosedBy::Kernel));
}

#[test]
fn closing_over_something_unread_is_a_reset_by_us() {
    let (mut client, server) = pair();
    let fin = Ending::fin(ClosedBy::Us);
    let leaving = |ending: Ending| ending.leaving_unread(server.as_fd(), socket::unread(&server));
    assert_eq!(leaving(fin), fin);
    client.write_all(b"unread").expect("room");
    let reset = leaving(fin);
    assert_eq!((reset.closed_by, reset.how), (ClosedBy::Us, How::Reset));
    assert_eq!(leaving(Ending::STOPPED), Ending::STOPPED);
    shutdown(&server, Shutdown::Write).expect("open");
    assert_eq!(leaving(fin), reset, "also behind a FIN");
    // That it is so: the kernel does it.
    drop(server);
    let pending = sockopt::socket_error(&client).expect("a socket");
    assert!(matches!(pending, Err(Errno::CONNRESET | Errno::PIPE)), "{pending:?}");
    let (_one, other) = std::os::unix::net::UnixStream::pair().expect("a pair");
    assert_eq!(fin.by_reset(other.as_fd()), fin);
}

#[test]
fn each_byte_is_counted_in_one_place() {
    let sums = Sums { in_bytes: 5, out_bytes: 100, queued: 7, discarded: 2, ..Sums::default() };
    let left = Left { unacknowledged: 40, never_sent: 30, unread: 3 };
    let account = Ending::STOPPED.account_with(&left, &sums);
    // Sent, and of that acknowledged: what the kernel was given without what it still has.
    assert_eq!((account.out_bytes, account.unsent_bytes, account.never_sent_bytes), (70, 47, 37));
    assert_eq!(account.out_bytes + account.never_sent_bytes, sums.out_bytes + sums.queued);
    assert_eq!((account.in_bytes, account.unread_bytes), (5, 5));
}
