//! Packets as people see them. Review these as pictures.

use std::time::Duration;

use proptest::prelude::*;
use wire::anatomy::{self, Verdict};
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};

use super::{Packet, text};
use crate::Style;

fn segment(source: &str, destination: &str, options: TcpOptions, payload: &[u8]) -> Vec<u8> {
    let packet = TcpPacket {
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        seq: 3_000_000_001,
        ack: 0,
        flags: TcpFlags::SYN,
        window: 64_240,
        options,
        payload,
    };
    packet.to_bytes()
}

fn syn() -> Vec<u8> {
    let options = TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some((1_000_000, 0)),
        ..TcpOptions::default()
    };
    let ethernet = [0x02, 0x42, 0xac, 0x11, 0, 2, 0x02, 0x42, 0xac, 0x11, 0, 3, 8, 0];
    [&ethernet[..], &segment("192.0.2.1:40712", "198.51.100.2:80", options, b"")].concat()
}

fn draw(link: LinkType, bytes: &[u8], wire_len: usize, style: &Style) -> String {
    let anatomy = anatomy::dissect(link, bytes, u32::try_from(wire_len).expect("a short frame"));
    let packet = Packet { number: 1, time: Duration::from_micros(102), bytes, anatomy: &anatomy };
    text(&packet, false, style)
}

fn drawn(link: LinkType, bytes: &[u8], wire_len: usize) -> String {
    draw(link, bytes, wire_len, &Style::default())
}

#[test]
fn a_syn_from_top_to_bottom() {
    let bytes = syn();
    insta::assert_snapshot!(drawn(LinkType::ETHERNET, &bytes, bytes.len()));
}

#[test]
fn in_ascii_the_boxes_are_those_of_the_rfcs() {
    let bytes = segment("192.0.2.1:40712", "198.51.100.2:80", TcpOptions::default(), b"hi");
    let style = Style { ascii: true, ..Style::default() };
    insta::assert_snapshot!(draw(LinkType::RAW, &bytes, bytes.len(), &style));
}

#[test]
fn ipv6_addresses_fill_their_rows() {
    let bytes = segment("[2001:db8::1]:40712", "[2001:db8::2]:443", TcpOptions::default(), b"");
    insta::assert_snapshot!(drawn(LinkType::RAW, &bytes, bytes.len()));
}

#[test]
fn what_was_not_captured_is_told() {
    let bytes = segment("192.0.2.1:40712", "198.51.100.2:80", TcpOptions::default(), &[b'x'; 1000]);
    insta::assert_snapshot!(drawn(LinkType::RAW, &bytes[..31], bytes.len()));
    let payload = drawn(LinkType::RAW, &bytes[..60], bytes.len());
    assert!(payload.contains("the capture ends here: 980 bytes are missing"), "{payload}");
    let checksum = "cannot be checked: the capture kept only 40 of the 1,020 bytes";
    assert!(payload.replace('\n', " ").contains(checksum), "{payload}");
}

#[test]
fn what_breaks_a_rule_is_told_under_its_header() {
    let mut bytes = syn();
    bytes[46] = 0x40;
    bytes[50] ^= 1;
    let shown = drawn(LinkType::ETHERNET, &bytes, bytes.len());
    assert!(shown.contains("! data offset 4 is less than 5 (RFC 9293 §3.1)"), "{shown}");
    assert!(shown.contains(": wrong, it should be 0x"), "{shown}");
}

#[test]
fn a_checksum_left_to_the_device_is_no_mistake() {
    let mut bytes = syn();
    let anatomy = anatomy::dissect(LinkType::ETHERNET, &bytes, 74);
    let pseudo =
        anatomy.layers[2].checksum.as_ref().and_then(|checksum| checksum.pseudo).expect("TCP has one");
    bytes[50..52].copy_from_slice(&pseudo.sum.to_be_bytes());
    let shown = drawn(LinkType::ETHERNET, &bytes, bytes.len());
    assert!(shown.contains("left to the device (offload)") && !shown.contains("wrong"), "{shown}");
}

/// What is drawn as the sum adds up to what is in a right packet.
#[test]
fn the_addition_ends_in_the_checksum() {
    let bytes = syn();
    let anatomy = anatomy::dissect(LinkType::ETHERNET, &bytes, 74);
    let shown = drawn(LinkType::ETHERNET, &bytes, bytes.len());
    let mut seen = 0;
    for checksum in anatomy.layers.iter().filter_map(|layer| layer.checksum.as_ref()) {
        assert_eq!(checksum.verdict, Verdict::Right);
        assert!(shown.contains(&format!("  ~ 0x{:04x}  its complement", checksum.stated)), "{shown}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_long_payload_is_shown_in_whole_when_asked() {
    let bytes = segment("192.0.2.1:40712", "198.51.100.2:80", TcpOptions::default(), &[b'x'; 1000]);
    let anatomy = anatomy::dissect(LinkType::RAW, &bytes, 1040);
    let packet = Packet { number: 1, time: Duration::ZERO, bytes: &bytes, anatomy: &anatomy };
    let count = |whole| text(&packet, whole, &Style::default()).matches(&"x".repeat(8)).count();
    assert_eq!((count(false), count(true)), (2 * 16, 125));
    assert!(text(&packet, false, &Style::default()).contains("… 744 bytes more (-v shows all)"));
}

#[test]
fn a_long_field_is_drawn_by_its_ends() {
    // Destination options with one option of 246 bytes.
    let mut bytes = vec![0x60, 0, 0, 0, 1, 0, 60, 64];
    bytes.extend([1; 32]);
    bytes.extend([59, 31, 0x1e, 252]);
    bytes.extend((0..252).map(|byte: u8| byte));
    let shown = drawn(LinkType::RAW, &bytes, bytes.len());
    assert!(shown.contains("… 240 bytes …"), "{shown}");
    assert!(shown.contains("│ fa fb") || shown.contains("│ f8 f9 fa fb"), "{shown}");
}

#[test]
fn beside_each_other_where_there_is_room() {
    let bytes = segment("192.0.2.1:40712", "198.51.100.2:80", TcpOptions::default(), b"");
    let style = Style { width: 160, ..Style::default() };
    insta::assert_snapshot!(draw(LinkType::RAW, &bytes, bytes.len(), &style));
}

#[test]
fn narrow_terminals_get_the_table_alone() {
    let bytes = segment("192.0.2.1:40712", "198.51.100.2:80", TcpOptions::default(), b"");
    let style = Style { width: 50, ..Style::default() };
    insta::assert_snapshot!(draw(LinkType::RAW, &bytes, bytes.len(), &style));
}

proptest! {
    #[test]
    fn no_line_is_too_wide_and_nothing_reaches_the_terminal_that_it_would_obey(
        link in prop::sample::select(vec![0_u16, 1, 101, 113, 276, 9999]),
        bytes in prop::collection::vec(any::<u8>(), 0..200), more in 0_usize..50,
        width in 0_usize..200, ascii: bool,
    ) {
        let style = Style { width, ascii, ..Style::default() };
        // A question mark would be one that we had no other character for.
        let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'?' { 0 } else { byte }).collect();
        let shown = draw(LinkType(link), &bytes, bytes.len() + more, &style);
        for line in shown.lines() {
            prop_assert!(crate::columns::width(line) <= width.max(super::NARROWEST), "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert!(!ascii || line.is_ascii() && !line.contains('?'), "{line:?}");
        }
    }

    #[test]
    fn colours_change_nothing_else(
        flags: u8, cut in any::<prop::sample::Index>(), width in prop::sample::select(vec![60, 80, 160]),
    ) {
        let mut bytes = syn();
        bytes[47] = flags;
        let whole = bytes.len();
        bytes.truncate(cut.index(whole) + 1);
        let plain = Style { width, ..Style::default() };
        let coloured = draw(LinkType::ETHERNET, &bytes, whole, &Style { color: true, ..plain });
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            stripped.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        stripped.push_str(rest);
        prop_assert_eq!(stripped, draw(LinkType::ETHERNET, &bytes, whole, &plain));
    }
}
