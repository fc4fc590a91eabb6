//! Which places of a command get in each other's way, and that what was found is about the fault.

use std::net::{TcpListener, UdpSocket};

use wire::End;

use super::*;

fn tcp(text: &str) -> At {
    At::Address(Transport::Tcp, text.parse().unwrap())
}

fn bind_fault(at: String) -> Fault {
    Fault::errno(End::Us, Doing::Bind, at, EADDRINUSE)
}

#[test]
fn places_overlap_where_the_kernel_would_refuse_the_second() {
    let every = At::EveryInterface(Transport::Tcp, 80);
    let cases = [
        (every.clone(), tcp("127.0.0.1:80"), true),
        (every.clone(), tcp("[::]:80"), true),
        (every.clone(), tcp("127.0.0.1:81"), false),
        (tcp("[::]:80"), tcp("0.0.0.0:80"), false),
        (tcp("[::]:80"), tcp("[::1]:80"), true),
        (every, At::EveryInterface(Transport::Udp, 80), false),
        (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"), false),
        (At::Unix(Transport::Unix, Address::Path("x".into())), tcp("127.0.0.1:80"), false),
    ];
    for (one, other, overlaps) in cases {
        assert_eq!(overlap(&one, &other), overlaps, "{one:?} {other:?}");
    }
}

#[test]
fn only_what_is_in_the_way_is_found() {
    let [one, other] =
        ["127.0.0.1:0", "[::1]:0"].map(|at| TcpListener::bind(at).unwrap().local_addr().unwrap());
    let listener = TcpListener::bind(one).unwrap();
    let place = Place::tcp(one);
    let found = of_places(&bind_fault(format!("tcp://{one}")), std::slice::from_ref(&place));
    let sockets = found.sockets.expect("the tables can be read");
    let holder = sockets.open.first().expect("the listener");
    assert_eq!(holder.row.local, one.into());
    assert!(holder.owners.iter().any(|owner| owner.pid == std::process::id()), "{holder:?}");
    assert!(
        found.asked.reuse_address && found.is_free_now.is_none(),
        "whoever listens is in the way for sure"
    );
    let six = SocketAddr::new(other.ip(), one.port());
    let found = of_places(&bind_fault(format!("tcp://{six}")), &[Place::tcp(six)]);
    assert_eq!(
        (found.sockets.unwrap().open.count, found.is_free_now),
        (0, Some(true)),
        "IPv6 is another address"
    );
    drop(listener);
}

#[test]
fn a_fault_of_another_kind_costs_no_look() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp://{}", socket.local_addr().unwrap());
    for (doing, errno) in [(Doing::Connect, EADDRINUSE), (Doing::Bind, 13), (Doing::Receive, ECONNREFUSED)] {
        let fault = Fault::errno(End::Us, doing, at.clone(), errno);
        assert_eq!(of_call(&fault), Found::default(), "{fault}");
    }
    assert!(of_call(&Fault::errno(End::Us, Doing::Socket, at, EMFILE)).descriptors.is_some());
}
