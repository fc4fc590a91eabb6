//! Who closed when, and what the other end did about it: FINs and resets.

use flow::{ClosedBy, Closing, Flow, Row, Side, State};
use wire::Time;
use wire::tcp::TcpFlags;

use super::turns::{Entry, Kind};
use crate::ladder::is_lost;
use crate::number::duration;

/// The FINs and resets told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Closes {
    fins: [Option<Time>; 2],
    resets: [bool; 2],
    /// How many entries there were when the first FIN had been told.
    told: Option<usize>,
}

impl Closes {
    /// Takes a row with a FIN or a RST; it joins the entry of the other end's FIN when nothing came between.
    pub(super) fn take(
        &mut self,
        flow: &Flow,
        names: &[String; 2],
        index: usize,
        row: &Row,
        entries: &mut Vec<Entry>,
    ) {
        let side = row.from.index();
        if row.flags.has(TcpFlags::RST) {
            if !std::mem::replace(&mut self.resets[side], true) {
                entries.push(Entry::at(row.time, Kind::Trouble, reset(flow, names, row)));
            }
            return;
        }
        if self.fins[side].is_some() {
            return;
        }
        self.fins[side] = Some(row.time);
        let Some(first) = self.fins[1 - side] else {
            entries.push(Entry::at(row.time, Kind::Event, closes(flow, names, index, row)));
            self.told = Some(entries.len());
            return;
        };
        let name = &names[side];
        // No time is told where the capture's clock ran backwards.
        let later = if row.time < first { String::new() } else { duration(row.time.since(first)) };
        let end = format!("{}{}", unheard(flow), after_both(flow, names));
        if self.told == Some(entries.len())
            && let Some(last) = entries.last_mut()
        {
            let later = if later.is_empty() { "later".to_owned() } else { format!("{later} later") };
            last.words.push_str(&format!("; {name} closes {later}{end}"));
            return;
        }
        let later = if later.is_empty() { "after".to_owned() } else { format!("{later} after") };
        let words = format!("{name} closes too, {later} {}{end}", names[1 - side]);
        entries.push(Entry::at(row.time, Kind::Event, words));
    }
}

/// `client closes`, or `client closes its half; server goes on sending` where that is so.
fn closes(flow: &Flow, names: &[String; 2], index: usize, row: &Row) -> String {
    let closer = row.from;
    let (name, other) = (&names[closer.index()], &names[closer.other().index()]);
    let lost = if is_lost(row) { ", but its FIN is lost on the link" } else { "" };
    let later = flow.rows.get(index + 1..).unwrap_or_default();
    let goes_on = later.iter().any(|row| {
        let sends = row.len_bytes > 0 && row.resent.is_none() && !row.flags.has(TcpFlags::RST);
        sends && row.from == closer.other()
    });
    match goes_on {
        true => format!("{name} closes its half (FIN){lost}; {other} goes on sending"),
        false => format!("{name} closes (FIN){lost}"),
    }
}

fn unheard(flow: &Flow) -> &'static str {
    if flow.closed_by == ClosedBy::Both { ", before it has heard of that" } else { "" }
}

/// What is left when both have closed (RFC 9293 §3.6.1).
fn after_both(flow: &Flow, [a, b]: &[String; 2]) -> String {
    let waits = |side: Side| flow.state(side) == State::TimeWait;
    match (flow.closing, waits(Side::A), waits(Side::B)) {
        (Closing::Unfinished, _, _) => "; the last acknowledgement was not seen".to_owned(),
        (Closing::Fin, true, true) => "; both keep their ports in TIME_WAIT".to_owned(),
        (Closing::Fin, true, false) => format!("; {a} keeps the port in TIME_WAIT"),
        (Closing::Fin, false, true) => format!("; {b} keeps the port in TIME_WAIT"),
        _ => String::new(),
    }
}

fn reset(flow: &Flow, names: &[String; 2], row: &Row) -> String {
    let name = &names[row.from.index()];
    let lost = if is_lost(row) { ", lost on the link" } else { "" };
    let ended_it = flow.closing == Closing::Reset
        && matches!(
            (flow.closed_by, row.from),
            (ClosedBy::A, Side::A) | (ClosedBy::B, Side::B) | (ClosedBy::Both | ClosedBy::Unknown, _)
        );
    match ended_it {
        true => format!("{name} resets the connection (frame {}){lost}", row.frame),
        false => format!("{name} answers with a reset (frame {}){lost}", row.frame),
    }
}
