//! Followed conversations, shown: ladders, verdicts, lists, the SVG, the records. `trace` and `lab` share it, so that a
//! capture tells the same as the lab did.

use std::net::SocketAddr;
use std::path::PathBuf;

use draw::list::Entry;
use draw::{Names, Style, ladder, list, verdict};
use flow::{Counters, DatagramFlow, Departed, Flow, Row};
use lab::event::Role;
use wire::{Fault, Time};

use crate::files::OutputFile;
use crate::out::Out;
use crate::record::{self, World};

/// What the ends are called, by the addresses of opener and other end.
pub type Naming = fn([SocketAddr; 2]) -> Names;

/// The ends of a lab by their roles, whichever of them opened the conversation.
pub fn roles([a, b]: [SocketAddr; 2]) -> Names {
    let name = |address: SocketAddr| match Role::of(address.ip()) {
        Some(role) => format!("{} :{}", role.name(), address.port()),
        None => address.to_string(),
    };
    Names { a: name(a), b: name(b) }
}

/// A conversation of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Conversation<'a> {
    /// Of TCP.
    Tcp(&'a Flow),
    /// Of UDP.
    Udp(&'a DatagramFlow),
}

impl<'a> Conversation<'a> {
    /// Those of both kinds together, in the order in which they began.
    pub fn merged(tcp: &[&'a Flow], udp: &[&'a DatagramFlow]) -> Vec<Conversation<'a>> {
        let (mut tcp, mut udp) = (tcp.iter().peekable(), udp.iter().peekable());
        let mut merged = Vec::with_capacity(tcp.len() + udp.len());
        loop {
            let udp_is_first = match (tcp.peek(), udp.peek()) {
                (Some(tcp), Some(udp)) => udp.first < tcp.first,
                (tcp, _) => tcp.is_none(),
            };
            let next = match udp_is_first {
                true => udp.next().map(|flow| Conversation::Udp(flow)),
                false => tcp.next().map(|flow| Conversation::Tcp(flow)),
            };
            let Some(next) = next else { return merged };
            merged.push(next);
        }
    }

    /// One that had to make room.
    pub fn of_departed(gone: &'a Departed) -> Conversation<'a> {
        match gone {
            Departed::Tcp(flow) => Conversation::Tcp(flow),
            Departed::Udp(flow) => Conversation::Udp(flow),
        }
    }

    /// Its line in a list.
    pub fn entry(self) -> Entry {
        match self {
            Conversation::Tcp(flow) => Entry::of_tcp(flow),
            Conversation::Udp(flow) => Entry::of_udp(flow),
        }
    }

    /// The ladder and under it what it means.
    pub fn ladder(self, naming: Naming, style: &Style) -> String {
        match self {
            Conversation::Tcp(flow) => story(flow, naming, style),
            Conversation::Udp(flow) => {
                let names = naming([flow.a, flow.b]);
                let drawn = ladder::datagrams(flow, &names, style);
                format!("{drawn}\n{}", verdict::datagrams::wrapped(flow, &names, style))
            }
        }
    }

    /// The ladder as a picture.
    pub fn svg(self, naming: Naming) -> String {
        match self {
            Conversation::Tcp(flow) => ladder::svg(flow, &naming([flow.a, flow.b])),
            Conversation::Udp(flow) => ladder::svg_of_datagrams(flow, &naming([flow.a, flow.b])),
        }
    }
}

/// The ladder and under it what it means.
pub fn story(flow: &Flow, naming: Naming, style: &Style) -> String {
    let names = naming([flow.a, flow.b]);
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
        [flow] => verdict::wrapped(flow, &naming([flow.a, flow.b]), style),
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
        self.finish_with(&Conversation::Tcp(flow).svg(naming))
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
