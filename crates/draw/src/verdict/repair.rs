//! The clause about losses and repetitions.

use flow::{Flow, Resent, Row};
use wire::Fate;
use wire::tcp::TcpFlags;

use super::both;
use crate::ladder::{asked_by_sack, fate, is_at_once, is_lost, is_rto};
use crate::number::{count, duration, grouped};

/// None where nothing was lost or sent again.
pub(super) fn clause(flow: &Flow, names: [&str; 2]) -> Option<String> {
    let lost = both(flow, |side| side.lost_segments);
    let resent = both(flow, |side| side.resent_segments);
    match (lost, resent) {
        (0, 0) => None,
        (1, 1) => Some(one_repaired(flow).unwrap_or_else(|| in_general(flow, names, lost, resent))),
        _ => Some(in_general(flow, names, lost, resent)),
    }
}

/// The only loss and the only repetition, when they belong together.
fn one_repaired(flow: &Flow) -> Option<String> {
    let (index, resent) = repetitions(flow).next()?;
    let lost = flow.rows.iter().find(|&row| is_lost(row))?;
    if resent.of != Some(lost.frame) {
        return None;
    }
    let what = kind(lost);
    let after = duration(resent.after);
    let why = if resent.asked_for {
        let how = if asked_by_sack(flow, index, resent) { "SACK" } else { "three equal ACKs" };
        format!("as soon as {how} asked for it, {after} later")
    } else {
        let mut why = format!("after {after}");
        if nothing_else_in_flight(flow, lost, index) {
            why.push_str(" (nothing else was in flight to report it sooner)");
        }
        why
    };
    let fate = if fate(lost) == Some(Fate::Corrupted) { "corrupted" } else { "lost" };
    Some(format!("1 {what} {fate} on the link and sent again {why}"))
}

/// What a lost row is called.
fn kind(row: &Row) -> &'static str {
    let named = [(TcpFlags::SYN, "SYN"), (TcpFlags::FIN, "FIN")];
    match named.into_iter().find(|(flag, _)| row.flags.has(*flag)) {
        Some((_, name)) => name,
        None => "segment",
    }
}

/// True when the lost segment was all that its sender had in flight, and nothing followed it.
fn nothing_else_in_flight(flow: &Flow, lost: &Row, again: usize) -> bool {
    let Some(at) = flow.rows[..again].iter().rposition(|row| row.frame == lost.frame) else { return false };
    let followed = flow.rows[at + 1..again].iter().any(|row| row.from == lost.from && row.len_bytes > 0);
    lost.len_bytes > 0 && lost.in_flight_bytes == Some(lost.len_bytes) && !followed
}

fn in_general(flow: &Flow, names: [&str; 2], lost: u64, resent: u64) -> String {
    let mut parts = Vec::new();
    if lost > 0 {
        let (from, shares) = shares(names, [flow.totals_a.lost_segments, flow.totals_b.lost_segments]);
        let (fate, among) = fates(lost, both(flow, |side| side.corrupted_segments));
        parts.push(format!("{}{from} {fate} on the link{shares}{among}", count(lost, "segment")));
    }
    if resent > 0 {
        let (from, shares) = shares(names, [flow.totals_a.resent_segments, flow.totals_b.resent_segments]);
        let what = if lost > 0 { grouped(resent) } else { count(resent, "segment") };
        parts.push(format!("{what}{from} sent again{shares}{}", reasons(flow, resent)));
    } else {
        parts.push(not_repeated(flow, lost));
    }
    parts.join(", ")
}

/// The word for all that was not received, and behind it how many were something else.
pub(super) fn fates(lost: u64, corrupted: u64) -> (&'static str, String) {
    match corrupted {
        0 => ("lost", String::new()),
        _ if corrupted == lost => ("corrupted", String::new()),
        _ => ("lost", format!(", {} of them corrupted", grouped(corrupted))),
    }
}

/// ` from client` behind the noun, or ` (3 from client, 2 from server)` behind the verb.
fn shares([a, b]: [&str; 2], [of_a, of_b]: [u64; 2]) -> (String, String) {
    match (of_a, of_b) {
        (_, 0) => (format!(" from {a}"), String::new()),
        (0, _) => (format!(" from {b}"), String::new()),
        _ => (String::new(), format!(" ({} from {a}, {} from {b})", grouped(of_a), grouped(of_b))),
    }
}

/// A lost acknowledgement needs no repetition: the next one says it all (RFC 9293 §3.4, acknowledgements are cumulative).
fn not_repeated(flow: &Flow, lost: u64) -> String {
    let empty = |&row: &&Row| is_lost(row) && row.len_bytes == 0 && row.flags.0 & CONTROL == 0;
    if flow.rows.iter().filter(empty).count() as u64 == lost {
        return match lost {
            1 => "an acknowledgement, which needs no repetition".to_owned(),
            _ => "acknowledgements, which need no repetition".to_owned(),
        };
    }
    "not sent again".to_owned()
}

const CONTROL: u8 = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;

/// Why they were sent again, where every repetition is still among the rows.
fn reasons(flow: &Flow, resent: u64) -> String {
    let all: Vec<(usize, &Resent)> = repetitions(flow).collect();
    if all.len() as u64 != resent {
        return String::new();
    }
    let at_once = all.iter().filter(|(index, _)| is_at_once(&flow.rows[*index])).count() as u64;
    let asked = all.iter().filter(|(_, resent)| resent.asked_for).count() as u64;
    let needless = |(index, resent): &&(usize, &Resent)| resent.needless && !is_at_once(&flow.rows[*index]);
    let needless = all.iter().filter(needless).count() as u64;
    let causes = [
        (asked, "because acknowledgements asked for it"),
        (resent - asked - at_once, "by a timer"),
        (at_once, "at once, sooner than any timer: perhaps captured twice"),
    ];
    let there: Vec<_> = causes.into_iter().filter(|(number, _)| *number > 0).collect();
    let mut words = match (there.as_slice(), all.as_slice()) {
        ([_], [(_, only)]) if asked + at_once == 0 && !only.after.is_zero() => one_timer(flow, only),
        ([(_, cause)], _) => format!(" {cause}"),
        _ => {
            let each = there.iter().map(|(number, cause)| format!("{} {cause}", grouped(*number)));
            format!(": {}", each.collect::<Vec<_>>().join(", "))
        }
    };
    match needless {
        0 => {}
        1 if resent == 1 => words.push_str(", needlessly"),
        _ if needless == resent => words.push_str(", all needlessly"),
        _ => words.push_str(&format!(", {} of them needlessly", grouped(needless))),
    }
    words
}

fn one_timer(flow: &Flow, only: &Resent) -> String {
    let after = duration(only.after);
    match is_rto(flow, only.after) {
        true => format!(" when a retransmission timer ran out after {after}"),
        // It may have been set long before the segment left (RFC 8985 §7.2).
        false => format!(" by a timer {after} later"),
    }
}

fn repetitions(flow: &Flow) -> impl Iterator<Item = (usize, &Resent)> {
    flow.rows.iter().enumerate().filter_map(|(index, row)| Some((index, row.resent.as_ref()?)))
}
