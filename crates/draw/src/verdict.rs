//! A conversation in plain words: who opened, how long a round trip takes, what went each way, what was lost and sent
//! again and why, who closed first and what follows from that. It says nothing that the flow does not show.

use std::time::Duration;

use flow::{ClosedBy, Closing, Flow, Side, SideTotals, State};
use wire::tcp::TcpFlags;

use crate::columns::wrap;
use crate::ladder::is_lost;
use crate::line;
use crate::number::{count, duration, grouped, size_in_words};
use crate::{Names, Style};
use wire::visible;

pub mod datagrams;
mod itself;
mod path;
mod repair;

/// The verdict as one sentence, of clauses with semicolons between them, without line breaks.
pub fn paragraph(flow: &Flow, names: &Names) -> String {
    sentence(flow, [&visible(names.subject_a(), false), &visible(names.subject_b(), false)])
}

/// The verdict in lines of [`Style::width`] columns at most, the last with its newline.
pub fn wrapped(flow: &Flow, names: &Names, style: &Style) -> String {
    let names = [names.subject_a(), names.subject_b()].map(|name| visible(name, style.ascii));
    in_lines(&sentence(flow, [&names[0], &names[1]]), style)
}

fn in_lines(sentence: &str, style: &Style) -> String {
    let text = if style.ascii { line::ascii(sentence) } else { sentence.to_owned() };
    let lines = wrap(&text, style.width.clamp(40, 100));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The verdict in a few words, for lists: `closed by client, 1 resent`.
pub fn short(flow: &Flow) -> String {
    let mut words = vec![short_ending(flow)];
    if itself::is_told(flow) {
        words.push("connected to itself".to_owned());
    }
    let corrupted = both(flow, |side| side.corrupted_segments);
    let lost = both(flow, |side| side.lost_segments).saturating_sub(corrupted);
    let resent = flow.totals_a.resent_segments + flow.totals_b.resent_segments;
    if lost > 0 {
        words.push(format!("{} lost", grouped(lost)));
    }
    if corrupted > 0 {
        words.push(format!("{} corrupted", grouped(corrupted)));
    }
    if resent > 0 && flow.closing != Closing::Unanswered {
        words.push(format!("{} resent", grouped(resent)));
    }
    if !flow.saw_opening {
        words.push("began earlier".to_owned());
    }
    words.extend(flow.path_errors.first.first().map(|error| error.meaning.to_owned()));
    words.join(", ")
}

fn short_ending(flow: &Flow) -> String {
    let by = match flow.closed_by {
        _ if flow.is_to_itself() => String::new(),
        ClosedBy::A => format!(" by {}", who(flow, Side::A)),
        ClosedBy::B => format!(" by {}", who(flow, Side::B)),
        ClosedBy::Both => " by both at once".to_owned(),
        ClosedBy::Unknown => String::new(),
    };
    match flow.closing {
        Closing::Fin => format!("closed{by}"),
        Closing::Reset => format!("reset{by} after {}", duration(lasted(flow))),
        Closing::Refused => "refused".to_owned(),
        Closing::Unanswered if is_only_quoted(flow) => "never open".to_owned(),
        Closing::Unanswered => format!("no answer to {}", count(syns(flow), "SYN")),
        Closing::HalfClosed => format!("half-closed{by}"),
        Closing::Unfinished if last_ack_was_lost(flow) => format!("closed{by}, last ACK lost"),
        Closing::Unfinished => format!("closed{by}, last ACK not seen"),
        Closing::Open => "open".to_owned(),
    }
}

/// The opener is the client. Where the opening was not seen nobody knows who that is; the ports tell the ends apart.
fn who(flow: &Flow, side: Side) -> String {
    let (this, other) = match side {
        Side::A => (flow.a, flow.b),
        Side::B => (flow.b, flow.a),
    };
    match (flow.saw_opening, side) {
        (true, Side::A) => "client".to_owned(),
        (true, Side::B) => "server".to_owned(),
        (false, _) if this.port() == other.port() => this.to_string(),
        (false, _) => format!(":{}", this.port()),
    }
}

fn sentence(flow: &Flow, names: [&str; 2]) -> String {
    let to_itself = itself::is_told(flow);
    let mut clauses = match to_itself {
        true => vec![itself::opening(flow, names[0]), itself::amounts(flow)],
        false => vec![opening(flow, names)],
    };
    if !to_itself && !matches!(flow.closing, Closing::Refused | Closing::Unanswered) {
        clauses.push(amounts(flow, names));
    }
    if flow.closing != Closing::Unanswered {
        clauses.extend(repair::clause(flow, names));
    }
    clauses.extend(path::clause(&flow.path_errors, names, [flow.a.ip(), flow.b.ip()]));
    clauses.extend(if to_itself { Some(itself::ending(flow)) } else { ending(flow, names) });
    format!("{}.", clauses.join("; "))
}

fn opening(flow: &Flow, [a, b]: [&str; 2]) -> String {
    let port = flow.b.port();
    let within = flow.handshake_rtt.map(|rtt| format!(" in {}", duration(rtt))).unwrap_or_default();
    if !flow.saw_opening && begins_with_answer(flow) {
        return format!("{a} opened, and the answer of {b} is the first that was captured");
    }
    if !flow.saw_opening {
        return "the conversation began before this capture, so who opened it is unknown".to_owned();
    }
    match flow.closing {
        Closing::Refused => {
            let how = format!("{b} answered{within} with a reset");
            format!("{a} asked for a connection and {how}: nothing listens on port {port} there")
        }
        Closing::Unanswered => unanswered(flow, a),
        _ if answered(flow) => format!("{a} opened, {b} answered{within}"),
        _ => format!("{a} asked for a connection"),
    }
}

fn unanswered(flow: &Flow, a: &str) -> String {
    if is_only_quoted(flow) {
        return format!(
            "{a} asked for a connection and got none: only the ICMP error that quotes its SYN was captured"
        );
    }
    let syns = syns(flow);
    let over = match (syns, lasted(flow)) {
        (2.., span) if span > Duration::ZERO => format!(" in {}", duration(span)),
        _ => String::new(),
    };
    let SideTotals { lost_segments: lost, stopped_segments: stopped, .. } = flow.totals_a;
    let why = if stopped > 0 && lost + stopped >= syns {
        ": at the end none of them had got across the link"
    } else if lost >= syns {
        ": none of them got across the link"
    } else if flow.path_errors.count > 0 {
        ""
    } else {
        ", not even with a reset, as a host without a listener would"
    };
    format!("{a} sent {}{over} and nobody answered{why}", count(syns, "SYN"))
}

/// True when the capture begins between the SYN and its answer: who answers did not open.
fn begins_with_answer(flow: &Flow) -> bool {
    flow.rows.first().is_some_and(|row| row.from == Side::B && row.flags.has(TcpFlags::SYN | TcpFlags::ACK))
}

fn answered(flow: &Flow) -> bool {
    let answer = |row: &flow::Row| row.from == Side::B && row.flags.has(TcpFlags::SYN);
    flow.handshake_rtt.is_some() || flow.rows.iter().any(answer)
}

/// True for an attempt of which nothing but an ICMP error tells.
fn is_only_quoted(flow: &Flow) -> bool {
    syns(flow) == 0 && flow.path_errors.count > 0
}

/// The SYNs of an opening that was not answered: all that the opener sent.
fn syns(flow: &Flow) -> u64 {
    flow.totals_a.segments
}

fn amounts(flow: &Flow, [a, b]: [&str; 2]) -> String {
    let (from_a, from_b) = (&flow.totals_a, &flow.totals_b);
    let since = if flow.saw_opening { "" } else { "from then on " };
    let all_seen = from_a.unseen_bytes == 0 && from_b.unseen_bytes == 0;
    let said = |totals: &SideTotals| totals.bytes.saturating_add(totals.unseen_bytes);
    match (said(from_a), said(from_b)) {
        (0, 0) => format!("{since}no data went either way"),
        (same, other) if same == other && all_seen => format!("{since}{} each way", size_in_words(same)),
        (0, _) => format!("{since}{b} sent {}, {a} nothing", amount(from_b)),
        (_, 0) => format!("{since}{a} sent {}, {b} nothing", amount(from_a)),
        _ => format!("{since}{a} sent {}, {b} {}", amount(from_a), amount(from_b)),
    }
}

/// How much one side sent, and how much of it is not in the capture.
fn amount(totals: &SideTotals) -> String {
    let all = size_in_words(totals.bytes.saturating_add(totals.unseen_bytes));
    match (totals.bytes, totals.unseen_bytes) {
        (_, 0) => all,
        (0, _) => format!("{all} (none of that captured)"),
        (_, unseen) => format!("{all} ({} of that not captured)", size_in_words(unseen)),
    }
}

fn ending(flow: &Flow, names: [&str; 2]) -> Option<String> {
    match flow.closing {
        Closing::Fin => Some(closed(flow, names)),
        Closing::Reset => Some(reset(flow, names)),
        Closing::Refused | Closing::Unanswered => None,
        Closing::HalfClosed => Some(half_closed(flow, names)),
        Closing::Unfinished => Some(unfinished(flow, names)),
        Closing::Open => Some("at the end it was still open".to_owned()),
    }
}

/// Both closed; who closed first keeps the port (RFC 9293 §3.6.1).
fn closed(flow: &Flow, [a, b]: [&str; 2]) -> String {
    let waits = |state: State| state == State::TimeWait;
    let port = |name: &str, state, port: u16| match waits(state) {
        true => format!("{name} closed first, so its port {port} stays in TIME_WAIT (60 s on Linux)"),
        false => format!("{name} closed first"),
    };
    match flow.closed_by {
        ClosedBy::A => port(a, flow.state_a, flow.a.port()),
        ClosedBy::B => port(b, flow.state_b, flow.b.port()),
        ClosedBy::Both if waits(flow.state_a) && waits(flow.state_b) => {
            let (port_a, port_b) = (flow.a.port(), flow.b.port());
            format!(
                "both closed at once, so both ports, {port_a} and {port_b}, stay in TIME_WAIT (60 s on Linux)"
            )
        }
        ClosedBy::Both => "both closed at once".to_owned(),
        ClosedBy::Unknown => "both closed".to_owned(),
    }
}

/// A reset ends both ends at once: neither waits in TIME_WAIT (RFC 9293 §3.5.3).
fn reset(flow: &Flow, names: [&str; 2]) -> String {
    let (side, totals) = match flow.closed_by {
        ClosedBy::A => (0, &flow.totals_a),
        ClosedBy::B => (1, &flow.totals_b),
        ClosedBy::Both | ClosedBy::Unknown => return "it ended with a reset".to_owned(),
    };
    let after = totals.rst.map_or_else(|| lasted(flow), |rst| rst.since(flow.first));
    let name = names[side];
    let mut words = format!("{name} reset the connection after {}", duration(after));
    if [flow.state_a, flow.state_b] == [State::Closed; 2] {
        words.push_str(", which ended it at both ends at once, without TIME_WAIT");
    }
    words
}

fn half_closed(flow: &Flow, names: [&str; 2]) -> String {
    let (first, second) = match flow.closed_by {
        ClosedBy::A => (0, 1),
        ClosedBy::B => (1, 0),
        ClosedBy::Both | ClosedBy::Unknown => return "one end had closed, the other not".to_owned(),
    };
    let states = [flow.state_a, flow.state_b];
    let (one, other) = (names[first], names[second]);
    let held = match states.contains(&State::Unknown) {
        true => String::new(),
        false => {
            format!(" ({} waits in {}, {} is in {})", one, states[first].name(), other, states[second].name())
        }
    };
    format!("{one} closed its half, {other} had not closed at the end{held}")
}

fn unfinished(flow: &Flow, names: [&str; 2]) -> String {
    let first = match flow.closed_by {
        ClosedBy::A => format!("{} first, ", names[0]),
        ClosedBy::B => format!("{} first, ", names[1]),
        ClosedBy::Both => "at once, ".to_owned(),
        ClosedBy::Unknown => String::new(),
    };
    let fate = if last_ack_was_lost(flow) { "was lost on the link" } else { "was not seen" };
    let mut words = format!("both closed, {first}but the last acknowledgement {fate}");
    for (name, state) in names.into_iter().zip([flow.state_a, flow.state_b]) {
        if matches!(state, State::LastAck | State::Closing | State::FinWait1) {
            words.push_str(&format!(", so {name} is still in {}", state.name()));
        }
    }
    words
}

/// Whether the link is known to have dropped the acknowledgement that one end waits for.
fn last_ack_was_lost(flow: &Flow) -> bool {
    let waiting = if flow.state_a == State::TimeWait { Side::B } else { Side::A };
    let answer = flow.rows.iter().rfind(|row| row.from != waiting);
    answer.is_some_and(|row| row.flags.has(TcpFlags::ACK) && is_lost(row))
}

/// From the first frame to the last.
fn lasted(flow: &Flow) -> Duration {
    flow.last.since(flow.first)
}

/// What both sides did together.
fn both(flow: &Flow, of: impl Fn(&SideTotals) -> u64) -> u64 {
    of(&flow.totals_a).saturating_add(of(&flow.totals_b))
}

#[cfg(test)]
mod tests;
