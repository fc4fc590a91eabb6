//! Followed conversations, shown: ladders, verdicts, lists, the SVG, the records. `trace` and `lab` share it, so that a
//! capture tells the same as the lab did.

use std::net::SocketAddr;
use std::path::PathBuf;

use draw::{Names, Style, ladder, list, verdict};
use flow::{Counters, Flow, Row};
use wire::{Fault, Time};

use crate::files::OutputFile;
use crate::out::Out;
use crate::record::{self, World};

/// What the ends are called.
pub type Naming = fn(&Flow) -> Names;

/// The ends of a lab by their roles, whichever of them opened the conversation.
pub fn roles(flow: &Flow) -> Names {
    roles_of([flow.a, flow.b])
}

/// The same for the addresses of opener and other end.
pub fn roles_of([a, b]: [SocketAddr; 2]) -> Names {
    let [role_a, role_b] =
        if a.ip() == lab::config::SERVER_ADDRESS { ["server", "client"] } else { ["client", "server"] };
    Names { a: format!("{role_a} :{}", a.port()), b: format!("{role_b} :{}", b.port()) }
}

/// The ladder and under it what it means.
pub fn story(flow: &Flow, naming: Naming, style: &Style) -> String {
    let names = naming(flow);
    format!("{}\n{}", ladder::text(flow, &names, style), verdict::wrapped(flow, &names, style))
}

/// The stories of several conversations, with a blank line between them.
pub fn stories(flows: &[&Flow], naming: Naming, style: &Style) -> String {
    let stories: Vec<String> = flows.iter().map(|flow| story(flow, naming, style)).collect();
    stories.join("\n")
}

/// What became of the conversations, in words: one gets its verdict, several get a list.
pub fn verdicts(flows: &[&Flow], naming: Naming, style: &Style) -> String {
    match flows {
        [flow] => verdict::wrapped(flow, &naming(flow), style),
        _ => list::text(flows.iter().copied(), style),
    }
}

/// Every segment in the order of the capture, then every conversation.
pub fn records(flows: &[&Flow], start: Time, world: World, with_segments: bool, out: &Out) {
    if with_segments {
        let rows = flows.iter().flat_map(|flow| flow.rows.iter().map(move |row| (*flow, row)));
        let mut rows: Vec<(&Flow, &Row)> = rows.collect();
        rows.sort_by_key(|(_, row)| row.frame);
        rows.iter().for_each(|(flow, row)| out.record(&record::segment(flow.stream, row, start, world)));
    }
    flows.iter().for_each(|flow| out.record(&record::flow(flow, start, world)));
}

/// The frames that no conversation of TCP is made of, by what they are: those that there are.
pub fn not_tcp(counters: Counters) -> Vec<(&'static str, u64)> {
    let kinds = [
        ("udp", counters.udp),
        ("icmp", counters.icmp),
        ("arp", counters.arp),
        ("igmp", counters.igmp),
        ("fragment", counters.fragments),
        ("other", counters.other),
        ("unreadable", counters.unreadable),
        ("unsupported_link", counters.unsupported_links),
    ];
    kinds.into_iter().filter(|(_, frames)| *frames > 0).collect()
}

/// The frames that belong to no conversation that is followed, by what they are.
pub fn not_followed(counters: Counters) -> Vec<(&'static str, u64)> {
    not_tcp(Counters { udp: 0, ..counters })
}

/// The file that a picture goes to, opened early.
#[derive(Default)]
pub struct Svg(Option<OutputFile>);

impl Svg {
    /// Opens the file, if one was asked for.
    pub fn create(path: Option<&PathBuf>) -> Result<Svg, Fault> {
        path.map(|path| OutputFile::create(path)).transpose().map(Svg)
    }

    /// Draws the conversation as a ladder.
    pub fn finish(self, flow: &Flow, naming: Naming) -> Result<(), Fault> {
        self.finish_with(&ladder::svg(flow, &naming(flow)))
    }

    /// Writes this drawing.
    pub fn finish_with(self, drawing: &str) -> Result<(), Fault> {
        match self.0 {
            Some(file) => file.finish(drawing),
            None => Ok(()),
        }
    }

    /// Whether a picture was asked for.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }
}
