//! `trace --streams`: what both ends said, reassembled and shown while the capture is read.
//!
//! Records, one conversation alone (`--only`) and raw bytes are written as they come. Several conversations are written one
//! after the other, so what they say is kept until the capture ends: [`KEPT`] bytes of all together, and what is left out is
//! told. What waits behind holes is bounded for each direction ([`HELD`]) and for all ([`OPEN`]); when there is too much,
//! the conversations idle longest wait no longer.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use draw::Names;
use draw::number::{count, size_in_words};
use draw::streams::{Form, Look, Transcript, heading};
use flow::reassembly::{FIRST, Item, Piece, Reassembly};
use flow::{Belongs, Choice, Departed, Limits, Placement, Protocol, Rows, Side};
use wire::packet::{TcpSegment, Transport};
use wire::{Fault, Time, VisibleStream};

use self::kept::Kept;
use super::reading::{Capture, Seen};
use super::view::{self, Chosen, Shown, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture;
use crate::record;

mod kept;

/// Bytes that wait behind the holes of one direction.
const HELD: usize = 256 * 1024;
/// Memory of all directions that are being put together.
const OPEN: usize = 16 * 1024 * 1024;
/// Memory of what is kept of several conversations, to show one after the other.
const KEPT: usize = 24 * 1024 * 1024;

/// What `--streams` understands.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[arg(
        long,
        group = "view",
        help_heading = super::VIEWS,
        help = "Show what both ends said: their bytes in order, turn by turn. What the capture lacks is told."
    )]
    pub(super) streams: bool,
    #[arg(
        long,
        help_heading = super::VIEWS,
        requires = "streams",
        conflicts_with_all = ["text", "raw"],
        help = "With --streams: everything as a hex dump."
    )]
    hex: bool,
    #[arg(
        long,
        help_heading = super::VIEWS,
        requires = "streams",
        conflicts_with = "raw",
        help = "With --streams: everything as text; otherwise what is no text is a hex dump."
    )]
    text: bool,
    #[arg(
        long,
        help_heading = super::VIEWS,
        requires = "streams",
        conflicts_with = "raw",
        help = "With --streams: spell line ends and tabs out in text: \\r\\n, \\t."
    )]
    line_ends: bool,
    #[arg(
        long,
        help_heading = super::VIEWS,
        value_name = "END",
        requires_all = ["streams", "only"],
        help = "With --streams and --only NUMBER: write just the bytes that this end said, as they are."
    )]
    raw: Option<End>,
}

/// An end as records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum End {
    #[value(help = "The end that opened the conversation.")]
    A,
    #[value(help = "The other end.")]
    B,
}

impl Flags {
    /// What does not go together, in a sentence; clap knows nothing of `--json` here.
    pub(super) fn wrong(&self, choice: &Choice, json: bool) -> Option<&'static str> {
        match self.raw {
            Some(_) if json => Some("--raw writes bytes as they are, and --json records: choose one"),
            Some(_) if choice.number().is_none() => {
                Some("--raw writes what one conversation said: choose it with --only and its number")
            }
            _ => None,
        }
    }

    fn look(&self, out: &Out) -> Look {
        let form = match (self.hex, self.text) {
            (true, _) => Form::Hex,
            (_, true) => Form::Text,
            _ => Form::Auto,
        };
        Look { form, line_ends: self.line_ends, style: out.stdout }
    }
}

/// Puts the streams of a capture together and shows them.
pub(super) struct Streams<'a> {
    /// The number of the one conversation that is shown, where it was chosen by that.
    only: Option<u64>,
    /// By their numbers.
    talks: BTreeMap<u64, Talk>,
    /// Memory of all that are open.
    open_bytes: usize,
    /// Frames taken, to tell who was idle longest.
    clock: u64,
    /// Behind the highest number of those that were hurried: one below it that is not open goes on where it stands.
    hurried_below: u64,
    /// Whether anything was said.
    spoken: bool,
    /// Conversations that could not wait for what was missing.
    hurried: u64,
    teller: Teller<'a>,
}

/// One conversation.
struct Talk {
    /// A's stream and B's; none while it is not being put together.
    streams: Option<Box<[Reassembly; 2]>>,
    /// When it was last heard of.
    heard: u64,
    ends: Ends,
    kept: Kept,
}

/// Whose conversation it is.
#[derive(Clone, Copy)]
struct Ends {
    /// A and B.
    addresses: [SocketAddr; 2],
    /// In a capture of the lab the ends have roles.
    in_lab: bool,
}

/// Says it, in the way that was asked for.
struct Teller<'a> {
    out: &'a Out,
    look: Look,
    way: Way,
    /// The capture's first frame.
    start: Time,
    kept_bytes: usize,
    /// Bytes of conversations of which nothing could be kept.
    unkept_bytes: u64,
}

enum Way {
    /// As records.
    Records,
    /// As text, as it comes; it begins with the first word.
    Now(Option<Transcript>),
    /// As text, one conversation after the other.
    InTurn,
    /// One end's bytes.
    Raw(Raw),
}

/// One end's bytes as they are, and what must be said of them elsewhere.
struct Raw {
    from: Side,
    /// Set when somebody looks at them.
    visible: Option<VisibleStream>,
    bytes: u64,
    missing_bytes: u64,
    gaps: u64,
    late_bytes: u64,
    conflicts: u64,
}

impl<'a> Streams<'a> {
    /// Shows those of `choice`.
    pub(super) fn new(flags: &Flags, choice: &Choice, out: &'a Out) -> Streams<'a> {
        let only = match choice.number() {
            Some((Protocol::Tcp, number)) => Some(number),
            _ => None,
        };
        let way = match (flags.raw, only) {
            (Some(end), _) => Way::Raw(Raw::new(end, out)),
            _ if out.json => Way::Records,
            (None, Some(_)) => Way::Now(None),
            (None, None) => Way::InTurn,
        };
        let teller =
            Teller { out, look: flags.look(out), way, start: Time::ZERO, kept_bytes: 0, unkept_bytes: 0 };
        let talks = BTreeMap::new();
        Streams { only, talks, open_bytes: 0, clock: 0, hurried_below: 0, spoken: false, hurried: 0, teller }
    }

    fn segment(&mut self, shown: &Shown<'_>, placed: &Placement, segment: &TcpSegment<'_>) {
        let frame = shown.frame;
        let was_hurried = placed.stream < self.hurried_below;
        let is_open = self.talks.get(&placed.stream).is_some_and(|talk| talk.streams.is_some());
        if was_hurried && !is_open && placed.ack.is_none() {
            // It was given up, and where the other end stands is not told here.
            return;
        }
        self.spoken = true;
        let talk = self.talks.entry(placed.stream).or_insert_with(|| Talk {
            streams: None,
            heard: 0,
            ends: Ends::of(segment, placed.from, frame.passage.is_some()),
            kept: Kept::default(),
        });
        talk.heard = self.clock;
        let streams = talk.streams.get_or_insert_with(|| {
            let streams = match was_hurried {
                true => resumed(placed),
                false => [Reassembly::new(HELD), Reassembly::new(HELD)],
            };
            self.open_bytes += memory(&streams);
            Box::new(streams)
        });
        let before = memory(streams);
        let [a, b] = &mut **streams;
        let (ours, theirs) = if placed.from == Side::A { (a, b) } else { (b, a) };
        let (teller, ends, kept) = (&mut self.teller, talk.ends, &mut talk.kept);
        let stream = placed.stream;
        if let Some(ack) = placed.ack {
            let other = placed.from.other();
            let answers = placed.len_bytes > 0;
            theirs
                .acknowledge(ack, answers, frame.time, |item| teller.tell(stream, ends, kept, other, &item));
        }
        let piece = Piece {
            start: placed.start,
            bytes: segment.payload,
            len_bytes: placed.len_bytes,
            frame: frame.number,
            time: frame.time,
        };
        ours.take(&piece, |item| teller.tell(stream, ends, kept, placed.from, &item));
        self.open_bytes = self.open_bytes + memory(streams) - before;
    }

    /// The capture is over: everything that is left.
    fn close_all(&mut self) {
        let open: Vec<u64> = self.talks.keys().copied().collect();
        for stream in open {
            self.close(stream, true);
        }
        if let Way::Raw(raw) = &mut self.teller.way {
            return raw.finish(self.teller.out);
        }
        self.teller.finish();
        for (stream, talk) in std::mem::take(&mut self.talks) {
            self.teller.show(stream, talk.ends, &talk.kept);
        }
        self.tell_about();
    }

    fn tell_about(&self) {
        let out = self.teller.out;
        if self.hurried > 0 {
            let those = count(self.hurried, "conversation");
            out.tell(&format!("{those} could not wait for missing bytes: there is too much at once\n"));
        }
        if self.teller.unkept_bytes > 0 {
            let (unkept, most) = (size_in_words(self.teller.unkept_bytes), size_in_words(KEPT as u64));
            out.tell(&format!(
                "{unkept} of later conversations are not shown: {most} are kept; --only shows one\n"
            ));
        }
        if !self.spoken && self.clock > 0 {
            out.tell(&match self.only {
                Some(stream) => format!("nothing was said in conversation {stream}\n"),
                None => "nothing was said over TCP\n".to_owned(),
            });
        }
    }

    /// Makes room when all that are open take too much: forgets what was said already, and if that is not enough, lets
    /// the conversations idle longest, half of them, wait no longer.
    fn relieve(&mut self) {
        if self.open_bytes <= OPEN {
            return;
        }
        let mut open = Vec::new();
        self.open_bytes = 0;
        for (stream, talk) in &mut self.talks {
            if let Some(streams) = &mut talk.streams {
                streams.iter_mut().for_each(Reassembly::forget);
                self.open_bytes += memory(streams);
                open.push((talk.heard, *stream));
            }
        }
        if self.open_bytes <= OPEN / 2 {
            return;
        }
        open.sort_unstable();
        for (_, stream) in &open[..open.len().div_ceil(2)] {
            self.hurried_below = self.hurried_below.max(stream + 1);
            self.hurried += u64::from(self.close(*stream, false));
            if self.talks.get(stream).is_some_and(|talk| talk.kept.is_nothing()) {
                self.talks.remove(stream);
            }
        }
    }

    /// Hands out what a conversation has, and waits for nothing more, `over` or not. True if anything was waited for.
    fn close(&mut self, stream: u64, over: bool) -> bool {
        let Some(talk) = self.talks.get_mut(&stream) else { return false };
        let Some(mut streams) = talk.streams.take() else { return false };
        self.open_bytes -= memory(&streams);
        let mut waited = false;
        for (side, reassembly) in [Side::A, Side::B].into_iter().zip(streams.iter_mut()) {
            let tell = |item: Item<'_>| {
                waited = true;
                self.teller.tell(stream, talk.ends, &mut talk.kept, side, &item);
            };
            if over { reassembly.finish(tell) } else { reassembly.hurry(tell) }
        }
        waited
    }
}

impl View for Streams<'_> {
    fn limits(&self) -> Limits {
        // The conversations themselves are told by records alone.
        Limits { rows: Rows::LeftOut, departed: self.teller.out.json, ..Limits::default() }
    }

    fn packet(&mut self, shown: &Shown<'_>, _: &Out) {
        if self.clock == 0 {
            self.teller.start = shown.seen.start();
        }
        self.clock += 1;
        let (Belongs::Tcp(placed), Transport::Tcp(segment)) = (shown.belongs, &shown.packet.transport) else {
            return;
        };
        let says = placed.len_bytes > 0 || placed.ack > Some(FIRST);
        if placed.chosen && (says || self.talks.contains_key(&placed.stream)) {
            self.segment(shown, &placed, segment);
            self.relieve();
        }
    }

    fn departed(&mut self, gone: &Departed, seen: &Seen, out: &Out) {
        if let Departed::Tcp(flow) = gone {
            out.record(&record::flow(flow, seen.start(), None));
        }
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        self.close_all();
        let chosen = Chosen::of(capture);
        view::tell_of_datagrams(chosen.udp.len() as u64, out);
        if out.json {
            let start = capture.seen.start();
            chosen.tcp.iter().for_each(|flow| out.record(&record::flow(flow, start, None)));
            out.record(&record::capture(&capture.counts));
        }
        Ok(chosen.or_tell(capture, Exit::Ok, out))
    }
}

impl Teller<'_> {
    fn tell(&mut self, stream: u64, ends: Ends, kept: &mut Kept, from: Side, item: &Item<'_>) {
        match &mut self.way {
            Way::Records => self.out.record(&record::stream_item(stream, from, item, self.start)),
            Way::Raw(raw) => raw.tell(from, item, self.out),
            Way::InTurn => {
                let most = KEPT.saturating_sub(self.kept_bytes);
                let taken = kept.keep(from, item, most);
                self.kept_bytes += taken.memory_bytes;
                self.unkept_bytes += taken.unkept_bytes;
            }
            Way::Now(transcript) => {
                let mut text = String::new();
                let transcript = transcript.get_or_insert_with(|| {
                    text = heading(stream, &ends.names(), &self.look.style);
                    Transcript::new(ends.names(), self.start, self.look)
                });
                transcript.item(from, item, &mut text);
                self.out.print(&text);
            }
        }
    }

    /// Shows the rest of a conversation that was shown as it came.
    fn finish(&mut self) {
        if let Way::Now(Some(transcript)) = &mut self.way {
            let mut text = String::new();
            transcript.finish(&mut text);
            self.out.print(&text);
        }
    }

    /// Shows what was kept of a conversation.
    fn show(&self, stream: u64, ends: Ends, kept: &Kept) {
        if kept.is_nothing() {
            return;
        }
        let mut transcript = Transcript::new(ends.names(), self.start, self.look);
        let mut text = heading(stream, &ends.names(), &self.look.style);
        for (from, item) in kept.items() {
            transcript.item(from, &item, &mut text);
            self.out.print(&text);
            text.clear();
        }
        transcript.finish(&mut text);
        if kept.left_out_bytes > 0 {
            let (left_out, most) = (size_in_words(kept.left_out_bytes), size_in_words(KEPT as u64));
            let note =
                format!("{left_out} more: {most} are kept of all conversations, --only {stream} shows all");
            transcript.note(&note, &mut text);
        }
        self.out.print(&text);
    }
}

impl Ends {
    fn of(segment: &TcpSegment<'_>, from: Side, in_lab: bool) -> Ends {
        let addresses = match from {
            Side::A => [segment.source, segment.destination],
            Side::B => [segment.destination, segment.source],
        };
        Ends { addresses, in_lab }
    }

    fn names(self) -> Names {
        let [a, b] = self.addresses;
        match self.in_lab {
            true => picture::roles([a, b]),
            false => Names { a: a.to_string(), b: b.to_string() },
        }
    }
}

impl Raw {
    fn new(end: End, out: &Out) -> Raw {
        let from = match end {
            End::A => Side::A,
            End::B => Side::B,
        };
        let visible = std::io::stdout().is_terminal().then(|| VisibleStream::new(out.stdout.ascii));
        Raw { from, visible, bytes: 0, missing_bytes: 0, gaps: 0, late_bytes: 0, conflicts: 0 }
    }

    fn tell(&mut self, from: Side, item: &Item<'_>, out: &Out) {
        match item {
            _ if from != self.from => {}
            Item::Data(said) => {
                self.bytes += said.bytes.len() as u64;
                match &mut self.visible {
                    Some(visible) => out.print(&visible.show(said.bytes)),
                    None => out.print_bytes(said.bytes),
                }
            }
            Item::Gap(gap) => {
                self.gaps += 1;
                self.missing_bytes += gap.len_bytes;
            }
            Item::Late(said) => self.late_bytes += said.bytes.len() as u64,
            Item::Conflict(_) => self.conflicts += 1,
        }
    }

    /// What is written has no room for what should be known of it.
    fn finish(&mut self, out: &Out) {
        if let Some(visible) = &mut self.visible {
            out.print(&visible.finish());
        }
        if self.bytes == 0 {
            out.tell("nothing of what it said is in this capture\n");
        }
        if self.gaps > 0 {
            let (missing, gaps) = (count(self.missing_bytes, "byte"), count(self.gaps, "gap"));
            out.tell(&format!(
                "{missing} are missing, in {gaps}: what was said behind a gap follows at once\n"
            ));
        }
        if self.late_bytes > 0 {
            out.tell(&format!("{} came too late and are left out\n", count(self.late_bytes, "byte")));
        }
        if self.conflicts > 0 {
            let repetitions = count(self.conflicts, "repetition");
            out.tell(&format!("{repetitions} had another content: the first is written\n"));
        }
    }
}

fn memory([a, b]: &[Reassembly; 2]) -> usize {
    a.memory_bytes() + b.memory_bytes()
}

/// A conversation that had been given up goes on where this segment stands.
fn resumed(placed: &Placement) -> [Reassembly; 2] {
    let ours = Reassembly::starting_at(placed.start, HELD);
    let theirs = Reassembly::starting_at(placed.ack.unwrap_or(FIRST), HELD);
    if placed.from == Side::A { [ours, theirs] } else { [theirs, ours] }
}
