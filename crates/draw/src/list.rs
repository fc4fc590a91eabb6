//! A table of conversations, of TCP and of UDP: no borders, numbers to the right, the verdict in the last, elastic column.
//!
//! [`of_all`] draws all at once. [`Table`] draws batch after batch where there are more than fit in memory: the first batch
//! gives the columns their widths, later ones keep to them as well as they can.

use std::net::SocketAddr;
use std::time::Duration;

use flow::{Closing, DatagramFlow, Flow};
use wire::Time;

use crate::columns::{cut, cut_middle, width};
use crate::line::Line;
use crate::number::{duration, size};
use crate::palette::Role;
use crate::{Style, verdict};

/// Columns that the verdict gets at least, before others are given up for it, unless most verdicts need less.
const VERDICT: usize = 34;
/// What it gets at least, before addresses are shortened for it: `closed by client, 3…`.
const SHORT_VERDICT: usize = 20;
/// The narrowest address: enough for most of an IPv4 one with its port.
const ADDRESS: usize = 15;
/// Of a host that is shortened: a character, the mark and another one.
const LEAST_OF_HOST: usize = 3;
/// The narrowest table.
const NARROWEST: usize = 40;
/// The bytes each way are given up together, for their sum: one of them alone would be half a truth.
const BOTH_WAYS: u8 = 3;
/// Between two columns.
const GAP: usize = 2;

/// One line for each conversation of TCP, under a line of heads; empty when there are none.
pub fn text<'a>(flows: impl IntoIterator<Item = &'a Flow>, style: &Style) -> String {
    let entries: Vec<Entry> = flows.into_iter().map(Entry::of_tcp).collect();
    of_all(&entries, style)
}

/// One line for each entry, under a line of heads; empty when there are none. Times count from the earliest.
pub fn of_all(entries: &[Entry], style: &Style) -> String {
    let Some(start) = entries.iter().map(|entry| entry.first).min() else { return String::new() };
    let table = Table::new(style, start, entries);
    table.head() + &table.lines(entries)
}

/// What the table says of one conversation.
#[derive(Clone, Debug)]
pub struct Entry {
    key: String,
    ends: [SocketAddr; 2],
    first: Time,
    lasted: Duration,
    bytes: [u64; 2],
    verdict: String,
    is_worth_a_look: bool,
}

impl Entry {
    /// A conversation of TCP: `0`.
    pub fn of_tcp(flow: &Flow) -> Entry {
        let troubled = matches!(
            flow.closing,
            Closing::Reset | Closing::Refused | Closing::Unanswered | Closing::HalfClosed
        );
        let totals = [&flow.totals_a, &flow.totals_b];
        let repaired = totals.iter().any(|side| side.lost_segments + side.resent_segments > 0);
        Entry {
            key: flow.stream.to_string(),
            ends: [flow.a, flow.b],
            first: flow.first,
            lasted: flow.last.since(flow.first),
            bytes: totals.map(|side| side.bytes),
            verdict: verdict::short(flow),
            is_worth_a_look: troubled || repaired || flow.path_errors.count > 0,
        }
    }

    /// A conversation of datagrams: `udp:0`.
    pub fn of_udp(flow: &DatagramFlow) -> Entry {
        Entry {
            key: format!("udp:{}", flow.stream),
            ends: [flow.a, flow.b],
            first: flow.first,
            lasted: flow.last.since(flow.first),
            bytes: [flow.totals_a.bytes, flow.totals_b.bytes],
            verdict: verdict::datagrams::short(flow),
            is_worth_a_look: verdict::datagrams::is_worth_a_look(flow),
        }
    }

    /// Its cells, in the order of the columns.
    fn cells(&self, start: Time) -> [String; COLUMNS] {
        let [from_a, from_b] = self.bytes;
        [
            self.key.clone(),
            self.ends[0].to_string(),
            self.ends[1].to_string(),
            duration(self.first.since(start)),
            duration(self.lasted),
            size(from_a),
            size(from_b),
            size(from_a.saturating_add(from_b)),
            self.verdict.clone(),
        ]
    }
}

/// A table whose columns have their widths.
#[derive(Clone, Debug)]
pub struct Table {
    style: Style,
    start: Time,
    columns: [Column; COLUMNS],
}

impl Table {
    /// A table as wide as these entries need it. The column `began` counts from `start`.
    pub fn new(style: &Style, start: Time, entries: &[Entry]) -> Table {
        Table::with(style, start, entries, |_| 0)
    }

    /// The same with some room, for a first batch behind which more will come.
    pub fn with_more_to_come(style: &Style, start: Time, first_batch: &[Entry]) -> Table {
        Table::with(style, start, first_batch, Kind::usual)
    }

    fn with(style: &Style, start: Time, entries: &[Entry], least: fn(Kind) -> usize) -> Table {
        let mut columns =
            HEADS.map(|(head, kind)| Column { kind, wanted: width(head).max(least(kind)), width: 0 });
        let mut verdicts = Vec::with_capacity(entries.len());
        for entry in entries {
            for (column, cell) in columns.iter_mut().zip(entry.cells(start)) {
                match column.kind {
                    Kind::Verdict => verdicts.push(width(&cell)),
                    _ => column.wanted = column.wanted.max(width(&cell)),
                }
            }
        }
        if let Some(verdict) = columns.last_mut() {
            verdict.wanted = verdict.wanted.max(usual(verdicts));
        }
        fit(&mut columns, style.width.max(NARROWEST));
        Table { style: *style, start, columns }
    }

    /// The line of heads.
    pub fn head(&self) -> String {
        let mut out = String::new();
        let heads = HEADS.map(|(head, _)| (Role::Frame, head));
        self.line(heads).write(&mut out, &self.style);
        out
    }

    /// A line for each entry. A cell that is wider than its column shifts the rest of its line.
    pub fn lines(&self, entries: &[Entry]) -> String {
        let mut out = String::new();
        for entry in entries {
            let cells = entry.cells(self.start);
            let mut shown = cells.each_ref().map(|cell| (Role::Plain, cell.as_str()));
            if entry.is_worth_a_look {
                shown[COLUMNS - 1].0 = Role::Finding;
            }
            self.line(shown).write(&mut out, &self.style);
        }
        out
    }

    fn line(&self, cells: [(Role, &str); COLUMNS]) -> Line {
        let total = self.style.width.max(NARROWEST);
        let mut line = Line::default();
        let mut column_start = 0;
        for (column, (role, cell)) in self.columns.iter().zip(cells).filter(|(column, _)| column.width > 0) {
            let end = column_start + column.width;
            let start = if column_start == 0 { 0 } else { column_start.max(line.columns() + 1) };
            let room = total.saturating_sub(start);
            match column.kind {
                Kind::Key | Kind::Number(_) | Kind::Instead => {
                    line.pad_to(start).right_aligned(role, &cut(cell, room), end)
                }
                Kind::Address => line.pad_to(start).push(role, &cut_address(cell, column.width.min(room))),
                Kind::Verdict => line.pad_to(start).push(role, &cut(cell, room)),
            };
            column_start = end + GAP;
        }
        line
    }
}

/// How many columns there are.
const COLUMNS: usize = 9;

const HEADS: [(&str, Kind); COLUMNS] = [
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

impl Kind {
    /// Columns that hold what usually comes.
    fn usual(self) -> usize {
        match self {
            Kind::Key => "udp:99999".len(),
            Kind::Address => "192.168.100.200:65535".len(),
            Kind::Number(BOTH_WAYS) | Kind::Instead => "1.20 MiB".len(),
            Kind::Number(_) => "2 min 5 s".len(),
            Kind::Verdict => VERDICT,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Column {
    kind: Kind,
    /// As wide as its widest cell.
    wanted: usize,
    /// As wide as it is drawn; 0 when it is given up.
    width: usize,
}

/// Gives each column its width: addresses shrink first, then columns are given up, the last one takes the rest.
fn fit(columns: &mut [Column], total: usize) {
    show(columns, |kind| kind != Kind::Instead);
    shrink_addresses(columns, total, VERDICT, ADDRESS);
    for priority in 1..=BOTH_WAYS {
        if needed(columns, VERDICT) > total {
            give_up(columns, Kind::Number(priority));
            show(columns, |kind| priority == BOTH_WAYS && kind == Kind::Instead);
        }
    }
    if needed(columns, VERDICT) > total {
        give_up(columns, Kind::Instead);
    }
    // Room may be left again now, or there is still too little: then the verdict is cut before the addresses are.
    show(columns, |kind| kind == Kind::Address);
    shrink_addresses(columns, total, VERDICT, ADDRESS);
    shrink_addresses(columns, total, SHORT_VERDICT, 5);
    let before: usize = needed(columns, 0);
    if let Some(verdict) = columns.last_mut() {
        verdict.width = total.saturating_sub(before);
    }
}

/// What three of four need: one long verdict among many short ones is cut, for which no row gives up a column.
fn usual(mut widths: Vec<usize>) -> usize {
    widths.sort_unstable();
    let last = widths.len().saturating_sub(1);
    widths.get(last * 3 / 4).copied().unwrap_or(0)
}

/// The host is shortened in its middle; the port, by which ends of one host are told apart, stays whole as long as there is
/// room for anything beside it.
fn cut_address(address: &str, room: usize) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let of_port = if port.is_empty() { 0 } else { width(port) + 1 };
    match room.checked_sub(of_port).filter(|of_host| *of_host >= LEAST_OF_HOST) {
        Some(of_host) if of_port > 0 => format!("{}:{port}", cut_middle(host, of_host)),
        _ => cut_middle(address, room),
    }
}

/// Makes columns as wide as their widest cell.
fn show(columns: &mut [Column], which: impl Fn(Kind) -> bool) {
    for column in columns.iter_mut().filter(|column| which(column.kind)) {
        column.width = column.wanted;
    }
}

fn give_up(columns: &mut [Column], kind: Kind) {
    columns.iter_mut().filter(|column| column.kind == kind).for_each(|column| column.width = 0);
}

fn shrink_addresses(columns: &mut [Column], total: usize, of_verdict: usize, least: usize) {
    while needed(columns, of_verdict) > total {
        let addresses =
            columns.iter_mut().filter(|column| column.kind == Kind::Address && column.width > least);
        let Some(widest) = addresses.max_by_key(|column| column.width) else { return };
        widest.width -= 1;
    }
}

/// All columns with their gaps; of the verdict no more than this.
fn needed(columns: &[Column], of_verdict: usize) -> usize {
    let shown = columns.iter().filter(|column| column.width > 0 && column.kind != Kind::Verdict);
    let verdict = columns.last().map_or(0, |verdict| verdict.width.min(of_verdict));
    shown.map(|column| column.width + GAP).sum::<usize>() + verdict
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

    /// Fifteen short verdicts and a long one, on one machine.
    fn one_long_verdict(width: usize) -> String {
        let flows = (0..16).map(|number: u16| {
            let mut flow = if number == 7 { sample::one_loss() } else { sample::refused() };
            (flow.a, flow.b) = (([127, 0, 0, 1], 43_200 + number).into(), ([127, 0, 0, 1], 8000).into());
            flow.stream = number.into();
            flow
        });
        text(&flows.collect::<Vec<_>>(), &Style { width, ..Style::default() })
    }

    #[test]
    fn one_long_verdict_costs_the_others_nothing() {
        let narrow = one_long_verdict(60);
        assert_eq!(narrow.matches("127.0.0.1:432").count(), 16, "{narrow}");
        assert_eq!(narrow.matches("127.0.0.1:8000").count(), 16, "{narrow}");
        let wide = one_long_verdict(80);
        assert!(["lasted", "a → b", "b → a"].iter().all(|head| wide.contains(head)), "{wide}");
    }

    #[test]
    fn a_port_stays_whole() {
        assert_eq!(cut_address("127.0.0.1:43266", 15), "127.0.0.1:43266");
        assert_eq!(cut_address("192.168.100.200:43266", 12), "19…200:43266");
        assert_eq!(cut_address("[2001:db8::7]:443", 9), "[2…7]:443");
        assert_eq!(width(&cut_address("127.0.0.1:43266", 5)), 5);
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

    fn of_both() -> Vec<Entry> {
        let datagrams = sample::datagrams::all();
        let tcp = some();
        let mut entries: Vec<Entry> = tcp.iter().take(2).map(Entry::of_tcp).collect();
        entries.extend(datagrams.iter().map(Entry::of_udp));
        entries
    }

    #[test]
    fn conversations_of_both_transports_stand_in_one_table() {
        insta::assert_snapshot!(of_all(&of_both(), &Style { width: 130, ..Style::default() }));
    }

    #[test]
    fn what_is_worth_a_look_is_coloured() {
        let drawn = of_all(&of_both(), &Style { width: 130, color: true, ..Style::default() });
        let coloured = |words: &str| {
            let line = drawn.lines().find(|line| line.contains(words));
            line.expect("such a line").contains(&format!("{}{words}", Role::Finding.look().terminal))
        };
        assert!(coloured("nobody answered 3 datagrams") && coloured("port unreachable, told"), "{drawn}");
        assert!(!coloured("to a group"), "{drawn}");
    }

    #[test]
    fn later_batches_keep_to_the_columns() {
        let style = Style { width: 130, ..Style::default() };
        let mut entries = of_both();
        let table = Table::with_more_to_come(&style, Time::ZERO, &entries[..2]);
        entries[5].key = "udp:123456789012".to_owned();
        insta::assert_snapshot!(table.head() + &table.lines(&entries[..2]) + &table.lines(&entries[2..]));
    }

    #[test]
    fn a_table_drawn_at_once_and_in_batches_is_the_same() {
        let (style, entries) = (Style { width: 120, ..Style::default() }, of_both());
        let table = Table::new(&style, Time::ZERO, &entries);
        let batches: String = entries.chunks(2).map(|batch| table.lines(batch)).collect();
        assert_eq!(table.head() + &batches, of_all(&entries, &style));
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide(
            flows in prop::collection::vec(sample::arbitrary(), 1..4),
            datagrams in prop::collection::vec(sample::datagrams::arbitrary(), 1..4),
            width in 0usize..150,
        ) {
            let style = Style { width, ..Style::default() };
            let first: Vec<Entry> = flows.iter().map(Entry::of_tcp).collect();
            let later: Vec<Entry> = datagrams.iter().map(Entry::of_udp).collect();
            let table = Table::with_more_to_come(&style, Time::ZERO, &first);
            let exact = Table::new(&style, Time(5), &first);
            let drawn = [
                of_all(&later, &style),
                table.head() + &table.lines(&first) + &table.lines(&later),
                exact.lines(&later),
            ];
            for line in drawn.iter().flat_map(|text| text.lines()) {
                prop_assert!(crate::columns::width(line) <= width.max(NARROWEST), "{line:?}");
            }
        }
    }
}
