//! Ladders: each conversation drawn, with what it means.

use wire::Fault;

use super::reading::Capture;
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::Svg;

/// The ladders, drawn at the end.
pub(super) struct Ladders {
    svg: Svg,
}

impl Ladders {
    pub(super) fn new(svg: Svg) -> Ladders {
        Ladders { svg }
    }
}

impl View for Ladders {
    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        for (place, conversation) in chosen.in_order().into_iter().enumerate() {
            let between = if place == 0 { "" } else { "\n" };
            out.print(between);
            out.print(&conversation.ladder(capture.naming, &out.stdout));
        }
        let drawn = view::draw(std::mem::take(&mut self.svg), &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}
