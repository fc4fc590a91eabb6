//! What is said beside a segment: that it was lost, why it was sent again, what the other end must make of it.

use std::net::SocketAddr;
use std::time::Duration;

use flow::{AnalysisFlags, Closing, Flow, PathError, Resent, Row, Side};
use wire::Fate;
use wire::tcp::TcpFlags;

use super::conversation::Sending;
use super::label::{arrived_twice, bytes_of};
use super::steps::{Merged, Part, Segment, fate, is_received};
use crate::columns::{cut, width};
use crate::number::{count, duration, grouped};
use crate::palette::Role;
use wire::visible;

/// A remark in falling length.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    /// Its colour.
    pub(crate) role: Role,
    /// Its forms, the longest first.
    pub(crate) forms: Vec<String>,
}

impl Remark {
    pub(super) fn new<const N: usize>(role: Role, forms: [&str; N]) -> Remark {
        Remark { role, forms: forms.map(str::to_owned).to_vec() }
    }

    /// The longest form of at most `most` columns.
    pub(crate) fn fitting(&self, most: usize) -> Option<&str> {
        self.forms.iter().map(String::as_str).find(|form| width(form) <= most)
    }

    /// The longest form of at most `most` columns, the shortest one cut when none fits.
    pub(crate) fn cut(&self, most: usize) -> String {
        match self.fitting(most) {
            Some(form) => form.to_owned(),
            None => cut(self.forms.last().map_or("", String::as_str), most),
        }
    }
}

/// The remark on a step, the most important where there are several.
pub(crate) fn remark(flow: &Flow, segment: &Segment<'_, Row>) -> Option<Remark> {
    let row = segment.row;
    if segment.part == Part::Arrival {
        return Some(arrival(segment));
    }
    if let Some(lost) = lost(row) {
        return Some(lost);
    }
    if let Some(resent) = row.resent.as_ref().filter(|_| !repeats_to_be_answered(flow, segment.index)) {
        return Some(again(flow, segment.index, resent));
    }
    if flow.closing == Closing::Refused && row.flags.has(TcpFlags::RST) {
        return Some(Remark::new(
            Role::Finding,
            ["refused: nothing listens there", "nothing listens", "refused"],
        ));
    }
    touched(row).or_else(|| ordinary(row)).or_else(|| queued(row))
}

/// On the arrival of what departed in an earlier step.
pub(super) fn arrival<R: Sending>(segment: &Segment<'_, R>) -> Remark {
    let way = duration(segment.time.since(segment.row.time()));
    Remark::new(Role::Frame, [&format!("{way} under way"), &format!("after {way}"), &way])
}

/// On what the link dropped, or damaged so that the receiver did, and on what it still had when the lab ended.
pub(super) fn lost(row: &impl Sending) -> Option<Remark> {
    let forms = match fate(row)? {
        Fate::Corrupted => ["corrupted on the link", "corrupted"],
        Fate::Lost => ["lost on the link", "lost"],
        Fate::Stopped => {
            return Some(Remark::new(Role::Frame, [STOPPED, "under way at the end", "under way"]));
        }
        Fate::Delivered | Fate::Queued | Fate::Reordered | Fate::Duplicated | Fate::Altered => return None,
    };
    Some(with_rule(Remark::new(Role::Lost, forms), row))
}

/// On what was still under way when the lab ended.
pub(crate) const STOPPED: &str = "still under way at the end";

/// On what arrived, but not as it was sent.
pub(super) fn touched(row: &impl Sending) -> Option<Remark> {
    let forms = match fate(row)? {
        Fate::Altered => ["altered on the link unseen", "altered"],
        Fate::Duplicated => ["delivered twice", "twice"],
        Fate::Reordered => ["held back on the link", "held back"],
        Fate::Delivered | Fate::Queued | Fate::Corrupted | Fate::Lost | Fate::Stopped => return None,
    };
    Some(with_rule(Remark::new(Role::Finding, forms), row))
}

/// On what had to wait for others before the line.
pub(super) fn queued(row: &impl Sending) -> Option<Remark> {
    let queued = fate(row)? == Fate::Queued;
    queued.then(|| with_rule(Remark::new(Role::Frame, ["waited in the queue", "queued"]), row))
}

/// The longest form names the rule.
fn with_rule(mut remark: Remark, row: &impl Sending) -> Remark {
    let rule = row.passage().and_then(|passage| passage.rule.as_deref());
    if let (Some(rule), Some(longest)) = (rule, remark.forms.first()) {
        remark.forms.insert(0, format!("{longest}: {}", visible(rule, true)));
    }
    remark
}

fn again(flow: &Flow, index: usize, resent: &Resent) -> Remark {
    let mut remark = if resent.asked_for {
        if asked_by_sack(flow, index, resent) {
            Remark::new(Role::Finding, ["asked for by SACK", "by SACK"])
        } else {
            Remark::new(Role::Finding, ["asked for by 3 equal ACKs", "by 3 equal ACKs", "by ACKs"])
        }
    } else if is_at_once(&flow.rows[index]) {
        return Remark::new(Role::Finding, ["twice: sooner than any timer", "comes twice", "twice"]);
    } else if resent.of.is_none() || resent.after.is_zero() {
        Remark::new(Role::Finding, ["after a timer", "timer"])
    } else {
        let after = duration(resent.after);
        match is_rto(flow, resent.after) {
            true => {
                Remark::new(Role::Finding, [&format!("after RTO {after}"), &format!("RTO {after}"), "RTO"])
            }
            false => {
                Remark::new(Role::Finding, [&format!("by a timer {after} later"), "by a timer", "timer"])
            }
        }
    };
    if resent.needless {
        let long = format!("{}, needlessly", remark.forms[0]);
        remark.forms.splice(0..0, [long, "needless: had arrived".to_owned(), "needless".to_owned()]);
    }
    remark
}

/// The least retransmission timeout of Linux and of most others; RFC 6298 §2.4 would have a second. What comes sooner
/// may be a tail loss probe (RFC 8985 §7), which is a timer too.
const LEAST_RTO: Duration = Duration::from_millis(200);

/// No timer is as quick.
const NO_TIMER: Duration = Duration::from_millis(1);

/// True for what comes again so soon that no timer can have sent it, and nobody asked for: captured twice, or doubled on
/// the way. A lab's link sees each packet once, so there it was sent.
pub(crate) fn is_at_once(row: &Row) -> bool {
    let soon = |resent: &Resent| resent.of.is_some() && resent.after < NO_TIMER && !resent.asked_for;
    row.passage.is_none() && row.resent.as_ref().is_some_and(soon)
}

/// True when only a retransmission timeout explains so long a wait.
pub(crate) fn is_rto(flow: &Flow, after: Duration) -> bool {
    let round_trip = [flow.handshake_rtt, flow.totals_a.round_trips.min, flow.totals_b.round_trips.min];
    let least = round_trip.into_iter().flatten().min().unwrap_or_default();
    after >= LEAST_RTO + least
}

/// True when the other end's SACK blocks (RFC 2018) were seen since the bytes were sent last.
pub(crate) fn asked_by_sack(flow: &Flow, index: usize, resent: &Resent) -> bool {
    let from = flow.rows[index].from;
    let since = flow.rows[..index].iter().rev().take_while(|row| resent.of.is_none_or(|of| row.frame > of));
    since.take(SEARCHED).any(|row| row.from != from && row.options.sack.iter().any(Option::is_some))
}

/// Rows that are searched for the reason of a repetition.
const SEARCHED: usize = 256;

fn ordinary(row: &Row) -> Option<Remark> {
    let closes = TcpFlags::SYN.0 | TcpFlags::RST.0;
    if row.window_bytes == 0 && row.flags.0 & closes == 0 {
        return Some(Remark::new(Role::Finding, ["its receive buffer is full", "buffer is full", "full"]));
    }
    if let Some(reported) = missing(row).or_else(|| twice(row)) {
        return Some(reported);
    }
    cut_on_the_wire(row, "segment")
}

/// One buffer of the kernel that the device cuts.
pub(super) fn cut_on_the_wire(row: &impl Sending, one: &str) -> Option<Remark> {
    let pieces = row.passage().map_or(1, |passage| passage.segments);
    let as_many = format!("as {}", count(pieces.into(), one));
    (pieces > 1).then(|| Remark::new(Role::Frame, [&as_many, &format!("{pieces} {one}s")]))
}

/// What Wireshark's analysis says of a row that has no remark yet, the most important where there are several.
pub(super) fn by_analysis(flow: &Flow, segment: &Segment<'_, Row>) -> Option<Remark> {
    let row = segment.row;
    if row.analysis.has(AnalysisFlags::DUPLICATE_ACK) && leaves_something_open(flow, segment.index) {
        return Some(duplicate_ack(flow, segment.index));
    }
    if opens_its_window(flow, segment.index) {
        return Some(Remark::new(
            Role::Finding,
            ["its window is open again", "window open again", "open again"],
        ));
    }
    let (flag, role, forms) = ANALYSED.iter().find(|(flag, ..)| row.analysis.has(*flag))?;
    if *flag == AnalysisFlags::RETRANSMISSION && answers_in_a_simultaneous_open(row) {
        return None;
    }
    if row.analysis.has(AnalysisFlags::KEEP_ALIVE) && asks_for_room(flow, segment.index) {
        return Some(Remark::new(Role::Finding, PROBES));
    }
    if *flag == AnalysisFlags::RETRANSMISSION && was_never_sent(row) {
        return Some(Remark::new(Role::Finding, ["fills the gap: not sent before", "fills the gap"]));
    }
    Some(Remark::new(*role, *forms))
}

/// True for bytes behind others that were sent first, and themselves for the first time. Wireshark's rules go by the numbers
/// and call that a retransmission; a lab's link has seen every segment and knows better.
fn was_never_sent(row: &Row) -> bool {
    row.passage.is_some() && row.resent.is_none()
}

/// A SYN ACK that Wireshark takes for its sender's SYN again, and that answers the other end's (RFC 9293 §3.5, figure 7).
fn answers_in_a_simultaneous_open(row: &Row) -> bool {
    row.flags.has(TcpFlags::SYN) && row.flags.has(TcpFlags::ACK) && row.resent.is_none()
}

/// The words for a probe of a window of zero (RFC 9293 §3.8.6.1).
const PROBES: [&str; 2] = ["probes the closed window", "window probe"];

/// Flags with their words. A zero window and what was sent again have other words, closer to what happened.
const ANALYSED: [(AnalysisFlags, Role, [&str; 2]); 11] = [
    (AnalysisFlags::REUSED_PORTS, Role::Finding, ["the same ports once more", "ports reused"]),
    (AnalysisFlags::KEEP_ALIVE, Role::Finding, ["keep-alive: are you there?", "keep-alive"]),
    (AnalysisFlags::KEEP_ALIVE_ACK, Role::Frame, ["answers the keep-alive", "keep-alive ACK"]),
    (AnalysisFlags::ZERO_WINDOW_PROBE, Role::Finding, PROBES),
    (AnalysisFlags::ZERO_WINDOW_PROBE_ACK, Role::Finding, ["answers the probe", "probe ACK"]),
    (AnalysisFlags::WINDOW_FULL, Role::Finding, ["fills the window", "window full"]),
    (AnalysisFlags::SPURIOUS_RETRANSMISSION, Role::Finding, ["had been acknowledged", "needless"]),
    (AnalysisFlags::OUT_OF_ORDER, Role::Finding, ["out of order", "late"]),
    (AnalysisFlags::FAST_RETRANSMISSION, Role::Finding, ["a fast retransmission", "fast retrans."]),
    (AnalysisFlags::RETRANSMISSION, Role::Finding, ["a retransmission", "retrans."]),
    (AnalysisFlags::LOST_SEGMENT, Role::Finding, ["one before was not captured", "gap before it"]),
];

/// which duplicate in a row it is: the third asks for a fast retransmission (RFC 5681 §3.2).
fn duplicate_ack(flow: &Flow, index: usize) -> Remark {
    let row = &flow.rows[index];
    let before = flow.rows[..index].iter().rev().filter(|earlier| earlier.from == row.from).take(SEARCHED);
    let alike = |earlier: &&Row| earlier.ack == row.ack && earlier.analysis.has(AnalysisFlags::DUPLICATE_ACK);
    let number = grouped(1 + before.take_while(alike).count() as u64);
    Remark::new(Role::Finding, [&format!("duplicate ACK {number}"), &format!("dup ACK {number}"), "dup ACK"])
}

/// True when the other side has sent more than this row acknowledges: without that it repeats an acknowledgement, but asks
/// for nothing (RFC 5681 §2).
fn leaves_something_open(flow: &Flow, index: usize) -> bool {
    let row = &flow.rows[index];
    let Some(ack) = row.ack else { return false };
    let before = flow.rows[..index].iter().rev().filter(|earlier| earlier.from != row.from).take(SEARCHED);
    let control = TcpFlags::SYN.0 | TcpFlags::FIN.0;
    let end =
        |row: &Row| row.seq.wrapping_add(row.len_bytes).wrapping_add(u32::from(row.flags.0 & control != 0));
    before.map(end).any(|end| end.wrapping_sub(ack).cast_signed() > 0)
}

/// True when the window that this side announced last was zero and this one is not.
fn opens_its_window(flow: &Flow, index: usize) -> bool {
    let row = &flow.rows[index];
    let closes = TcpFlags::SYN.0 | TcpFlags::RST.0;
    let before = flow.rows[..index].iter().rev().take(SEARCHED).find(|earlier| earlier.from == row.from);
    row.window_bytes > 0
        && row.flags.0 & closes == 0
        && before.is_some_and(|before| before.window_bytes == 0 && before.flags.0 & closes == 0)
}

/// True when the other side's window was zero last: what looks like a keep-alive is how Linux probes a closed window.
fn asks_for_room(flow: &Flow, index: usize) -> bool {
    let other = flow.rows[index].from.other();
    let closes = TcpFlags::SYN.0 | TcpFlags::RST.0;
    let last = flow.rows[..index].iter().rev().take(SEARCHED).find(|earlier| earlier.from == other);
    last.is_some_and(|last| last.window_bytes == 0 && last.flags.0 & closes == 0)
}

/// True for a keep-alive (RFC 9293 §3.8.4) whose byte the sender knows to have arrived. Wireshark calls a lost byte
/// that is sent again so as well, if it is the last one.
fn repeats_to_be_answered(flow: &Flow, index: usize) -> bool {
    let row = &flow.rows[index];
    let acknowledges = |earlier: &Row| {
        let ack = earlier.ack.filter(|_| earlier.from != row.from && is_received(earlier));
        ack.is_some_and(|ack| ack.wrapping_sub(row.seq).cast_signed() > 0)
    };
    row.analysis.has(AnalysisFlags::KEEP_ALIVE)
        && flow.rows[..index].iter().rev().take(SEARCHED).any(acknowledges)
}

/// True when the other end itself sent the error, none on the way.
pub(crate) fn is_by_the_other(error: &PathError, [a, b]: [SocketAddr; 2]) -> bool {
    let other = if error.about == Side::A { b } else { a };
    error.by == other.ip()
}

/// The words on the arrow of an ICMP error, in falling length.
pub(crate) fn told_labels(error: &PathError) -> Vec<String> {
    let meaning = error.meaning;
    let short = meaning.split(',').next().unwrap_or(meaning);
    let whole = [format!("{meaning} (ICMP, frame {})", error.frame), format!("{meaning} (ICMP)")];
    let shorter = [format!("{short} (ICMP)"), short.to_owned()];
    whole.into_iter().chain(shorter).collect()
}

/// Who sent it, where that is not the other end; and what the next hop takes.
pub(crate) fn told_remark(error: &PathError, by_the_other: bool) -> Option<Remark> {
    let by = (!by_the_other).then(|| format!("by {}", error.by));
    let most = error.next_hop_mtu.map(|mtu| format!("at most {} bytes", grouped(mtu.into())));
    let (long, short) = match (by, most) {
        (None, None) => return None,
        (Some(by), None) => (by, "on the way".to_owned()),
        (None, Some(most)) => (most, "too big".to_owned()),
        (Some(by), Some(most)) => (format!("{by}: {most}"), most),
    };
    Some(Remark::new(Role::Finding, [long.as_str(), &short]))
}

/// A D-SACK block (RFC 2883) tells the sender that it repeated needlessly.
fn twice(row: &Row) -> Option<Remark> {
    let bytes = bytes_of(arrived_twice(row)?);
    Some(Remark::new(Role::Finding, [&format!("{bytes} came twice"), "came twice"]))
}

/// What lies between the acknowledgement and the lowest SACK block has not arrived. A block below the acknowledgement
/// reports a duplicate (RFC 2883) and says nothing about gaps.
fn missing(row: &Row) -> Option<Remark> {
    let ack = row.ack?;
    let above = |left: u32| left.wrapping_sub(ack).cast_signed() > 0;
    let lefts = row.options.sack.iter().flatten().map(|&(left, _)| left).filter(|&left| above(left));
    let left = lefts.min_by_key(|left| left.wrapping_sub(ack))?;
    let (range, first) = (bytes_of((ack, left)), grouped(ack.into()));
    Some(Remark::new(Role::Finding, [&format!("{range} missing"), &format!("{first} missing"), "gap"]))
}

/// What must not be overlooked in a merged run.
pub(crate) fn merged_remark(merged: &Merged) -> Option<Remark> {
    let lost: u64 = merged.sides.iter().map(|side| side.lost).sum();
    let resent: u64 = merged.sides.iter().map(|side| side.resent).sum();
    let lost_words = format!("{} lost", grouped(lost));
    let resent_words = format!("{} again", grouped(resent));
    match (lost, resent) {
        (0, 0) => None,
        (_, 0) => Some(Remark::new(Role::Lost, [lost_words.as_str()])),
        (0, _) => Some(Remark::new(Role::Finding, [resent_words.as_str()])),
        _ => Some(Remark::new(Role::Lost, [&format!("{lost_words}, {resent_words}"), &lost_words])),
    }
}
