//! How the conversation began, in one entry.

use flow::{Closing, Flow, Phase, Row, Side};
use wire::tcp::TcpFlags;

use super::turns::{Entry, Kind};
use crate::ladder::is_received;
use crate::number::{count, duration};

/// Repetitions whose times are told one by one.
const TOLD: usize = 4;

/// True for rows that say nothing beyond what the entry of the opening tells.
pub(super) fn tells(flow: &Flow, row: &Row) -> bool {
    let refuses = flow.closing == Closing::Refused && row.flags.has(TcpFlags::RST) && row.from == Side::B;
    refuses || row.flags.has(TcpFlags::SYN) || (row.phase == Phase::Opening && row.len_bytes == 0)
}

/// The entry; none for a conversation without rows.
pub(super) fn entries(flow: &Flow, names: &[String; 2]) -> Option<Entry> {
    let first = flow.rows.first()?;
    let words = match (flow.saw_opening, flow.closing) {
        (false, _) => began_earlier(first, names),
        (true, Closing::Refused) => refused(flow, names),
        (true, Closing::Unanswered) => {
            format!("{} opens (SYN){}; nobody answers", names[0], again(flow, Side::A, ", again after"))
        }
        (true, _) => opened(flow, names),
    };
    let kind = match flow.closing {
        Closing::Refused | Closing::Unanswered => Kind::Trouble,
        _ => Kind::Event,
    };
    Some(Entry::at(first.time, kind, words))
}

fn began_earlier(first: &Row, names: &[String; 2]) -> String {
    if first.flags.has(TcpFlags::SYN) {
        return format!("{} answers a SYN that was not seen", names[first.from.index()]);
    }
    "the capture begins here, in the middle of the conversation".to_owned()
}

fn refused(flow: &Flow, [a, b]: &[String; 2]) -> String {
    let reset = flow.rows.iter().find(|row| row.from == Side::B && row.flags.has(TcpFlags::RST));
    let after = reset.map(|row| after_heard(flow, row)).unwrap_or_default();
    let again = again(flow, Side::A, "; sent again after");
    let port = flow.b.port();
    format!("{a} opens (SYN{again}), {b} answers{after} with a reset: nothing listens on port {port} there")
}

fn opened(flow: &Flow, [a, b]: &[String; 2]) -> String {
    if flow.is_to_itself() {
        return format!("{a} opens a connection to itself (its SYN comes back to it)");
    }
    let asks = |row: &&Row| row.flags.has(TcpFlags::SYN) && !row.flags.has(TcpFlags::ACK);
    let open = open_after(flow);
    if flow.rows.iter().filter(asks).any(|row| row.from == Side::B) {
        return format!("{a} and {b} open at the same time (SYN and SYN cross){open}");
    }
    let asked = format!("{a} opens (SYN{})", again(flow, Side::A, "; sent again after"));
    let answer = flow.rows.iter().find(|row| row.from == Side::B && row.flags.has(TcpFlags::SYN));
    match answer {
        Some(row) => {
            let repeated = match again(flow, Side::B, "sent again after") {
                again if again.is_empty() => again,
                again => format!(" ({again})"),
            };
            format!("{asked}, {b} answers{}{repeated}{open}", after_heard(flow, row))
        }
        None => format!("{asked}; the answer was not seen"),
    }
}

/// `, open after 58 µs`: when the opener sent the segment that completes the handshake.
fn open_after(flow: &Flow) -> String {
    let completes =
        |&row: &&Row| row.phase == Phase::Opening && !row.flags.has(TcpFlags::SYN) && is_received(row);
    let opening = flow.rows.iter().take_while(|row| row.phase == Phase::Opening);
    opening
        .filter(completes)
        .last()
        .filter(|row| row.time >= flow.first)
        .map(|row| format!(", open after {}", duration(row.time.since(flow.first))))
        .unwrap_or_default()
}

/// How long after what the SYNs of a side were sent again; empty when none was.
fn again(flow: &Flow, side: Side, before: &str) -> String {
    let repeated = flow.rows.iter().filter(|row| row.from == side && row.flags.has(TcpFlags::SYN));
    let repeated = repeated.filter_map(|row| row.resent.as_ref());
    let waits: Vec<String> = repeated.map(|resent| duration(resent.after)).collect();
    match waits.as_slice() {
        [] => String::new(),
        [only] => format!("{before} {only}"),
        [first @ .., last] if waits.len() <= TOLD => format!("{before} {} and {last}", first.join(", ")),
        [first, .., last] => {
            format!("{before} {first} to {last}, {} in all", count(waits.len() as u64, "time"))
        }
    }
}

/// ` after 31 µs`: from the first SYN until the answer was there, as the verdict counts it; where SYNs were repeated,
/// from the first. Nothing where it is not known, for the capture's clock ran backwards.
fn after_heard(flow: &Flow, answer: &Row) -> String {
    let repeated = flow.rows.iter().any(|row| row.flags.has(TcpFlags::SYN) && row.resent.is_some());
    let arrived = answer.passage.as_ref().and_then(|passage| passage.arrived).unwrap_or(answer.time);
    let since_first = (arrived >= flow.first).then(|| arrived.since(flow.first));
    let heard = flow.handshake_rtt.filter(|_| !repeated).or(since_first);
    heard.map(|heard| format!(" after {}", duration(heard))).unwrap_or_default()
}
