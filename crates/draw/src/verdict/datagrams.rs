//! A conversation of datagrams in plain words: who sent how many, whether anyone answered, what the path said.

use std::net::IpAddr;
use std::time::Duration;

use flow::{DatagramFlow, Side};
use wire::visible;

use super::path;
use super::repair::fates;
use crate::number::{count, duration, grouped, size_in_words};
use crate::{Names, Style};

/// The verdict as one sentence, of clauses with semicolons between them, without line breaks.
pub fn paragraph(flow: &DatagramFlow, names: &Names) -> String {
    sentence(flow, [&visible(names.subject_a(), false), &visible(names.subject_b(), false)])
}

/// The verdict in lines of [`Style::width`] columns at most, the last with its newline.
pub fn wrapped(flow: &DatagramFlow, names: &Names, style: &Style) -> String {
    let names = [names.subject_a(), names.subject_b()].map(|name| visible(name, style.ascii));
    super::in_lines(&sentence(flow, [&names[0], &names[1]]), style)
}

/// The verdict in a few words, for lists: `12 datagrams each way`, `port unreachable, told by 10.0.0.2`.
pub fn short(flow: &DatagramFlow) -> String {
    let told = flow.path_errors.first.first();
    let mut words = match told {
        Some(error) if flow.totals_b.datagrams == 0 => format!("{}, told by {}", error.meaning, error.by),
        _ => short_amounts(flow),
    };
    let corrupted = flow.totals_a.corrupted.saturating_add(flow.totals_b.corrupted);
    for (number, fate) in [(lost(flow).saturating_sub(corrupted), "lost"), (corrupted, "corrupted")] {
        if number > 0 {
            words.push_str(&format!(", {} {fate}", grouped(number)));
        }
    }
    if let (Some(error), 1..) = (told, flow.totals_b.datagrams) {
        words.push_str(&format!(", {}", error.meaning));
    }
    words
}

/// Whether something went wrong in it, as far as can be told.
pub(crate) fn is_worth_a_look(flow: &DatagramFlow) -> bool {
    lost(flow) > 0 || flow.path_errors.count > 0 || answers(flow) == Answers::None
}

fn short_amounts(flow: &DatagramFlow) -> String {
    let [there, back] = [flow.totals_a.datagrams, flow.totals_b.datagrams];
    match answers(flow) {
        _ if there == 0 && back == 0 => "none of it was captured".to_owned(),
        Answers::Some if there == back => format!("{} each way", count(there, "datagram")),
        Answers::Some => format!("{} there, {} back", count(there, "datagram"), grouped(back)),
        Answers::None if there == 1 => "nobody answered".to_owned(),
        Answers::None => format!("nobody answered {}", count(there, "datagram")),
        Answers::NotExpected => {
            let to = to_many(flow).map_or("one way only".to_owned(), |many| format!("to {many}"));
            format!("{to}: {}", count(there, "datagram"))
        }
    }
}

/// Whether B said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Some,
    /// None came, and A seems to have waited for one.
    None,
    /// None came, and A only told.
    NotExpected,
}

/// Who asks waits a second or more before asking again, with the same words (RFC 1035 §4.2.1 and most protocols since).
const ASKS_AGAIN: Duration = Duration::from_secs(1);
/// Nobody asks more often.
const MOST_ASKED: u64 = 8;

fn answers(flow: &DatagramFlow) -> Answers {
    let a = &flow.totals_a;
    let all_alike = a.datagrams.checked_mul(a.largest_bytes.into()) == Some(a.bytes);
    let apart = flow.last.since(flow.first).as_secs() >= ASKS_AGAIN.as_secs() * a.datagrams.saturating_sub(1);
    let asks = a.datagrams == 1 || (a.datagrams <= MOST_ASKED && all_alike && apart);
    match flow.totals_b.datagrams {
        1.. => Answers::Some,
        _ if a.datagrams > 0 && a.lost == a.datagrams => Answers::None,
        _ if to_many(flow).is_some() || !asks => Answers::NotExpected,
        _ => Answers::None,
    }
}

/// Who hears them, where that is not one host: answers come from other addresses, in conversations of their own.
fn to_many(flow: &DatagramFlow) -> Option<&'static str> {
    match flow.b.ip() {
        IpAddr::V4(address) if address.is_broadcast() => Some("everybody"),
        address if address.is_multicast() => Some("a group"),
        _ => None,
    }
}

fn lost(flow: &DatagramFlow) -> u64 {
    flow.totals_a.lost.saturating_add(flow.totals_b.lost)
}

fn sentence(flow: &DatagramFlow, names: [&str; 2]) -> String {
    let mut clauses = vec![amounts(flow, names)];
    clauses.extend(first_answer(flow));
    clauses.extend(losses(flow, names));
    clauses.extend(path::clause(&flow.path_errors, names, [flow.a.ip(), flow.b.ip()]));
    format!("{}.", clauses.join("; "))
}

/// `client sent 3 datagrams (96 bytes) in 2.1 s and nobody answered`.
fn amounts(flow: &DatagramFlow, [a, b]: [&str; 2]) -> String {
    let of = |side: Side| {
        let totals = flow.totals(side);
        format!("{} ({})", count(totals.datagrams, "datagram"), size_in_words(totals.bytes))
    };
    let lasted = flow.last.since(flow.first);
    let within = if lasted.is_zero() { String::new() } else { format!(" in {}", duration(lasted)) };
    let sent = format!("{a} sent {}", of(Side::A));
    let all = flow.totals_a.datagrams.saturating_add(flow.totals_b.datagrams);
    match answers(flow) {
        // An ICMP error is all that is known of it.
        _ if all == 0 => format!("what {a} sent to {b} was not captured"),
        Answers::Some if flow.totals_a == flow.totals_b => {
            format!("{a} and {b} sent {} each{within}", of(Side::A))
        }
        Answers::Some => format!("{sent} and {b} {}{within}", of(Side::B)),
        Answers::None if flow.totals_a.lost == flow.totals_a.datagrams => {
            let none = if flow.totals_a.datagrams == 1 { "it did not get" } else { "none of them got" };
            format!("{sent}{within} and nobody answered: {none} across the link")
        }
        Answers::None => format!("{sent}{within} and nobody answered"),
        Answers::NotExpected => match to_many(flow) {
            Some(many) => format!("{sent} to {many}, {b}{within}"),
            None => format!("{sent}{within}, {b} none"),
        },
    }
}

/// How long the first answer took, as far as the first rows show it.
fn first_answer(flow: &DatagramFlow) -> Option<String> {
    let answer = flow.rows.iter().find(|row| row.from == Side::B)?;
    let asked = flow.rows.iter().find(|row| row.from == Side::A)?;
    let after = (answer.time >= asked.time).then(|| answer.time.since(asked.time))?;
    Some(format!("the first answer came after {}", duration(after)))
}

fn losses(flow: &DatagramFlow, [a, b]: [&str; 2]) -> Option<String> {
    let words = |lost: u64, all: u64, name: &str| match lost {
        _ if lost == all => format!("all of {name}'s"),
        _ => format!("{} of {name}'s {}", grouped(lost), grouped(all)),
    };
    let (of_a, of_b) = (&flow.totals_a, &flow.totals_b);
    let which = match (of_a.lost, of_b.lost) {
        (0, 0) => return None,
        // Told already.
        (_, 0) if of_a.lost == of_a.datagrams && of_b.datagrams == 0 => return None,
        (_, 0) => words(of_a.lost, of_a.datagrams, a),
        (0, _) => words(of_b.lost, of_b.datagrams, b),
        _ => format!("{} and {}", words(of_a.lost, of_a.datagrams, a), words(of_b.lost, of_b.datagrams, b)),
    };
    let (fate, among) = fates(lost(flow), of_a.corrupted.saturating_add(of_b.corrupted));
    Some(format!("{which} {fate} on the link{among} (UDP sends nothing again)"))
}

#[cfg(test)]
mod tests;
