//! Conversations drawn or told one after the other: ladders, stories, state diagrams; one of them also as a picture.

use draw::{Names, state_diagram as diagram};
use flow::{Departed, Limits};
use wire::Fault;

use super::reading::{Capture, Seen};
use super::view::{self, Chosen, View};
use super::{state_diagram, story};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{Conversation, Naming, Svg};

/// What is drawn of each conversation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// The ladder, with what it means.
    Ladder,
    /// The conversation in prose.
    Story(story::Extent),
    /// TCP's state diagram, with the way of both ends.
    StateDiagram,
}

/// The pictures: of each conversation at the end of the capture, or when it has to make room.
pub(super) struct Pictures {
    kind: Kind,
    svg: Svg,
    shown: u64,
    /// Conversations of UDP, where TCP alone is shown.
    left_out: u64,
}

impl Pictures {
    pub(super) fn new(kind: Kind, svg: Svg) -> Pictures {
        Pictures { kind, svg, shown: 0, left_out: 0 }
    }

    /// Shows a conversation, with its number where it is one of `several`.
    fn show(&mut self, conversation: Conversation<'_>, several: bool, naming: Naming, seen: Seen, out: &Out) {
        let style = &out.stdout;
        let text = match (self.kind, conversation) {
            (Kind::Ladder, any) => {
                let number = if several { format!("conversation {}\n", any.number()) } else { String::new() };
                format!("{number}{}", any.ladder_since(seen.start(), naming, style))
            }
            (Kind::Story(extent), Conversation::Tcp(flow)) => {
                story::text(seen.start(), flow, extent, naming, style)
            }
            (Kind::StateDiagram, Conversation::Tcp(flow)) => {
                state_diagram::text(flow, several, naming, style)
            }
            (Kind::Story(_) | Kind::StateDiagram, Conversation::Udp(_)) => {
                self.left_out += 1;
                return;
            }
        };
        if self.shown > 0 {
            out.print("\n");
        }
        out.print(&text);
        self.shown += 1;
    }
}

impl View for Pictures {
    fn limits(&self) -> Limits {
        let limits = match self.kind {
            Kind::Ladder => Limits::default(),
            Kind::Story(_) | Kind::StateDiagram => view::long_memory(),
        };
        Limits { departed: true, ..limits }
    }

    fn departed(&mut self, gone: &Departed, seen: &Seen, out: &Out) {
        self.show(Conversation::of_departed(gone), true, Names::of_addresses, *seen, out);
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        let udp = if matches!(self.kind, Kind::Ladder) { chosen.udp.len() } else { 0 };
        let several = chosen.tcp.len() + udp > 1 || self.shown > 0;
        for conversation in chosen.in_order() {
            self.show(conversation, several, capture.naming, capture.seen, out);
        }
        view::tell_of_datagrams(self.left_out, out);
        let svg = std::mem::take(&mut self.svg);
        let drawn = match self.kind {
            Kind::StateDiagram => view::draw_as(diagram::svg, svg, &chosen, capture, out)?,
            Kind::Ladder | Kind::Story(_) => view::draw(svg, &chosen, capture, out)?,
        };
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}
