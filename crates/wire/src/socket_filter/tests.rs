//! Filters as people write them, their errors, and any text.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::socket_row::SocketState;

/// A system that knows two services, one host, one interface and one control group.
struct Known;

impl Names for Known {
    fn port(&self, service: &str) -> Option<u16> {
        [("https", 443), ("ssh", 22)].iter().find(|(name, _)| *name == service).map(|(_, port)| *port)
    }

    fn hosts(&self, name: &str) -> Vec<IpAddr> {
        match name {
            "localhost" => vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            _ => Vec::new(),
        }
    }

    fn interface(&self, name: &str) -> Option<u32> {
        (name == "lo").then_some(1)
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        (path == "/a").then_some(77)
    }

    fn ephemeral_ports(&self) -> (u16, u16) {
        (32768, 60999)
    }
}

fn tcp(local: &str, remote: &str) -> SocketRow {
    let at = |text: &str| Address::Internet(text.parse::<SocketAddr>().unwrap());
    SocketRow {
        local: at(local),
        remote: at(remote),
        state: SocketState::ESTABLISHED,
        ..SocketRow::default()
    }
}

fn unix(name: Address) -> SocketRow {
    SocketRow { kind: Kind::UnixStream, local: name, inode: 17, peer_inode: Some(18), ..SocketRow::default() }
}

fn filter(text: &str) -> Filter {
    Filter::parse(&[text], &Known).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn conditions_hold_or_do_not() {
    let row = tcp("10.1.2.3:40000", "192.0.2.7:443");
    for text in [
        "dport = :443",
        "dport 443",
        "dport = :https",
        "dport=:443",
        "( dport = :443 )",
        "not dport = :22",
        "! dport 22",
        "sport > :1024",
        "sport gt 1024",
        "sport >= 40000",
        "sport <= 40000",
        "dport != 22",
        "dport ne 22",
        "dport lt 444",
        "dst 192.0.2.7",
        "dst 192.0.2.0/24",
        "dst = 192.0.2.7:443",
        "dst :443",
        "dst *:443",
        "src 10/8",
        "src 10.1/16",
        "src 10.0.0.0/8:40000",
        "dport = 22 or dport = 443",
        "dport 443 sport 40000",
        "dport 443 && sport 40000",
        "dport 22 | dport 443",
        "autobound",
        "dport = *",
        "dport > *",
        "src any",
        "fwmark = 0",
        "cgroup != /a",
        "dev != lo",
        "sport = 0x9c40",
        "dst != 192.0.2.8",
        "src inet:10.1.2.3",
        // From left to right, as ss(8) has it.
        "dport 443 or dport 443 and sport 40000",
        "not dport 22 and sport 40000",
    ] {
        assert!(filter(text).matches(&row), "{text}");
    }
    for text in [
        "dport = :22",
        "not dport = :443",
        "sport < 1024",
        "dst 192.0.3.0/24",
        "dst 192.0.2.7:22",
        "dport < *",
        "dport 443 or dport 443 and sport 1",
        "dport 443 sport 1",
        "src unix:*",
        "dev lo",
        "fwmark 1",
        "src [::1]",
        "cgroup = /a",
        "dport != *",
        "src [::ffff:10.1.2.3]",
    ] {
        assert!(!filter(text).matches(&row), "{text}");
    }
}

#[test]
fn an_ipv4_address_in_ipv6s_clothes_is_one() {
    let row = tcp("[::ffff:10.1.2.3]:80", "[::ffff:192.0.2.7]:443");
    for text in
        ["src 10/8", "dst 192.0.2.7", "src [::ffff:10.1.2.3]:80", "src [::/0]", "dst ::ffff:192.0.2.7"]
    {
        assert!(filter(text).matches(&row), "{text}");
    }
    assert!(!filter("src 11/8").matches(&row));
    assert!(filter("src localhost").matches(&tcp("[::1]:80", "[::1]:1")));
}

#[test]
fn unix_sockets_are_matched_by_patterns_and_inodes() {
    let row = unix(Address::Path("/run/My.sock".into()));
    for text in ["src unix:/run/*", "src unix:*my.sock", "sport = 17", "dport = 18", "dst unix:*"] {
        assert!(filter(text).matches(&row), "{text}");
    }
    assert!(!filter("src unix:/var/*").matches(&row) && !filter("autobound").matches(&row));
    assert_eq!(filter("src unix:x").family, Some(Family::Unix));
    assert!(filter("autobound").matches(&unix(Address::Abstract(b"0af19".to_vec()))));
    let in_unix = Filter::parse_in(&["src", "@x*"], Some(Family::Unix), &Known).unwrap();
    assert!(in_unix.matches(&unix(Address::Abstract(b"x\0y".to_vec()))));
}

#[test]
fn states_come_first_and_add_up() {
    let states = |text: &str| filter(text).states.map(|states| states.0);
    assert_eq!(states("dport 1"), None);
    assert_eq!(states("state established state time-wait"), Some(1 << 1 | 1 << 6));
    assert_eq!(states("exclude listening"), Some(0xfff & !(1 << 10)));
    assert_eq!(
        states("state connected exclude established ( dport = :1 )"),
        Some(0xfff & !(1 << 7 | 1 << 10 | 1 << 1))
    );
    assert_eq!(filter(""), Filter::default());
}

#[test]
fn a_mistake_is_shown_in_its_place() {
    for (text, column, sentence) in [
        ("state opened", 6, "opened is no state"),
        ("state", 5, "the name of a state is missing at the end"),
        ("dport = :htttp", 8, "htttp is no port"),
        ("( dport = 1", 0, "this bracket is never closed"),
        ("dport = 1 )", 10, "this bracket was never opened"),
        ("dport =", 7, "a port is missing at the end"),
        ("dport = and", 8, "and is no port"),
        ("dst 10.0.0.0/33", 4, "/33 is no length of a network"),
        ("dst nowhere", 4, "nowhere is no address"),
        ("dst [::1", 4, "the bracket of this address is never closed"),
        ("port = 1", 0, "port begins no condition"),
        ("dport 1 state all", 8, "state begins no condition"),
        ("dport 1 and", 11, "a condition is missing at the end"),
        ("dev nix", 4, "there is no interface nix"),
        ("( )", 2, ") begins no condition"),
        ("fwmark x", 7, "x is no mark"),
    ] {
        let error = Filter::parse(&[text], &Known).unwrap_err();
        assert_eq!((error.column, error.sentence.as_str()), (column, sentence), "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| format!("{}dport 1{}", "( ".repeat(depth), " )".repeat(depth));
    assert!(Filter::parse(&[deep(90)], &Known).is_ok());
    assert_eq!(Filter::parse(&[deep(1000)], &Known).unwrap_err().sentence, "this is nested too deep");
    let long = vec!["dport 1"; 100_000].join(" or ");
    assert!(!filter(&long).matches(&tcp("10.0.0.1:1", "10.0.0.2:2")));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}") {
        let _ = Filter::parse(&[text], &Known);
    }

    #[test]
    fn any_words_are_survived(words in prop::collection::vec(prop::sample::select(vec![
        "src", "dst", "sport", "dport", "=", "!=", "<", "(", ")", "!", "and", "or", "state", "all", ":80", "10/8", "[::1]:1",
        "unix:*", "link:ip:lo", "dev", "lo", "autobound", "fwmark", "0x1/0xff", "cgroup", "/a", "\\(", "exclude", "*",
    ]), 0..20)) {
        if let Ok(filter) = Filter::parse(&words, &Known) {
            let _ = filter.matches(&tcp("10.1.2.3:40000", "192.0.2.7:443"));
            let _ = filter.matches(&unix(Address::Unnamed));
        }
    }

    /// A condition and its negation never agree.
    #[test]
    fn a_condition_or_its_negation_holds(port in 0u16..100, operator in prop::sample::select(vec!["=", "!=", "<", ">", "<=", ">="])) {
        let row = tcp("10.1.2.3:50", "192.0.2.7:443");
        let holds = filter(&format!("sport {operator} {port}")).matches(&row);
        prop_assert_ne!(holds, filter(&format!("not sport {operator} {port}")).matches(&row));
    }
}
