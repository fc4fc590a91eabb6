//! UDP. Read first: RFC 768; RFC 2675 §4 (length zero).

use super::Family::Transport;
use super::reading::{Span, Title, field, told};
use super::walk::{Next, Walk};
use super::{checked, name, tunnel};

const UDP: Title = Title { family: Transport, name: "UDP", short: "UDP", standard: "RFC 768" };
const S: &str = "RFC 768";
const HEADER_LEN: usize = 8;

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, UDP);
    let source = reading.take(field("Source Port", 16, S), |port| told(port, name::port(port)));
    let destination = reading.take(field("Destination Port", 16, S), |port| told(port, name::port(port)));
    let room = span.wire_len();
    let stated = reading.take(field("Length", 16, S), |len| match len {
        0 => told(len, "all that is left (RFC 2675 §4)"),
        8.. => told(len, format!("bytes, {} of them data", len - 8)),
        _ => told(len, "bytes, less than the header"),
    });
    reading.take(field("Checksum", 16, S), checked::shown);
    let len = match stated.and_then(|len| usize::try_from(len).ok()) {
        None | Some(0) => room,
        Some(len @ 1..HEADER_LEN) => {
            reading.breach(format!("length {len} is less than the header's 8 bytes"), S);
            room
        }
        Some(len) => {
            if len > room && !walk.around.piece {
                reading.breach(format!("length {len} is more than the {room} bytes of the packet"), S);
            }
            len.min(room)
        }
    };
    // What a length that cannot be true makes of the checksum is not to be known.
    if reading.keeps_the_rules() {
        let datagram = span.at_most(len);
        reading.checksum(checked::with_pseudo_header(walk.frame, datagram, 6, 17, walk.around));
    }
    let rest = walk.keep(reading);
    let rest = rest.at_most(len.saturating_sub(HEADER_LEN));
    let ports = [source, destination].map(|port| port.and_then(|port| u16::try_from(port).ok()));
    match ports {
        [Some(source), Some(destination)] if !walk.around.piece => {
            tunnel::in_udp(walk, rest, [source, destination])
        }
        _ => (Next::Payload, rest),
    }
}
