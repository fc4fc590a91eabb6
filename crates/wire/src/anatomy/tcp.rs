//! The TCP header. Read first: RFC 9293 §3.1; RFC 3168 §6.1 (CWR, ECE); RFC 7323 §2.2 (what the window counts).

use super::Family::Transport;
use super::reading::{Span, Title, field, flag, reserved, told};
use super::walk::{Next, Walk};
use super::{checked, name, tcp_option};
use crate::tcp::TcpFlags;

const TCP: Title = Title { family: Transport, name: "TCP", short: "TCP", standard: "RFC 9293" };
const S: &str = "RFC 9293 §3.1";
const S_ECN: &str = "RFC 3168 §6.1";
const MIN_HEADER_LEN: usize = 20;

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, TCP);
    // What numbers mean depends on flags that stand behind them, and may not have been captured.
    let flags = reading.layer_bytes().get(13).copied().map(TcpFlags);
    let means = |flag: TcpFlags, set: &'static str, unset: &'static str| match flags {
        Some(flags) if flags.has(flag) => set,
        Some(_) => unset,
        None => "",
    };
    reading.take(field("Source Port", 16, S), |port| told(port, name::port(port)));
    reading.take(field("Destination Port", 16, S), |port| told(port, name::port(port)));
    reading.take(field("Sequence Number", 32, S), |number| {
        told(number, means(TcpFlags::SYN, "initial, the SYN's own", "of the first data byte"))
    });
    reading.take(field("Acknowledgment Number", 32, S), |number| {
        told(number, means(TcpFlags::ACK, "next byte expected", "no meaning without ACK"))
    });
    let words =
        reading.take(field("Data Offset", 4, S), |words| told(words, format!("× 4 = {} bytes", words * 4)));
    reading.take(field("Reserved", 4, S).label("Rsrvd"), reserved);
    reading.take(field("CWR", 1, S_ECN), flag("Congestion Window Reduced"));
    reading.take(field("ECE", 1, S_ECN), flag("ECN-Echo"));
    reading.take(field("URG", 1, S), flag("urgent pointer counts"));
    reading.take(field("ACK", 1, S), flag("acknowledgment counts"));
    reading.take(field("PSH", 1, S), flag("push it to the program"));
    reading.take(field("RST", 1, S), flag("reset the connection"));
    reading.take(field("SYN", 1, S), flag("synchronize the sequence"));
    reading.take(field("FIN", 1, S), flag("no more data from sender"));
    reading.take(field("Window", 16, S), |window| {
        told(window, means(TcpFlags::SYN, "bytes; unscaled in a SYN", "bytes × the SYN's scale"))
    });
    reading.take(field("Checksum", 16, S), checked::shown);
    let urgent = reading.take(field("Urgent Pointer", 16, S), |pointer| {
        told(pointer, means(TcpFlags::URG, "bytes from the sequence number on", "no meaning without URG"))
    });
    let header_len = words.and_then(|words| usize::try_from(words * 4).ok()).unwrap_or(MIN_HEADER_LEN);
    let room = span.wire_len();
    if header_len < MIN_HEADER_LEN {
        reading.breach(format!("data offset {} is less than 5", header_len / 4), S);
    } else if header_len > room {
        reading.breach(format!("data offset says {header_len} bytes, and the packet has {room}"), S);
    }
    reading.ends_at(header_len.max(MIN_HEADER_LEN));
    if urgent.is_some() {
        tcp_option::read(&mut reading, flags.unwrap_or_default());
    }
    reading.checksum(checked::with_pseudo_header(walk.frame, span, 16, 6, walk.around));
    (Next::Payload, walk.keep(reading))
}
