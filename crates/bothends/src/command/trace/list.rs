//! The list: a line for each conversation, and how it ended.

use draw::list;
use flow::{Departed, Limits, Rows};
use wire::Fault;

use super::reading::{Capture, Seen};
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::Svg;

/// Conversations that had to make room are shown together in so many.
const BATCH: usize = 512;

/// Rows that are kept of a conversation, to tell what began earlier.
const ROWS: usize = 32;

/// The list, shown at the end; what had to make room before that, in batches.
pub(super) struct Listing {
    svg: Svg,
    departed: Vec<Departed>,
}

impl Listing {
    pub(super) fn new(svg: Svg) -> Listing {
        Listing { svg, departed: Vec::new() }
    }

    fn show_departed(&mut self, out: &Out) {
        let flows = self.departed.iter().filter_map(|gone| match gone {
            Departed::Tcp(flow) => Some(flow.as_ref()),
            Departed::Udp(_) => None,
        });
        out.print(&list::text(flows, &out.stdout));
        self.departed.clear();
    }
}

impl View for Listing {
    fn limits(&self) -> Limits {
        let rows = if self.svg.is_wanted() { Limits::default().rows } else { Rows::Kept(ROWS) };
        Limits { rows, rows_in_all: 100_000, departed: true, ..Limits::default() }
    }

    fn departed(&mut self, gone: &Departed, _: &Seen, out: &Out) {
        self.departed.push(gone.clone());
        if self.departed.len() >= BATCH {
            self.show_departed(out);
        }
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        self.show_departed(out);
        let chosen = Chosen::of(capture);
        out.print(&list::text(chosen.tcp.iter().copied(), &out.stdout));
        let drawn = view::draw(std::mem::take(&mut self.svg), &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}
