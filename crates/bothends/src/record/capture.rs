//! Records of captured conversations: segment, datagram, flow, capture, link; and of the commands that a lab ran.

use std::time::Duration;

use flow::Backwards;
use flow::path::Cause;
use flow::{
    AnalysisFlags, ClosedBy, Closing, DatagramFlow, DatagramRow, DatagramTotals, FindingId, Flow, PathErrors,
    RoundTrips, Row, Side, SideTotals,
};
use lab::Calibration;
use lab::event::{Backend, DirectionReport, Role};
use serde_json::{Map, Value};
use wire::{Passage, Time};

use super::{Record, object};
use crate::clock::{rfc3339, seconds, seconds_from};

/// What carried the packets of a lab; none for a capture.
pub type World = Option<Backend>;

/// What a capture held.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Frames that were read.
    pub frames: u64,
    /// Frames that the capture lost, where it says so.
    pub lost_by_capture: Option<u64>,
    /// The link types, named, in order of their numbers.
    pub link_types: Vec<String>,
    /// When the first frame was captured.
    pub first: Option<Time>,
    /// Frames that were not followed, by what they were.
    pub unsupported: Vec<(&'static str, u64)>,
    /// Where time runs backwards from frame to frame.
    pub backwards: Backwards,
    /// Packets that came in pieces and never became whole.
    pub incomplete_packets: u64,
}

/// One segment. Times count from `start`, the capture's first frame.
pub fn segment(stream: u64, row: &Row, start: Time, world: World) -> Record {
    let record = Record::new("segment").with("frame", row.frame).with("stream", stream);
    let record = record.with("t_s", seconds_from(start, row.time)).with("from", side_word(row.from));
    let flags = row.flags.names().collect::<Vec<_>>().join(",");
    let record = record.with("seq", row.seq).with_some("ack", row.ack).with("flags_tcp", flags);
    let record = record.with("len_bytes", row.len_bytes).with("window_bytes", row.window_bytes);
    let record = record.with("state_a", row.state_a.name()).with("state_b", row.state_b.name());
    let record = record.with_some("in_flight_bytes", row.in_flight_bytes);
    let record = record.with_some("rtt_us", row.round_trip.map(micros));
    let record = record.with("flags", row.analysis.names().collect::<Vec<_>>());
    passage(record, row.passage.as_ref(), start).with_some("world", world.map(world_word))
}

/// One datagram. Times count from `start`, the capture's first frame; `stream` counts the conversations of datagrams.
pub fn datagram(stream: u64, row: &DatagramRow, start: Time, world: World) -> Record {
    let record = Record::new("datagram").with("frame", row.frame).with("stream", stream);
    let record = record.with("t_s", seconds_from(start, row.time)).with("from", side_word(row.from));
    let record = record.with("len_bytes", row.len_bytes);
    passage(record, row.passage.as_ref(), start).with_some("world", world.map(world_word))
}

/// What the emulated link did to a segment or datagram.
fn passage(record: Record, passage: Option<&Passage>, start: Time) -> Record {
    let Some(passage) = passage else { return record };
    let arrived = passage.arrived.map(|arrived| seconds_from(start, arrived));
    let record = record.with_some("arrived_s", arrived).with("fate", passage.fate.word());
    let record = record.with_some("fate_rule", passage.rule.as_deref());
    record.with_some("segments", (passage.segments > 1).then_some(passage.segments))
}

/// One followed conversation.
pub fn flow(flow: &Flow, start: Time, world: World) -> Record {
    let (a, b) = (&flow.totals_a, &flow.totals_b);
    let record = Record::new("flow").with("stream", flow.stream);
    let record = record.with("transport", "tcp").with("a", flow.a.to_string()).with("b", flow.b.to_string());
    let record = record.with("t_s", seconds_from(start, flow.first));
    let record = record.with("open_s", seconds(flow.last.since(flow.first)));
    let record = record.with("segments", a.segments + b.segments);
    let record = side(record, a, &SIDE_A);
    let record = side(record, b, &SIDE_B);
    let record = record.with("state_a", flow.state_a.name()).with("state_b", flow.state_b.name());
    let record = record.with_some("path_a", path(flow, Side::A, start));
    let record = record.with_some("path_b", path(flow, Side::B, start));
    let record =
        record.with("closed_by", closed_by_word(flow.closed_by)).with("how", closing_word(flow.closing));
    let record = record.with("rtt_us", flow.handshake_rtt.map_or(Value::Null, micros));
    let record = record.with("completeness", flow.completeness.0);
    let record = record.with_some("rows_left_out", (flow.rows_left_out > 0).then_some(flow.rows_left_out));
    let record = icmp(record, &flow.path_errors);
    record.with("findings", findings(flow)).with_some("world", world.map(world_word))
}

/// The steps of one end through the states, from the one that it was in before the first frame; none where the segments
/// had left one by one, each with the states after it.
fn path(flow: &Flow, side: Side, start: Time) -> Option<Value> {
    let steps = flow::path::path(flow, side).into_iter().map(|step| {
        object([
            ("from", step.from.name().into()),
            ("to", step.to.name().into()),
            ("frame", step.frame.into()),
            ("t_s", step.time.map(|time| seconds_from(start, time)).into()),
            ("cause", cause_word(step.cause).into()),
        ])
    });
    (!flow.rows.is_empty()).then(|| Value::Array(steps.collect()))
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Listens => "listens",
        Cause::SendsSyn => "sends_syn",
        Cause::ReceivesSyn => "receives_syn",
        Cause::ReceivesSynAck => "receives_syn_ack",
        Cause::ReceivesAckOfSyn => "receives_ack_of_syn",
        Cause::SendsFin => "sends_fin",
        Cause::ReceivesFin => "receives_fin",
        Cause::ReceivesAckOfFin => "receives_ack_of_fin",
        Cause::ReceivesFinAndAckOfFin => "receives_fin_and_ack_of_fin",
        Cause::SendsReset => "sends_reset",
        Cause::ReceivesReset => "receives_reset",
        Cause::Proved => "proved",
        Cause::Unseen => "unseen",
    }
}

/// One conversation of datagrams; `stream` counts these apart from those of TCP.
pub fn datagram_flow(flow: &DatagramFlow, start: Time, world: World) -> Record {
    let (a, b) = (&flow.totals_a, &flow.totals_b);
    let record = Record::new("flow").with("stream", flow.stream);
    let record = record.with("transport", "udp").with("a", flow.a.to_string()).with("b", flow.b.to_string());
    let record = record.with("t_s", seconds_from(start, flow.first));
    let record = record.with("open_s", seconds(flow.last.since(flow.first)));
    let record = record.with("datagrams", a.datagrams + b.datagrams);
    let record = datagrams(record, a, DATAGRAMS_A);
    let record = datagrams(record, b, DATAGRAMS_B);
    let record = record.with_some("rows_left_out", (flow.rows_left_out > 0).then_some(flow.rows_left_out));
    icmp(record, &flow.path_errors).with_some("world", world.map(world_word))
}

const DATAGRAMS_A: [&str; 5] =
    ["datagrams_a", "bytes_a", "largest_bytes_a", "lost_datagrams_a", "corrupted_datagrams_a"];
const DATAGRAMS_B: [&str; 5] =
    ["datagrams_b", "bytes_b", "largest_bytes_b", "lost_datagrams_b", "corrupted_datagrams_b"];

fn datagrams(
    record: Record,
    totals: &DatagramTotals,
    [number, bytes, largest, lost, corrupted]: [&'static str; 5],
) -> Record {
    let record = record.with(number, totals.datagrams).with(bytes, totals.bytes);
    let record = record.with(largest, totals.largest_bytes).with(lost, totals.lost);
    record.with_some(corrupted, (totals.corrupted > 0).then_some(totals.corrupted))
}

/// What the path said, if anything.
fn icmp(record: Record, errors: &PathErrors) -> Record {
    match errors.count {
        0 => record,
        count => record.with("icmp_errors", count).with("icmp", path_errors(errors)),
    }
}

/// The names of one side's fields.
struct SideNames {
    segments: &'static str,
    bytes: &'static str,
    unseen_bytes: &'static str,
    resent_segments: &'static str,
    resent_bytes: &'static str,
    lost_segments: &'static str,
    corrupted_segments: &'static str,
    stopped_segments: &'static str,
    mss: &'static str,
    window_scale: &'static str,
    in_flight_max: &'static str,
    /// Their number, the shortest, the mean, the longest.
    round_trips: [&'static str; 4],
    duplicate_sacks: &'static str,
    flags: &'static str,
}

const SIDE_A: SideNames = SideNames {
    segments: "segments_a",
    bytes: "bytes_a",
    unseen_bytes: "unseen_bytes_a",
    resent_segments: "resent_segments_a",
    resent_bytes: "resent_bytes_a",
    lost_segments: "lost_segments_a",
    corrupted_segments: "corrupted_segments_a",
    stopped_segments: "stopped_segments_a",
    mss: "mss_a",
    window_scale: "window_scale_a",
    in_flight_max: "in_flight_max_bytes_a",
    round_trips: ["rtt_samples_a", "rtt_min_us_a", "rtt_mean_us_a", "rtt_max_us_a"],
    duplicate_sacks: "duplicate_sacks_a",
    flags: "flags_a",
};

const SIDE_B: SideNames = SideNames {
    segments: "segments_b",
    bytes: "bytes_b",
    unseen_bytes: "unseen_bytes_b",
    resent_segments: "resent_segments_b",
    resent_bytes: "resent_bytes_b",
    lost_segments: "lost_segments_b",
    corrupted_segments: "corrupted_segments_b",
    stopped_segments: "stopped_segments_b",
    mss: "mss_b",
    window_scale: "window_scale_b",
    in_flight_max: "in_flight_max_bytes_b",
    round_trips: ["rtt_samples_b", "rtt_min_us_b", "rtt_mean_us_b", "rtt_max_us_b"],
    duplicate_sacks: "duplicate_sacks_b",
    flags: "flags_b",
};

fn side(record: Record, totals: &SideTotals, names: &SideNames) -> Record {
    let record = record.with(names.segments, totals.segments).with(names.bytes, totals.bytes);
    let record = record.with(names.unseen_bytes, totals.unseen_bytes);
    let record = record.with(names.resent_segments, totals.resent_segments);
    let record = record.with(names.resent_bytes, totals.resent_bytes);
    let record = record.with(names.lost_segments, totals.lost_segments);
    let stopped = Some(totals.stopped_segments).filter(|segments| *segments > 0);
    let record = record.with_some(names.stopped_segments, stopped);
    let record = record.with_some(
        names.corrupted_segments,
        (totals.corrupted_segments > 0).then_some(totals.corrupted_segments),
    );
    let record = record.with_some(names.mss, totals.mss).with_some(names.window_scale, totals.window_scale);
    let record = record.with(names.in_flight_max, totals.in_flight_max);
    let record = round_trips(record, &totals.round_trips, names.round_trips);
    let record = record.with(names.duplicate_sacks, totals.duplicate_sacks);
    record.with(names.flags, flags_counted(&totals.analysis))
}

fn round_trips(record: Record, trips: &RoundTrips, [samples, min, mean, max]: [&'static str; 4]) -> Record {
    let record = record.with(samples, trips.samples).with_some(min, trips.min.map(micros));
    let record = record.with_some(mean, trips.mean().map(micros));
    record.with_some(max, trips.min.map(|_| micros(trips.max)))
}

/// The analysis flags that were given at all, with how often.
fn flags_counted(counts: &[u32; AnalysisFlags::COUNT]) -> Value {
    let given = AnalysisFlags::NAMES.iter().zip(counts).filter(|(_, count)| **count > 0);
    Value::Object(given.map(|((_, name), count)| ((*name).to_owned(), (*count).into())).collect())
}

fn path_errors(errors: &PathErrors) -> Value {
    let told = errors.first.iter().map(|error| {
        let mtu = error.next_hop_mtu.map_or(Value::Null, Value::from);
        object([
            ("frame", error.frame.into()),
            ("by", error.by.to_string().into()),
            ("about", side_word(error.about).into()),
            ("text", error.meaning.into()),
            ("next_hop_mtu_bytes", mtu),
        ])
    });
    Value::Array(told.collect())
}

/// A frame beside the conversations: ARP, IGMP, ICMP that is about none of them.
pub fn aside(frame: u64, time: Time, protocol: &'static str, words: &str, start: Time) -> Record {
    let record = Record::new("aside").with("frame", frame).with("t_s", seconds_from(start, time));
    record.with("protocol", protocol).with("text", words)
}

/// What a capture held as a whole.
pub fn capture(counts: &Counts) -> Record {
    let unsupported = counts.unsupported.iter().map(|(what, frames)| ((*what).to_owned(), (*frames).into()));
    let unsupported = Map::from_iter(unsupported);
    let record =
        Record::new("capture").with_some("wall", counts.first.map(wall)).with("frames", counts.frames);
    let seen = counts.frames + counts.lost_by_capture.unwrap_or(0);
    let record = record.with("seen", seen);
    let record = record.with("lost_by_capture", counts.lost_by_capture.map_or(Value::Null, Value::from));
    let record = record.with("link_type", counts.link_types.join(", "));
    let record = record.with("unsupported", Value::Object(unsupported));
    let record = record.with_some("backwards", Some(counts.backwards.count()).filter(|frames| *frames > 0));
    record.with_some("incomplete_packets", Some(counts.incomplete_packets).filter(|packets| *packets > 0))
}

/// What a lab's link did; `start` is the wall clock's time from which the segments count.
pub fn link(
    backend: Backend,
    seed: u64,
    start: Option<Time>,
    up: &DirectionReport,
    down: &DirectionReport,
) -> Record {
    let record = Record::new("link").with_some("wall", start.map(wall));
    let record = record.with("world", world_word(backend)).with("backend", backend_word(backend));
    record.with("seed", seed).with("up", direction(up)).with("down", direction(down))
}

fn direction(report: &DirectionReport) -> Value {
    let lost = Map::from_iter(report.lost.iter().map(|(rule, count)| (rule.clone(), (*count).into())));
    let touched = report.touched.iter().map(|(word, count)| ((*word).to_owned(), (*count).into()));
    let touched = Map::from_iter(touched);
    let [p50, p99, max] = report.lateness.map(micros);
    let within = report.lateness_counts.iter();
    let within =
        Map::from_iter(within.map(|(limit, count)| (limit.as_micros().to_string(), (*count).into())));
    let Calibration { entering, answering, leaving } = report.calibration;
    object([
        ("offered", report.offered.into()),
        ("delivered", report.delivered.into()),
        ("lost", Value::Object(lost)),
        ("stopped", report.stopped.into()),
        ("copies", report.copies.into()),
        ("touched", Value::Object(touched)),
        ("unplanned_drops", report.unplanned_drops.into()),
        (
            "lateness_us",
            object([("p50", p50), ("p99", p99), ("max", max), ("within", Value::Object(within))]),
        ),
        (
            "calibrated_us",
            object([
                ("entering", micros(entering)),
                ("answering", micros(answering)),
                ("leaving", micros(leaving)),
            ]),
        ),
    ])
}

/// A line that a command printed; unfinished where no line end is behind it.
pub fn output(role: Role, fd: u8, line: &[u8]) -> Record {
    let record = Record::new("output").with("role", role_word(role)).with("fd", fd).with_bytes(line);
    record.with_some("cut", (!line.ends_with(b"\n")).then_some(true))
}

/// A command ended.
pub fn ran(role: Role, command: &str, exit: Option<i32>, signal: Option<i32>) -> Record {
    let record = Record::new("ran").with("role", role_word(role)).with("command", command);
    record
        .with("exit", exit.map_or(Value::Null, Value::from))
        .with("signal", signal.map_or(Value::Null, Value::from))
}

/// The word for a role, in records and in front of output.
pub fn role_word(role: Role) -> &'static str {
    role.name()
}

fn wall(time: Time) -> String {
    rfc3339(Duration::from_nanos(time.0))
}

/// Microseconds, to the nanosecond.
fn micros(time: Duration) -> Value {
    (time.as_nanos() as f64 / 1e3).into()
}

pub(super) fn side_word(side: Side) -> &'static str {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
}

fn world_word(backend: Backend) -> &'static str {
    match backend {
        Backend::Tun | Backend::Packet => "kernel",
        Backend::Simulated => "simulated",
    }
}

fn backend_word(backend: Backend) -> &'static str {
    match backend {
        Backend::Tun => "tun",
        Backend::Packet => "packet",
        Backend::Simulated => "simulated",
    }
}

fn closed_by_word(closed_by: ClosedBy) -> &'static str {
    match closed_by {
        ClosedBy::A => "a",
        ClosedBy::B => "b",
        ClosedBy::Both => "both",
        ClosedBy::Unknown => "unknown",
    }
}

fn closing_word(closing: Closing) -> &'static str {
    match closing {
        Closing::Fin => "fin",
        Closing::Reset => "reset",
        Closing::Refused => "refused",
        Closing::Unanswered => "unanswered",
        Closing::HalfClosed => "half_closed",
        Closing::Unfinished => "unfinished",
        Closing::Open => "open",
    }
}

fn findings(flow: &Flow) -> Value {
    let findings = flow.findings.iter().map(|finding| {
        object([
            ("id", finding_word(finding.id).into()),
            ("text", finding.text.as_str().into()),
            ("evidence", finding.evidence.clone().into()),
        ])
    });
    Value::Array(findings.collect())
}

fn finding_word(id: FindingId) -> &'static str {
    match id {
        FindingId::LostOnLink => "lost_on_link",
        FindingId::Resent => "resent",
        FindingId::ResentNeedlessly => "resent_needlessly",
        FindingId::Reset => "reset",
        FindingId::Refused => "refused",
        FindingId::Unanswered => "unanswered",
        FindingId::HalfClosed => "half_closed",
        FindingId::BeganEarlier => "began_earlier",
        FindingId::TimeBackwards => "time_backwards",
        FindingId::TimeWait => "time_wait",
        FindingId::PathError => "icmp_error",
        FindingId::ToItself => "self_connection",
    }
}
