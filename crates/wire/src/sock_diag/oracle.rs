//! What netlink-packet-sock-diag reads in an answer is what we read in it: every field that both know. It reads answers of
//! one kernel's shape and refuses shorter ones; what becomes of those is in `tests`.

use std::time::Duration;

use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_sock_diag::inet::nlas::{MemInfo, Nla, TcpInfo};
use netlink_packet_sock_diag::inet::{self, InetResponse};
use netlink_packet_sock_diag::unix::nlas::{Nla as UnixNla, UnixDiagName};
use netlink_packet_sock_diag::unix::{UnixResponse, UnixResponseHeader};
use proptest::prelude::*;

use super::tests::attribute;
use super::*;
use crate::address::Address;
use crate::socket_row::{SocketRow, Timer, TimerKind};

/// `struct tcp_info` as far as the oracle knows it.
const TCP_INFO_BYTES: usize = 232;

fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), len)
}

/// Attributes of an internet socket, each as long as kernels of today make it, in any order, more than once, with
/// unknown ones between them.
fn attributes_of_inet() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let one = prop_oneof![
        bytes(TCP_INFO_BYTES).prop_map(|value| (2, value)),
        "[a-z]{1,15}".prop_map(|name| (4, [name.as_bytes(), b"\0"].concat())),
        (prop::sample::select(vec![5u16, 6, 8, 10, 11]), bytes(1)),
        bytes(36).prop_map(|value| (7, value)),
        (prop::sample::select(vec![15u16, 17]), bytes(4)),
        (prop::sample::select(vec![12u16, 13, 30, 200]), prop::collection::vec(any::<u8>(), 0..20)),
    ];
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn answers_about_internet_sockets_are_read_alike(
        family in prop::sample::select(vec![AF_INET, AF_INET6]),
        timer in 0u8..6,
        rest in bytes(69),
        attributes in attributes_of_inet(),
    ) {
        let mut body = vec![family, rest[68], timer];
        body.extend(&rest[..69]);
        for (number, value) in &attributes {
            body.extend(attribute(*number, value));
        }
        let theirs = InetResponse::parse(&body[..]).expect("the oracle reads it");
        let ours = inet_row(&body, 6).expect("a row");
        head_alike(&ours, &theirs)?;
        for attribute in &theirs.nlas {
            // The last of several counts.
            let kind = netlink_packet_core::Nla::kind(attribute);
            if theirs.nlas.iter().rfind(|other| netlink_packet_core::Nla::kind(*other) == kind) == Some(attribute) {
                attribute_alike(&ours, attribute)?;
            }
        }
    }

    #[test]
    fn answers_about_unix_sockets_are_read_alike(
        kind in prop::sample::select(vec![1u8, 2, 5]),
        state: u8,
        inode: u32,
        cookie: [u8; 8],
        name in prop_oneof!["/[a-z/]{1,30}".prop_map(|path| [path.as_bytes(), b"\0"].concat()), bytes(12).prop_map(|name| [&[0][..], &name].concat())],
        peer: u32,
        queues: [u32; 2],
        shutdown: u8,
    ) {
        let header = UnixResponseHeader { kind, state, inode, cookie };
        let named = match name.split_first() {
            Some((0, rest)) => UnixDiagName::Abstract(rest.to_vec()),
            _ => UnixDiagName::Pathname(String::from_utf8(name[..name.len() - 1].to_vec()).unwrap().into()),
        };
        let attributes = [UnixNla::Name(named), UnixNla::Peer(peer), UnixNla::ReceiveQueueLength(queues[0], queues[1]), UnixNla::Shutdown(shutdown)];
        let theirs = UnixResponse { header, nlas: attributes.into_iter().collect() };
        // Written by them, read by us, and read again by them.
        let mut body = vec![0; theirs.buffer_len()];
        theirs.emit(&mut body);
        prop_assert_eq!(&UnixResponse::parse(&body[..]).expect("its own answer"), &theirs);
        let ours = unix_row(&body).expect("a row");
        prop_assert_eq!((u64::from(inode), u64::from_le_bytes(cookie)), (ours.inode, ours.cookie.to_le()));
        prop_assert_eq!((ours.state.0, ours.peer_inode, ours.shutdown), (state, Some(u64::from(peer)), Some(shutdown)));
        prop_assert_eq!([ours.to_read_bytes, ours.to_send_bytes], queues);
        match theirs.name() {
            Some(UnixDiagName::Pathname(path)) => prop_assert_eq!(ours.local, Address::Path(path.into())),
            Some(UnixDiagName::Abstract(name)) => prop_assert_eq!(ours.local, Address::Abstract(name.clone())),
            None => prop_assert!(false, "no name"),
        }
    }
}

fn head_alike(ours: &SocketRow, theirs: &InetResponse) -> Result<(), TestCaseError> {
    let (header, id) = (&theirs.header, &theirs.header.socket_id);
    let local = ours.local.internet().map(|local| (local.ip(), local.port()));
    let remote = ours.remote.internet().map(|remote| (remote.ip(), remote.port()));
    prop_assert_eq!(local, Some((id.source_address, id.source_port)));
    prop_assert_eq!(remote, Some((id.destination_address, id.destination_port)));
    prop_assert_eq!(ours.interface, id.interface_id);
    // Two words of the machine's order, the low one first.
    let word = |at: usize| u64::from(u32::from_ne_bytes([0, 1, 2, 3].map(|byte| id.cookie[at + byte])));
    prop_assert_eq!(ours.cookie, word(0) | word(4) << 32);
    prop_assert_eq!(
        (ours.state.0, ours.inode, ours.uid),
        (header.state, header.inode.into(), Some(header.uid))
    );
    prop_assert_eq!((ours.to_read_bytes, ours.to_send_bytes), (header.recv_queue, header.send_queue));
    let left = |expires: &Duration| u32::try_from(expires.as_millis()).unwrap();
    match (&header.timer, ours.timer) {
        (Some(inet::Timer::Retransmit(expires, retransmits)), Some(timer)) => {
            let expected =
                Timer { kind: TimerKind::Retransmit, expires_ms: left(expires), retransmits: *retransmits };
            prop_assert_eq!(timer, expected);
        }
        (Some(inet::Timer::KeepAlive(expires)), Some(timer)) => {
            prop_assert_eq!((timer.kind, timer.expires_ms), (TimerKind::KeepAlive, left(expires)));
        }
        (Some(inet::Timer::TimeWait), Some(timer)) => prop_assert_eq!(timer.kind, TimerKind::TimeWait),
        (Some(inet::Timer::Probe(expires)), Some(timer)) => {
            prop_assert_eq!((timer.kind, timer.expires_ms), (TimerKind::Persist, left(expires)));
        }
        // A fifth kind of timer is none of theirs.
        (None, timer) => prop_assert!(timer.is_none_or(|timer| !matches!(
            timer.kind,
            TimerKind::Retransmit | TimerKind::KeepAlive | TimerKind::TimeWait | TimerKind::Persist
        ))),
        (theirs, ours) => prop_assert!(false, "{:?} and {:?}", theirs, ours),
    }
    Ok(())
}

fn attribute_alike(ours: &SocketRow, theirs: &Nla) -> Result<(), TestCaseError> {
    let details = ours.details.as_deref();
    match theirs {
        Nla::Shutdown(bits) => prop_assert_eq!(ours.shutdown, Some(*bits)),
        Nla::SkV6Only(only) => prop_assert_eq!(ours.v6_only, Some(*only)),
        Nla::Mark(mark) => prop_assert_eq!(ours.mark, Some(*mark)),
        Nla::Congestion(name) => {
            prop_assert_eq!(details.and_then(|details| details.congestion.as_ref()), Some(name));
        }
        Nla::Tos(tos) => prop_assert_eq!(details.and_then(|details| details.tos), Some(*tos)),
        Nla::Tc(class) => prop_assert_eq!(details.and_then(|details| details.traffic_class), Some(*class)),
        Nla::ClassId(class) => prop_assert_eq!(details.and_then(|details| details.class_id), Some(*class)),
        Nla::MemInfo(memory) => memory_alike(ours, memory)?,
        Nla::TcpInfo(info) => tcp_info_alike(ours, info)?,
        _ => {}
    }
    Ok(())
}

fn memory_alike(ours: &SocketRow, theirs: &MemInfo) -> Result<(), TestCaseError> {
    let memory = ours.memory().expect("memory");
    prop_assert_eq!(
        (memory.receive_bytes, memory.receive_room_bytes),
        (theirs.receive_queue, theirs.receive_queue_max)
    );
    prop_assert_eq!(
        (memory.send_bytes, memory.send_room_bytes),
        (theirs.bottom_send_queues, theirs.send_queue_max)
    );
    prop_assert_eq!((memory.forward_bytes, memory.queued_bytes), (theirs.cache, theirs.send_queue));
    prop_assert_eq!(
        (memory.option_bytes, memory.backlog_bytes),
        (theirs.options, theirs.backlog_queue_length)
    );
    prop_assert_eq!((memory.drops, ours.drops), (Some(theirs.drops), Some(theirs.drops.into())));
    Ok(())
}

/// Field by field, in the kernel's order; what lies behind their last one they do not know.
fn tcp_info_alike(ours: &SocketRow, theirs: &TcpInfo) -> Result<(), TestCaseError> {
    let expected: [u64; 54] = [
        theirs.state.into(),
        theirs.ca_state.into(),
        theirs.retransmits.into(),
        theirs.probes.into(),
        theirs.backoff.into(),
        theirs.options.into(),
        theirs.wscale.into(),
        theirs.delivery_rate_app_limited.into(),
        theirs.rto.into(),
        theirs.ato.into(),
        theirs.snd_mss.into(),
        theirs.rcv_mss.into(),
        theirs.unacked.into(),
        theirs.sacked.into(),
        theirs.lost.into(),
        theirs.retrans.into(),
        theirs.fackets.into(),
        theirs.last_data_sent.into(),
        theirs.last_ack_sent.into(),
        theirs.last_data_recv.into(),
        theirs.last_ack_recv.into(),
        theirs.pmtu.into(),
        theirs.rcv_ssthresh.into(),
        theirs.rtt.into(),
        theirs.rttvar.into(),
        theirs.snd_ssthresh.into(),
        theirs.snd_cwnd.into(),
        theirs.advmss.into(),
        theirs.reordering.into(),
        theirs.rcv_rtt.into(),
        theirs.rcv_space.into(),
        theirs.total_retrans.into(),
        theirs.pacing_rate,
        theirs.max_pacing_rate,
        theirs.bytes_acked,
        theirs.bytes_received,
        theirs.segs_out.into(),
        theirs.segs_in.into(),
        theirs.notsent_bytes.into(),
        theirs.min_rtt.into(),
        theirs.data_segs_in.into(),
        theirs.data_segs_out.into(),
        theirs.delivery_rate,
        theirs.busy_time,
        theirs.rwnd_limited,
        theirs.sndbuf_limited,
        theirs.delivered.into(),
        theirs.delivered_ce.into(),
        theirs.bytes_sent,
        theirs.bytes_retrans,
        theirs.dsack_dups.into(),
        theirs.reord_seen.into(),
        theirs.rcv_ooopack.into(),
        theirs.snd_wnd.into(),
    ];
    let found: Vec<u64> = ours.tcp().expect("TCP_INFO").fields().map(|(_, value)| value).collect();
    prop_assert_eq!(&found[..], &expected[..]);
    Ok(())
}
