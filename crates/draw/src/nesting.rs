//! A packet as its layers lie one in another: what each adds in front of what the one above gave it. Read first: RFC 1122
//! §1.1.3 (the layers of the Internet).
//!
//! ```text
//! application                       ┌─────────┐
//!                                   │ data 16 │   16 bytes
//!                          ┌────────┼─────────┤
//! transport                │ TCP 20 │ data 16 │   36 bytes
//!                          └────────┴─────────┘
//! ```

use wire::anatomy::{Family, Layer};

use crate::bytes::Packet;
use crate::columns::width as columns;
use crate::line::Line;
use crate::number::count;
use crate::palette::Role;

/// The most headers that are drawn; where there are more, the innermost are.
const MOST: usize = 6;
/// Columns of the names of layers, if there is room for them, and of the totals.
const NAMES: usize = 13;
const TOTALS: usize = 13;

/// The picture, from the program's bytes down to the frame.
pub(crate) fn lines(packet: &Packet<'_>, width: usize) -> Vec<Line> {
    let layers = shown(&packet.anatomy.layers);
    let cells: Vec<Cell> = layers.iter().map(|layer| Cell::of(layer)).collect();
    let wide: usize = 1 + cells.iter().map(|cell| cell.words.len() + 3).sum::<usize>();
    let names = if NAMES + wide + TOTALS <= width { NAMES } else { 0 };
    let mut lines = Vec::new();
    // From the innermost layer outwards; cells that lie outside are left blank.
    for outermost in (0..cells.len()).rev() {
        lines.push(rule(&cells, outermost, names, outermost + 1 == cells.len()));
        lines.push(row(&layers, &cells, outermost, names));
    }
    if !cells.is_empty() {
        lines.push(last_rule(&cells, names));
    }
    lines
}

/// Of a packet within an ICMP error, or in a tunnel, the innermost headers.
fn shown(layers: &[Layer]) -> Vec<&Layer> {
    let with_bytes: Vec<&Layer> = layers.iter().filter(|layer| layer.len > 0).collect();
    with_bytes[with_bytes.len().saturating_sub(MOST)..].to_vec()
}

/// A layer as a cell: `TCP 20`.
struct Cell {
    role: Role,
    words: String,
}

impl Cell {
    fn of(layer: &Layer) -> Cell {
        let name = if layer.family == Family::Data { "data" } else { layer.short };
        Cell { role: Role::of_layer(layer.family), words: format!("{name} {}", layer.len) }
    }
}

/// The layer of the Internet to which a header belongs; ARP serves IP, yet travels beside it.
fn layer_name(layer: &Layer) -> &'static str {
    match layer.family {
        _ if layer.quoted => "quoted",
        Family::Link => "link",
        Family::Network => "internet",
        Family::Transport => "transport",
        Family::Control if layer.short == "ARP" => "link",
        Family::Control => "internet",
        Family::Tunnel => "tunnel",
        Family::Data => "application",
    }
}

/// `│ TCP 20 │ data 16 │   36 bytes`
fn row(layers: &[&Layer], cells: &[Cell], outermost: usize, names: usize) -> Line {
    let mut line = Line::default();
    if names > 0
        && let Some(layer) = layers.get(outermost)
    {
        line.push(Role::of_layer(layer.family), layer_name(layer));
    }
    line.pad_to(names + indent(cells, outermost)).push(Role::Frame, "│");
    for cell in &cells[outermost..] {
        line.push(Role::Plain, " ").push(cell.role, &cell.words).push(Role::Frame, " │");
    }
    let bytes: usize = layers[outermost..].iter().map(|layer| layer.len).sum();
    line.right_aligned(Role::Plain, &count(bytes as u64, "byte"), line.columns() + TOTALS);
    line
}

/// `┌────────┼─────────┤`; the innermost one has nothing above it.
fn rule(cells: &[Cell], outermost: usize, names: usize, is_first: bool) -> Line {
    let mut line = Line::default();
    line.pad_to(names + indent(cells, outermost)).push(Role::Frame, "┌");
    let last = cells.len() - 1;
    for (at, cell) in cells.iter().enumerate().skip(outermost) {
        line.repeat(Role::Frame, '─', columns(&cell.words) + 2);
        line.push(
            Role::Frame,
            match (at == last, is_first) {
                (true, true) => "┐",
                (true, false) => "┤",
                (false, _) => "┼",
            },
        );
    }
    line
}

fn last_rule(cells: &[Cell], names: usize) -> Line {
    let mut line = Line::default();
    line.pad_to(names).push(Role::Frame, "└");
    for (at, cell) in cells.iter().enumerate() {
        line.repeat(Role::Frame, '─', columns(&cell.words) + 2);
        line.push(Role::Frame, if at + 1 == cells.len() { "┘" } else { "┴" });
    }
    line
}

/// Columns of the cells that lie outside, without their last border.
fn indent(cells: &[Cell], outermost: usize) -> usize {
    cells[..outermost].iter().map(|cell| columns(&cell.words) + 3).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::anatomy;
    use wire::build::TcpPacket;
    use wire::link_type::LinkType;
    use wire::tcp::{TcpFlags, TcpOptions};

    use super::*;
    use crate::Style;

    fn drawn(width: usize) -> String {
        let packet = TcpPacket {
            source: "10.0.0.1:40712".parse().expect("an address"),
            destination: "10.0.0.2:7777".parse().expect("an address"),
            seq: 1,
            ack: 1,
            flags: TcpFlags::ACK,
            window: 64_240,
            options: TcpOptions::default(),
            payload: b"hello, server!!\n",
        };
        let ethernet = [2, 0, 10, 0, 0, 2, 2, 0, 10, 0, 0, 1, 8, 0];
        let bytes = [&ethernet[..], &packet.to_bytes()].concat();
        let anatomy = anatomy::dissect(LinkType::ETHERNET, &bytes, 70);
        let packet = Packet { number: 6, time: Duration::ZERO, bytes: &bytes, anatomy: &anatomy };
        let mut out = String::new();
        lines(&packet, width).iter().for_each(|line| line.write(&mut out, &Style::default()));
        out
    }

    #[test]
    fn a_message_lies_in_three_headers() {
        insta::assert_snapshot!(drawn(80));
    }

    #[test]
    fn without_room_the_layers_go_without_names() {
        let narrow = drawn(60);
        assert!(!narrow.contains("transport") && narrow.lines().all(|line| columns(line) <= 60), "{narrow}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let anatomy = anatomy::dissect(LinkType::ETHERNET, b"", 0);
        let packet = Packet { number: 1, time: Duration::ZERO, bytes: b"", anatomy: &anatomy };
        assert!(lines(&packet, 80).is_empty());
    }
}
