//! The records whose values are a machine's: of made-up ones, so that a changed field name is seen in the snapshot.

use draw::address::selection::Way;
use wire::address_selection::{Candidate, Outward, Source};

use super::*;

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

#[test]
fn records_of_a_machine_are_what_they_were() {
    let here = Here {
        tcp: Some("http-alt".to_owned()),
        udp: None,
        ephemeral: Some(32_768..=60_999),
        is_reserved: false,
        unprivileged_from: Some(1024),
        is_privileged: false,
    };
    let address = |address, prefix| InterfaceAddress {
        address: ip(address),
        prefix,
        peer: None,
        broadcast: None,
        is_deprecated: false,
        is_tentative: false,
        is_secondary: false,
        is_permanent: true,
        is_home: false,
        valid_s: None,
    };
    let four = InterfaceAddress { broadcast: Some(ip("192.0.2.255")), ..address("192.0.2.7", 24) };
    let six = InterfaceAddress { valid_s: Some(86_400), is_deprecated: true, ..address("2001:db8::7", 64) };
    let interface_ = Interface {
        index: 2,
        name: "eth0".to_owned(),
        mac: Some(vec![0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        mtu: Some(1500),
        is_up: true,
        is_running: true,
        is_loopback: false,
        is_point_to_point: false,
        addresses: vec![four, six],
    };
    let all = [port(36_895, &here), port(80, &here), interface(&interface_), first_of_two()];
    insta::assert_snapshot!(all.map(|record| record.line()).concat());
}

/// The first address of a name with two.
fn first_of_two() -> Record {
    let source = |address, prefix| Source {
        address: ip(address),
        prefix,
        is_deprecated: false,
        is_home: false,
        is_tunnelled: false,
    };
    let six = Destination { address: ip("2001:db8:1::1"), source: Some(source("2001:db8::7", 64)) };
    let four = Destination { address: ip("198.51.100.1"), source: Some(source("192.0.2.7", 24)) };
    let policy = Policy::rfc_6724();
    resolved("example.org", 0, &six, &way(), Some(&four), &policy)
}

/// Out of eth0, where one more address of ours came into question.
fn way() -> Way {
    let candidate = |address: &str, is_deprecated| Candidate {
        address: ip(address),
        prefix: 64,
        interface: 2,
        is_deprecated,
        is_home: false,
        is_temporary: false,
    };
    let outward = Outward {
        destination: ip("2001:db8:1::1"),
        interface: Some(2),
        prefers_temporary: false,
        policy: Policy::linux(),
    };
    Way {
        outward,
        source: Some(ip("2001:db8::7")),
        interface: Some("eth0".to_owned()),
        gateway: Some(ip("fe80::1")),
        candidates: vec![candidate("2001:db8::7", false), candidate("2001:db8::8", true)],
    }
}
