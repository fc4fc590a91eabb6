//! `byte-order`: how this machine keeps numbers, how the network does, and what a forgotten htons does.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "byte-order",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "memory", holds: memory, broken_by: Disturbance::Change(BY_VALUE) },
        Claim { name: "htons", holds: htons, broken_by: Disturbance::Change(TWICE) },
        Claim { name: "wire", holds: on_the_wire, broken_by: Disturbance::Change(FORGOTTEN) },
        Claim { name: "forgotten", holds: forgotten, broken_by: Disturbance::Change(REMEMBERED) },
        Claim { name: "address", holds: address, broken_by: Disturbance::Change(TWICE) },
    ],
    scenes: &[Scene::Facts, Scene::Ladders, Scene::Layers(1)],
    words: include_str!("../texts/en/byte-order.txt"),
};

const BY_VALUE: &str = "the value is converted, in place of looking at memory";
const TWICE: &str = "htons and htonl twice";
const FORGOTTEN: &str = "htons forgotten both times";
const REMEMBERED: &str = "htons remembered both times";

const PORT: u16 = 7777;

/// A port as it goes into sin_port.
fn to_network(port: u16) -> [u8; 2] {
    port.to_be().to_ne_bytes()
}

/// What the network takes bytes of sin_port for.
fn of_network(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn server(actor: &mut Actor) -> io::Result<()> {
    let listener = actor.tcp_socket()?;
    actor.bind(&listener, everywhere(PORT))?;
    actor.listen(&listener, 8)?;
    actor.reach("listening");
    actor.wait_for("end");
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    let number = 0x0102_u16;
    let memory = number.to_ne_bytes();
    // What a cast to char gives, on every machine: the value modulo 256, nothing of the memory.
    let memory = if actor.is_changed(BY_VALUE) { vec![number.to_be_bytes()[1]] } else { memory.to_vec() };
    actor.fact("memory", hexadecimal(&memory));
    let twice = actor.is_changed(TWICE);
    let port = if twice { PORT.to_be().to_be() } else { PORT.to_be() };
    actor.fact("htons", format!("{port}, in memory {}", hexadecimal(&port.to_ne_bytes())));
    let loopback = 0x7f00_0001_u32;
    let address = if twice { loopback.to_be().to_be() } else { loopback.to_be() };
    actor.fact("htonl", format!("{address:#010x}, in memory {}", hexadecimal(&address.to_ne_bytes())));

    actor.wait_for("listening");
    let [remembers, forgets] = match () {
        () if actor.is_changed(FORGOTTEN) => [PORT.to_ne_bytes(); 2],
        () if actor.is_changed(REMEMBERED) => [to_network(PORT); 2],
        () => [to_network(PORT), PORT.to_ne_bytes()],
    };
    for (sin_port, fact) in [(remembers, "remembered"), (forgets, "forgotten")] {
        let socket = actor.tcp_socket()?;
        let asked = of_network(sin_port);
        let result = returned(&actor.connect(&socket, at_server(asked)).map(|()| 0));
        actor.fact(fact, format!("port {asked}: {result}"));
    }
    actor.reach("end");
    Ok(())
}

/// Both bytes are there, in one of the two orders, and this program's own numbers lie in the same one.
fn memory(seen: &Seen) -> Option<bool> {
    let expected = if cfg!(target_endian = "little") { "02 01" } else { "01 02" };
    Some(seen.fact("memory")? == expected)
}

fn htons(seen: &Seen) -> Option<bool> {
    Some(seen.fact("htons")?.ends_with("in memory 1e 61"))
}

/// The bytes of the destination port in the first SYN.
fn on_the_wire(seen: &Seen) -> Option<bool> {
    let packet = &seen.frames.first()?.bytes;
    let header = usize::from(packet.first()? & 0x0f) * 4;
    Some(packet.get(header + 2..header + 4)? == [0x1e, 0x61])
}

/// Where both orders are the same, forgetting is no harm.
fn forgotten(seen: &Seen) -> Option<bool> {
    let expected =
        if cfg!(target_endian = "little") { "port 24862: -1 ECONNREFUSED" } else { "port 7777: 0" };
    Some(seen.fact("forgotten")? == expected)
}

fn address(seen: &Seen) -> Option<bool> {
    Some(seen.fact("htonl")?.ends_with("in memory 7f 00 00 01"))
}
