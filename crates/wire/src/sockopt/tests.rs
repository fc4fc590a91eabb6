use proptest::prelude::*;

use super::*;

fn set(text: &str) -> Setting {
    Setting::parse(text).expect(text)
}

fn wrong(text: &str) -> SockoptError {
    Setting::parse(text).expect_err(text)
}

fn int(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

#[test]
fn the_table_is_in_order_and_names_each_option_once() {
    assert!(TABLE.len() >= 60, "{}", TABLE.len());
    let place = |level| Level::ALL.iter().position(|other| *other == level);
    for pair in TABLE.windows(2) {
        let [one, next] = pair else { panic!("windows of two") };
        assert!((place(one.level), one.name) < (place(next.level), next.name), "{} {}", one.name, next.name);
    }
    for level in Level::ALL {
        let mut numbers: Vec<i32> =
            TABLE.iter().filter(|row| row.level == level).map(|row| row.number).collect();
        let rows = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), rows, "{}: no number twice", level.name());
        assert!(rows > 0);
    }
    for row in TABLE {
        assert!(row.help.ends_with('.') && row.help.len() <= 80, "{}: {}", row.name, row.help);
        let prefix = match row.level {
            Level::Socket => "SO_",
            Level::Tcp => "TCP_",
            Level::Ip => "IP_",
            Level::Ipv6 => "IPV6_",
            Level::Udp => "UDP_",
        };
        assert!(row.name.starts_with(prefix), "{}", row.name);
        assert!(row.read_number() == row.number || Sockopt::named(&row.name.replace("FORCE", "")).is_ok());
    }
}

#[test]
fn names_are_understood_in_any_case_and_without_their_prefix() {
    for text in ["SO_RCVBUF=4096", "so_rcvbuf=4096", "rcvbuf=4K", "RcvBuf = 0x1000", "so-rcvbuf=4096"] {
        let setting = set(text);
        assert_eq!((setting.name(), setting.encode()), ("SO_RCVBUF", int(4096)), "{text}");
        assert_eq!((setting.option().level.number(), setting.option().number), (1, 8));
    }
    assert_eq!(
        (set("nodelay").to_string(), set("TCP_NODELAY=off").encode()),
        ("TCP_NODELAY=1".into(), int(0))
    );
    assert_eq!(set("rcvbuf=4K").asked(), "4K");
}

#[test]
fn what_cannot_be_set_is_told() {
    let cases = [
        ("SO_NONSENSE=1", "there is no socket option SO_NONSENSE here; `bothends help sockopts` lists them"),
        ("TCP_NODELEY", "there is no socket option TCP_NODELEY here; TCP_NODELAY may be meant"),
        ("=1", "an option needs a name; `bothends help sockopts` lists them"),
        ("cork", "cork may be TCP_CORK or UDP_CORK; write the whole name"),
        ("SO_TYPE=1", "SO_TYPE can only be read; `bothends help sockopts` lists them"),
        ("SO_RCVBUF", "SO_RCVBUF needs a value; SO_RCVBUF=bytes, or a size such as 64K"),
        ("SO_KEEPALIVE=2", "SO_KEEPALIVE cannot be 2: it has to be 0 or 1; SO_KEEPALIVE=0 or 1"),
        ("a\x1b=1", "there is no socket option a\\u{1b} here; `bothends help sockopts` lists them"),
    ];
    for (text, told) in cases {
        assert_eq!(wrong(text).to_string(), told);
    }
    assert!(wrong(&"x".repeat(300)).sentence.contains("at most 256"));
}

#[test]
fn values_out_of_form_or_range_are_refused() {
    for text in [
        "SO_RCVBUF=",
        "SO_RCVBUF=+1",
        "SO_RCVBUF=2147483648",
        "SO_RCVBUF=2G",
        "SO_PRIORITY=64K",
        "SO_PRIORITY=0x-1",
        "SO_MARK=-1",
        "SO_MARK=4294967296",
        "SO_MAX_PACING_RATE=-1",
        "SO_LINGER=-1",
        "SO_LINGER=1500ms",
        "TCP_KEEPIDLE=1500ms",
        "SO_RCVTIMEO=-1",
        "SO_RCVTIMEO=1ns",
        "SO_BINDTODEVICE=sixteencharacter",
        "SO_BINDTODEVICE=a\0b",
        "TCP_FASTOPEN_KEY=00",
        "TCP_FASTOPEN_KEY=zz",
        "IP_MTU_DISCOVER=maybe",
        "IP_ADD_MEMBERSHIP=10.0.0.1",
        "IP_ADD_MEMBERSHIP=239.1.2.3@lo",
        "IPV6_ADD_MEMBERSHIP=::1",
        "IPV6_ADD_MEMBERSHIP=ff02::1@lo",
        "IP_MULTICAST_IF=::1",
        "IP_LOCAL_PORT_RANGE=5-4",
        "IP_LOCAL_PORT_RANGE=5",
    ] {
        let error = wrong(text);
        assert!(error.sentence.contains(" cannot be "), "{text}: {error}");
    }
}

#[test]
fn values_become_the_bytes_of_their_structures() {
    let timeval = |seconds: isize, micros: isize| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
    let cases: [(&str, Vec<u8>); 20] = [
        ("SO_LINGER=off", [int(0), int(0)].concat()),
        ("SO_LINGER=0", [int(1), int(0)].concat()),
        ("SO_LINGER=2m", [int(1), int(120)].concat()),
        ("SO_RCVTIMEO=1.5s", timeval(1, 500_000)),
        ("SO_RCVTIMEO=2", timeval(2, 0)),
        ("SO_SNDTIMEO=0", timeval(0, 0)),
        ("TCP_KEEPIDLE=30", int(30)),
        ("TCP_KEEPIDLE=2m", int(120)),
        ("TCP_USER_TIMEOUT=2s", int(2000)),
        ("TCP_NOTSENT_LOWAT=4294967295", int(-1)),
        ("SO_TIMESTAMPING=0xffffffff", int(-1)),
        ("SO_PEEK_OFF=-1", int(-1)),
        ("SO_MAX_PACING_RATE=unlimited", usize::MAX.to_ne_bytes().to_vec()),
        ("TCP_CONGESTION=reno", b"reno".to_vec()),
        ("SO_BINDTODEVICE=", Vec::new()),
        ("TCP_FASTOPEN_KEY=000102030405060708090a0b0c0d0eFF", {
            let mut key: Vec<u8> = (0..15).collect();
            key.push(255);
            key
        }),
        ("IP_MTU_DISCOVER=Do", int(2)),
        ("IP_ADD_MEMBERSHIP=239.1.2.3@192.0.2.1", vec![239, 1, 2, 3, 192, 0, 2, 1]),
        ("IPV6_ADD_MEMBERSHIP=ff02::1@2", {
            let mut bytes = vec![0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            bytes.extend(2u32.to_ne_bytes());
            bytes
        }),
        ("IP_LOCAL_PORT_RANGE=40000-50000", (50_000u32 << 16 | 40_000).to_ne_bytes().to_vec()),
    ];
    for (text, bytes) in cases {
        assert_eq!(set(text).encode(), bytes, "{text}");
    }
}

#[test]
fn what_the_kernel_gives_is_shown_as_it_is_written() {
    for text in [
        "SO_LINGER=off",
        "SO_LINGER=3",
        "SO_RCVTIMEO=1.5",
        "SO_RCVTIMEO=0",
        "SO_RCVTIMEO=0.000001",
        "TCP_NODELAY=1",
        "SO_PEEK_OFF=-1",
        "TCP_NOTSENT_LOWAT=4294967295",
        "IP_TOS=0x10",
        "SO_MAX_PACING_RATE=unlimited",
        "SO_MAX_PACING_RATE=1000000",
        "TCP_CONGESTION=cubic",
        "TCP_FASTOPEN_KEY=000102030405060708090a0b0c0d0e0f",
        "IP_MTU_DISCOVER=probe",
        "IP_MULTICAST_IF=192.0.2.1",
        "IP_LOCAL_PORT_RANGE=40000-50000",
    ] {
        let setting = set(text);
        let shown = setting.option().show(&setting.encode());
        assert_eq!(format!("{}={shown}", setting.name()), text);
    }
    let shown = |name: &str, value: &[u8]| Sockopt::named(name).expect(name).show(value);
    assert_eq!(shown("TCP_CONGESTION", b"cubic\0\0\0"), "cubic");
    assert_eq!(shown("SO_PEERCRED", &[int(7), int(-1), int(0)].concat()), "7 -1 0");
    assert_eq!(shown("SO_TYPE", &int(5)), "seqpacket");
    assert_eq!(shown("SO_TYPE", &int(99)), "99");
    assert_eq!(shown("TCP_INFO", &[0; 280]), "280 bytes");
    assert_eq!(shown("SO_RCVBUF", &[1, 2]), "0102", "not an int: as it is");
    assert_eq!(shown("SO_COOKIE", &9u64.to_ne_bytes()), "9");
}

#[test]
fn an_option_is_of_the_sockets_that_have_it() {
    let of = |name: &str| {
        let option = Sockopt::named(name).expect(name);
        Transport::ALL.map(|transport| option.of.has(transport))
    };
    // tcp, udp, unix, unix-dgram, unix-seqpacket
    assert_eq!(of("TCP_NODELAY"), [true, false, false, false, false]);
    assert_eq!(of("SO_BROADCAST"), [false, true, false, false, false]);
    assert_eq!(of("SO_PASSCRED"), [false, false, true, true, true]);
    assert_eq!(of("SO_RXQ_OVFL"), [false, true, false, true, false]);
    assert_eq!(of("IP_TTL"), [true, true, false, false, false]);
    assert_eq!(of("SO_RCVBUF"), [true; 5]);
}

#[test]
fn distances_are_counted_in_letters() {
    assert_eq!(distance("", "ABC"), 3);
    assert_eq!(distance("ABC", ""), 3);
    assert_eq!(distance("KITTEN", "SITTING"), 3);
    assert_eq!(distance("SAME", "SAME"), 0);
}

proptest! {
    #[test]
    fn any_text_is_a_setting_or_an_error(text in "\\PC{0,60}") {
        let _ = Setting::parse(&text);
    }

    #[test]
    fn any_value_of_any_option_is_taken_or_refused_and_shown_safely(
        row in 0..TABLE.len(), text in "[-+0-9a-fxKsmu.@:%/]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let option = &TABLE[row];
        if let Ok(setting) = Setting::parse(&format!("{}={text}", option.name)) {
            prop_assert_eq!(setting.option(), option);
            let shown = option.show(&setting.encode());
            prop_assert!(shown.chars().all(|letter| !letter.is_control()));
        }
        prop_assert!(option.show(&bytes).chars().all(|letter| !letter.is_control()));
    }

    #[test]
    fn a_number_that_is_shown_reads_back(row in 0..TABLE.len(), number in any::<i32>()) {
        let option = &TABLE[row];
        let is_number = matches!(option.kind, Kind::Int(_) | Kind::Unsigned(_));
        prop_assume!(is_number && option.when != When::ReadOnly);
        let text = format!("{}={}", option.name, option.show(&int(number)));
        prop_assert_eq!(set(&text).encode(), int(number));
    }
}
