//! The listing: rows as they come from the kernel, batch by batch, or all of them where they have to be put in order.

use std::collections::HashMap;

use draw::sockets::{Pair, Table as Drawing, Under, order};
use kernel::sock_diag::{Reading, Table};
use kernel::sockets::Sockets;
use wire::socket_filter::Family;
use wire::socket_row::{Kind, SocketRow, SocketState, States};
use wire::{Doing, End, Fault};

use super::{Flags, View, place, stored};
use crate::exit::Exit;
use crate::record::{self, Shape};

/// Rows that are drawn at once: their memory is all that a long list takes.
const BATCH: usize = 4096;

pub(super) fn show(view: &mut View<'_>) -> Result<Exit, Fault> {
    if view.flags.needs_owners(view.out.json) {
        view.system.read_owners();
    }
    let ordered = view.flags.how.sort.is_some()
        || view.flags.how.pairs
        || view.flags.how.tree
        || view.flags.what.explain;
    let unowned = if ordered || view.choice.kinds.iter().any(|kind| kind.is_unix()) {
        let rows = view.rows()?;
        view.draw(&rows);
        rows.iter().filter(|row| is_unowned(row, view)).count()
    } else {
        streamed(view)?
    };
    view.tell_what_is_hidden(unowned);
    view.damage.take().map_or(Ok(Exit::Ok), Err)
}

/// Batch by batch; gives how many sockets have a process that is not seen.
fn streamed(view: &mut View<'_>) -> Result<usize, Fault> {
    let columns = view.flags.columns(&view.choice);
    let mut drawing = Drawing::new(&view.out.stdout, &columns, view.flags.extras());
    let mut batch: Vec<SocketRow> = Vec::with_capacity(BATCH);
    let (mut unowned, mut heads) = (0, !view.flags.how.no_header);
    let tables = tables(view);
    let View { sockets, choice, filter, system, out, flags, .. } = &mut *view;
    let mut each = |row: SocketRow| {
        if !choice.has(&row) || !filter.matches(&row) {
            return;
        }
        batch.push(row);
        if batch.len() >= BATCH {
            unowned += batch.iter().filter(|row| lacks_owner(row, system)).count();
            print(&mut drawing, &batch, std::mem::take(&mut heads), system, out);
            batch.clear();
        }
    };
    let answer = match &flags.which.from {
        Some(file) => stored::rows(file, &mut each).map(|()| Reading::Whole),
        None => from_kernel(sockets, &tables, choice.states, flags, out.json, &mut each),
    };
    // What could be read is shown, whatever ended it.
    unowned += batch.iter().filter(|row| lacks_owner(row, system)).count();
    print(&mut drawing, &batch, heads, system, out);
    view.tell_how_it_was_read(answer?);
    Ok(unowned)
}

/// One table after the other, a row at a time.
fn from_kernel(
    sockets: &mut Sockets,
    tables: &[Table],
    states: States,
    flags: &Flags,
    json: bool,
    mut each: impl FnMut(SocketRow),
) -> Result<Reading, Fault> {
    let mut reading = Reading::Whole;
    for table in tables {
        match sockets.rows(*table, states, flags.extensions(json), &mut each) {
            Ok(Reading::Changed) => reading = Reading::Changed,
            Ok(Reading::Whole) => {}
            Err(errno) => return Err(Fault::errno(End::Us, Doing::Read, place(flags), errno)),
        }
    }
    Ok(reading)
}

fn print(
    drawing: &mut Drawing,
    rows: &[SocketRow],
    heads: bool,
    system: &super::System,
    out: &crate::out::Out,
) {
    if out.json {
        rows.iter().for_each(|row| out.record(&record::socket(row, None, system)));
    } else if heads {
        out.print(&drawing.head_and_lines(rows, system));
    } else {
        out.print(&drawing.lines(rows, system));
    }
}

/// The requests that the choice takes, in the order in which ss(8) lists; none where the answers lie in a file.
fn tables(view: &View<'_>) -> Vec<Table> {
    if view.flags.which.from.is_some() {
        return Vec::new();
    }
    let choice = &view.choice;
    let has = |kind: Kind| choice.kinds.contains(&kind);
    let mut tables = Vec::new();
    if choice.has_family(Family::Packet) && choice.states.has(SocketState::CLOSED) {
        tables.push(Table::Packet);
    }
    if choice.has_family(Family::Unix) {
        tables.push(Table::Unix);
    }
    let (four, six) = (choice.has_family(Family::Inet), choice.has_family(Family::Inet6));
    for kind in [Kind::Raw, Kind::Udp, Kind::Tcp].into_iter().filter(|kind| has(*kind)) {
        if kind == Kind::Tcp && four && six {
            // One way through the kernel's table instead of two.
            tables.push(Table::Tcp);
            continue;
        }
        tables.extend(four.then_some(Table::Internet { kind, ipv6: false }));
        tables.extend(six.then_some(Table::Internet { kind, ipv6: true }));
    }
    tables
}

fn is_unowned(row: &SocketRow, view: &View<'_>) -> bool {
    lacks_owner(row, &view.system)
}

fn lacks_owner(row: &SocketRow, system: &super::System) -> bool {
    use draw::sockets::Surroundings as _;
    row.inode != 0 && system.owners(row.inode).is_empty()
}

impl View<'_> {
    /// All rows, in order.
    pub(super) fn rows(&mut self) -> Result<Vec<SocketRow>, Fault> {
        let extensions = self.flags.extensions(self.out.json);
        let mut rows = Vec::new();
        let mut reading = Reading::Whole;
        if let Some(file) = &self.flags.which.from {
            let is_meant = |row: &SocketRow| self.choice.has(row) && self.filter.matches(row);
            let answer = stored::rows(file, |row| rows.extend(Some(row).filter(is_meant)));
            // It is told behind what could be read.
            self.damage = answer.err();
        }
        for table in tables(self) {
            let fault = |errno| Fault::errno(End::Us, Doing::Read, place(self.flags), errno);
            let states =
                if table == Table::Unix { wire::socket_row::States(u32::MAX) } else { self.choice.states };
            let (mut more, how) = self.sockets.all(table, states, extensions).map_err(fault)?;
            if how == Reading::Changed {
                reading = how;
            }
            if table == Table::Unix {
                // The other ends have names too, though they may not be wanted themselves.
                self.system.remember_names(more.iter());
            }
            more.retain(|row| self.choice.has(row) && self.filter.matches(row));
            rows.append(&mut more);
        }
        if let Some(sorting) = self.flags.how.sort {
            rows.sort_by_cached_key(|row| sorting.by.key(row, &self.system));
            if sorting.greatest_first {
                rows.reverse();
            }
        }
        self.tell_how_it_was_read(reading);
        Ok(rows)
    }

    /// Draws all rows in the shape that was asked for.
    pub(super) fn draw(&self, rows: &[SocketRow]) {
        if !self.out.json {
            return self.out.print(&self.text(rows));
        }
        let others = other_ends(rows);
        for (place, shape) in self.shaped(rows) {
            let sentence = self.flags.what.explain.then(|| sentence(rows, place, &others));
            let record = record::socket(&rows[place], sentence.as_deref(), &self.system);
            self.out.record(&record::shaped(record, &shape));
        }
    }

    /// The places of the rows in the order in which they are shown, and what the shape that was asked for says of each.
    fn shaped(&self, rows: &[SocketRow]) -> Vec<(usize, Shape<'_>)> {
        let mut all = Vec::new();
        if self.flags.how.pairs {
            for (number, pair) in (1..).zip(Pair::among(rows)) {
                let shape = |role| Shape::Pair { number, role };
                all.push((pair.a, shape(pair.b.map(|_| "client"))));
                all.extend(pair.b.map(|b| (b, shape(Some("server")))));
            }
        } else if self.flags.how.tree {
            all.extend(order(rows, &self.system).into_iter().map(|(under, place)| match under {
                Under::Process(owner) => (place, Shape::Under(owner)),
                Under::Unseen | Under::Nobody => (place, Shape::Plain),
            }));
        } else {
            all.extend((0..rows.len()).map(|place| (place, Shape::Plain)));
        }
        all
    }

    /// The same as text.
    pub(super) fn text(&self, rows: &[SocketRow]) -> String {
        let (style, heads) = (&self.out.stdout, !self.flags.how.no_header);
        if self.flags.how.pairs && self.flags.what.explain {
            let others = other_ends(rows);
            let turn = |place: usize| sentence(rows, place, &others);
            return draw::sockets::pairs_explained(rows, heads, style, &self.system, &turn);
        }
        if self.flags.how.pairs {
            return draw::sockets::pairs(rows, heads, style, &self.system);
        }
        if self.flags.how.tree {
            return draw::sockets::tree(rows, style, &self.system);
        }
        let mut drawing = Drawing::new(style, &self.flags.columns(&self.choice), self.flags.extras());
        match (self.flags.what.explain, heads) {
            (true, _) => self.explained(rows, &drawing.head_and_lines(rows, &self.system)),
            (false, true) => drawing.head_and_lines(rows, &self.system),
            (false, false) => drawing.lines(rows, &self.system),
        }
    }

    /// Heads and lines, with a sentence under each row.
    fn explained(&self, rows: &[SocketRow], drawn: &str) -> String {
        let others = other_ends(rows);
        let mut lines = drawn.lines();
        let heads = lines.next().filter(|_| !self.flags.how.no_header);
        let mut text = heads.map_or_else(String::new, |heads| format!("{heads}\n"));
        let mut lines = lines.peekable();
        for place in 0..rows.len() {
            // What was asked for beside the row stands below it, indented.
            text.extend(lines.next().map(|line| format!("{line}\n")));
            while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
                text.push_str(&format!("{more}\n"));
            }
            let sentence = sentence(rows, place, &others);
            text.push_str(&format!("\t{}\n", wire::visible(&sentence, self.out.stdout.ascii)));
        }
        text
    }

    /// Says so where somebody else's processes are behind sockets that are shown.
    pub(super) fn tell_what_is_hidden(&self, unowned: usize) {
        let hidden = self.system.hidden_processes();
        if unowned == 0 || hidden == 0 || self.out.json {
            return;
        }
        let sockets = draw::number::count(unowned as u64, "socket");
        let processes = draw::number::count(hidden as u64, "process").replace("processs", "processes");
        self.out.tell(&format!(
            "{sockets} without a process: {processes} of other users may not be looked into; root may\n"
        ));
    }

    fn tell_how_it_was_read(&self, reading: Reading) {
        if self.sockets.fell_back() {
            self.out.narrate(1, "the kernel gave some of this only as text (/proc/net): timers, counters and peers may be missing\n");
        }
        if reading == Reading::Changed {
            self.out
                .tell("the table changed while it was read: a socket may be missing, or be there twice\n");
        }
    }
}

/// What a row waits for, in words.
fn sentence(rows: &[SocketRow], place: usize, others: &HashMap<usize, usize>) -> String {
    explain::waiting::sentence(&rows[place], others.get(&place).map(|other| &rows[*other]))
}

/// The place of the other end of each row, where it is among them.
fn other_ends(rows: &[SocketRow]) -> HashMap<usize, usize> {
    let pairs = Pair::among(rows).into_iter().filter_map(|pair| Some((pair.a, pair.b?)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}
