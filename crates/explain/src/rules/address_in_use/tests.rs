//! Every way in which an address can be in use, from evidence made up.

use wire::socket_row::{Kind, SocketRow, SocketState};
use wire::{Address, Doing};

use crate::errno::EADDRINUSE;
use crate::evidence::{Asked, File, Found};
use crate::problem::Problem;
use crate::rules::samples::*;

fn problem(at: &str, found: &Found) -> Problem {
    let problem = problem_of(Doing::Bind, at, EADDRINUSE, found);
    assert_eq!(problem.id, "address-in-use");
    problem
}

fn cause(at: &str, found: &Found) -> String {
    let problem = problem(at, found);
    assert!(problem.cause_is_seen, "{problem:?}");
    problem.cause
}

#[test]
fn who_listens_is_named_with_its_address() {
    let at = "tcp://127.0.0.1:80";
    let here = problem(at, &found([listener("127.0.0.1:80")]));
    assert_eq!(here.cause, "process 812 (python3) listens on 127.0.0.1:80");
    assert_eq!(here.advice, "end it, or take another port: 0 is any free one");
    assert_eq!(here.evidence[0].text, "tcp 127.0.0.1:80 is in LISTEN, process 812 (python3)");
    assert_eq!(here.evidence[0].socket.as_ref().unwrap().owners[0].pid, 812);
    assert_eq!(here.hint(), format!("{}; {}", here.cause, here.advice));
    let v6_only = |only| SocketRow { v6_only: only, ..listener("[::]:80") };
    let cases = [
        (listener("0.0.0.0:80"), "0.0.0.0:80, which is every IPv4 address"),
        (v6_only(Some(false)), "[::]:80, which is every address of IPv6 and IPv4"),
        (v6_only(None), "[::]:80, which may be every address of IPv4 too"),
    ];
    for (row, place) in cases {
        assert_eq!(cause(at, &found([row])), format!("process 812 (python3) listens on {place}"));
    }
    let said = cause("tcp://[::1]:80", &found([v6_only(Some(true))]));
    assert_eq!(said, "process 812 (python3) listens on [::]:80, which is every IPv6 address");
}

#[test]
fn a_wildcard_is_told_to_be_one_when_it_is_ours() {
    let said = |at, asked| cause(at, &Found { asked, ..found([listener("127.0.0.1:80")]) });
    let both = said("tcp://[::]:80", Asked::default());
    assert!(
        both.ends_with("listens on 127.0.0.1:80, and [::]:80 is every address of IPv6 and IPv4"),
        "{both}"
    );
    let four = said("tcp://0.0.0.0:80", Asked { v6_only: true, ..Asked::default() });
    assert!(four.ends_with("and 0.0.0.0:80 is every IPv4 address"), "{four}");
    let two = found([listener("127.0.0.1:80"), listener("127.0.0.2:80")]);
    assert!(cause("tcp://0.0.0.0:80", &two).ends_with(" (and 1 further socket is in the way)"));
}

#[test]
fn why_a_port_is_not_shared_depends_on_whose_it_is() {
    let advice = |uid| {
        let row = SocketRow { uid, ..listener("127.0.0.1:80") };
        let asked = Asked { reuse_port: true, ..Asked::default() };
        problem("tcp://127.0.0.1:80", &Found { asked, ..found([row]) }).advice
    };
    assert!(
        advice(Some(1000)).starts_with("to share the port it would have to have set SO_REUSEPORT too; end")
    );
    assert!(advice(Some(33)).starts_with("SO_REUSEPORT shares a port between sockets of one user only; end"));
    assert!(advice(None).contains("both ends set it and one user has both"));
}

#[test]
fn a_socket_that_does_not_listen_yet_is_named() {
    let row = row(Kind::Tcp, SocketState::BOUND_INACTIVE, internet("127.0.0.1:80"));
    let said = cause("tcp://127.0.0.1:80", &found([row]));
    assert_eq!(said, "process 812 (python3) has bound 127.0.0.1:80 and does not listen yet");
}

#[test]
fn time_wait_is_told_with_what_is_left_of_it_and_whether_re_use_helps() {
    let at = "tcp://127.0.0.1:80";
    let waits = |asked_reuse, free_now, free_with_reuse| {
        let asked = Asked { reuse_address: asked_reuse, ..Asked::default() };
        let rows = [time_wait("127.0.0.1:80", 46_100)];
        Found { asked, is_free_now: free_now, is_free_with_reuse: free_with_reuse, ..found(rows) }
    };
    let one = problem(at, &waits(true, Some(false), Some(false)));
    assert_eq!(
        one.cause,
        "a connection that is over keeps the address: with 127.0.0.1:40712, in TIME_WAIT for 47 s more"
    );
    assert_eq!(
        one.advice,
        "it was opened without SO_REUSEADDR, and ours alone does not help; wait, or take another port: 0 is any free one"
    );
    assert_eq!(
        one.evidence[0].text,
        "tcp 127.0.0.1:80 with 127.0.0.1:40712 is in TIME_WAIT, for 47 s more, no process"
    );
    let advice = |found| problem(at, &found).advice;
    assert_eq!(
        advice(waits(false, Some(false), Some(true))),
        "without --no-reuse-addr (SO_REUSEADDR) it can be had now"
    );
    assert!(advice(waits(false, Some(false), Some(false))).starts_with("SO_REUSEADDR would not help, "));
    assert!(advice(waits(false, None, None)).starts_with("SO_REUSEADDR helps only where it was opened with"));
    assert_eq!(advice(waits(true, Some(true), Some(true))), "it can be had now: try again");
}

#[test]
fn of_many_that_wait_the_last_one_counts() {
    let rows = [5_000, 59_900, 17_000].map(|left| time_wait("127.0.0.1:80", left));
    assert_eq!(
        cause("tcp://127.0.0.1:80", &found(rows)),
        "3 connections that are over keep the address in TIME_WAIT: the last, with 127.0.0.1:40712, for 60 s more"
    );
    let untimed = SocketRow { timer: None, ..time_wait("127.0.0.1:80", 0) };
    assert!(cause("tcp://127.0.0.1:80", &found([untimed])).ends_with("in TIME_WAIT for up to 60 s"));
}

#[test]
fn a_connection_that_has_the_port_is_named_with_its_state() {
    let open = row(Kind::Tcp, SocketState::CLOSE_WAIT, internet("127.0.0.1:40000"));
    let asked = Asked { reuse_address: true, ..Asked::default() };
    let amid = |rows: Vec<SocketRow>, ephemeral_ports| {
        let found = Found { ephemeral_ports, is_free_now: Some(false), asked: asked.clone(), ..found(rows) };
        problem("tcp://127.0.0.1:40000", &found)
    };
    let one = amid(vec![open.clone()], Some((32768, 60999)));
    assert_eq!(
        one.cause,
        "a connection has the address: with 127.0.0.1:40712 (CLOSE_WAIT), that of process 812 (python3)"
    );
    assert!(
        one.advice
            .ends_with("; end it, or take a port outside of 32768-60999, which outgoing connections get")
    );
    let orphaned = SocketRow { inode: 0, state: SocketState::FIN_WAIT_1, ..open.clone() };
    let nobody = amid(vec![orphaned], None);
    assert!(nobody.advice.ends_with("; wait, or take another port: 0 is any free one"), "{}", nobody.advice);
    let orphan = SocketRow { inode: 0, state: SocketState::FIN_WAIT_2, ..open.clone() };
    let two = amid(vec![orphan, open, time_wait("127.0.0.1:40000", 9_000)], None);
    assert!(two.cause.starts_with(
        "2 connections have the address, among them one with 127.0.0.1:40712 (FIN_WAIT_2), that of no process, and a connection that is over"
    ), "{}", two.cause);
    assert!(two.advice.ends_with("take another port: 0 is any free one"));
}

#[test]
fn of_datagrams_whoever_has_the_port_is_named() {
    let at = "udp://0.0.0.0:53";
    let said = cause(at, &found([datagrams("127.0.0.1:53")]));
    assert_eq!(
        said,
        "process 812 (python3) has a UDP socket at 127.0.0.1:53, and 0.0.0.0:53 is every IPv4 address"
    );
    let connected = SocketRow {
        state: SocketState::ESTABLISHED,
        remote: internet("10.0.0.1:53"),
        ..datagrams("0.0.0.0:53")
    };
    let said = cause(at, &found([connected]));
    assert_eq!(said, "process 812 (python3) has a UDP socket at 0.0.0.0:53, connected to 10.0.0.1:53");
}

#[test]
fn what_we_took_ourselves_or_is_free_again_is_told() {
    let nobody = |found: Found| problem("tcp://127.0.0.1:80", &found);
    let beside = Some("tcp://[::]:80".to_owned());
    let ours = nobody(Found { asked: Asked { beside, ..Asked::default() }, ..found([]) });
    assert_eq!(ours.cause, "tcp://[::]:80, which stands beside it here, takes this address too");
    let gone = nobody(Found { is_free_now: Some(true), ..found([]) });
    assert_eq!((gone.cause_is_seen, gone.advice.as_str()), (true, "try again"));
}

/// Nothing was found, or nobody could look: then how to look is all that is said.
#[test]
fn what_is_not_seen_is_not_claimed() {
    for found in [Found::default(), found([]), Found { is_free_now: Some(false), ..found([]) }] {
        let said = problem("tcp://[::]:8080", &found);
        assert!(!said.cause_is_seen && said.evidence.is_empty());
        assert_eq!(
            said.hint(),
            "`bothends sockets -tanp sport = :8080` shows who has it; port 0 takes any free one"
        );
    }
    let said = problem("udp://[::]:8080", &Found::default()).hint();
    assert!(said.starts_with("`bothends sockets -uanp sport = :8080`"), "{said}");
    let said = problem("unix:/run/x", &Found::default()).hint();
    assert_eq!(said, "`bothends sockets -xap` shows who has it; or take another name");
}

#[test]
fn a_name_is_somebodys_or_a_file_that_is_left() {
    let name = || Address::Path("/run/x".into());
    let at = |kind, state| found([row(kind, state, name())]);
    let said = |found| cause("unix:/run/x", &found);
    assert_eq!(said(at(Kind::UnixStream, SocketState::LISTEN)), "process 812 (python3) listens on /run/x");
    assert_eq!(said(at(Kind::UnixDgram, SocketState::CLOSED)), "process 812 (python3) is there at /run/x");
    assert_eq!(said(at(Kind::UnixStream, SocketState::CLOSED)), "process 812 (python3) has bound /run/x");
    assert_eq!(
        said(at(Kind::UnixStream, SocketState::ESTABLISHED)),
        "process 812 (python3) still has connections of /run/x"
    );
    let file = File { is_socket: true, user: Some("www-data".to_owned()) };
    let stale = problem("unix:/run/x", &Found { file: Some(file), ..found([]) });
    assert_eq!(
        stale.cause,
        "there is a socket file of user www-data already, and no socket that can be seen from here belongs to it"
    );
    assert_eq!(stale.advice, "remove it if its server is gone: `rm /run/x`");
    let unseen = Found { file: stale_file(), sockets: None, ..Found::default() };
    assert!(!problem("unix:/run/x", &unseen).cause_is_seen, "nobody looked for its socket");
}

fn stale_file() -> Option<File> {
    Some(File { is_socket: true, user: None })
}
