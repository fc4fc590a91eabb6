//! A table of conversations: no borders, numbers to the right, the verdict in the last, elastic column.

use flow::Flow;

use crate::columns::{cut, cut_middle, width};
use crate::line::Line;
use crate::number::{duration, size};
use crate::palette::Role;
use crate::{Style, verdict};

/// Columns that the verdict gets at least, before others are given up for it.
const VERDICT: usize = 34;
/// The narrowest address: enough for most of an IPv4 one with its port.
const ADDRESS: usize = 15;
/// The narrowest table.
const NARROWEST: usize = 40;
/// The bytes each way are given up together, for their sum: one of them alone would be half a truth.
const BOTH_WAYS: u8 = 3;
/// Between two columns.
const GAP: usize = 2;

/// One line for each conversation, under a line of heads; empty when there are none.
pub fn text<'a>(flows: impl IntoIterator<Item = &'a Flow>, style: &Style) -> String {
    let flows: Vec<&Flow> = flows.into_iter().collect();
    let Some(first) = flows.iter().map(|flow| flow.first).min() else { return String::new() };
    let mut columns = heads();
    for flow in &flows {
        columns[0].cells.push(flow.stream.to_string());
        columns[1].cells.push(flow.a.to_string());
        columns[2].cells.push(flow.b.to_string());
        columns[3].cells.push(duration(flow.first.since(first)));
        columns[4].cells.push(duration(flow.last.since(flow.first)));
        columns[5].cells.push(size(flow.totals_a.bytes));
        columns[6].cells.push(size(flow.totals_b.bytes));
        columns[7].cells.push(size(flow.totals_a.bytes.saturating_add(flow.totals_b.bytes)));
        columns[8].cells.push(verdict::short(flow));
    }
    let total = style.width.max(NARROWEST);
    fit(&mut columns, total);
    let mut out = String::new();
    for row in 0..=flows.len() {
        line(&columns, row, total).write(&mut out, style);
    }
    out
}

/// How a column is aligned and what becomes of it where room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number or time: to the right; given up in the order of the number.
    Number(u8),
    /// A number that takes the place of those that were given up last: to the right.
    Instead,
    /// The number of the conversation: to the right, never given up.
    Key,
    /// An address: to the left, shortened in its middle.
    Address,
    /// The verdict: to the left, takes what is left.
    Verdict,
}

struct Column {
    kind: Kind,
    /// The head, then a cell for each conversation.
    cells: Vec<String>,
    /// As wide as it is drawn; 0 when it is given up.
    width: usize,
}

fn heads() -> Vec<Column> {
    let heads = [
        ("#", Kind::Key),
        ("a", Kind::Address),
        ("b", Kind::Address),
        ("began", Kind::Number(1)),
        ("lasted", Kind::Number(2)),
        ("a → b", Kind::Number(BOTH_WAYS)),
        ("b → a", Kind::Number(BOTH_WAYS)),
        ("bytes", Kind::Instead),
        ("verdict", Kind::Verdict),
    ];
    heads.map(|(head, kind)| Column { kind, cells: vec![head.to_owned()], width: 0 }).into()
}

/// Gives each column its width: addresses shrink first, then columns are given up, the last one takes the rest.
fn fit(columns: &mut [Column], total: usize) {
    show(columns, |kind| kind != Kind::Instead);
    shrink_addresses(columns, total, ADDRESS);
    for priority in 1..=BOTH_WAYS {
        if needed(columns) > total {
            give_up(columns, Kind::Number(priority));
            show(columns, |kind| priority == BOTH_WAYS && kind == Kind::Instead);
        }
    }
    if needed(columns) > total {
        give_up(columns, Kind::Instead);
    }
    // Room may be left again now, or there is still too little.
    show(columns, |kind| kind == Kind::Address);
    shrink_addresses(columns, total, 5);
    let before: usize = needed(columns) - verdict_width(columns);
    if let Some(verdict) = columns.last_mut() {
        verdict.width = total.saturating_sub(before);
    }
}

/// Makes columns as wide as their widest cell.
fn show(columns: &mut [Column], which: impl Fn(Kind) -> bool) {
    for column in columns.iter_mut().filter(|column| which(column.kind)) {
        column.width = column.cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
    }
}

fn give_up(columns: &mut [Column], kind: Kind) {
    columns.iter_mut().filter(|column| column.kind == kind).for_each(|column| column.width = 0);
}

fn shrink_addresses(columns: &mut [Column], total: usize, least: usize) {
    while needed(columns) > total {
        let addresses =
            columns.iter_mut().filter(|column| column.kind == Kind::Address && column.width > least);
        let Some(widest) = addresses.max_by_key(|column| column.width) else { return };
        widest.width -= 1;
    }
}

/// All columns with their gaps; of the verdict only what it needs at least.
fn needed(columns: &[Column]) -> usize {
    let shown = columns.iter().filter(|column| column.width > 0 && column.kind != Kind::Verdict);
    shown.map(|column| column.width + GAP).sum::<usize>() + verdict_width(columns)
}

fn verdict_width(columns: &[Column]) -> usize {
    columns.last().map_or(0, |verdict| verdict.width.min(VERDICT))
}

fn line(columns: &[Column], row: usize, total: usize) -> Line {
    let mut line = Line::default();
    for column in columns.iter().filter(|column| column.width > 0) {
        let role = if row == 0 { Role::Frame } else { role(column, &column.cells[row]) };
        let cell = &column.cells[row];
        let start = line.columns() + if line.columns() == 0 { 0 } else { GAP };
        match column.kind {
            Kind::Key | Kind::Number(_) | Kind::Instead => {
                line.right_aligned(role, cell, start + column.width)
            }
            Kind::Address => line.pad_to(start).push(role, &cut_middle(cell, column.width)),
            Kind::Verdict => line.pad_to(start).push(role, &cut(cell, total.saturating_sub(start))),
        };
        line.pad_to(start + column.width);
    }
    line
}

/// What is worth a look stands out.
fn role(column: &Column, cell: &str) -> Role {
    let troubled = ["reset", "refused", "no answer", "lost", "resent", "half-closed"];
    match column.kind {
        Kind::Verdict if troubled.iter().any(|word| cell.contains(word)) => Role::Finding,
        _ => Role::Plain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample;

    fn some() -> Vec<Flow> {
        let all = [
            sample::one_loss(),
            sample::refused(),
            sample::reset(),
            sample::unanswered(),
            sample::transfer(400),
        ];
        let numbered = all.into_iter().enumerate().map(|(number, mut flow)| {
            let later = std::time::Duration::from_millis(37 * number as u64);
            (flow.first, flow.last) = (flow.first + later, flow.last + later);
            flow.stream = number as u64;
            flow
        });
        let mut flows: Vec<Flow> = numbered.collect();
        flows[2].a = "[2001:db8:17:4:a8bb:ccff:fedd:ee01]:51234".parse().expect("an address");
        flows[2].b = "[2001:db8::7]:443".parse().expect("an address");
        flows
    }

    fn draw(width: usize) -> String {
        text(&some(), &Style { width, ..Style::default() })
    }

    #[test]
    fn wide_enough_for_everything() {
        insta::assert_snapshot!(draw(140));
    }

    #[test]
    fn addresses_are_shortened_in_the_middle() {
        insta::assert_snapshot!(draw(100));
    }

    #[test]
    fn columns_are_given_up() {
        insta::assert_snapshot!(draw(60));
    }

    #[test]
    fn the_sum_stands_where_there_is_no_room_for_the_bytes_each_way() {
        insta::assert_snapshot!(draw(80));
    }

    #[test]
    fn nothing_to_list() {
        assert_eq!(text([], &Style::default()), "");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide(flows in prop::collection::vec(sample::arbitrary(), 1..4), width in 0usize..150) {
            for line in text(&flows, &Style { width, ..Style::default() }).lines() {
                prop_assert!(crate::columns::width(line) <= width.max(NARROWEST), "{line:?}");
            }
        }
    }
}
