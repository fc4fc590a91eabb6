//! `--state-diagram`: TCP's state diagram for a conversation, with the way of both ends.

use draw::{Style, state_diagram, verdict};
use flow::Flow;

use crate::picture::Naming;

/// The diagram with its verdict, under the number of the conversation where it is one of `several`.
pub(super) fn text(flow: &Flow, several: bool, naming: Naming, style: &Style) -> String {
    let names = naming([flow.a, flow.b]);
    let number = if several { format!("conversation {}\n", flow.stream) } else { String::new() };
    let drawn = state_diagram::text(flow, &names, style);
    format!("{number}{drawn}\n{}", verdict::wrapped(flow, &names, style))
}
