//! Messages as the kernel writes them, cut, bent and made up.

use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::socket_row::{Kind, Model, SocketRow, SocketState, States, Timer, TimerKind};

/// A message of the kernel around a body.
fn framed(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(super) fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A connection of TCP over IPv4, 10.0.0.1:40000 with 10.0.0.2:7.
fn connection() -> Vec<u8> {
    let mut body = vec![AF_INET, 1, 1, 2];
    body.extend(40_000u16.to_be_bytes());
    body.extend(7u16.to_be_bytes());
    for host in [[10, 0, 0, 1], [10, 0, 0, 2]] {
        body.extend(host);
        body.extend([0; 12]);
    }
    for word in [3u32, 0x11, 0x22, 204, 5, 6, 1000, 4711] {
        body.extend(word.to_ne_bytes());
    }
    body
}

#[test]
fn a_connection_is_read_field_by_field() {
    let mut body = connection();
    body.extend(attribute(8, &[1]));
    body.extend(attribute(4, b"cubic\0"));
    body.extend(attribute(21, &77u64.to_ne_bytes()));
    body.extend(attribute(2, &[1, 0, 0, 0]));
    let words = [100u32, 200, 1, 2, 3, 4, 5, 6, 9].map(u32::to_ne_bytes);
    body.extend(attribute(7, words.as_flattened()));
    body.extend(attribute(16, [1u32, 1, 31, 256, 512].map(u32::to_ne_bytes).as_flattened()));
    let row = row(&body, 6).expect("a row");
    assert_eq!((row.kind, row.state), (Kind::Tcp, SocketState::ESTABLISHED));
    assert_eq!(row.local, Address::Internet("10.0.0.1:40000".parse().unwrap()));
    assert_eq!(row.remote, Address::Internet("10.0.0.2:7".parse().unwrap()));
    assert_eq!((row.to_read_bytes, row.to_send_bytes), (5, 6));
    assert_eq!((row.uid, row.inode, row.interface), (Some(1000), 4711, 3));
    assert_eq!(row.cookie, 0x22_0000_0011);
    assert_eq!(row.timer, Some(Timer { kind: TimerKind::Retransmit, expires_ms: 204, retransmits: 2 }));
    assert_eq!((row.shutdown, row.cgroup, row.drops), (Some(1), Some(77), Some(9)));
    let details = row.details.as_ref().expect("details");
    assert_eq!(details.congestion.as_deref(), Some("cubic"));
    assert_eq!(row.tcp().and_then(|tcp| tcp.state), Some(1));
    assert_eq!(row.memory().map(|memory| memory.receive_room_bytes), Some(200));
    let model =
        Model::Bbr { bandwidth_bytes_per_s: (1 << 32) + 1, min_rtt_us: 31, pacing_gain: 256, cwnd_gain: 512 };
    assert_eq!(details.model, Some(model));
}

#[test]
fn a_row_without_details_takes_no_memory_of_its_own() {
    let row = row(&connection(), 17).expect("a row");
    assert_eq!((row.kind, row.details), (Kind::Udp, None));
}

#[test]
fn unix_sockets_have_paths_abstract_names_and_peers() {
    let unix = |name: &[u8]| {
        let mut body = vec![AF_UNIX, 1, 10, 0];
        for word in [17u32, 1, 0] {
            body.extend(word.to_ne_bytes());
        }
        body.extend(attribute(0, name));
        body.extend(attribute(2, &18u32.to_ne_bytes()));
        body.extend(attribute(4, [3u32, 128].map(u32::to_ne_bytes).as_flattened()));
        body.extend(attribute(7, &1000u32.to_ne_bytes()));
        row(&body, 0).expect("a row")
    };
    let listener = unix(b"/run/x\0");
    assert_eq!(listener.local, Address::Path("/run/x".into()));
    assert_eq!((listener.kind, listener.state), (Kind::UnixStream, SocketState::LISTEN));
    assert_eq!((listener.to_read_bytes, listener.to_send_bytes), (3, 128));
    assert_eq!((listener.inode, listener.peer_inode, listener.uid), (17, Some(18), Some(1000)));
    assert_eq!(unix(b"\0x\0y").local, Address::Abstract(b"x\0y".to_vec()));
    assert_eq!(unix(b"").local, Address::Unnamed);
}

#[test]
fn packet_sockets_name_protocol_and_interface() {
    let mut body = vec![AF_PACKET, 3];
    body.extend(3u16.to_ne_bytes());
    for word in [17u32, 1, 0] {
        body.extend(word.to_ne_bytes());
    }
    body.extend(attribute(0, [2u32, 0, 0, 0, 0, 0].map(u32::to_ne_bytes).as_flattened()));
    let row = row(&body, 0).expect("a row");
    assert_eq!((row.kind, row.ether_type, row.interface), (Kind::PacketRaw, 3, 2));
}

#[test]
fn messages_say_what_they_are() {
    let mut bytes = framed(BY_FAMILY, 0x12, &connection());
    bytes.extend(framed(2, 0, &(-2i32).to_ne_bytes()));
    bytes.extend(framed(3, 0, &0i32.to_ne_bytes()));
    bytes.extend(framed(99, 0, &[]));
    let all: Vec<Message<'_>> = messages(&bytes).collect();
    assert!(all[0].is_interrupted && matches!(all[0].content, Content::Socket(body) if body == connection()));
    assert_eq!(all[1].content, Content::Error(2));
    assert_eq!(all[2].content, Content::Done(0));
    assert_eq!(all[3].content, Content::Other(99));
    assert_eq!((all.len(), all[0].sequence), (4, 7));
}

/// The literals of the kernel's headers, as its own clients send them.
#[test]
fn requests_are_what_the_kernel_expects() {
    let request =
        dump_inet(Kind::Udp, true, States(0x482), Extensions { memory: true, ..Extensions::default() }, 5);
    assert_eq!(request.len(), 72);
    assert_eq!(request[..4], 72u32.to_ne_bytes());
    assert_eq!(request[4..6], 20u16.to_ne_bytes());
    assert_eq!(request[6..8], 0x301u16.to_ne_bytes());
    assert_eq!(request[8..12], 5u32.to_ne_bytes());
    assert_eq!(request[16..20], [10, 17, 1 << 6, 0]);
    assert_eq!(request[20..24], 0x482u32.to_ne_bytes());
    let both = dump_inet_both(States::ALL, Extensions { tcp: true, ..Extensions::default() }, 5);
    assert_eq!((both.len(), both[19]), (76, 0b1110));
    assert_eq!(both[68..72], 0xfffu32.to_ne_bytes());
    assert_eq!(dump_unix(States::ALL, Extensions::default(), 5).len(), 40);
    assert_eq!(dump_packet(5).len(), 36);
}

#[test]
fn a_socket_is_ended_by_everything_that_names_it() {
    let row = row(&connection(), 6).expect("a row");
    let request = destroy_inet(&row, 9).expect("a request");
    assert_eq!(request[4..6], 21u16.to_ne_bytes());
    // The identity is the one that the kernel gave: bytes 4 to 52 of its message.
    assert_eq!(request[24..72], connection()[4..52]);
    assert_eq!(destroy_inet(&SocketRow { local: Address::Unnamed, ..row }, 9), None);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), protocol: u8) {
        for message in messages(&bytes) {
            if let Content::Socket(body) = message.content {
                let _ = row(body, protocol);
            }
        }
        let _ = (inet_row(&bytes, protocol), unix_row(&bytes), packet_row(&bytes));
    }

    /// A message that was bent in one place, or cut.
    #[test]
    fn any_change_is_survived(at in 0usize..160, value: u8, keep in 0usize..160, family in prop::sample::select(vec![1u8, 2, 10, 17])) {
        let mut body = connection();
        body[0] = family;
        body.extend(attribute(2, &[1; 30]));
        body.extend(attribute(0, b"/run/x"));
        body.extend(attribute(19, &attribute(1, b"tls\0")));
        if let Some(byte) = body.get_mut(at) {
            *byte = value;
        }
        body.truncate(keep);
        let _ = row(&body, 6);
        let framed = framed(BY_FAMILY, 0, &body);
        prop_assert!(messages(&framed).count() == 1);
    }

    /// Rows never take more than what came: strangers choose names, but not their length.
    #[test]
    fn names_are_as_long_as_their_bytes(name in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut body = vec![AF_UNIX, 2, 7, 0];
        body.extend([0; 12]);
        body.extend(attribute(0, &name));
        let row = row(&body, 0).expect("a row");
        match row.local {
            Address::Path(path) => prop_assert!(path.as_os_str().len() <= name.len()),
            Address::Abstract(kept) => prop_assert_eq!(kept.len() + 1, name.len()),
            _ => prop_assert!(name.is_empty()),
        }
    }
}

/// What inet_diag_bc_run (net/ipv4/inet_diag.c) makes of a program, of the two conditions that are used here.
fn lets_through(program: &[u8], port: u16) -> bool {
    let (mut at, mut left) = (0, program.len() as i64);
    while left > 0 {
        let step = &program[at..];
        let bound = u16::from_ne_bytes([step[6], step[7]]);
        let holds = match step[0] {
            2 => port >= bound,
            3 => port <= bound,
            other => panic!("step {other}"),
        };
        let way = if holds { u16::from(step[1]) } else { u16::from_ne_bytes([step[2], step[3]]) };
        at += usize::from(way);
        left -= i64::from(way);
    }
    left == 0
}

#[test]
fn a_port_is_picked_by_the_kernel() {
    let bytes = dump_inet_at_port(Kind::Udp, true, States(0x80), 8080, 9);
    assert_eq!(u32_at(&bytes, 0), Some(bytes.len() as u32));
    assert_eq!(bytes[16..20], [AF_INET6, 17, 0, 0]);
    assert_eq!(u32_at(&bytes, 20), Some(0x80));
    // struct inet_diag_req_v2 has 56 bytes; the attribute's length counts its own four.
    let attribute = &bytes[16 + 56..];
    assert_eq!((u16_at(attribute, 0), u16_at(attribute, 2)), (Some(attribute.len() as u16), Some(1)));
    for (port, passes) in [(8080, true), (8079, false), (8081, false), (0, false), (0x901f, false)] {
        assert_eq!(lets_through(&attribute[4..], port), passes, "{port}");
    }
}
