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

    /// Tells of the conversations of UDP that a view of TCP alone leaves out.
    pub(super) fn tell_of_datagrams(&self, out: &Out) {
        if !self.udp.is_empty() {
            let those = count(self.udp.len() as u64, "conversation");
            out.tell(&format!("{those} of UDP left out: --list and --ladder have them\n"));
        }
    }

    /// Tells that nothing was chosen, where there is something to choose from; else gives `exit`.
    pub(super) fn or_tell(&self, capture: &Capture, exit: Exit, out: &Out) -> Exit {
        let known = capture.tracker.flows().count() + capture.tracker.datagram_flows().count();
        let found = self.tcp.len() + self.udp.len() + usize::try_from(capture.shown_before).unwrap_or(1);
        if found > 0 || known == 0 {
            return exit;
        }
        let last = |count: usize| count.saturating_sub(1);
        let (sentence, hint) = match capture.choice.number() {
            Some((Protocol::Tcp, number)) => {
                let tcp = capture.tracker.flows().count();
                let hint = format!("they are numbered from 0 to {}", last(tcp));
                (format!("there is no conversation {number} here"), (tcp > 0).then_some(hint))
            }
            Some((Protocol::Udp, number)) => {
                let udp = capture.tracker.datagram_flows().count();
                let hint = format!("they are numbered from udp:0 to udp:{}", last(udp));
                (format!("there is no conversation udp:{number} here"), (udp > 0).then_some(hint))
            }
            None => ("there is no such conversation here".to_owned(), Some("--list shows all".to_owned())),
        };
        out.usage(&sentence, hint)
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
        (true, [one]) => svg.finish_with(&one.svg(capture.naming)).map(|()| None),
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
        ([], []) => Ok(None),
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
