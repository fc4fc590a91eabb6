//! Every reason to refuse that can be seen from here, from evidence made up.

use wire::socket_row::{Kind, SocketRow, SocketState};
use wire::{Address, Doing};

use crate::errno::ECONNREFUSED;
use crate::evidence::{File, Found};
use crate::problem::Problem;
use crate::rules::samples::*;

fn problem(at: &str, found: &Found) -> Problem {
    let problem = problem_of(Doing::Connect, at, ECONNREFUSED, found);
    assert_eq!(problem.id, "refused");
    problem
}

fn said(at: &str, found: &Found) -> (String, String) {
    let problem = problem(at, found);
    assert!(problem.cause_is_seen, "{problem:?}");
    (problem.cause, problem.advice)
}

#[test]
fn a_listener_of_the_other_family_is_named_and_how_to_reach_it() {
    let (cause, advice) = said("tcp://127.0.0.1:80", &found([listener("[::1]:80")]));
    assert_eq!(
        cause,
        "nothing listens on 127.0.0.1:80, but process 812 (python3) listens on [::1]:80, which is IPv6 only"
    );
    assert_eq!(advice, "`bothends connect [::1]:80` reaches it");
    let six = SocketRow { v6_only: Some(true), ..listener("[::]:80") };
    assert_eq!(said("tcp://127.0.0.1:80", &found([six])).1, "`bothends connect [::1]:80` reaches it");
    let (cause, advice) = said("tcp://[::1]:80", &found([listener("0.0.0.0:80")]));
    assert!(cause.ends_with("listens on 0.0.0.0:80, which is IPv4 only"), "{cause}");
    assert_eq!(advice, "`bothends connect 127.0.0.1:80` reaches it");
}

#[test]
fn another_address_of_this_machine_is_named() {
    let (cause, _) = said("tcp://127.0.0.1:80", &found([listener("10.0.0.1:80"), listener("[::1]:80")]));
    assert_eq!(
        cause,
        "nothing listens on 127.0.0.1:80, but process 812 (python3) listens on 10.0.0.1:80 (and 1 further socket on others)"
    );
    let here = Found { is_here: Some(true), ..found([listener("127.0.0.1:80")]) };
    let (_, advice) = said("tcp://10.0.0.1:80", &here);
    assert_eq!(advice, "`bothends connect 127.0.0.1:80` reaches it; it takes callers of this machine only");
}

#[test]
fn who_listens_there_now_is_named() {
    let (cause, advice) = said("tcp://127.0.0.1:80", &found([listener("0.0.0.0:80")]));
    assert_eq!(cause, "process 812 (python3) listens on 0.0.0.0:80 now");
    assert!(advice.starts_with("try again"), "{advice}");
    let by_one = SocketRow { interface: 3, ..listener("0.0.0.0:80") };
    let (cause, _) = said("tcp://127.0.0.1:80", &found([by_one]));
    assert!(cause.ends_with("but by one network device only"), "{cause}");
}

#[test]
fn a_program_that_forgot_to_listen_or_to_swap_its_port_is_named() {
    let bound = row(Kind::Tcp, SocketState::BOUND_INACTIVE, internet("127.0.0.1:80"));
    let (cause, advice) = said("tcp://127.0.0.1:80", &found([bound]));
    assert_eq!(cause, "process 812 (python3) has bound 127.0.0.1:80 but does not listen");
    assert!(advice.contains("listen()"), "{advice}");
    let swapped = Found { swapped_port: Some(sockets([listener("0.0.0.0:36895")])), ..found([]) };
    let (cause, advice) = said("tcp://127.0.0.1:8080", &swapped);
    assert!(cause.ends_with("listens on 0.0.0.0:36895, and 36895 is 8080 with its bytes swapped"), "{cause}");
    assert!(advice.contains("htons()") && advice.contains("`bothends connect 127.0.0.1:36895`"), "{advice}");
}

#[test]
fn the_other_transport_is_named() {
    let udp = Found { other_transport: Some(sockets([datagrams("0.0.0.0:53")])), ..found([]) };
    let (cause, advice) = said("tcp://127.0.0.1:53", &udp);
    assert_eq!(
        cause,
        "nothing takes TCP on port 53, but process 812 (python3) has a UDP socket at 0.0.0.0:53"
    );
    assert_eq!(advice, "`bothends connect udp://127.0.0.1:53` reaches it");
    let tcp = Found { other_transport: Some(sockets([listener("[::1]:53")])), ..found([]) };
    let (cause, advice) = said("udp://127.0.0.1:53", &tcp);
    assert!(cause.starts_with("nothing takes UDP on port 53, but process 812 (python3) listens on [::1]:53"));
    assert_eq!(advice, "`bothends connect tcp://[::1]:53` reaches it");
}

#[test]
fn a_socket_of_datagrams_that_has_one_peer_refuses_all_others() {
    let married = SocketRow {
        state: SocketState::ESTABLISHED,
        remote: internet("127.0.0.1:9"),
        ..datagrams("127.0.0.1:53")
    };
    let (cause, advice) = said("udp://127.0.0.1:53", &found([married]));
    assert_eq!(
        cause,
        "process 812 (python3) has a UDP socket at 127.0.0.1:53, but it is connected to 127.0.0.1:9 and takes datagrams of nobody else"
    );
    assert!(advice.contains("connect()"), "{advice}");
}

#[test]
fn what_a_server_left_is_told_and_no_more_is_claimed() {
    let rows = [time_wait("127.0.0.1:80", 5000), time_wait("127.0.0.1:80", 9000)];
    let (cause, _) = said("tcp://127.0.0.1:80", &found(rows));
    assert_eq!(
        cause,
        "nothing listens on port 80; 2 connections still have it, one with 127.0.0.1:40712 in TIME_WAIT, so a server may have been here"
    );
    let one = row(Kind::Tcp, SocketState::ESTABLISHED, internet("127.0.0.1:80"));
    assert!(said("tcp://127.0.0.1:80", &found([one])).0.contains("1 connection still has it, that with"));
}

#[test]
fn that_nobody_is_there_is_told_as_far_as_was_looked() {
    let (cause, advice) = said("tcp://127.0.0.1:9", &found([]));
    assert_eq!(cause, "nobody takes port 9 here, not by TCP, at any address");
    assert_eq!(advice, "start the server, or see what there is: `bothends sockets -tlnp`");
    let both = Found { other_transport: Some(sockets([])), ..found([]) };
    let (cause, advice) = said("udp://127.0.0.1:9", &both);
    assert_eq!(cause, "nobody takes port 9 here, neither by TCP nor by UDP, at any address");
    assert!(advice.ends_with("`bothends sockets -ulnp`"), "{advice}");
    assert!(said("udp://127.0.0.1:9", &found([])).0.contains("not by UDP"));
}

/// Another machine, or nobody looked.
#[test]
fn what_is_elsewhere_is_not_claimed() {
    for found in [Found::default(), Found { is_here: Some(false), ..found([]) }] {
        let said = problem("tcp://192.0.2.1:80", &found);
        assert!(!said.cause_is_seen);
        assert_eq!(
            said.hint(),
            "nothing listens on port 80 there; a server on 127.0.0.1 can only be reached on its own machine"
        );
    }
    let hint = |at| problem(at, &Found::default()).hint();
    assert_eq!(
        hint("tcp://[::1]:80"),
        "nothing listens on port 80 here; `bothends sockets -tlnp` shows what does"
    );
    assert_eq!(
        hint("udp://[::1]:80"),
        "nothing listens on port 80 here; `bothends sockets -ulnp` shows what does"
    );
    assert_eq!(
        hint("unix:/run/x"),
        "nothing listens there; `bothends sockets -xlp` shows what does on this machine"
    );
}

#[test]
fn of_a_socket_file_it_is_told_whether_anybody_has_it() {
    let at = |kind, state| found([row(kind, state, Address::Path("/run/x".into()))]);
    let cause = |found| said("unix:/run/x", &found).0;
    assert_eq!(
        cause(at(Kind::UnixStream, SocketState::CLOSED)),
        "process 812 (python3) has /run/x but does not listen"
    );
    assert_eq!(
        cause(at(Kind::UnixStream, SocketState::ESTABLISHED)),
        "process 812 (python3) has /run/x but does not listen"
    );
    assert_eq!(
        cause(at(Kind::UnixStream, SocketState::LISTEN)),
        "process 812 (python3) listens on /run/x now"
    );
    let file = |is_socket| Found { file: Some(File { is_socket, user: None }), ..found([]) };
    let (stale, advice) = said("unix:/run/x", &file(true));
    assert_eq!(stale, "the socket file is there, but no socket here belongs to it: its server is gone");
    assert!(advice.ends_with("`rm /run/x`"), "{advice}");
    assert_eq!(said("unix:/run/x", &file(false)).0, "the file is no socket");
    assert_eq!(said("unix:@x", &found([])).0, "no socket here has the name @x");
}
