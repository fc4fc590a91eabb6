//! `--story`: each conversation told in prose.

use draw::{Names, Style, story};
use flow::Flow;
use wire::Time;

use crate::picture::Naming;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Extent {
    #[value(help = "The first and the last turns.")]
    Short,
    #[value(help = "Every turn.")]
    All,
}

/// The story of one conversation, under a line that says who is who. Times count from `start`.
pub(super) fn text(start: Time, flow: &Flow, extent: Extent, naming: Naming, style: &Style) -> String {
    let most = match extent {
        Extent::Short => story::LINES,
        Extent::All => usize::MAX,
    };
    let (names, heads) = cast(flow, naming([flow.a, flow.b]));
    format!("{heads}{}", story::text(start, flow, &names, style, most))
}

/// What the ends are called in the story, and a line that says who they are. Where the opening was seen the opener is
/// the client; else nobody knows, and they keep their addresses.
fn cast(flow: &Flow, names: Names) -> (Names, String) {
    let addresses = Names::addresses(flow);
    let names = if flow.saw_opening && names == addresses && !flow.is_to_itself() {
        Names::roles(flow)
    } else {
        names
    };
    let who = |name: &str, address: &str| match name == address {
        true => name.to_owned(),
        false => format!("{name} {address}"),
    };
    let (a, b) = (who(names.subject_a(), &addresses.a), who(names.subject_b(), &addresses.b));
    let b = if flow.is_to_itself() { "and itself".to_owned() } else { b };
    let heads = format!("conversation {}: {a}, {b}\n\n", flow.stream);
    (names, heads)
}
