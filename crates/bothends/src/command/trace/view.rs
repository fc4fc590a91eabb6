//! What every view of a capture has in common: it takes what it needs while the capture is read, and shows the rest when
//! that is over.

use draw::number::count;
use draw::{Names, ladder};
use flow::{Belongs, DatagramFlow, Departed, Flow, HandedRow, Limits, Protocol, Rows};
use wire::Fault;
use wire::capture::CapturedFrame;
use wire::packet::Packet;

use super::aside::Aside;
use super::reading::{Capture, Seen};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{Conversation, Svg};

/// A way to show a capture.
pub(super) trait View {
    /// What must be remembered for it.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Takes the packet that a frame carries or completes, and where it belongs.
    fn packet(&mut self, _packet: &Shown<'_>, _out: &Out) {}

    /// Takes what is said beside the conversations.
    fn aside(&mut self, _aside: Aside, _seen: &Seen, _out: &Out) {}

    /// Takes a row that is handed out.
    fn row(&mut self, _row: &HandedRow, _seen: &Seen, _out: &Out) {}

    /// Takes a conversation that had to make room.
    fn departed(&mut self, _gone: &Departed, _seen: &Seen, _out: &Out) {}

    /// Shows the rest.
    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault>;
}

/// A packet, with the frame that carried it or its last piece.
pub(super) struct Shown<'a> {
    /// The frame.
    pub(super) frame: &'a CapturedFrame<'a>,
    /// What it carries.
    pub(super) packet: &'a Packet<'a>,
    /// The conversation that it belongs to.
    pub(super) belongs: Belongs,
    /// How far the capture was read.
    pub(super) seen: Seen,
}

/// What must be remembered to tell a conversation in few words: more rows of each than a drawing has room for, no more of
/// all together, and for that fewer conversations at once.
pub(super) fn long_memory() -> Limits {
    Limits { flows: 32_000, rows: Rows::Kept(50_000), ..Limits::default() }
}

/// The conversations that were asked for, in order of appearance.
pub(super) struct Chosen<'a> {
    pub(super) tcp: Vec<&'a Flow>,
    pub(super) udp: Vec<&'a DatagramFlow>,
}

impl<'a> Chosen<'a> {
    pub(super) fn of(capture: &'a Capture) -> Chosen<'a> {
        let choice = &capture.choice;
        let tcp = capture.tracker.flows();
        let tcp = tcp.filter(|flow| choice.takes(Protocol::Tcp, flow.stream, [flow.a, flow.b]));
        let udp = capture.tracker.datagram_flows();
        let udp = udp.filter(|flow| choice.takes(Protocol::Udp, flow.stream, [flow.a, flow.b]));
        Chosen { tcp: tcp.collect(), udp: udp.collect() }
    }

    /// Those of both kinds, in the order in which they began.
    pub(super) fn in_order(&self) -> Vec<Conversation<'a>> {
        Conversation::merged(&self.tcp, &self.udp)
    }

    /// Tells that nothing was chosen, where there is something to choose from; else gives `exit`.
    pub(super) fn or_tell(&self, capture: &Capture, exit: Exit, out: &Out) -> Exit {
        let [tcp, udp] = capture.tracker.streams();
        let (wanted, known, prefix) = match capture.choice.number() {
            Some((Protocol::Tcp, number)) => (Some(number), tcp, ""),
            Some((Protocol::Udp, number)) => (Some(number), udp, "udp:"),
            None => (None, tcp + udp, ""),
        };
        // One that had to make room has been shown by then.
        let found = self.tcp.len() + self.udp.len() > 0 || capture.shown_before > 0;
        if found || tcp + udp == 0 || wanted.is_some_and(|wanted| wanted < known) {
            return exit;
        }
        let (sentence, hint) = match wanted {
            Some(number) => {
                let last = known.saturating_sub(1);
                let hint = format!("they are numbered from {prefix}0 to {prefix}{last}");
                let sentence = format!("there is no conversation {prefix}{number} here");
                (sentence, (known > 0).then_some(hint))
            }
            None => ("there is no such conversation here".to_owned(), Some("--list shows all".to_owned())),
        };
        out.usage(&sentence, hint)
    }
}

/// Tells of the conversations of UDP that a view of TCP alone leaves out.
pub(super) fn tell_of_datagrams(left_out: u64, out: &Out) {
    if left_out > 0 {
        let those = count(left_out, "conversation");
        out.tell(&format!("{those} of UDP left out: --list and --ladder have them\n"));
    }
}

/// Draws the one conversation that was chosen as a ladder, if a picture was asked for.
pub(super) fn draw(
    svg: Svg,
    chosen: &Chosen<'_>,
    capture: &Capture,
    out: &Out,
) -> Result<Option<Exit>, Fault> {
    match (svg.is_wanted(), chosen.in_order().as_slice()) {
        (true, [one]) => svg.finish_with(&one.svg_since(capture.seen.start(), capture.naming)).map(|()| None),
        _ => draw_as(ladder::svg, svg, chosen, capture, out),
    }
}

/// The same as another picture.
pub(super) fn draw_as(
    drawing: fn(&Flow, &Names) -> String,
    svg: Svg,
    chosen: &Chosen<'_>,
    capture: &Capture,
    out: &Out,
) -> Result<Option<Exit>, Fault> {
    if !svg.is_wanted() {
        return Ok(None);
    }
    match (chosen.tcp.as_slice(), chosen.udp.as_slice()) {
        ([flow], []) => svg.finish_with(&drawing(flow, &(capture.naming)([flow.a, flow.b]))).map(|()| None),
        ([], []) if capture.shown_before > 0 => {
            let sentence = "the conversation had to make room for others before it could be drawn";
            Ok(Some(out.usage(sentence, Some("write it into a capture of its own with --write".to_owned()))))
        }
        ([], []) => {
            svg.nothing_to_draw(out);
            Ok(None)
        }
        ([], [_]) => {
            let sentence = "a conversation of UDP has no states to draw";
            Ok(Some(out.usage(sentence, Some("--ladder draws it".to_owned()))))
        }
        (tcp, udp) => {
            let sentence = format!("--svg draws one conversation, and there are {}", tcp.len() + udp.len());
            Ok(Some(out.usage(&sentence, Some("choose one with --only STREAM".to_owned()))))
        }
    }
}
