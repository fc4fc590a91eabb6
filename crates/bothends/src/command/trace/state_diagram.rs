//! `--state-diagram`: TCP's state diagram for each conversation, with the way of both ends; as a picture for one.

use draw::{Style, state_diagram, verdict};
use flow::{Flow, Limits};
use wire::Fault;

use super::reading::Capture;
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{Naming, Svg};

/// The diagrams, drawn at the end.
pub(super) struct Diagrams {
    svg: Svg,
}

impl Diagrams {
    pub(super) fn new(svg: Svg) -> Diagrams {
        Diagrams { svg }
    }
}

impl View for Diagrams {
    fn limits(&self) -> Limits {
        view::long_memory()
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        out.print(&text(&chosen.tcp, capture.naming, &out.stdout));
        chosen.tell_of_datagrams(out);
        let svg = std::mem::take(&mut self.svg);
        let drawn = view::draw_as(state_diagram::svg, svg, &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}

/// The diagrams of all conversations, each with its verdict, with blank lines between.
fn text(flows: &[&Flow], naming: Naming, style: &Style) -> String {
    let diagram = |flow: &&Flow| {
        let names = naming([flow.a, flow.b]);
        let drawn = state_diagram::text(flow, &names, style);
        let number = if flows.len() > 1 { format!("conversation {}\n", flow.stream) } else { String::new() };
        format!("{number}{drawn}\n{}", verdict::wrapped(flow, &names, style))
    };
    flows.iter().map(diagram).collect::<Vec<_>>().join("\n")
}
