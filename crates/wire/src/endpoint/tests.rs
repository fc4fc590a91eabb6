//! The grammar as a table, its errors with their columns, and properties on hostile input.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// What an address is read as, shown in full; or where and why it is not one.
fn listen(text: &str) -> String {
    shown(Endpoint::parse(text, Use::Listen))
}

fn connect(text: &str) -> String {
    shown(Endpoint::parse(text, Use::Connect))
}

fn shown(read: Result<Endpoint, EndpointError>) -> String {
    match read {
        Ok(endpoint) => endpoint.to_string(),
        Err(error) => format!("{}: {error}", error.column),
    }
}

#[test]
fn every_form_of_the_grammar() {
    let table = [
        ("8080", "tcp://localhost:8080"),
        (":8080", "tcp://*:8080"),
        ("*:8080", "tcp://*:8080"),
        ("0", "tcp://localhost:0"),
        ("127.0.0.1:0", "tcp://127.0.0.1:0"),
        ("localhost:http", "tcp://localhost:80"),
        ("LocalHost:80", "tcp://localhost:80"),
        ("example.org:80", "tcp://example.org:80"),
        ("example.org", "tcp://example.org:7777"),
        ("192.0.2.1", "tcp://192.0.2.1:7777"),
        ("[::1]:80", "tcp://[::1]:80"),
        ("[::1]", "tcp://[::1]:7777"),
        ("[fe80::1%eth0]:22", "tcp://[fe80::1%eth0]:22"),
        ("[0:0:0:0:0:0:0:1]:80", "tcp://[::1]:80"),
        ("udp://:53", "udp://*:53"),
        ("TLS://example.org", "tls://example.org:443"),
        ("/run/x.sock", "unix:/run/x.sock"),
        ("/run/a b?c", "unix:/run/a%20b%3Fc"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:///run/x.sock", "unix:/run/x.sock"),
        ("unix:./x.sock", "unix:./x.sock"),
        ("unix:@name", "unix:@name"),
        ("unix:%40file", "unix:%40file"),
        ("unix:////run//x", "unix:////run//x"),
        ("unix-dgram:/run/x?mode=600", "unix-dgram:/run/x?mode=600"),
        ("unix-seqpacket:@x", "unix-seqpacket:@x"),
        ("fd:3", "fd:3"),
        ("fd://3", "fd:3"),
        ("vsock:2:1234", "vsock:2:1234"),
        ("-", "-"),
        ("tcp://h:80?nodelay&source=10.0.0.2", "tcp://h:80?nodelay&source=10.0.0.2"),
        ("h:80?word=a%26b%20c", "tcp://h:80?word=a%26b%20c"),
    ];
    for (written, full) in table {
        assert_eq!(listen(written), full, "{written}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let table = [
        ("", "0: the address is empty (write a port, or HOST:PORT)"),
        ("a b:1", "1: an address has no blanks or control characters in it"),
        ("::1:80", "3: an IPv6 address needs brackets before a port (write [::1]:80)"),
        ("fe80::1:http", "7: an IPv6 address needs brackets before a port (write [fe80::1]:http)"),
        ("fe80::1%lo:80", "10: an IPv6 address needs brackets before a port (write [fe80::1%lo]:80)"),
        ("fe80::1%lo", "0: an IPv6 address needs brackets (write [fe80::1%lo]:PORT)"),
        ("fe80::1%:80", "5: there is more than one colon, and this is not an IPv6 address"),
        ("::abcd", "0: an IPv6 address needs brackets (write [::abcd]:PORT)"),
        ("a:b:1", "3: there is more than one colon, and this is not an IPv6 address"),
        ("[::1:80", "7: the bracket is not closed (write [::1]:80)"),
        (
            "[127.0.0.1]:80",
            "1: 127.0.0.1 is not an IPv6 address (IPv4 addresses have no brackets: write 127.0.0.1)",
        ),
        ("[::1]80", "5: only :PORT may follow the bracket"),
        ("[fe80::1%]:80", "9: behind % belongs the name of an interface"),
        ("70000", "0: port 70000 is more than 65535"),
        ("h:70000", "2: port 70000 is more than 65535"),
        ("h:", "2: the port is missing behind the colon"),
        ("h:99x", "2: 99x is neither a port from 0 to 65535 nor the name of a service"),
        ("h:-1", "2: -1 is neither a port from 0 to 65535 nor the name of a service"),
        ("h:80-90", "2: one port is needed here, not a range"),
        ("256.1.1.1:80", "0: 256 is more than 255, so this is not an IPv4 address"),
        (
            "127.0.0.010:80",
            "8: a part of an IPv4 address does not begin with 0 (some programs read it as octal)",
        ),
        ("127.1:80", "0: an IPv4 address has four numbers: 192.0.2.1"),
        (
            "sctp://h:80",
            "0: there is no scheme sctp (the schemes are tcp, udp, tls, unix, unix-dgram, unix-seqpacket, fd, vsock)",
        ),
        (
            "http://example.org/x",
            "0: there is no scheme http (http runs over tcp: write tcp://example.org:80)",
        ),
        (
            "https://example.org:8443",
            "0: there is no scheme https (https runs over TLS, which is not spoken yet; `openssl s_client example.org:8443` speaks it)",
        ),
        (
            "https://example.org/",
            "0: there is no scheme https (https runs over TLS, which is not spoken yet; `openssl s_client example.org:443` speaks it)",
        ),
        ("tcp:example.org:80", "4: two slashes belong behind tcp: (write tcp://example.org:80)"),
        ("tcp://h:80/x", "10: tcp addresses have no path"),
        ("tcp://", "6: a host or a port is missing"),
        ("user@h:80", "4: @ cannot be part of a host's name"),
        ("a..b:80", "0: a..b is not the name of a host"),
        ("fd:x", "3: behind fd: belongs a descriptor's number (write fd:3)"),
        ("fd:4294967296", "3: behind fd: belongs a descriptor's number (write fd:3)"),
        ("vsock:2", "6: behind vsock: belong CID:PORT (write vsock:2:1234)"),
        ("unix:", "5: the path is missing (write unix:/run/x.sock or unix:@name)"),
        ("unix:@", "6: the name behind @ is missing (write unix:/run/x.sock or unix:@name)"),
        ("unix:/a%00", "5: a NUL byte cannot be part of an address"),
        ("unix:/a%zz", "7: two hexadecimal digits belong behind % (a percent sign itself is %25)"),
        ("h:80?", "5: an option behind ? is written name or name=value"),
        ("h:80?a&B=1", "7: an option behind ? is written name or name=value"),
        ("ü:b:1", "3: there is more than one colon, and this is not an IPv6 address"),
    ];
    for (written, told) in table {
        assert_eq!(listen(written), told, "{written}");
    }
}

#[test]
fn connecting_needs_one_host_and_a_real_port() {
    let named = "0: to connect, one host has to be named (this machine is localhost)";
    assert_eq!(connect(":80"), named);
    assert_eq!(connect("*:80"), named);
    assert_eq!(connect("8080"), "tcp://localhost:8080");
    assert!(connect("h:0").starts_with("2: nothing can be reached at port 0"));
}

#[test]
fn host_and_port_may_be_two_words() {
    let grammar = Grammar::new(Use::Connect);
    let read = |host, port| shown(grammar.parse_host_and_port(host, port));
    assert_eq!(read("example.org", "80"), "tcp://example.org:80");
    assert_eq!(read("::1", "http"), "tcp://[::1]:80");
    assert_eq!(read("[::1]", "80"), "tcp://[::1]:80");
    assert_eq!(read("udp://h", "53"), "udp://h:53");
    assert_eq!(read("h:80", "81"), "1: this word has a port already, so no other can follow it");
    assert_eq!(read("[::1]:80", "81"), "5: this word has a port already, so no other can follow it");
    assert!(["80", "99999", "80-90", "http", "HTTP"].iter().all(|word| grammar.is_port(word)));
    assert!(!["", "h:80", "example.org", "8o", "80-"].iter().any(|word| grammar.is_port(word)));
}

#[test]
fn the_edge_may_know_more_services_and_another_scheme() {
    let services = |name: &str| (name == "gizmo").then_some(4242);
    let grammar = Grammar { purpose: Use::Listen, scheme: Scheme::Udp, services: &services };
    assert_eq!(shown(grammar.parse("h:gizmo")), "udp://h:4242");
    assert_eq!(shown(grammar.parse("tcp://h:gizmo")), "tcp://h:4242");
}

#[test]
fn long_input_is_refused_not_read() {
    assert_eq!(listen(&"1".repeat(5000)), "0: the address is longer than 4096 bytes");
    assert!(listen(&format!("{}:80", "a".repeat(254))).contains("at most 253 bytes"));
    assert!(listen(&format!("/{}", "a".repeat(107))).contains("at most 107 bytes; this one has 108"));
    assert!(listen(&format!("h:80?{}", ["a"; 33].join("&"))).contains("more than 32 options"));
    // unix(7): sun_path has 108 bytes, the last of them for the NUL.
    assert_eq!(UNIX_NAME_MAX, 108 - 1);
}

#[test]
fn unknown_options_are_named() {
    let written = "h:80?nodelay&colour=red";
    let endpoint = Endpoint::parse(written, Use::Connect).unwrap();
    assert_eq!(endpoint.only_options(written, &["nodelay", "colour"]), Ok(()));
    let told = shown(endpoint.only_options(written, &["nodelay"]).map(|()| endpoint.clone()));
    assert_eq!(told, "13: there is no option colour here (the options are nodelay)");
}

#[test]
fn the_kernels_addresses_are_shown_in_full() {
    let of = |text: &str| Endpoint::at(Scheme::Tcp, text.parse().unwrap()).to_string();
    assert_eq!(of("127.0.0.1:40213"), "tcp://127.0.0.1:40213");
    assert_eq!(of("[fe80::1%2]:80"), "tcp://[fe80::1%2]:80");
    assert_eq!(Endpoint::default_address().to_string(), "tcp://127.0.0.1:7777");
}

fn any_place() -> impl Strategy<Value = (Scheme, Place)> {
    let internet = prop_oneof![Just(Scheme::Tcp), Just(Scheme::Udp), Just(Scheme::Tls)];
    let unix = prop_oneof![Just(Scheme::Unix), Just(Scheme::UnixDgram), Just(Scheme::UnixSeqpacket)];
    let host = prop_oneof![
        Just(Host::Loopback),
        Just(Host::Any),
        any::<u32>().prop_map(|bits| Host::V4(bits.into())),
        (any::<u128>(), option::of("[a-z][a-z0-9.@-]{0,14}"))
            .prop_map(|(bits, zone)| Host::V6(bits.into(), zone)),
        "[a-z][a-z0-9_-]{0,20}([.][a-zü][a-z0-9]{0,9}){0,3}"
            .prop_filter("localhost is Loopback", |name| name != "localhost")
            .prop_map(Host::Name),
    ];
    let name = "[^\0]{1,30}".prop_filter("fits", |name| name.len() <= UNIX_NAME_MAX);
    prop_oneof![
        (internet, host, any::<u16>())
            .prop_map(|(scheme, host, port)| (scheme, Place::Internet { host, port })),
        (unix.clone(), name.clone()).prop_map(|(scheme, path)| (scheme, Place::Path(path))),
        (unix, name).prop_map(|(scheme, name)| (scheme, Place::Abstract(name))),
        (0u32..=0x7fff_ffff).prop_map(|number| (Scheme::Fd, Place::Descriptor(number))),
        any::<(u32, u32)>().prop_map(|(cid, port)| (Scheme::Vsock, Place::Virtual { cid, port })),
    ]
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(
        (scheme, place) in any_place(),
        options in vec(("[a-z0-9-]{1,12}", option::of(".{0,20}")), 0..4),
    ) {
        let options = options.into_iter().map(|(name, value)| UrlOption { name, value }).collect();
        let endpoint = Endpoint { scheme, place, options };
        let text = endpoint.to_string();
        prop_assert_eq!(Endpoint::parse(&text, Use::Listen), Ok(endpoint), "{}", text);
    }

    #[test]
    fn hostile_text_is_refused_or_reads_back(
        text in prop_oneof![
            any::<String>(),
            "[a-z0-9:/?&=%@.*\\[\\] -]{0,30}",
            "(tcp|udp|unix|fd|vsock|x)(:|://)[0-9a-f:.%?@/ü-]{0,20}",
        ],
        purpose in prop_oneof![Just(Use::Listen), Just(Use::Connect)],
    ) {
        match Endpoint::parse(&text, purpose) {
            Ok(endpoint) => prop_assert_eq!(Endpoint::parse(&endpoint.to_string(), purpose), Ok(endpoint)),
            Err(error) => prop_assert!(error.column <= text.chars().count()),
        }
        let _ = Grammar::new(purpose).parse_host_and_port(&text, &text);
    }
}
