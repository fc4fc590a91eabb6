//! Scenes drawn: what is shown of a play or of a view, from what was recorded of it.

use std::net::SocketAddr;

use flow::{Material, Scene, Side};
use wire::{Time, anatomy};

use crate::grid::Grid;
use crate::line::Line;
use crate::{
    Names, Style, buffers, bytes, calls, ladder, moments, nesting, printed, state_diagram, svg, transfer,
};

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
        Scene::Transfer => Some(transfer::text(material.flows, Side::A, naming, style)),
        Scene::States => first.map(|(flow, names)| state_diagram::text(flow, &names, style)),
        Scene::Bytes(number) => with_packet(material, number, |packet| bytes::text(packet, false, style)),
        Scene::Layers(_) | Scene::Header(..) | Scene::Sockets | Scene::Facts => {
            in_lines(scene, material, style.width, style.ascii).map(|lines| {
                let mut out = String::new();
                lines.iter().for_each(|line| line.write(&mut out, style));
                out
            })
        }
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

/// What is the same lines on a terminal and in a picture; none where its material is missing.
fn in_lines(scene: Scene, material: &Material<'_>, width: usize, ascii: bool) -> Option<Vec<Line>> {
    match scene {
        Scene::Layers(number) => with_packet(material, number, |packet| {
            let [layers, bytes] = [nesting::lines(packet, width), bytes::dump(packet, width)];
            [layers, vec![Line::default()], bytes].concat()
        }),
        Scene::Header(number, name) => {
            with_packet(material, number, |packet| bytes::header(packet, name, width, ascii))
        }
        Scene::Sockets => Some(moments::lines(material.moments, width)),
        Scene::Facts => Some(facts(material.facts, width)),
        _ => None,
    }
}

/// Facts of one value each are a list. Those of several, which stand between tabs, are a table, and the first of them
/// names its columns.
fn facts(facts: &[(String, String)], width: usize) -> Vec<Line> {
    let cells = |value: &str| value.split('\t').count();
    let mut drawn = Vec::new();
    for rows in facts.chunk_by(|(_, before), (_, value)| cells(before) == cells(value)) {
        let (head, rows) = match rows.split_first() {
            Some((head, rows)) if cells(&head.1) > 1 => (head.1.as_str(), rows),
            _ => ("found", rows),
        };
        let head: Vec<&str> = head.split('\t').chain([""]).collect();
        let mut grid = Grid::new(&head);
        for (words, value) in rows {
            grid.row(value.split('\t').chain([words.as_str()]));
        }
        if !drawn.is_empty() {
            drawn.push(Line::default());
        }
        drawn.extend(grid.lines(width));
    }
    drawn
}

fn calls_of_datagrams(material: &Material<'_>, naming: Naming, style: &Style) -> Option<String> {
    let flow = material.datagrams.first()?;
    Some(calls::datagrams(flow, material.calls, &naming([flow.a, flow.b]), style))
}

/// Draws the packet of this number.
fn with_packet<T>(material: &Material<'_>, number: u64, draw: impl Fn(&bytes::Packet<'_>) -> T) -> Option<T> {
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
        (Scene::Buffers, Some((flow, names))) => buffers::svg(flow, Side::A, &names),
        (Scene::Bytes(number), _) => with_packet(material, number, bytes::svg).flatten(),
        (Scene::Layers(_) | Scene::Header(..) | Scene::Sockets | Scene::Facts, _) => {
            let lines = in_lines(scene, material, printed::COLUMNS, false)?;
            printed::svg(&lines, titles(scene))
        }
        (Scene::Transfer, _) => transfer::svg(material.flows, Side::A, naming),
        (Scene::States, Some((flow, names))) => Some(state_diagram::svg(flow, &names)),
        _ => None,
    }
}

/// Title and description of a picture of lines.
fn titles(scene: Scene) -> [&'static str; 2] {
    match scene {
        Scene::Layers(_) => ["a packet, layer in layer", "what each layer adds in front, and all bytes"],
        Scene::Header(_, name) => [name, "a header, field by field"],
        Scene::Sockets => ["sockets, moment by moment", "as the kernel had them"],
        _ => ["what was found out", "each fact with its words"],
    }
}
