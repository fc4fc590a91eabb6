//! The list: a line for each conversation, and how it ended.

use draw::list::{Entry, Table};
use flow::{Departed, Limits, Rows};
use wire::Fault;

use super::aside::{Aside, Asides};
use super::reading::{Capture, Seen};
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{Conversation, Svg};

/// Conversations that had to make room are shown together in so many.
const BATCH: usize = 512;

/// Rows that are kept of a conversation, to tell what began earlier.
const ROWS: usize = 32;

/// The list, shown at the end; what had to make room before that, in batches.
pub(super) struct Listing {
    svg: Svg,
    departed: Vec<Entry>,
    asides: Asides,
    /// Once there was a batch.
    table: Option<Table>,
}

impl Listing {
    pub(super) fn new(svg: Svg) -> Listing {
        Listing { svg, departed: Vec::new(), asides: Asides::default(), table: None }
    }

    fn show_departed(&mut self, seen: &Seen, out: &Out) {
        let batch = std::mem::take(&mut self.departed);
        let table = self.table.get_or_insert_with(|| {
            let table = Table::with_more_to_come(&out.stdout, seen.start(), &batch);
            out.print(&table.head());
            table
        });
        out.print(&table.lines(&batch));
    }

    /// What is left: all of it, where nothing had to make room.
    fn show_rest(&mut self, chosen: &Chosen<'_>, seen: &Seen, out: &Out) {
        let mut entries = std::mem::take(&mut self.departed);
        entries.extend(chosen.in_order().into_iter().map(Conversation::entry));
        if entries.is_empty() {
            return;
        }
        match &self.table {
            Some(table) => out.print(&table.lines(&entries)),
            None => {
                let table = Table::new(&out.stdout, seen.start(), &entries);
                out.print(&table.head());
                out.print(&table.lines(&entries));
            }
        }
    }
}

impl View for Listing {
    fn limits(&self) -> Limits {
        let rows = if self.svg.is_wanted() { Limits::default().rows } else { Rows::Kept(ROWS) };
        Limits { rows, rows_in_all: 100_000, departed: true, ..Limits::default() }
    }

    fn aside(&mut self, aside: Aside, _: &Seen, _: &Out) {
        self.asides.take(aside);
    }

    fn departed(&mut self, gone: &Departed, seen: &Seen, out: &Out) {
        self.departed.push(Conversation::of_departed(gone).entry());
        if self.departed.len() >= BATCH {
            self.show_departed(seen, out);
        }
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        self.show_rest(&chosen, &capture.seen, out);
        if capture.choice.is_all() {
            let under_a_list = capture.shown_before > 0 || !chosen.in_order().is_empty();
            self.asides.show(under_a_list, &capture.seen, out);
        }
        let drawn = view::draw(std::mem::take(&mut self.svg), &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}
