//! Scenes drawn: what is shown of a play or of a view, from what was recorded of it.

use std::net::SocketAddr;

use flow::{Material, Scene, Side};
use wire::{Time, anatomy};

use crate::grid::Grid;
use crate::{Names, Style, buffers, bytes, calls, ladder, moments, nesting, state_diagram, svg};

/// What the ends are called, by the addresses of opener and other end.
pub type Naming = fn([SocketAddr; 2]) -> Names;

/// The scene for a terminal; empty where its material is missing.
pub fn text(scene: Scene, material: &Material<'_>, naming: Naming, style: &Style) -> String {
    let first = material.flows.first().map(|flow| (flow, naming([flow.a, flow.b])));
    let drawn = match scene {
        Scene::Ladders => Some(ladders(material, naming, style)),
        Scene::Ladder(number) => {
            let flow = number.checked_sub(1).and_then(|place| material.flows.get(place));
            flow.map(|flow| ladder::text(flow, &naming([flow.a, flow.b]), &whole(style)))
        }
        Scene::Calls => first
            .map(|(flow, names)| calls::text(flow, material.calls, &names, style))
            .or_else(|| calls_of_datagrams(material, naming, style)),
        Scene::Buffers => first.map(|(flow, names)| buffers::text(flow, Side::A, &names, style)),
        Scene::States => first.map(|(flow, names)| state_diagram::text(flow, &names, style)),
        Scene::Bytes(number) => of_packet(material, number, |packet| bytes::text(packet, false, style)),
        Scene::Layers(number) => of_packet(material, number, |packet| {
            format!("{}\n{}", nesting::text(packet, style), bytes::dump(packet, false, style))
        }),
        Scene::Header(number, name) => {
            of_packet(material, number, |packet| bytes::header(packet, name, style))
        }
        Scene::Sockets => Some(moments::text(material.moments, style)),
        Scene::Facts => Some(facts(material.facts, style)),
    };
    drawn.unwrap_or_default()
}

fn ladders(material: &Material<'_>, naming: Naming, style: &Style) -> String {
    let style = whole(style);
    let tcp = material.flows.iter().map(|flow| ladder::text(flow, &naming([flow.a, flow.b]), &style));
    let udp =
        material.datagrams.iter().map(|flow| ladder::datagrams(flow, &naming([flow.a, flow.b]), &style));
    tcp.chain(udp).collect::<Vec<_>>().join("\n")
}

/// Every segment is drawn: they are few, and each is there for a reason.
fn whole(style: &Style) -> Style {
    Style { run: 1000, ..*style }
}

/// Facts of one value each are a list. Those of several, which stand between tabs, are a table, and the first of them names its
/// columns.
fn facts(facts: &[(String, String)], style: &Style) -> String {
    let cells = |value: &str| value.split('\t').count();
    let tables = facts.chunk_by(|(_, before), (_, value)| cells(before) == cells(value)).map(|rows| {
        let (head, rows) = match rows.split_first() {
            Some((head, rows)) if cells(&head.1) > 1 => (head.1.as_str(), rows),
            _ => ("found", rows),
        };
        let head: Vec<&str> = head.split('\t').chain([""]).collect();
        let mut grid = Grid::new(&head);
        for (words, value) in rows {
            grid.row(value.split('\t').chain([words.as_str()]));
        }
        grid.draw(style)
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn calls_of_datagrams(material: &Material<'_>, naming: Naming, style: &Style) -> Option<String> {
    let flow = material.datagrams.first()?;
    Some(calls::datagrams(flow, material.calls, &naming([flow.a, flow.b]), style))
}

/// What is drawn of the packet of this number.
fn of_packet(
    material: &Material<'_>,
    number: u64,
    draw: impl Fn(&bytes::Packet<'_>) -> String,
) -> Option<String> {
    let frame = material.frames.iter().find(|frame| frame.number == number)?;
    let anatomy = anatomy::dissect(frame.link_type, frame.bytes, frame.wire_len);
    let time = frame.time.since(Time::ZERO);
    Some(draw(&bytes::Packet { number, time, bytes: frame.bytes, anatomy: &anatomy }))
}

/// Several scenes on one page, one below the other, as an SVG document; none where there is nothing to show.
pub fn page(scenes: &[Scene], material: &Material<'_>, naming: Naming) -> Option<String> {
    let drawn: Vec<String> = scenes.iter().filter_map(|scene| svg(*scene, material, naming)).collect();
    svg::stack(&drawn)
}

/// The scene as an SVG document; none where its material is missing.
pub fn svg(scene: Scene, material: &Material<'_>, naming: Naming) -> Option<String> {
    let first = material.flows.first().map(|flow| (flow, naming([flow.a, flow.b])));
    match (scene, first) {
        (Scene::Ladders, _) => {
            let tcp = material.flows.iter().map(|flow| ladder::svg(flow, &naming([flow.a, flow.b])));
            let udp = material.datagrams.iter();
            let udp = udp.map(|flow| ladder::svg_of_datagrams(flow, &naming([flow.a, flow.b])));
            svg::stack(&tcp.chain(udp).collect::<Vec<_>>())
        }
        (Scene::Ladder(number), _) => {
            let flow = number.checked_sub(1).and_then(|place| material.flows.get(place))?;
            Some(ladder::svg(flow, &naming([flow.a, flow.b])))
        }
        (Scene::Calls, Some((flow, names))) => Some(calls::svg(flow, material.calls, &names)),
        (Scene::Calls, None) => {
            let flow = material.datagrams.first()?;
            Some(calls::svg_of_datagrams(flow, material.calls, &naming([flow.a, flow.b])))
        }
        (Scene::States, Some((flow, names))) => Some(state_diagram::svg(flow, &names)),
        _ => None,
    }
}
