//! `trace`: a capture file, its conversations followed and shown.

mod source;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use draw::number::count;
use draw::{Names, list};
use flow::{Flow, Frame, Limits, Rows, Tracker};
use wire::capture::{CaptureError, Reader};
use wire::{Cause, Doing, End, Fault, Time};

use self::source::Source;
use crate::exit::Exit;
use crate::files;
use crate::out::Out;
use crate::picture::{self, Naming, Svg};
use crate::record::{self, Counts};

/// What `trace` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Follow the TCP conversations of a capture and show who did what.",
    long_about = "Follow the TCP conversations of a capture and show who did what.

Examples:
  bothends trace -r talk.pcapng           every conversation, and how it ended
  bothends trace -r talk.pcapng --ladder  drawn, with the states of both ends
  bothends trace -r talk.pcapng --only 3 --svg talk.svg
  tcpdump -w - -c 100 tcp | bothends trace -r -

It reads pcap and pcapng with Ethernet, raw IP, IPv4 and IPv6. What `bothends lab --write` left says also what the \
link did to each packet. Times count from the first frame, sequence numbers from each side's first."
)]
pub struct Flags {
    /// The file.
    #[arg(short = 'r', long = "read", value_name = "FILE", help = "Read this capture; - is standard input.")]
    file: PathBuf,
    /// Ladders.
    #[arg(long, help = "Draw each conversation as a ladder, with its verdict.")]
    ladder: bool,
    /// A list.
    #[arg(
        long,
        conflicts_with = "ladder",
        help = "List the conversations, a line for each; with --json without their segments."
    )]
    list: bool,
    /// One conversation.
    #[arg(
        long,
        value_name = "STREAM",
        allow_negative_numbers = true,
        help = "Show only the conversation of this number."
    )]
    only: Option<u64>,
    /// A picture.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(files::named), help = "Draw the conversation into this file as SVG.")]
    svg: Option<PathBuf>,
    /// The columns.
    #[arg(long, value_name = "COLUMNS", help = "Draw this wide; otherwise as wide as the terminal is.")]
    pub width: Option<NonZeroUsize>,
}

impl Flags {
    /// Lists need few rows of each conversation; drawings and records need all there is room for.
    fn limits(&self, json: bool) -> Limits {
        let whole = self.ladder || self.svg.is_some() || (json && !self.list);
        match whole {
            true => Limits::default(),
            false => Limits { rows: Rows::Kept(32), rows_in_all: 100_000, ..Limits::default() },
        }
    }
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = read_and_show(flags, out).unwrap_or_else(|fault| out.fault(&fault));
    out.finish(exit)
}

fn read_and_show(flags: &Flags, out: &Out) -> Result<Exit, Fault> {
    let source = Source::open(&flags.file)?;
    let svg = Svg::create(flags.svg.as_ref())?;
    let from_stdin = source.is_stdin();
    let capture = Capture::read(source, flags.limits(out.json));
    let exit = show(flags, &capture, svg, out)?;
    Ok(match &capture.damage {
        Some(error) => damage(error, flags, from_stdin, out),
        None => exit,
    })
}

/// A capture that was read, as far as that went.
struct Capture {
    tracker: Tracker,
    counts: Counts,
    naming: Naming,
    /// Why not to the end.
    damage: Option<CaptureError>,
}

impl Capture {
    fn read(source: Source, limits: Limits) -> Capture {
        let mut tracker = Tracker::new(limits);
        let mut counts = Counts::default();
        let mut naming: Naming = Names::addresses;
        let damage = match Reader::new(source) {
            Ok(mut reader) => {
                let damage = follow(&mut reader, &mut tracker, &mut counts).err();
                counts.lost_by_capture = reader.lost_by_capture();
                let interfaces = reader.interfaces();
                counts.name_links(interfaces.iter().map(|interface| interface.link_type));
                // The lab's own captures name their interfaces after the roles.
                if interfaces.iter().map(|interface| interface.name.as_str()).eq(["client", "server"]) {
                    naming = picture::roles;
                }
                damage
            }
            Err(error) => Some(error),
        };
        tracker.finish();
        counts.unsupported = picture::not_tcp(tracker.counters());
        Capture { tracker, counts, naming, damage }
    }

    fn start(&self) -> Time {
        self.counts.first.unwrap_or_default()
    }
}

fn follow(
    reader: &mut Reader<Source>,
    tracker: &mut Tracker,
    counts: &mut Counts,
) -> Result<(), CaptureError> {
    while let Some(captured) = reader.next()? {
        counts.frames += 1;
        counts.first.get_or_insert(captured.time);
        tracker.frame(&Frame {
            number: captured.number,
            time: captured.time,
            link_type: captured.link_type,
            bytes: captured.bytes,
            wire_len: captured.wire_len,
            passage: captured.passage,
        });
    }
    Ok(())
}

fn show(flags: &Flags, capture: &Capture, svg: Svg, out: &Out) -> Result<Exit, Fault> {
    let all: Vec<&Flow> = capture.tracker.flows().collect();
    let flows: Vec<&Flow> = match flags.only {
        Some(stream) => all.iter().copied().filter(|flow| flow.stream == stream).collect(),
        None => all.clone(),
    };
    out.record(&record::capture(&capture.counts));
    if out.json {
        picture::records(&flows, capture.start(), None, !flags.list, out);
    } else if flags.ladder {
        out.print(&picture::stories(&flows, capture.naming, &out.stdout));
    } else {
        out.print(&list::text(flows.iter().copied(), &out.stdout));
    }
    tell_about(capture, &all, out);
    if flows.is_empty() && !all.is_empty() {
        let sentence = format!("there is no conversation {} here", flags.only.unwrap_or_default());
        return Ok(out.usage(&sentence, Some(format!("they are numbered from 0 to {}", all.len() - 1))));
    }
    match (svg.is_wanted(), flows.as_slice()) {
        (true, [flow]) => svg.finish(flow, capture.naming)?,
        (true, [_, ..]) => {
            let sentence = format!("--svg draws one conversation, and there are {}", flows.len());
            return Ok(out.usage(&sentence, Some("choose one with --only STREAM".to_owned())));
        }
        _ => {}
    }
    Ok(Exit::Ok)
}

/// What should be known about the capture itself.
fn tell_about(capture: &Capture, flows: &[&Flow], out: &Out) {
    let counts = &capture.counts;
    if let Some(lost) = counts.lost_by_capture.filter(|lost| *lost > 0) {
        let lost = count(lost, "frame");
        out.tell(&format!("the capture itself lost {lost}: what looks missing may have been on the wire\n"));
    }
    if let Some(left_out) = counts.unread_in_words() {
        out.tell(&format!("{left_out}\n"));
    }
    let evicted = capture.tracker.counters().evicted;
    if evicted > 0 {
        out.tell(&format!("{} were forgotten: there are too many at once\n", count(evicted, "conversation")));
    }
    if counts.frames == 0 && capture.damage.is_none() {
        out.tell("there is no frame in it\n");
    } else if flows.is_empty() && counts.frames > 0 {
        out.tell(&format!("there is no TCP in it, but {}\n", counts.in_words()));
    } else {
        out.narrate(1, &format!("{}\n", counts.in_words()));
    }
}

/// Tells why the capture was not read to its end. A stream may end anywhere: it was stopped.
fn damage(error: &CaptureError, flags: &Flags, from_stdin: bool, out: &Out) -> Exit {
    let name = if from_stdin { "standard input".to_owned() } else { flags.file.display().to_string() };
    if let (true, CaptureError::Cut { packets, .. }) = (from_stdin, error) {
        out.tell(&format!(
            "standard input ended in the middle of a record, behind {}\n",
            count(*packets, "frame")
        ));
        return Exit::Ok;
    }
    let cause = match error {
        CaptureError::Io(error) => match error.raw_os_error() {
            Some(errno) => Cause::Errno(errno),
            None => Cause::Words(error.to_string()),
        },
        CaptureError::Empty if from_stdin => Cause::Words("it ended before a capture began".to_owned()),
        other => Cause::Words(other.to_string()),
    };
    out.fault(&Fault { end: End::You, doing: Doing::Read, at: name, cause })
}

impl Counts {
    fn name_links(&mut self, types: impl Iterator<Item = wire::link_type::LinkType>) {
        let mut types: Vec<_> = types.collect();
        types.sort_by_key(|link| link.0);
        types.dedup();
        self.link_types = types
            .iter()
            .map(|link| match link.name() {
                Some(name) => name.to_owned(),
                None => format!("link type {}", link.0),
            })
            .collect();
    }

    /// Frames that may belong to conversations and could not be followed: a picture without them is not the whole.
    fn unread_in_words(&self) -> Option<String> {
        let of = |wanted: &str| {
            self.unsupported.iter().find(|(kind, _)| *kind == wanted).map(|(_, frames)| *frames)
        };
        let whys = [
            ("unreadable", ["could not be read: cut too short, or malformed"; 2]),
            (
                "fragment",
                [
                    "is a piece of a fragmented packet, which is not put together",
                    "are pieces of fragmented packets, which are not put together",
                ],
            ),
        ];
        let told = whys.iter().filter_map(|(kind, [one, many])| {
            let frames = of(kind)?;
            Some(format!("{} {}", count(frames, "frame"), if frames == 1 { one } else { many }))
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// `12 frames of Ethernet: 10 udp, 2 other`.
    fn in_words(&self) -> String {
        let kinds: Vec<String> = self.unsupported.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let links = if self.link_types.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.link_types.join(", "))
        };
        let kinds = if kinds.is_empty() { String::new() } else { format!("; not TCP: {}", kinds.join(", ")) };
        format!("{}{links}{kinds}", count(self.frames, "frame"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_followed_is_told() {
        let counts = |unsupported| Counts { frames: 20, unsupported, ..Counts::default() };
        assert_eq!(counts(vec![("udp", 2), ("icmp", 1)]).unread_in_words(), None);
        let unread = counts(vec![("udp", 2), ("fragment", 1), ("unreadable", 14)]).unread_in_words();
        let told = "14 frames could not be read: cut too short, or malformed; \
                    1 frame is a piece of a fragmented packet, which is not put together";
        assert_eq!(unread.as_deref(), Some(told));
    }
}
