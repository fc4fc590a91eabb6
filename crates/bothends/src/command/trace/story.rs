//! `--story`: each conversation told in prose.

use draw::{Names, Style, story};
use flow::{Flow, Limits};
use wire::Fault;

use super::reading::Capture;
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{Naming, Svg};

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Extent {
    /// The first and the last turns.
    #[value(help = "The first and the last turns.")]
    Short,
    /// Every turn.
    #[value(help = "Every turn.")]
    All,
}

/// The stories, told at the end.
pub(super) struct Stories {
    extent: Extent,
    svg: Svg,
}

impl Stories {
    pub(super) fn new(extent: Extent, svg: Svg) -> Stories {
        Stories { extent, svg }
    }
}

impl View for Stories {
    fn limits(&self) -> Limits {
        view::long_memory()
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        out.print(&text(&chosen.tcp, capture.naming, &out.stdout, self.extent));
        chosen.tell_of_datagrams(out);
        let drawn = view::draw(std::mem::take(&mut self.svg), &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}

/// The stories of all conversations, with blank lines between.
fn text(flows: &[&Flow], naming: Naming, style: &Style, extent: Extent) -> String {
    let most = match extent {
        Extent::Short => story::LINES,
        Extent::All => usize::MAX,
    };
    let story = |flow: &&Flow| {
        let (names, heads) = cast(flow, naming([flow.a, flow.b]));
        format!("{heads}{}", story::text(flow, &names, style, most))
    };
    flows.iter().map(story).collect::<Vec<_>>().join("\n")
}

/// What the ends are called in the story, and a line that says who they are. Where the opening was seen the opener is
/// the client; else nobody knows, and they keep their addresses.
fn cast(flow: &Flow, names: Names) -> (Names, String) {
    let addresses = Names::addresses(flow);
    let names = if flow.saw_opening && names == addresses { Names::roles(flow) } else { names };
    let who = |name: &str, address: &str| match name == address {
        true => name.to_owned(),
        false => format!("{name} {address}"),
    };
    let (a, b) = (who(names.subject_a(), &addresses.a), who(names.subject_b(), &addresses.b));
    let heads = format!("conversation {}: {a}, {b}\n\n", flow.stream);
    (names, heads)
}
