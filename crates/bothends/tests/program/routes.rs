//! What ends say of the ways that the kernel has, in a network namespace with none but those that a test makes.

use std::process::Command;

use crate::running::{has, left_out, run, stderr, stdout};

/// What a shell says in a network namespace of its own where loopback is up and `$BOTHENDS` is the binary; none where such
/// a one may not be made.
fn in_a_namespace(test: &str, script: &str) -> Option<String> {
    if !["unshare", "ip", "timeout"].iter().all(|program| has(program, test)) {
        return None;
    }
    if !Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        left_out(test, "needs a network namespace of its own");
        return None;
    }
    let script = format!("ip link set lo up || exit 99; {script}");
    let mut command = Command::new("unshare");
    command.args(["-rn", "timeout", "-k", "5", "30", "bash", "-c", &script]);
    let output = run(command.env("BOTHENDS", env!("CARGO_BIN_EXE_bothends")), b"");
    Some(format!("{}{}", stdout(&output), stderr(&output)))
}

#[test]
fn groups_need_no_route_where_the_interface_or_our_address_is_named() {
    let test = "multicast without a route";
    let script = r#"
        for at in "udp://239.1.2.3:7777 --interface lo" "udp://239.1.2.3:7777 -s 127.0.0.1" \
                "udp://239.1.2.3:7777"; do
            "$BOTHENDS" connect $at --send hi --linger 0 -q 2>/dev/null < /dev/null; echo $?
        done"#;
    let Some(said) = in_a_namespace(test, script) else { return };
    assert_eq!(said, "0\n0\n7\n");
}

#[test]
fn a_route_that_says_no_is_unreachable_and_no_missing_permission() {
    let script = r#"
        ip route add prohibit 10.7.0.0/16; ip route add blackhole 10.8.0.0/16
        for at in 10.7.0.1:80 10.8.0.1:80 udp://10.7.0.1:80 udp://10.8.0.1:80; do
            "$BOTHENDS" connect "$at" --send x 2>&1; echo $?
        done"#;
    let Some(said) = in_a_namespace("routes that say no", script) else { return };
    let told = |at: &str, does: &str, kind: &str| {
        let host = at.rsplit('/').next().unwrap().trim_end_matches(":80");
        format!(
            "bothends: connect to {at}: a route of this machine {does}\n  hint: a route of type {kind} on this machine \
             covers that address; `ip route get {host}` shows it\n7\n"
        )
    };
    let (forbids, throws) = ("forbids it", "throws it away");
    let expected = [
        told("tcp://10.7.0.1:80", forbids, "prohibit"),
        told("tcp://10.8.0.1:80", throws, "blackhole"),
        told("udp://10.7.0.1:80", forbids, "prohibit"),
        told("udp://10.8.0.1:80", throws, "blackhole"),
    ];
    assert_eq!(said, expected.concat());
}

#[test]
fn the_internet_is_called_only_where_there_is_a_way_to_it() {
    let script = r#"
        ip address add 192.0.2.9/24 dev lo; ip address add 2001:db8::9/64 dev lo
        "$BOTHENDS" addr mine | tail -n 2
        ip route add default dev lo src 192.0.2.9
        "$BOTHENDS" addr mine | tail -n 2"#;
    let Some(said) = in_a_namespace("addr mine without a route", script) else { return };
    let none = "IPv4: there is no way to the Internet\nIPv6: there is no way to the Internet\n";
    let four = "IPv4: the Internet is called from 192.0.2.9\nIPv6: there is no way to the Internet\n";
    assert_eq!(said, format!("{none}{four}"));
}
