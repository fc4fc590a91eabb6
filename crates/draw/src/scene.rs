//! Scenes drawn: what is shown of a play or of a view, from what was recorded of it.

use std::net::SocketAddr;

use flow::{Frame, Material, Scene, Side};
use wire::{Time, anatomy};

use crate::{Names, Style, buffers, bytes, calls, ladder, state_diagram};

/// What the ends are called, by the addresses of opener and other end.
pub type Naming = fn([SocketAddr; 2]) -> Names;

/// The scene for a terminal; empty where its material is missing.
pub fn text(scene: Scene, material: &Material<'_>, naming: Naming, style: &Style) -> String {
    let first = material.flows.first().map(|flow| (flow, naming([flow.a, flow.b])));
    let drawn = match scene {
        Scene::Ladders => Some(ladders(material, naming, style)),
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
    };
    drawn.unwrap_or_default()
}

fn ladders(material: &Material<'_>, naming: Naming, style: &Style) -> String {
    // Every segment is drawn: they are few, and each is there for a reason.
    let style = Style { run: 1000, ..*style };
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
