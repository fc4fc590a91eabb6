//! Each rule on a fault it knows and on faults it must leave to others.

use std::collections::HashSet;

use wire::{Cause, Doing, End, Fault};

use super::*;
use crate::errno::*;

fn fault(doing: Doing, at: &str, errno: i32) -> Fault {
    Fault::errno(End::Us, doing, at, errno)
}

fn hint(fault: &Fault) -> (&'static str, String) {
    problem(fault).map(|problem| (problem.id, problem.advice)).unwrap_or(("none", String::new()))
}

#[test]
fn every_rule_has_its_example() {
    let late = Fault { cause: Cause::TimedOut, ..fault(Doing::Connect, "192.0.2.1:80", 0) };
    let words = Cause::Words("name or service not known".to_owned());
    let unknown = Fault { cause: words, ..fault(Doing::Resolve, "nosuch", 0) };
    let examples = [
        (fault(Doing::Bind, "127.0.0.1:80", EADDRINUSE), "address-in-use"),
        (fault(Doing::Listen, "0.0.0.0:80", EACCES), "privileged-port"),
        (fault(Doing::Bind, "192.0.2.1:8080", EADDRNOTAVAIL), "address-not-here"),
        (fault(Doing::Connect, "192.0.2.1:80", EADDRNOTAVAIL), "no-source-port"),
        (unknown, "name-unknown"),
        (fault(Doing::Send, "udp://10.1.0.255:6000", EACCES), "broadcast-multicast"),
        (fault(Doing::Connect, "[::1]:80", ECONNREFUSED), "refused"),
        (late, "no-answer"),
        (fault(Doing::Connect, "192.0.2.1:80", ETIMEDOUT), "no-answer"),
        (fault(Doing::Connect, "192.0.2.1:80", ENETUNREACH), "unreachable"),
        (fault(Doing::Connect, "192.0.2.1:80", EHOSTUNREACH), "unreachable"),
        (fault(Doing::Socket, "[::1]:80", EAFNOSUPPORT), "no-ipv6"),
        (fault(Doing::Receive, "127.0.0.1:80", ECONNRESET), "reset"),
        (fault(Doing::Receive, "127.0.0.1:80", ECONNABORTED), "aborted"),
        (fault(Doing::Send, "127.0.0.1:80", EPIPE), "broken-pipe"),
        (fault(Doing::Receive, "127.0.0.1:80", ETIMEDOUT), "dead-peer"),
        (fault(Doing::Accept, "127.0.0.1:80", EMFILE), "too-many-files"),
        (fault(Doing::Accept, "127.0.0.1:80", ENFILE), "too-many-files"),
    ];
    for (fault, id) in &examples {
        assert_eq!(hint(fault).0, *id, "{fault}");
    }
    let shown: HashSet<_> = examples.iter().map(|(_, id)| *id).collect();
    assert_eq!(shown, ALL.iter().map(|rule| rule.id).collect(), "a rule without an example");
}

#[test]
fn what_no_rule_knows_has_no_hint() {
    for fault in [
        fault(Doing::Write, "out.svg", ENOSPC),
        fault(Doing::Open, "capture", EACCES),
        fault(Doing::Bind, "127.0.0.1:8080", EACCES),
        fault(Doing::Write, "standard output", EPIPE),
    ] {
        assert_eq!(problem(&fault), None, "{fault}");
    }
}

#[test]
fn ids_are_unique_and_advice_is_one_lower_case_phrase() {
    let ids: HashSet<_> = ALL.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), ALL.len());
    let errnos = [EADDRINUSE, EACCES, EADDRNOTAVAIL, ECONNREFUSED, ETIMEDOUT, EMFILE, ECONNRESET, EPIPE];
    for (errno, doing) in
        errnos.into_iter().zip([Doing::Bind, Doing::Connect, Doing::Send].into_iter().cycle())
    {
        let Some(problem) = problem(&fault(doing, "127.0.0.1:80", errno)) else { continue };
        for text in [&problem.cause, &problem.advice] {
            assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
            assert!(!text.starts_with(char::is_uppercase), "{text}");
        }
    }
}

#[test]
fn the_hint_depends_on_what_is_known() {
    let advice = |doing, at, errno| hint(&fault(doing, at, errno)).1;
    let zone = Fault {
        cause: Cause::Words("there is no interface x".to_owned()),
        ..fault(Doing::Resolve, "fe80::1%x", 0)
    };
    assert!(hint(&zone).1.contains("lists the interfaces"), "no spelling of a name is wrong");
    let prohibited = Fault { end: End::Path, ..fault(Doing::Connect, "192.0.2.1:80", EACCES) };
    assert_eq!(hint(&prohibited).0, "unreachable");
    assert_eq!(problem(&fault(Doing::Connect, "192.0.2.1:80", EACCES)), None, "it may be a permission");
    assert!(!advice(Doing::Bind, "8.8.8.8:0", EADDRNOTAVAIL).contains(":0"), "a call takes no `:0`");
    assert!(advice(Doing::Bind, "8.8.8.8:80", EADDRNOTAVAIL).contains("`:80`"));
    assert_eq!(advice(Doing::Send, "udp://10.1.0.255:6000", EACCES), "--broadcast allows it");
    assert_eq!(
        advice(Doing::Bind, "0.0.0.0:80", EACCES),
        "take a port from 1024 on, such as 8080, or allow it: sudo setcap cap_net_bind_service=+ep PROGRAM"
    );
}
