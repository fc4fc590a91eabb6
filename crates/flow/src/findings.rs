//! What is worth telling about a conversation, in plain words and with the frames that show it.

use std::net::SocketAddr;

use wire::Time;

use crate::State;
use crate::backwards::Backwards;
use crate::conversation::{ClosedBy, Closing, Finding, FindingId, Flow, Side, SideTotals};

/// Frames told per finding; the first ones.
pub(crate) const EVIDENCE: usize = 16;

/// The first frames of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    first: Option<u64>,
    syns: Vec<u64>,
    fins: [Option<u64>; 2],
    resets: Vec<u64>,
    lost: Vec<u64>,
    resent: Vec<u64>,
    needless: Vec<u64>,
    needless_count: u64,
    backwards: Backwards,
}

impl Evidence {
    /// Any frame.
    pub(crate) fn any(&mut self, frame: u64, time: Time) {
        self.first.get_or_insert(frame);
        self.backwards.take(frame, time);
    }

    /// A SYN, with or without ACK.
    pub(crate) fn syn(&mut self, frame: u64) {
        note(&mut self.syns, frame);
    }

    /// A first FIN.
    pub(crate) fn fin(&mut self, side: Side, frame: u64) {
        self.fins[side.index()].get_or_insert(frame);
    }

    /// A RST.
    pub(crate) fn reset(&mut self, frame: u64) {
        note(&mut self.resets, frame);
    }

    /// A segment that the link dropped.
    pub(crate) fn lost(&mut self, frame: u64) {
        note(&mut self.lost, frame);
    }

    /// A repetition.
    pub(crate) fn resent(&mut self, frame: u64, needless: bool) {
        note(&mut self.resent, frame);
        if needless {
            note(&mut self.needless, frame);
            self.needless_count += 1;
        }
    }
}

fn note(frames: &mut Vec<u64>, frame: u64) {
    if frames.len() < EVIDENCE {
        frames.push(frame);
    }
}

/// The findings of a conversation, most important first.
pub(crate) fn of(flow: &Flow, evidence: &Evidence) -> Vec<Finding> {
    let found = [
        to_itself(flow, evidence),
        refused(flow, evidence),
        unanswered(flow, evidence),
        reset(flow, evidence),
        path_error(flow),
        half_closed(flow, evidence),
        lost(flow, evidence),
        resent(flow, evidence),
        needless(evidence),
        time_wait(flow, evidence),
        began_earlier(flow, evidence),
        evidence.backwards.finding(),
    ];
    found.into_iter().flatten().collect()
}

fn to_itself(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let opened = flow.is_to_itself() && !matches!(flow.closing, Closing::Refused | Closing::Unanswered);
    let text = format!("{} is connected to itself: one socket is both ends", flow.a);
    let frames = match evidence.syns.as_slice() {
        [] => evidence.first.into_iter().collect(),
        syns => syns.to_vec(),
    };
    finding(opened, FindingId::ToItself, text, frames)
}

fn refused(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let text = format!(
        "{} refused the connection: it answered the SYN with a reset, so nothing listens there",
        flow.b
    );
    finding(
        flow.closing == Closing::Refused,
        FindingId::Refused,
        text,
        joined(&evidence.syns, &evidence.resets),
    )
}

fn unanswered(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    if evidence.syns.is_empty() {
        let text = format!("{} never answered: only the ICMP error that quotes the SYN tells of it", flow.b);
        return finding(flow.closing == Closing::Unanswered, FindingId::Unanswered, text, told(flow));
    }
    let syns = count(flow.totals_a.segments, "SYN");
    let SideTotals { lost_segments, stopped_segments, segments, .. } = flow.totals_a;
    let text = match (lost_segments, stopped_segments) {
        (lost, _) if lost == segments => format!("{} never answered: the link dropped {syns}", flow.b),
        (lost, stopped) if lost + stopped == segments => {
            format!("{} never answered: no SYN had reached it when the lab ended", flow.b)
        }
        _ => format!("{} never answered {syns}", flow.b),
    };
    finding(flow.closing == Closing::Unanswered, FindingId::Unanswered, text, evidence.syns.clone())
}

fn reset(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let text = match closer(flow) {
        Some((side, address)) if flow.totals(side.other()).fin.is_some() => {
            format!("{address} reset the connection after the other end's FIN")
        }
        Some((_, address)) => format!("{address} reset the connection"),
        None => return None,
    };
    finding(flow.closing == Closing::Reset, FindingId::Reset, text, evidence.resets.clone())
}

fn half_closed(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let (side, address) = closer(flow)?;
    let other = flow.address(side.other());
    let text = format!("{address} closed its direction, {other} never closed the other one");
    finding(flow.closing == Closing::HalfClosed, FindingId::HalfClosed, text, fins(evidence))
}

fn path_error(flow: &Flow) -> Option<Finding> {
    let first = flow.path_errors.first.first()?;
    let about = flow.address(first.about);
    let mtu = first.next_hop_mtu.map(|mtu| format!(", at most {mtu} bytes")).unwrap_or_default();
    let more = match flow.path_errors.count {
        1 => String::new(),
        count => format!(" ({count} such messages)"),
    };
    let text = format!("{} told {about} by ICMP: {}{mtu}{more}", first.by, first.meaning);
    finding(true, FindingId::PathError, text, told(flow))
}

/// The frames of the ICMP errors.
fn told(flow: &Flow) -> Vec<u64> {
    flow.path_errors.first.iter().map(|error| error.frame).collect()
}

fn lost(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let lost = flow.totals_a.lost_segments + flow.totals_b.lost_segments;
    let corrupted = flow.totals_a.corrupted_segments + flow.totals_b.corrupted_segments;
    let text = match (lost.saturating_sub(corrupted), corrupted) {
        (dropped, 0) => format!("the link dropped {}", count(dropped, "segment")),
        (0, corrupted) => format!("the link corrupted {}", count(corrupted, "segment")),
        (dropped, corrupted) => {
            format!("the link dropped {} and corrupted {corrupted}", count(dropped, "segment"))
        }
    };
    finding(lost > 0, FindingId::LostOnLink, text, evidence.lost.clone())
}

fn resent(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let resent = flow.totals_a.resent_segments + flow.totals_b.resent_segments;
    let text = match (flow.totals_a.resent_segments, flow.totals_b.resent_segments) {
        (_, 0) => format!("{} sent {} again", flow.a, count(resent, "segment")),
        (0, _) => format!("{} sent {} again", flow.b, count(resent, "segment")),
        (a, b) => format!("{} sent {} again, {} {b}", flow.a, count(a, "segment"), flow.b),
    };
    finding(resent > 0, FindingId::Resent, text, evidence.resent.clone())
}

fn needless(evidence: &Evidence) -> Option<Finding> {
    let repetitions = count(evidence.needless_count, "repetition");
    let text = format!("{repetitions} of what had arrived already");
    finding(evidence.needless_count > 0, FindingId::ResentNeedlessly, text, evidence.needless.clone())
}

fn time_wait(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let waits = |side: Side| flow.state(side) == State::TimeWait;
    let keeps = |address: SocketAddr| format!("port {} there stays in TIME_WAIT", address.port());
    let text = match (waits(Side::A), waits(Side::B), flow.closed_by) {
        (true, _, _) if flow.is_to_itself() => format!("{} closed, so {}", flow.a, keeps(flow.a)),
        (true, true, _) => "both ends closed at once, so both keep their port in TIME_WAIT".to_owned(),
        (true, false, ClosedBy::A) => format!("{} closed first, so {}", flow.a, keeps(flow.a)),
        (false, true, ClosedBy::B) => format!("{} closed first, so {}", flow.b, keeps(flow.b)),
        (true, false, _) => format!("{} is in TIME_WAIT", flow.a),
        (false, true, _) => format!("{} is in TIME_WAIT", flow.b),
        (false, false, _) => return None,
    };
    finding(true, FindingId::TimeWait, text, fins(evidence))
}

fn began_earlier(flow: &Flow, evidence: &Evidence) -> Option<Finding> {
    let text = "the capture began when the conversation was already under way".to_owned();
    finding(!flow.saw_opening, FindingId::BeganEarlier, text, evidence.first.into_iter().collect())
}

fn closer(flow: &Flow) -> Option<(Side, SocketAddr)> {
    match flow.closed_by {
        ClosedBy::A => Some((Side::A, flow.a)),
        ClosedBy::B => Some((Side::B, flow.b)),
        ClosedBy::Both | ClosedBy::Unknown => None,
    }
}

fn finding(holds: bool, id: FindingId, text: String, evidence: Vec<u64>) -> Option<Finding> {
    holds.then_some(Finding { id, text, evidence })
}

fn fins(evidence: &Evidence) -> Vec<u64> {
    let mut frames: Vec<u64> = evidence.fins.into_iter().flatten().collect();
    frames.sort_unstable();
    frames
}

fn joined(some: &[u64], more: &[u64]) -> Vec<u64> {
    let mut frames: Vec<u64> = some.iter().chain(more).copied().take(EVIDENCE).collect();
    frames.sort_unstable();
    frames
}

pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
