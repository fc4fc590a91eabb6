//! `trace`: a capture, its conversations followed and shown.

mod account;
mod aside;
mod bytes;
mod compression;
mod list;
mod pictures;
mod progress;
mod reading;
mod records;
mod source;
mod state_diagram;
mod story;
mod streams;
mod view;
mod writing;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use flow::{Choice, Part};
use wire::Fault;

use self::reading::Reading;
use self::source::Source;
use self::view::View;
use self::writing::Writing;
use crate::exit::Exit;
use crate::files;
use crate::out::Out;
use crate::picture::Svg;

/// What `trace` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Follow the conversations of a capture and show who did what.",
    long_about = "Follow the conversations of a capture and show who did what.

Examples:
  bothends trace -r talk.pcapng           every conversation, and how it ended
  bothends trace -r talk.pcapng --ladder  drawn, with the states of both ends
  bothends trace -r talk.pcapng --only 3 --svg talk.svg
  bothends trace -r talk.pcapng --bytes 1 one packet, field by field
  bothends trace -r talk.pcapng --streams what both ends said, turn by turn
  bothends trace -r talk.pcapng --streams --only 0 --raw b >answer
  bothends trace -r talk.pcapng --state-diagram   the ways through TCP's states
  bothends trace -r talk.pcapng --story   told in prose, a line for each turn
  bothends trace -r big.pcap --only :443 --write https.pcapng
  tcpdump -w - -c 100 tcp | bothends trace -r -

It reads pcap and pcapng, from a file of any length or a pipe, in bounded memory: where there are more conversations \
than it can follow at once, the one that has been idle longest is shown and forgotten. What `bothends lab --write` left \
says also what the link did to each packet. Times count from the first frame, sequence numbers from each side's first. \
The flags of each segment in --json are Wireshark's (tcp.analysis), by its rules."
)]
pub struct Flags {
    /// The file.
    #[arg(short = 'r', long = "read", value_name = "FILE", help = "Read this capture; - is standard input.")]
    file: PathBuf,
    /// Ladders.
    #[arg(long, group = "view", help = "Draw each conversation as a ladder, with its verdict.")]
    ladder: bool,
    /// A list.
    #[arg(
        long,
        group = "view",
        help = "List the conversations, a line for each; with --json without their segments."
    )]
    list: bool,
    /// State diagrams.
    #[arg(
        long,
        group = "view",
        help = "Draw TCP's state diagram with the way of both ends through it.",
        long_help = "Draw TCP's state diagram (RFC 9293, figure 5) with the way of both ends through it: a2 stands where \
                     the second step of a led, double frames and heavy arrows show what was passed. Under it each step \
                     has its frame and its cause. With --svg the same becomes a picture. It takes 80 columns."
    )]
    state_diagram: bool,
    /// Stories.
    #[arg(
        long,
        group = "view",
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "short",
        help = "Tell each conversation in prose, a line for each turn; =all tells every turn.",
        long_help = "Tell each conversation in prose, a line for each turn: who sent how much when, who waited for whom, \
                     what was lost and sent again, who closed. Of a long one the first and the last turns are told; \
                     --story=all tells every one."
    )]
    story: Option<story::Extent>,
    /// Some conversations.
    #[arg(
        long,
        value_name = "WHICH",
        value_delimiter = ',',
        allow_negative_numbers = true,
        help = "Show only these conversations: by number (3, udp:0), address (10.0.0.1, [::1]:80), network (10.0.0.0/8) \
                or port (:80). Several may be given; those that any of them takes are shown."
    )]
    only: Vec<Part>,
    /// What was said.
    #[command(flatten)]
    streams: streams::Flags,
    /// A capture.
    #[arg(
        short = 'w',
        long,
        value_name = "FILE",
        value_parser = PathBufValueParser::new().try_map(files::named),
        help = "Write the frames of the conversations shown into this capture, with the flags of each as its comment; \
                pcap, without comments, where the name ends in .pcap, else pcapng."
    )]
    write: Option<PathBuf>,
    /// One packet.
    #[arg(
        long,
        group = "view",
        value_name = "FRAME",
        conflicts_with_all = ["streams", "only", "write", "svg"],
        help = "Show the frame of this number byte by byte: every header, field and checksum."
    )]
    bytes: Option<NonZeroU64>,
    /// A picture.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(files::named), help = "Draw the conversation into this file as SVG.")]
    svg: Option<PathBuf>,
    /// The columns.
    #[arg(long, value_name = "COLUMNS", help = "Draw this wide; otherwise as wide as the terminal is.")]
    pub width: Option<NonZeroUsize>,
}

impl Flags {
    fn choice(&self) -> Choice {
        Choice::of(self.only.clone())
    }

    /// The view that was asked for.
    fn view<'a>(&self, out: &'a Out) -> Result<Box<dyn View + 'a>, Fault> {
        let svg = Svg::create(self.svg.as_ref())?;
        if self.streams.streams {
            return Ok(Box::new(streams::Streams::new(&self.streams, &self.choice(), out)));
        }
        Ok(match self.story {
            _ if out.json => Box::new(records::Records::new(!self.list, svg)),
            Some(extent) => Box::new(story::Stories::new(extent, svg)),
            None if self.state_diagram => Box::new(state_diagram::Diagrams::new(svg)),
            None if self.ladder => Box::new(pictures::Ladders::new(svg)),
            None => Box::new(list::Listing::new(svg)),
        })
    }
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = read_and_show(flags, out).unwrap_or_else(|fault| out.fault(&fault));
    out.finish(exit)
}

fn read_and_show(flags: &Flags, out: &Out) -> Result<Exit, Fault> {
    if let Some(wrong) = flags.streams.wrong(&flags.choice(), out.json) {
        return Ok(out.usage(wrong, None));
    }
    let source = Source::open(&flags.file)?;
    if let Some(number) = flags.bytes {
        return Ok(bytes::show(number.get(), source, flags, out));
    }
    let writing = flags.write.as_deref().map(Writing::create).transpose()?;
    let mut view = flags.view(out)?;
    let reading = Reading { choice: flags.choice(), writing, out };
    let capture = reading.read(source, view.as_mut())?;
    let exit = view.finish(&capture, out)?;
    account::tell(&capture, out);
    Ok(match &capture.damage {
        Some(error) => account::damage(error, &flags.file, capture.from_stdin, out),
        None => exit,
    })
}
