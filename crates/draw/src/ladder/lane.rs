//! The lane between the lifelines: arrows with their labels, whole, lost in the middle, refused at the other end, or seen
//! from one end only.

use flow::Side;
use wire::Fate;

use super::conversation::Sending;
use super::label::{self, AGAIN};
use super::steps::{Part, Segment, fate};
use crate::columns::width;
use crate::line::Line;
use crate::palette::Role;

/// Columns that an arrow needs beside its label: two of shaft and a blank, a blank, one of shaft and the tip.
const AROUND_LABEL: usize = 6;
/// Columns of the dots that stand for "under way".
const DOTS: usize = 3;

/// The arrow of a segment or datagram, exactly `lane` columns wide.
pub(crate) fn arrow<R: Sending>(segment: &Segment<'_, R>, labels: &[String], lane: usize) -> Line {
    let from = segment.row.from();
    match (fate(segment.row), segment.part) {
        (Some(Fate::Lost), _) => return lost(from, labels, lane),
        (Some(Fate::Stopped), _) => return departure(from, labels, lane),
        (Some(Fate::Corrupted), _) => return refused(from, labels, lane),
        (Some(Fate::Duplicated), Part::Whole) => return twice(from, labels, lane),
        _ => {}
    }
    match segment.part {
        Part::Whole => whole(from, labels, lane),
        Part::Departure => departure(from, labels, lane),
        Part::Arrival => arrival(from, labels, lane),
    }
}

/// `── label ────▶` or `◀─ label ─────`: all labels begin in the same column.
fn whole(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL));
    through(from, Role::of(from), &label, '─', lane)
}

/// `── label ───▶▶`: two tips, for it arrived twice.
fn twice(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL + 1));
    let role = Role::of(from);
    let tips = if from == Side::A { ("──", "▶▶") } else { ("◀◀", "") };
    tipped(from, [role; 2], &label, '─', tips, lane)
}

/// `── label ────╳`: it reached the other end, which did not take it.
fn refused(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL));
    let tips = if from == Side::A { ("──", "╳") } else { ("╳─", "") };
    tipped(from, [Role::of(from), Role::Lost], &label, '─', tips, lane)
}

/// An arrow from lifeline to lifeline.
fn through(from: Side, role: Role, label: &str, shaft: char, lane: usize) -> Line {
    let before = format!("{}{shaft}", if from == Side::A { shaft } else { '◀' });
    let tips = (before.as_str(), if from == Side::A { "▶" } else { "" });
    tipped(from, [role; 2], label, shaft, tips, lane)
}

/// What stands at both ends of an arrow from lifeline to lifeline; the second role is that of the receiver's end.
fn tipped(
    from: Side,
    [role, of_tip]: [Role; 2],
    label: &str,
    shaft: char,
    tips: (&str, &str),
    lane: usize,
) -> Line {
    let mut line = Line::default();
    line.push(if from == Side::A { role } else { of_tip }, tips.0).push(role, " ");
    push_label(&mut line, label, Role::Plain);
    line.push(role, " ");
    let rest = lane.saturating_sub(line.columns() + width(tips.1));
    line.repeat(role, shaft, rest).push(of_tip, tips.1);
    line
}

/// `── label ────╳      `: the cross stands in the middle, or right behind a long label.
fn lost(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL + 2));
    let used = width(&label) + 4;
    let end = (lane * 5 / 8).clamp((used + 2).min(lane - 1), lane - 1);
    from_sender(from, &label, Role::Lost, end - used, "╳", lane)
}

/// `── label ───┄┄┄     `: it left, and something else happens before it arrives, or nothing any more.
fn departure(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL + DOTS));
    let used = width(&label) + 4;
    let end = (lane * 5 / 8).clamp((used + 1 + DOTS).min(lane), lane);
    let dots = "┄".repeat(DOTS);
    from_sender(from, &label, Role::Plain, end - used - DOTS, &dots, lane)
}

/// Label and shaft beginning at the sender's lifeline, ended by `tip`, then nothing.
fn from_sender(from: Side, label: &str, of_label: Role, shaft: usize, tip: &str, lane: usize) -> Line {
    let role = Role::of(from);
    let tip_role = if of_label == Role::Lost { Role::Lost } else { role };
    let mut line = Line::default();
    match from {
        Side::A => {
            line.push(role, "── ");
            push_label(&mut line, label, of_label);
            line.push(role, " ").repeat(role, '─', shaft).push(tip_role, tip).pad_to(lane);
        }
        Side::B => {
            let used = width(label) + 4 + shaft + width(tip);
            line.pad_to(lane.saturating_sub(used))
                .push(tip_role, tip)
                .repeat(role, '─', shaft)
                .push(role, " ");
            push_label(&mut line, label, of_label);
            line.push(role, " ──");
        }
    }
    line
}

/// `     ┄┄┄── label ──▶`: the other end of the way, at the receiver's lifeline.
fn arrival(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL + DOTS + 1));
    let role = Role::of(from);
    let used = width(&label) + 5;
    let start = (lane * 5 / 8).clamp((used + 1 + DOTS).min(lane), lane);
    let dots = "┄".repeat(DOTS);
    let shaft = start - used - DOTS;
    let mut line = Line::default();
    match from {
        Side::A => {
            line.pad_to(lane - start).push(role, &dots).repeat(role, '─', shaft).push(role, " ");
            push_label(&mut line, &label, Role::Plain);
            line.push(role, " ──▶");
        }
        Side::B => {
            line.push(role, "◀─ ");
            push_label(&mut line, &label, Role::Plain);
            line.push(role, " ").repeat(role, '─', shaft + 1).push(role, &dots).pad_to(lane);
        }
    }
    line
}

/// `┈┈ 312 more segments, 451,776 bytes ┈┈▶`.
pub(crate) fn merged(from: Side, labels: &[String], lane: usize) -> Line {
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL));
    through(from, Role::of(from), &label, '┈', lane)
}

/// An ICMP error on its way to `to`: from the other end, or `◀─ host unreachable ────●`, from somebody between the two.
pub(crate) fn told(to: Side, by_the_other: bool, labels: &[String], lane: usize) -> Line {
    let role = Role::Finding;
    let label = label::fitting(labels, lane.saturating_sub(AROUND_LABEL + 1));
    if by_the_other {
        return through(to.other(), role, &label, '─', lane);
    }
    let used = width(&label) + 5;
    let end = (lane * 5 / 8).clamp((used + 1).min(lane), lane);
    let shaft = end.saturating_sub(used);
    let mut line = Line::default();
    match to {
        Side::A => {
            line.push(role, "◀─ ");
            push_label(&mut line, &label, Role::Plain);
            line.push(role, " ").repeat(role, '─', shaft).push(role, "●").pad_to(lane);
        }
        Side::B => {
            line.pad_to(lane.saturating_sub(used + shaft + 1));
            line.push(role, "●").repeat(role, '─', shaft).push(role, " ");
            push_label(&mut line, &label, Role::Plain);
            line.push(role, " ──▶");
        }
    }
    line
}

/// The label; the word that marks a repetition stands out.
fn push_label(line: &mut Line, label: &str, role: Role) {
    match label.strip_suffix(AGAIN) {
        Some(before) if role == Role::Plain => {
            line.push(role, before).push(Role::Finding, AGAIN);
        }
        _ => {
            line.push(role, label);
        }
    }
}
