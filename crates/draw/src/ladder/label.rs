//! The words on an arrow: what a segment says, in several lengths, the longest that fits is taken.

use flow::Row;
use wire::tcp::{TcpFlags, TcpOptions};

use super::steps::{MergedSide, Segment};
use crate::columns::{cut, width};
use crate::number::{count, grouped, size};

/// How a repeated segment's label ends.
pub(crate) const AGAIN: &str = " again";

/// The label in falling length; the last is the shortest that still says something. A SYN's window is left out where
/// windows have a column of their own.
pub(crate) fn labels(segment: &Segment<'_, Row>, window: bool) -> Vec<String> {
    let row = segment.row;
    let mut labels = if row.flags.has(TcpFlags::SYN) {
        opening_labels(row, window)
    } else if row.len_bytes > 0 {
        data_labels(segment)
    } else {
        empty_labels(segment)
    };
    if row.resent.is_some() {
        labels.iter_mut().for_each(|label| label.push_str(AGAIN));
    }
    labels
}

/// The longest label of at most `most` columns; the shortest cut when none fits.
pub(crate) fn fitting(labels: &[String], most: usize) -> String {
    match labels.iter().find(|label| width(label) <= most) {
        Some(label) => label.clone(),
        None => cut(labels.last().map_or("", String::as_str), most),
    }
}

/// A SYN: its number, what it acknowledges, its window and options.
fn opening_labels(row: &Row, window: bool) -> Vec<String> {
    let name = flag_names(row.flags);
    let number = match row.ack {
        Some(ack) => format!("{name} {}, ack {}", grouped(row.seq.into()), grouped(ack.into())),
        None => format!("{name} {}", grouped(row.seq.into())),
    };
    let window = match window {
        true => format!("  win {}", grouped(row.window_bytes.into())),
        false => String::new(),
    };
    let options = options(&row.options, "wscale ", "timestamps", ", ");
    let terse = options_terse(&row.options);
    let mut labels = vec![format!("{number}{window}{options}"), format!("{number}{window}{terse}")];
    labels.extend([format!("{number}{window}"), format!("{number}{terse}"), number.clone(), name]);
    if row.len_bytes > 0 {
        let payload = format!(" + {}", size(row.len_bytes.into()));
        labels.iter_mut().for_each(|label| label.push_str(&payload));
        labels.push(number);
    }
    labels
}

fn options_terse(options: &TcpOptions) -> String {
    self::options(options, "ws ", "ts", " ")
}

fn options(options: &TcpOptions, wscale: &str, timestamps: &str, between: &str) -> String {
    let mut words = Vec::new();
    words.extend(options.mss.map(|mss| format!("mss {mss}")));
    words.extend(options.sack_permitted.then(|| "sack".to_owned()));
    words.extend(options.window_scale.map(|scale| format!("{wscale}{scale}")));
    words.extend(options.timestamps.map(|_| timestamps.to_owned()));
    if words.is_empty() { String::new() } else { format!("  {}", words.join(between)) }
}

/// A segment with payload: its bytes by number, how many they are, and what it acknowledges if that is news.
fn data_labels(segment: &Segment<'_, Row>) -> Vec<String> {
    let row = segment.row;
    let bytes = size(row.len_bytes.into());
    let first = grouped(row.seq.into());
    let last = grouped(row.seq.wrapping_add(row.len_bytes - 1).into());
    let range = if row.len_bytes == 1 { first.clone() } else { format!("{first}–{last}") };
    let flags = flags_beside_data(row.flags);
    let ack = news(segment);
    let mut labels = Vec::new();
    if !ack.is_empty() {
        labels.push(format!("{range}  {bytes}{flags}{ack}"));
    }
    labels.push(format!("{range}  {bytes}{flags}"));
    labels.push(format!("{first} +{bytes}{flags}"));
    labels.push(format!("{bytes}{flags}"));
    labels
}

/// A segment without payload: ACK, FIN, RST.
fn empty_labels(segment: &Segment<'_, Row>) -> Vec<String> {
    let row = segment.row;
    let closes = row.flags.has(TcpFlags::FIN) || row.flags.has(TcpFlags::RST);
    if closes {
        let number = format!("{} {}", flag_names(row.flags), grouped(row.seq.into()));
        let with_ack = format!("{number}{}", news(segment));
        return vec![with_ack, number, flag_names(row.flags)];
    }
    let Some(ack) = row.ack else {
        return vec![format!("no flags, {}", grouped(row.seq.into())), "no flags".to_owned()];
    };
    let name = flag_names(row.flags);
    let number = format!("{name} {}", grouped(ack.into()));
    let pause = if row.window_bytes == 0 { "  win 0" } else { "" };
    let mut labels = Vec::new();
    for most in [4, 1] {
        labels.push(format!("{number}{pause}{}", sack_blocks(row, most)));
    }
    labels.extend([format!("{number}{pause}"), number, name]);
    labels
}

/// `, sack 33–48 65–80`: at most so many blocks, as first and last byte (on the wire the right edge is the byte behind
/// the last, RFC 2018 §3). What came twice is told apart: `, d-sack 33–48` (RFC 2883 §4).
fn sack_blocks(row: &Row, most: usize) -> String {
    let twice = arrived_twice(row);
    let all: Vec<(u32, u32)> = row.options.sack.iter().flatten().copied().collect();
    let held = &all[usize::from(twice.is_some())..];
    let mut words = twice.map(|block| format!(", d-sack {}", bytes_of(block))).unwrap_or_default();
    if !held.is_empty() {
        let shown: Vec<String> = held.iter().take(most).map(|&block| bytes_of(block)).collect();
        let more = if held.len() > most { " …" } else { "" };
        words.push_str(&format!(", sack {}{more}", shown.join(" ")));
    }
    words
}

/// The first block, when it reports bytes that had been acknowledged or lie within the second block (RFC 2883 §4).
pub(crate) fn arrived_twice(row: &Row) -> Option<(u32, u32)> {
    let mut blocks = row.options.sack.iter().flatten();
    let &(left, right) = blocks.next()?;
    let not_behind = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() <= 0;
    let acknowledged = row.ack.is_some_and(|ack| not_behind(right, ack));
    let within =
        blocks.next().is_some_and(|second| not_behind(second.0, left) && not_behind(right, second.1));
    (acknowledged || within).then_some((left, right))
}

/// `33–48`, or `33` for one byte (or a SYN or FIN, which is numbered like one).
pub(crate) fn bytes_of((left, right): (u32, u32)) -> String {
    let last = right.wrapping_sub(1);
    match last == left {
        true => grouped(left.into()),
        false => format!("{}–{}", grouped(left.into()), grouped(last.into())),
    }
}

fn news(segment: &Segment<'_, Row>) -> String {
    match segment.row.ack {
        Some(ack) if segment.ack_is_news => format!(", ack {}", grouped(ack.into())),
        _ => String::new(),
    }
}

/// The flags that make a segment what it is; ACK only where there is nothing else or it answers a SYN.
fn flag_names(flags: TcpFlags) -> String {
    let mut names: Vec<&str> = Vec::new();
    let named =
        [(TcpFlags::SYN, "SYN"), (TcpFlags::FIN, "FIN"), (TcpFlags::RST, "RST"), (TcpFlags::URG, "URG")];
    names.extend(named.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name));
    if flags.has(TcpFlags::ACK) && (names.is_empty() || flags.has(TcpFlags::SYN)) {
        names.push("ACK");
    }
    names.extend(congestion_names(flags));
    names.join(" ")
}

fn flags_beside_data(flags: TcpFlags) -> String {
    let named = [(TcpFlags::FIN, " FIN"), (TcpFlags::RST, " RST"), (TcpFlags::URG, " URG")];
    let mut names: String =
        named.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name).collect();
    for name in congestion_names(flags) {
        names.push(' ');
        names.push_str(name);
    }
    names
}

/// ECN's flags (RFC 3168 §6.1).
fn congestion_names(flags: TcpFlags) -> impl Iterator<Item = &'static str> {
    let named = [(TcpFlags::ECE, "ECE"), (TcpFlags::CWR, "CWR")];
    named.into_iter().filter(move |(flag, _)| flags.has(*flag)).map(|(_, name)| name)
}

/// The labels of what one side sent in a merged run, in falling length.
pub(crate) fn merged_labels(side: &MergedSide) -> Vec<String> {
    let number = side.data + side.acks;
    let more = match side.data {
        0 => format!("{} more ACK{}", grouped(number), plural(number)),
        _ => format!("{} more segment{}", grouped(number), plural(number)),
    };
    let mut labels = Vec::new();
    if side.data > 0 {
        labels.push(format!("{more}, {}", count(side.bytes, "byte")));
        labels.push(format!("{more}, {}", size(side.bytes)));
        labels.push(format!("{} segments, {}", grouped(number), size(side.bytes)));
    } else if let Some(ack) = side.ack {
        labels.push(format!("{more}, up to {}", grouped(ack.into())));
    }
    labels.extend([more, format!("{} more", grouped(number)), grouped(number)]);
    labels
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}
