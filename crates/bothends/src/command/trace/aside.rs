//! What is said beside the conversations: ARP, IGMP, and ICMP that is about none of them; each in one line.

use draw::columns::{width, wrap};
use draw::number::{count, duration};
use flow::Belongs;
use wire::capture::CapturedFrame;
use wire::packet::{Frame, Packet, Transport};

use super::reading::Seen;
use crate::out::Out;

/// Lines that are kept, to be shown under a list.
const KEPT: usize = 64;

/// Lines that are shown without `-v`.
const SHOWN: usize = 6;

/// One such frame, in words.
pub(super) struct Aside {
    /// Its number in the capture.
    pub(super) frame: u64,
    /// When it came, in words, from the first frame on.
    pub(super) time: wire::Time,
    /// `arp`, `igmp` or `icmp`.
    pub(super) protocol: &'static str,
    /// What it says.
    pub(super) words: String,
}

impl Aside {
    /// What a packet says that belongs to no conversation.
    pub(super) fn of_packet(
        frame: &CapturedFrame<'_>,
        packet: &Packet<'_>,
        belongs: Belongs,
    ) -> Option<Aside> {
        if !matches!(belongs, Belongs::Nowhere) {
            return None;
        }
        let (source, destination) = (packet.source, packet.destination);
        let (protocol, words) = match &packet.transport {
            Transport::Igmp(message) => ("igmp", format!("{source} {message}")),
            Transport::Icmp(message) => ("icmp", format!("{source} to {destination}: {message}")),
            _ => return None,
        };
        Some(Aside { frame: frame.number, time: frame.time, protocol, words })
    }

    /// What a frame says that carries no IP packet.
    pub(super) fn of_frame(frame: &CapturedFrame<'_>) -> Option<Aside> {
        match frame.dissect_frame() {
            Ok(Frame::Arp(arp)) => {
                Some(Aside { frame: frame.number, time: frame.time, protocol: "arp", words: arp.to_string() })
            }
            _ => None,
        }
    }
}

/// Those of a whole capture, for a list.
#[derive(Default)]
pub(super) struct Asides {
    kept: Vec<Aside>,
    count: u64,
}

impl Asides {
    pub(super) fn take(&mut self, aside: Aside) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(aside);
        }
    }

    /// Shows the first ones, under a list or alone; with `-v` all that were kept.
    pub(super) fn show(&self, under_a_list: bool, seen: &Seen, out: &Out) {
        if self.kept.is_empty() {
            return;
        }
        let shown = if out.verbosity > 0 { KEPT } else { SHOWN };
        let mut text = if under_a_list { "\nbeside them\n".to_owned() } else { String::new() };
        for Aside { frame, time, protocol, words } in self.kept.iter().take(shown) {
            let time = duration(time.since(seen.start()));
            let mut label = format!("{time:>12}  {protocol:4}  ");
            let indent = width(&label);
            let columns = out.stdout.width.saturating_sub(indent).max(20);
            let (mut lines, of_frame) = (wrap(words, columns), format!("(frame {frame})"));
            match lines.last_mut() {
                Some(last) if width(last) + 1 + width(&of_frame) <= columns => {
                    *last += &format!(" {of_frame}");
                }
                _ => lines.push(of_frame),
            }
            for line in lines {
                text.push_str(&format!("{label}{line}\n"));
                label = " ".repeat(indent);
            }
        }
        let left_out = self.count - self.kept.len().min(shown) as u64;
        if left_out > 0 {
            text.push_str(&format!("{:>12}  … {}\n", "", count(left_out, "frame more")));
        }
        out.print(&text);
    }
}
