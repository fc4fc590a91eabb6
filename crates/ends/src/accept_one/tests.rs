use std::cell::RefCell;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::*;
use crate::listen::{At, Place};
use wire::Transport;

fn loopback() -> (Listener, std::net::SocketAddr) {
    let place = Place::tcp("127.0.0.1:0".parse().expect("an address"));
    let listener = Listener::open(&place, &|_| ()).expect("loopback");
    let address = listener.address.internet().expect("TCP");
    (listener, address)
}

#[test]
fn the_first_who_may_comes_in() {
    let (listener, address) = loopback();
    let stranger = TcpStream::connect(address).expect("it listens");
    let friend = TcpStream::connect(address).expect("it listens");
    let (asked, wanted) = (RefCell::new(Vec::new()), Address::from(friend.local_addr().expect("bound")));
    let admits = |client: &Address| {
        asked.borrow_mut().push(client.clone());
        *client == wanted
    };
    let accepted = accept_one(&listener, &admits, None, None, &|_| ()).expect("both are there");
    let Accepted::Open(connected) = accepted else { panic!("{accepted:?}") };
    assert_eq!((connected.transport, &connected.remote), (Transport::Tcp, &wanted));
    assert_eq!(connected.local, listener.address);
    assert_eq!(*asked.borrow(), [Address::from(stranger.local_addr().expect("bound")), wanted.clone()]);
    let reset = std::io::Read::read(&mut &stranger, &mut [0]).expect_err("it may not come");
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let flags = rustix::fs::fcntl_getfl(connected.as_fd()).expect("a socket");
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
}

#[test]
fn nobody_comes_in_time() {
    let (listener, _) = loopback();
    let timeout = Duration::from_millis(30);
    let began = Instant::now();
    let accepted = accept_one(&listener, &|_| true, Some(timeout), None, &|_| ()).expect("nothing failed");
    assert!(matches!(accepted, Accepted::TimedOut), "{accepted:?}");
    assert!(began.elapsed() >= timeout);
}

#[test]
fn who_may_not_come_does_not_make_the_time_longer() {
    let (listener, address) = loopback();
    let _stranger = TcpStream::connect(address).expect("it listens");
    let accepted = accept_one(&listener, &|_| false, Some(Duration::from_millis(30)), None, &|_| ());
    assert!(matches!(accepted, Ok(Accepted::TimedOut)));
}

#[test]
fn a_request_to_stop_ends_the_waiting() {
    let (listener, _) = loopback();
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    handle.stop();
    let accepted = accept_one(&listener, &|_| true, None, Some(&stop), &|_| ()).expect("nothing failed");
    assert!(matches!(accepted, Accepted::Interrupted(Asked { signal: None })), "{accepted:?}");
}

#[test]
fn clients_of_unix_sockets_have_no_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Address::Path(folder.path().join("socket"));
    let place = Place::new(At::Unix(Transport::Unix, path.clone()));
    let listener = Listener::open(&place, &|_| ()).expect("an empty folder");
    let _client = UnixStream::connect(folder.path().join("socket")).expect("it listens");
    let accepted = accept_one(&listener, &|_| true, None, None, &|_| ()).expect("it is there");
    let Accepted::Open(connected) = accepted else { panic!("{accepted:?}") };
    assert_eq!((connected.remote, connected.local), (Address::Unnamed, path));
}

#[test]
fn want_of_room_goes_by_and_is_told_once() {
    let (listener, _) = loopback();
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        let told = RefCell::new(Vec::new());
        let tell = |event| told.borrow_mut().push(event);
        let first = after(errno, &Next::Client, &listener, &tell).expect("it goes by");
        let second = after(errno, &first, &listener, &tell).expect("it goes by");
        assert!(matches!(second, Next::Room), "{errno}");
        assert_eq!(told.borrow().len(), 1, "{errno}");
    }
    assert!(matches!(after(Errno::CONNABORTED, &Next::Room, &listener, &|_| ()), Ok(Next::Client)));
    let broken = after(Errno::INVAL, &Next::Client, &listener, &|_| ()).err();
    assert_eq!(broken.and_then(|fault| fault.raw_errno()), Some(Errno::INVAL.raw_os_error()));
}
