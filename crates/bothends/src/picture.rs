//! Followed conversations, shown: ladders, verdicts, lists, the SVG, the records. `trace` and `lab` share it, so that a
//! capture tells the same as the lab did.

use std::net::SocketAddr;
use std::path::PathBuf;

use draw::list::Entry;
use draw::{Names, Style, ladder, list, verdict};
use flow::{Counters, DatagramFlow, Departed, Flow};
use lab::event::Role;
use wire::{Fault, Time};

use crate::files::LateFile;
use crate::out::Out;
use crate::record::{self, Record, World};

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

    /// What became of it, in words.
    pub fn verdict(self, naming: Naming, style: &Style) -> String {
        match self {
            Conversation::Tcp(flow) => verdict::wrapped(flow, &naming([flow.a, flow.b]), style),
            Conversation::Udp(flow) => verdict::datagrams::wrapped(flow, &naming([flow.a, flow.b]), style),
        }
    }

    /// Its line in a list.
    pub fn entry(self) -> Entry {
        match self {
            Conversation::Tcp(flow) => Entry::of_tcp(flow),
            Conversation::Udp(flow) => Entry::of_udp(flow),
        }
    }

    /// Its number, as `--only` takes it: `0`, `udp:0`.
    pub fn number(self) -> String {
        match self {
            Conversation::Tcp(flow) => flow.stream.to_string(),
            Conversation::Udp(flow) => format!("udp:{}", flow.stream),
        }
    }

    /// When its first frame was sent.
    fn first(self) -> Time {
        match self {
            Conversation::Tcp(flow) => flow.first,
            Conversation::Udp(flow) => flow.first,
        }
    }

    /// The ladder and under it what it means. Times count from its first frame.
    pub fn ladder(self, naming: Naming, style: &Style) -> String {
        self.ladder_since(self.first(), naming, style)
    }

    /// The same with times that count from `start`, the capture's first frame.
    pub fn ladder_since(self, start: Time, naming: Naming, style: &Style) -> String {
        let drawn = match self {
            Conversation::Tcp(flow) => ladder::text_since(start, flow, &naming([flow.a, flow.b]), style),
            Conversation::Udp(flow) => ladder::datagrams_since(start, flow, &naming([flow.a, flow.b]), style),
        };
        format!("{drawn}\n{}", self.verdict(naming, style))
    }

    /// The ladder as a picture. Times count from its first frame.
    pub fn svg(self, naming: Naming) -> String {
        self.svg_since(self.first(), naming)
    }

    /// The same with times that count from `start`, the capture's first frame.
    pub fn svg_since(self, start: Time, naming: Naming) -> String {
        match self {
            Conversation::Tcp(flow) => ladder::svg_since(start, flow, &naming([flow.a, flow.b])),
            Conversation::Udp(flow) => ladder::svg_of_datagrams_since(start, flow, &naming([flow.a, flow.b])),
        }
    }
}

/// The ladders of several conversations, with a blank line between them.
pub fn ladders(conversations: &[Conversation<'_>], naming: Naming, style: &Style) -> String {
    let ladders: Vec<String> = conversations.iter().map(|one| one.ladder(naming, style)).collect();
    ladders.join("\n")
}

/// What became of the conversations, in words: one gets its verdict, several get a list.
pub fn verdicts(conversations: &[Conversation<'_>], naming: Naming, style: &Style) -> String {
    match conversations {
        [one] => one.verdict(naming, style),
        _ => {
            let entries: Vec<Entry> = conversations.iter().map(|one| one.entry()).collect();
            list::of_all(&entries, style)
        }
    }
}

/// Every segment and datagram in the order of the capture, where they are wanted, then every conversation: those of
/// TCP, then those of UDP.
pub fn records(
    tcp: &[&Flow],
    udp: &[&DatagramFlow],
    start: Time,
    world: World,
    with_packets: bool,
    out: &Out,
) {
    if with_packets {
        let segments = tcp.iter().flat_map(|flow| {
            flow.rows.iter().map(|row| (row.frame, record::segment(flow.stream, row, start, world)))
        });
        let datagrams = udp.iter().flat_map(|flow| {
            flow.rows.iter().map(|row| (row.frame, record::datagram(flow.stream, row, start, world)))
        });
        let mut packets: Vec<(u64, Record)> = segments.chain(datagrams).collect();
        packets.sort_by_key(|(frame, _)| *frame);
        packets.iter().for_each(|(_, packet)| out.record(packet));
    }
    tcp.iter().for_each(|flow| out.record(&record::flow(flow, start, world)));
    udp.iter().for_each(|flow| out.record(&record::datagram_flow(flow, start, world)));
}

/// The frames that belong to no conversation that is followed, by what they are: those that there are.
pub fn not_followed(counters: Counters) -> Vec<(&'static str, u64)> {
    let kinds = [
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

/// The file that a picture goes to, opened early. It stays as it was where there is nothing to draw.
#[derive(Default)]
pub struct Svg(Option<LateFile>);

impl Svg {
    /// Opens the file, if one was asked for.
    ///
    /// # Errors
    /// Those of [`LateFile::create`].
    pub fn create(path: Option<&PathBuf>) -> Result<Svg, Fault> {
        path.map(|path| LateFile::create(path)).transpose().map(Svg)
    }

    /// Draws the conversation as a ladder.
    ///
    /// # Errors
    /// Those of [`LateFile::finish`].
    pub fn finish(self, flow: &Flow, naming: Naming) -> Result<(), Fault> {
        self.finish_with(&Conversation::Tcp(flow).svg(naming))
    }

    /// Writes this drawing.
    ///
    /// # Errors
    /// Those of [`LateFile::finish`].
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

    /// There is nothing to draw: says so, where a picture was asked for, and what became of its file.
    pub fn nothing_to_draw(self, out: &Out) {
        if let Some(file) = self.0 {
            let became = if file.is_new() { "is not made" } else { "stays as it was" };
            out.tell(&format!("there is no conversation to draw, so {} {became}\n", file.path().display()));
        }
    }
}
