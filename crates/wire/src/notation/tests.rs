use proptest::prelude::*;

use super::*;
use crate::endpoint::Use;

fn read_here(text: &str) -> Result<Reading, EndpointError> {
    read(text, Order::Little, &Grammar::new(Use::Listen))
}

fn address(text: &str) -> Written {
    match read_here(text) {
        Ok(Reading::Address(written)) => written,
        other => panic!("{text}: {other:?}"),
    }
}

fn wrong(text: &str) -> (usize, String) {
    let error = read_here(text).expect_err(text);
    (error.column, error.sentence)
}

#[test]
fn every_notation_of_an_address_is_the_same_address() {
    for text in [
        "192.168.1.4",
        "0300.0250.1.4",
        "192.168.260",
        "192.11010308",
        "0xc0.0xa8.0x01.0x04",
        "c0a80104",
        "C0 A8 01 04",
        "c0:a8:01:04",
        "\\xc0\\xa8\\x01\\x04",
        "0401A8C0:1F90",
        "4.1.168.192.in-addr.arpa",
        "4.1.168.192.IN-ADDR.ARPA.",
        "192.168.1.4:80",
        "0300.0250.1.4:80",
    ] {
        assert_eq!(address(text).address.to_string(), "192.168.1.4", "{text}");
    }
    for text in [
        "2001:db8::1",
        "[2001:DB8:0::0:1]",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "20010db8000000000000000000000001",
        "B80D0120000000000000000001000000:0050",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "[2001:db8::1]:443",
    ] {
        assert_eq!(address(text).address.to_string(), "2001:db8::1", "{text}");
    }
    let scoped = address("fe80::1%eth0");
    assert_eq!((scoped.zone.as_deref(), scoped.port), (Some("eth0"), None));
    let table = address("0100007F:1F90");
    assert_eq!((table.address.to_string().as_str(), table.port), ("127.0.0.1", Some(8080)));
    assert_eq!(table.notation, Notation::KernelTable(Order::Little));
}

#[test]
fn networks_have_lengths_of_several_kinds() {
    let network = |text: &str| match read_here(text) {
        Ok(Reading::Network(written)) => (written.network.to_string(), written.length),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(network("10.1.2.3/8"), ("10.0.0.0/8".to_owned(), Length::Prefix));
    assert_eq!(network("10.1.2.3/255.255.0.0"), ("10.1.0.0/16".to_owned(), Length::Netmask));
    assert_eq!(network("10.1.2.3/0.0.255.255"), ("10.1.0.0/16".to_owned(), Length::Wildcard));
    assert_eq!(network("168.192.in-addr.arpa"), ("192.168.0.0/16".to_owned(), Length::ReverseName));
    assert_eq!(network("8.b.d.0.1.0.0.2.ip6.arpa"), ("2001:db8::/32".to_owned(), Length::ReverseName));
    assert_eq!(
        wrong("10.0.0.0/33"),
        (9, "behind the slash has to stand a whole number from 0 to 32".to_owned())
    );
    assert_eq!(wrong("10.0.0.0/255.0.255.0").0, 9);
    assert_eq!(wrong("10.0.300.0/8"), (5, "300 is larger than 255".to_owned()));
}

#[test]
fn numbers_and_hardware_addresses() {
    let number = |text: &str| match read_here(text) {
        Ok(Reading::Number(written)) => (written.number.value, written.number.width, written.radix),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(number("8080"), (8080, Width::W16, 10));
    assert_eq!(number("0x0102"), (0x102, Width::W16, 16));
    assert_eq!(number("0x00000001"), (1, Width::W32, 16));
    assert_eq!(number("017"), (15, Width::W8, 8));
    assert_eq!(number("0b101"), (5, Width::W8, 2));
    assert_eq!(number("3232235780"), (0xc0a8_0104, Width::W32, 10));
    for text in ["02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001"] {
        assert_eq!(read_here(text), Ok(Reading::Hardware([2, 0, 0x5e, 0x10, 0, 1])), "{text}");
    }
}

#[test]
fn endpoints_are_read_as_everywhere() {
    for (text, full) in
        [("/run/x", "unix:/run/x"), ("tcp://127.0.0.1:80", "tcp://127.0.0.1:80"), (":80", "tcp://*:80")]
    {
        let Ok(Reading::Endpoint(endpoint)) = read_here(text) else { panic!("{text}") };
        assert_eq!(endpoint.to_string(), full);
    }
}

#[test]
fn mistakes_have_a_place() {
    let cases = [
        ("1.2.3", None),
        ("256.1.1.1", Some((0, "256 is larger than 255"))),
        ("1.2.3.4.5", Some((8, "an IPv4 address has four numbers, and this is a fifth"))),
        ("1..2.3", Some((2, "between two dots has to stand a number"))),
        ("09.0.0.1", Some((0, "09 begins with 0, so it is octal, and 8 and 9 are no octal digits"))),
        ("1::2::3", Some((4, "zeros may be left out only once, and this is the second ::"))),
        ("12345::", Some((0, "a group has at most four hexadecimal digits"))),
        ("1:2:3", Some((5, "an IPv6 address has eight groups, and these are 3"))),
        ("1:2:3:4:5:6:7:8:9", Some((0, "an IPv6 address has eight groups, and these are 9"))),
        ("fe80:::1", Some((6, "three colons are never right; two stand for zeros"))),
        ("::1.2.3.400", Some((2, "the last 32 bits are no IPv4 address"))),
        ("", Some((0, "the address is empty"))),
    ];
    for (text, expected) in cases {
        match expected {
            None => assert!(read_here(text).is_ok(), "{text}"),
            Some((column, sentence)) => assert_eq!(wrong(text), (column, sentence.to_owned()), "{text}"),
        }
    }
    let name = read_here("example.org").expect_err("a name");
    assert_eq!(name.hint.as_deref(), Some("a name is looked up by `bothends addr resolve example.org`"));
}

/// RFC 5952, its examples one by one, and RFC 4291 §2.2's.
#[test]
fn the_canonical_text_is_that_of_rfc_5952() {
    let cases = [
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"), // §1, §4.2.3
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:0db8::0001", "2001:db8::1"),              // §4.1
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),       // §4.2.1
        ("2001:db8::0:1", "2001:db8::1"),                // §4.2.1
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), // §4.2.2
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),         // §4.2.3
        ("2001:DB8:AAAA:BBBB:CCCC:DDDD:EEEE:AAAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa"), // §4.3
        ("::ffff:c000:280", "::ffff:192.0.2.128"),       // §5
        ("FF01:0:0:0:0:0:0:101", "ff01::101"),           // RFC 4291 §2.2
        ("0:0:0:0:0:0:0:0", "::"),
    ];
    for (text, canonical) in cases {
        assert_eq!(address(text).address.to_string(), canonical, "{text}");
    }
}

#[test]
fn every_spelling() {
    let four: IpAddr = "192.168.1.4".parse().expect("an address");
    let six: Ipv6Addr = "64:ff9b::192.0.2.33".parse().expect("an address");
    assert_eq!(spelling::integer(four), 3_232_235_780);
    assert_eq!(spelling::kernel_table(four, Order::Little), "0401A8C0");
    assert_eq!(spelling::kernel_table(four, Order::Big), "C0A80104");
    assert_eq!(spelling::binary(&spelling::octets(four), "."), "11000000.10101000.00000001.00000100");
    assert_eq!(spelling::mixed(six), "64:ff9b::192.0.2.33");
    assert_eq!(spelling::expanded(six), "0064:ff9b:0000:0000:0000:0000:c000:0221");
    assert_eq!(spelling::mixed("::".parse().expect("an address")), "::0.0.0.0");
    assert_eq!(spelling::hexadecimal("::ffff:1.2.3.4".parse().expect("an address")), "::ffff:102:304");
}

/// Addresses with many zeros, where what may be left out is decided.
fn any_six() -> impl Strategy<Value = Ipv6Addr> {
    prop::array::uniform8(prop_oneof![Just(0u16), Just(0u16), any::<u16>(), Just(0xffff)])
        .prop_map(Ipv6Addr::from)
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = read_here(&text);
    }

    #[test]
    fn what_looks_like_an_address_is_read_or_refused(text in "[0-9a-fx.:/%\\[\\]]{0,48}") {
        if let Err(error) = read_here(&text) {
            prop_assert!(error.column <= text.chars().count(), "{}: {:?}", text, error);
        }
    }

    #[test]
    fn every_spelling_of_four_reads_back(bits: u32) {
        let four = IpAddr::from(Ipv4Addr::from(bits));
        let octets = spelling::octets(four);
        let mut texts = vec![
            four.to_string(),
            spelling::reverse_name(four),
            format!("{}:0050", spelling::kernel_table(four, Order::Little)),
            spelling::hex(&octets, " "),
        ];
        texts.extend(Some(spelling::hex(&octets, "")).filter(|hex| hex.bytes().any(|byte| byte.is_ascii_alphabetic())));
        for text in texts {
            prop_assert_eq!(address(&text).address, four, "{}", text);
        }
    }

    #[test]
    fn every_spelling_of_six_reads_back(six in any_six()) {
        let octets = six.octets();
        let texts = [
            six.to_string(),
            format!("[{six}]"),
            spelling::expanded(six),
            spelling::mixed(six),
            spelling::hexadecimal(six),
            spelling::reverse_name(six.into()),
            format!("{}:0050", spelling::kernel_table(six.into(), Order::Little)),
            spelling::hex(&octets, " "),
            format!("[{six}]:80"),
        ];
        for text in texts {
            prop_assert_eq!(address(&text).address, IpAddr::from(six), "{}", text);
        }
        if six.to_ipv4_mapped().is_none() {
            prop_assert_eq!(six.to_string(), spelling::hexadecimal(six));
        }
    }

    #[test]
    fn networks_read_back(bits: u128, prefix in 0u8..=128) {
        let network = Network::around(Ipv6Addr::from(bits).into(), prefix).expect("short enough");
        let text = format!("{}/{}", network.first(), network.prefix());
        let Ok(Reading::Network(written)) = read_here(&text) else { panic!("{text}") };
        prop_assert_eq!(written.network, network);
    }
}
