//! Connections of a socket to itself, and attempts that only an ICMP error tells of.

use wire::Time;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::path::path;
use crate::script::{A, B};
use crate::{Belongs, ClosedBy, Closing, FindingId, Flow, Frame, Limits, Phase, Side, State, Tracker};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;
const SYN_ACK: TcpFlags = TcpFlags(SYN.0 | ACK.0);
const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | ACK.0);

/// A segment between two addresses; its numbers count from 1000.
fn segment(ends: [&str; 2], flags: TcpFlags, [seq, ack, len]: [u32; 3]) -> Vec<u8> {
    let [source, destination] = ends.map(|end| end.parse().unwrap());
    let options = TcpOptions { window_scale: flags.has(SYN).then_some(7), ..TcpOptions::default() };
    let ack = if flags.has(ACK) { 1000 + ack } else { 0 };
    let payload = vec![0; len as usize];
    TcpPacket { source, destination, seq: 1000 + seq, ack, flags, window: 512, options, payload: &payload }
        .to_bytes()
}

/// An ICMP destination unreachable from the source itself, as Linux sends it, about a packet.
fn unreachable(code: u8, kind: u8, about: &[u8]) -> Vec<u8> {
    let mut packet = segment([A, A], ACK, [0, 0, 0])[..20].to_vec();
    packet[9] = wire::icmp::PROTOCOL_V4;
    packet.extend([kind, code, 0, 0, 0, 0, 0, 0]);
    packet.extend(about);
    let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    packet
}

/// Packets a millisecond apart.
fn followed(packets: &[Vec<u8>]) -> (Vec<Flow>, Vec<Belongs>) {
    let mut tracker = Tracker::new(Limits::default());
    let frames = packets.iter().zip(1..).map(|(bytes, number)| {
        tracker.frame(&Frame {
            number,
            time: Time(number * 1_000_000),
            link_type: LinkType::RAW,
            bytes,
            wire_len: u32::try_from(bytes.len()).unwrap(),
            passage: None,
        })
    });
    let belongs = frames.collect();
    tracker.finish();
    (tracker.flows().cloned().collect(), belongs)
}

fn one(packets: &[Vec<u8>]) -> Flow {
    let (mut flows, _) = followed(packets);
    assert_eq!(flows.len(), 1, "one conversation");
    flows.remove(0)
}

/// What Linux sends when a socket connects to its own address, says 4 bytes and closes.
fn self_connection() -> Vec<Vec<u8>> {
    let numbers = [
        (SYN, [0, 0, 0]),
        (SYN_ACK, [0, 1, 0]),
        (ACK, [1, 1, 0]),
        (ACK, [1, 1, 4]),
        (ACK, [5, 5, 0]),
        (FIN_ACK, [5, 5, 0]),
        (ACK, [6, 6, 0]),
    ];
    numbers.iter().map(|&(flags, numbers)| segment([A, A], flags, numbers)).collect()
}

#[test]
fn a_socket_that_is_connected_to_itself_sends_and_receives_the_same_bytes() {
    let flow = one(&self_connection());
    assert!(flow.is_to_itself() && flow.saw_opening);
    assert_eq!((flow.totals_a.bytes, flow.totals_a.unseen_bytes, flow.totals_a.segments), (4, 0, 7));
    assert_eq!((flow.totals_b.bytes, flow.totals_b.unseen_bytes, flow.totals_b.segments), (0, 0, 0));
    assert_eq!((flow.totals_a.resent_segments, flow.totals_a.resent_bytes), (0, 0));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
    assert_eq!(flow.before, [State::Closed; 2]);
    let states: Vec<[State; 2]> = flow.rows.iter().map(|row| [row.state_a, row.state_b]).collect();
    let established = [State::Established; 2];
    let expected = [
        [State::SynSent, State::SynReceived],
        [State::SynReceived, State::Established],
        established,
        established,
        established,
        [State::FinWait1, State::Closing],
        [State::Closing, State::TimeWait],
    ];
    assert_eq!(states, expected);
    assert_eq!([flow.state_a, flow.state_b], [State::TimeWait; 2]);
    let phases: Vec<Phase> = flow.rows.iter().map(|row| row.phase).collect();
    assert_eq!(phases[..2], [Phase::Opening; 2]);
    assert_eq!(phases[2..5], [Phase::Data; 3]);
    assert_eq!(phases[5..], [Phase::Closing; 2]);
    assert_eq!(flow.rows[3].window_bytes, 512 << 7, "its own scale is the other end's");
    let ids: Vec<FindingId> = flow.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, [FindingId::ToItself, FindingId::TimeWait]);
    assert_eq!(flow.findings[0].evidence, [1, 2]);
}

#[test]
fn its_one_end_has_one_way_through_the_states() {
    let flow = one(&self_connection());
    let way: Vec<State> = path(&flow, Side::A).iter().map(|step| step.to).collect();
    let expected = [
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::Closing,
        State::TimeWait,
    ];
    assert_eq!(way, expected);
    assert_eq!(path(&flow, Side::A), path(&flow, Side::B));
    assert!(path(&flow, Side::A).iter().all(|step| step.transition().is_some()), "each along an arrow");
}

#[test]
fn its_acknowledgements_tell_nothing_of_another_direction() {
    let (_, belongs) = followed(&self_connection());
    for one in belongs {
        let Belongs::Tcp(placement) = one else { panic!("{one:?}") };
        assert_eq!((placement.from, placement.ack), (Side::A, None));
    }
}

#[test]
fn bytes_to_itself_that_were_not_captured_are_missing_once() {
    let packets = self_connection();
    let flow = one(&[&packets[..3], &packets[4..]].concat());
    assert_eq!((flow.totals_a.bytes, flow.totals_a.unseen_bytes), (0, 4));
    assert_eq!((flow.totals_b.bytes, flow.totals_b.unseen_bytes), (0, 0));
    assert_eq!(flow.closing, Closing::Fin);
    let late = one(&packets[3..]);
    assert!(!late.saw_opening);
    assert_eq!((late.totals_a.bytes, late.totals_b.bytes), (4, 0));
    assert_eq!(late.totals_b.unseen_bytes, 0);
}

#[test]
fn a_syn_to_its_own_sender_is_no_connection_yet() {
    let alone = one(&[segment([A, A], SYN, [0, 0, 0])]);
    assert_eq!(alone.closing, Closing::Unanswered);
    assert!(alone.findings.iter().all(|finding| finding.id != FindingId::ToItself));
    let refused = one(&[segment([A, A], SYN, [0, 0, 0]), segment([A, A], RST | ACK, [0, 1, 0])]);
    assert_eq!(refused.closing, Closing::Refused);
}

#[test]
fn an_icmp_error_that_quotes_a_syn_tells_of_an_attempt() {
    let syn = segment([A, B], SYN, [0, 0, 0]);
    let flow = one(&[unreachable(1, 3, &syn)]);
    assert_eq!([flow.a, flow.b], [A, B].map(|end| end.parse().unwrap()));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Unknown, Closing::Unanswered));
    assert_eq!(flow.before, [State::Closed, State::Unknown]);
    assert_eq!([flow.state_a, flow.state_b], [State::SynSent, State::Unknown]);
    assert_eq!(flow.totals_a.segments, 0, "none of them was captured");
    let told: Vec<_> =
        flow.findings.iter().map(|finding| (finding.id, finding.evidence.as_slice())).collect();
    assert_eq!(told, [(FindingId::Unanswered, &[1][..]), (FindingId::PathError, &[1])]);
}

#[test]
fn the_attempt_goes_on_with_what_is_captured_later() {
    let syn = segment([A, B], SYN, [0, 0, 0]);
    let answer = segment([B, A], SYN_ACK, [7000, 1, 0]);
    let flow = one(&[unreachable(1, 3, &syn), syn, answer, segment([A, B], ACK, [1, 7001, 0])]);
    assert_eq!(flow.closing, Closing::Open);
    assert_eq!([flow.state_a, flow.state_b], [State::Established; 2]);
    assert_eq!(flow.totals_a.unseen_bytes + flow.totals_b.unseen_bytes, 0);
}

#[test]
fn other_errors_without_a_conversation_prove_no_attempt() {
    let redirect = one(&[unreachable(1, 5, &segment([A, B], SYN, [0, 0, 0]))]);
    assert!(!redirect.saw_opening, "a redirected SYN went on its way");
    let data = one(&[unreachable(1, 3, &segment([A, B], ACK, [1, 1, 4]))]);
    assert!(!data.saw_opening);
    assert_eq!(data.closing, Closing::Open);
}
