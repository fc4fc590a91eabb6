//! How it looks: ladders, tables and verdicts as text and SVG. Pure: model in, `String` out; it asks no terminal.
//!
//! Text and picture are drawn from the same [`ladder`] steps, so that they cannot tell different stories. Strings from
//! strangers pass through [`wire::visible`] first: what reaches the terminal or the SVG holds no control characters.

use std::net::SocketAddr;

use flow::Flow;

pub mod address;
pub mod buffers;
pub mod bytes;
pub mod calls;
pub mod columns;
pub mod facts;
pub mod grid;
pub mod ladder;
mod line;
pub mod list;
pub mod moments;
pub mod nesting;
pub mod number;
pub mod palette;
mod printed;
pub mod scene;
pub mod sockets;
pub mod state_diagram;
pub mod story;
pub mod streams;
mod svg;
pub mod transfer;
pub mod verdict;

#[cfg(test)]
mod sample;

/// How text is drawn; what the terminal can do is found out by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns at most; below 40 it is drawn for 40.
    pub width: usize,
    /// With colours (ANSI, sixteen of them).
    pub color: bool,
    /// Only bytes 0x20 to 0x7e and newlines.
    pub ascii: bool,
    /// Lines of a ladder that are drawn one by one when they are all of the same kind (data and its
    /// acknowledgements); the middle of a longer run becomes one line.
    pub run: usize,
    /// Lines of a ladder in all; beyond this only what changes a state is drawn in its middle.
    pub lines: usize,
}

impl Default for Style {
    fn default() -> Style {
        Style { width: 80, color: false, ascii: false, run: 12, lines: 300 }
    }
}

/// What the two ends are called: "client :40712", or an address. They may come from strangers; they are drawn escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The opener.
    pub a: String,
    /// The other end.
    pub b: String,
}

impl Names {
    /// The addresses of both ends.
    pub fn addresses(flow: &Flow) -> Names {
        Names::of_addresses([flow.a, flow.b])
    }

    /// `client :40712` and `server :7`: for the lab, where the roles are known.
    pub fn roles(flow: &Flow) -> Names {
        Names::of_roles([flow.a, flow.b])
    }

    /// The addresses of both ends, for any transport.
    pub fn of_addresses([a, b]: [SocketAddr; 2]) -> Names {
        Names { a: a.to_string(), b: b.to_string() }
    }

    /// The roles of both ends, for any transport; A is the client.
    pub fn of_roles([a, b]: [SocketAddr; 2]) -> Names {
        Names { a: format!("client :{}", a.port()), b: format!("server :{}", b.port()) }
    }

    /// The opener's name as the subject of a sentence: without the port behind a blank.
    pub fn subject_a(&self) -> &str {
        subject(&self.a)
    }

    /// The other end's name as the subject of a sentence.
    pub fn subject_b(&self) -> &str {
        subject(&self.b)
    }
}

fn subject(name: &str) -> &str {
    match name.split_once(" :") {
        Some((before, _)) if !before.is_empty() => before,
        _ => name,
    }
}
