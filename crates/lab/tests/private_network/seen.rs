//! A lab's run with everything it told.

use std::ffi::OsString;

use lab::config::{Choice, Program};
use lab::event::{DirectionReport, Event, LinkFrame, Role};
use lab::{Config, NotMade, Outcome};
use wire::packet::{Transport, dissect};
use wire::tcp::TcpFlags;

use crate::left_out::left_out;

/// Both, so that neither is tested only where the other is not to be had.
pub(crate) const BACKENDS: [Choice; 2] = [Choice::Tun, Choice::Packet];

/// A run.
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
}

/// A segment as the link saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: Role,
    pub(crate) flags: TcpFlags,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) payload_len: u32,
}

/// Runs a lab; none where this system refuses it, which is noted.
pub(crate) fn run(config: &Config) -> Option<Seen> {
    let mut events = Vec::new();
    let outcome = made(config, lab::run(config, &mut |event| events.push(event)))?;
    Some(Seen { outcome, events })
}

/// How it ended; none where this system refuses it, which is noted.
pub(crate) fn made(config: &Config, outcome: Result<Outcome, NotMade>) -> Option<Outcome> {
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(NotMade::Refused(refusal)) => {
            let user = refusal.clues.uid;
            left_out("private networks", &format!("{:?} refused to user {user}: {refusal}", config.backend));
            None
        }
        Err(NotMade::Failed(fault)) => panic!("{fault}"),
    }
}

/// A command by its words.
pub(crate) fn command(words: &[&str]) -> Program {
    Program::Command(words.iter().map(OsString::from).collect())
}

impl Seen {
    pub(crate) fn frames(&self) -> impl Iterator<Item = &LinkFrame> {
        self.events.iter().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        })
    }

    /// Every frame as a TCP segment: it is an error when one is anything else.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        self.frames().map(segment).collect()
    }

    /// What a program printed on a descriptor.
    pub(crate) fn output(&self, of: Role, on: u8) -> String {
        let mut all = Vec::new();
        for event in &self.events {
            if let Event::Output { role, fd, bytes } = event
                && (*role, *fd) == (of, on)
            {
                all.extend_from_slice(bytes);
            }
        }
        String::from_utf8(all).expect("text")
    }

    /// Packets that the link or the devices dropped though no rule asked for it.
    pub(crate) fn unplanned_drops(&self) -> u64 {
        let (up, down) = self.counters();
        up.unplanned_drops + down.unplanned_drops
    }

    /// The link's counters, from the client and to it.
    pub(crate) fn counters(&self) -> (&DirectionReport, &DirectionReport) {
        match self.events.last() {
            Some(Event::Link { up, down }) => (up, down),
            _ => panic!("the link's counters come last"),
        }
    }
}

pub(crate) fn segment(frame: &LinkFrame) -> Segment {
    let packet = dissect(frame.link_type, &frame.bytes).expect("an IP packet");
    let Transport::Tcp(tcp) = packet.transport else { panic!("no TCP on the link: {frame:?}") };
    Segment {
        from: frame.from,
        flags: tcp.header.flags(),
        seq: tcp.header.seq(),
        ack: tcp.header.ack(),
        payload_len: tcp.payload_len,
    }
}
