//! Scenes drawn: what is shown of a play or of a view, from what was recorded of it.

use std::net::SocketAddr;

use flow::{Frame, Material, Scene, Side};
use wire::{Time, anatomy};

use crate::columns::{width, wrap};
use crate::{Names, Style, buffers, bytes, calls, ladder, moments, state_diagram, svg};

/// What the ends are called, by the addresses of opener and other end.
pub type Naming = fn([SocketAddr; 2]) -> Names;

/// The scene for a terminal; empty where its material is missing.
pub fn text(scene: Scene, material: &Material<'_>, naming: Naming, style: &Style) -> String {
    let first = material.flows.first().map(|flow| (flow, naming([flow.a, flow.b])));
    let drawn = match scene {
        Scene::Ladders => Some(ladders(material, naming, style)),
        Scene::Ladder(number) => {
            let flow = number.checked_sub(1).and_then(|place| material.flows.get(place));
            flow.map(|flow| ladder::text(flow, &naming([flow.a, flow.b]), &every_segment(style)))
        }
        Scene::Calls => first
            .map(|(flow, names)| calls::text(flow, material.calls, &names, style))
            .or_else(|| calls_of_datagrams(material, naming, style)),
        Scene::Buffers => first.map(|(flow, names)| buffers::text(flow, Side::A, &names, style)),
        Scene::States => first.map(|(flow, names)| state_diagram::text(flow, &names, style)),
        Scene::Bytes(number) => packet(material, number).map(|frame| {
            let anatomy = anatomy::dissect(frame.link_type, frame.bytes, frame.wire_len);
            let time = frame.time.since(Time::ZERO);
            bytes::text(&bytes::Packet { number, time, bytes: frame.bytes, anatomy: &anatomy }, false, style)
        }),
        Scene::Sockets => Some(moments::text(material.moments, style)),
        Scene::Facts => Some(material.facts.iter().map(|fact| found(fact, style)).collect()),
    };
    drawn.unwrap_or_default()
}

/// Every segment is drawn where they are few, and each is there for a reason.
fn every_segment(style: &Style) -> Style {
    Style { run: 1000, ..*style }
}

fn ladders(material: &Material<'_>, naming: Naming, style: &Style) -> String {
    let style = every_segment(style);
    let tcp = material.flows.iter().map(|flow| ladder::text(flow, &naming([flow.a, flow.b]), &style));
    let udp =
        material.datagrams.iter().map(|flow| ladder::datagrams(flow, &naming([flow.a, flow.b]), &style));
    tcp.chain(udp).collect::<Vec<_>>().join("\n")
}

fn calls_of_datagrams(material: &Material<'_>, naming: Naming, style: &Style) -> Option<String> {
    let flow = material.datagrams.first()?;
    Some(calls::datagrams(flow, material.calls, &naming([flow.a, flow.b]), style))
}

fn packet<'a>(material: &Material<'a>, number: u64) -> Option<&'a Frame<'a>> {
    material.frames.iter().find(|frame| frame.number == number)
}

/// What was found out behind the words for it; lines below the first stand as far in.
fn found((words, value): &(String, String), style: &Style) -> String {
    let mut before = format!("{words}: ");
    let indent = width(&before);
    let mut shown = String::new();
    for line in wrap(value, style.width.saturating_sub(indent).max(20)) {
        shown.push_str(&before);
        shown.push_str(&line);
        shown.push('\n');
        before = " ".repeat(indent);
    }
    shown
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
