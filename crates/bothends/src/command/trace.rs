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

use self::pictures::{Kind, Pictures};
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
  bothends trace -r talk.pcapng            every conversation, and how it ended
  bothends trace -r talk.pcapng --ladder   drawn, with the states of both ends
  bothends trace -r talk.pcapng --story    told in prose, a line for each turn
  bothends trace -r talk.pcapng --streams  what both ends said, turn by turn
  bothends trace -r talk.pcapng --streams --only 0 --raw b > answer
  bothends trace -r talk.pcapng --state-diagram --only 0 --svg states.svg
  bothends trace -r talk.pcapng --bytes 1  one packet, field by field
  bothends trace -r big.pcap.gz --only :443 --write https.pcapng
  bothends trace -r talk.pcapng --json | grep retransmission
  tcpdump -w - -c 100 tcp | bothends trace -r -

No capture at hand? `bothends lab --write talk.pcapng` makes one.

It reads pcap and pcapng, plain or packed with gzip or zstd, from a file or a pipe: Ethernet, Wi-Fi, PPP and other link \
types, through VLANs and tunnels, and puts fragments together. What `bothends lab --write` left says also what the link \
did to each packet. A damaged capture is shown as far as it can be read; then the exit code is 26.

Conversations of TCP are numbered from 0, those of UDP from udp:0. The end that opened one is its a, or else who spoke \
first; the other is b. Times count from the first frame, sequence numbers from each side's first. What the capture does \
not show is not guessed: such a state is `unknown`, such bytes are told as missing.

Memory is bounded, however long the capture: where there are more conversations than can be followed at once, the one \
that has been idle longest is shown and forgotten. In --json each segment has the states of both ends and the flags of \
Wireshark's analysis (tcp.analysis), by its rules."
)]
pub struct Flags {
    #[arg(short = 'r', long = "read", value_name = "FILE", help = "Read this capture; - is standard input.")]
    file: PathBuf,
    #[arg(
        long,
        value_name = "WHICH",
        value_delimiter = ',',
        allow_negative_numbers = true,
        help = "Show only these conversations: by number (3, udp:0), address (10.0.0.1, [::1]:80), network (10.0.0.0/8) \
                or port (:80). Several may be given, with commas; those that any of them takes are shown."
    )]
    only: Vec<Part>,
    #[arg(
        short = 'w',
        long,
        value_name = "FILE",
        value_parser = PathBufValueParser::new().try_map(files::named),
        help = "Write the frames of the conversations shown into this capture, with the flags of each as its comment; \
                pcap, without comments, where the name ends in .pcap, else pcapng."
    )]
    write: Option<PathBuf>,
    #[arg(
        long,
        group = "view",
        help_heading = VIEWS,
        help = "List the conversations, a line for each; with --json without their segments. It is what is shown when \
                nothing else is asked for."
    )]
    list: bool,
    #[arg(
        long,
        group = "view",
        help_heading = VIEWS,
        help = "Draw each conversation as a ladder, with its verdict."
    )]
    ladder: bool,
    #[arg(
        long,
        group = "view",
        help_heading = VIEWS,
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
    #[arg(
        long,
        group = "view",
        help_heading = VIEWS,
        help = "Draw TCP's state diagram with the way of both ends through it.",
        long_help = "Draw TCP's state diagram (RFC 9293, figure 5) with the way of both ends through it: a2 stands where \
                     the second step of a led, double frames and heavy arrows show what was passed. Under it each step \
                     has its frame and its cause. With --svg the same becomes a picture. It takes 80 columns."
    )]
    state_diagram: bool,
    #[command(flatten)]
    streams: streams::Flags,
    #[arg(
        long,
        group = "view",
        help_heading = VIEWS,
        value_name = "FRAME",
        conflicts_with_all = ["streams", "only", "write", "svg"],
        help = "Show the frame of this number byte by byte: every header, field and checksum; -v shows long payloads whole."
    )]
    bytes: Option<NonZeroU64>,
    #[arg(
        long,
        help_heading = "Pictures",
        value_name = "FILE",
        value_parser = PathBufValueParser::new().try_map(files::named),
        help = "Draw the conversation into this file as SVG: its ladder, or with --state-diagram that. Where there are \
                several, --only chooses it."
    )]
    svg: Option<PathBuf>,
    #[arg(
        long,
        help_heading = "Pictures",
        value_name = "COLUMNS",
        help = "Draw this wide; otherwise as wide as the terminal is. At 120 columns ladders show options, windows and \
                bytes in flight."
    )]
    pub(super) width: Option<NonZeroUsize>,
}

/// Over the flags that say what is shown.
const VIEWS: &str = "Views, one at a time";

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
            Some(extent) => Box::new(Pictures::new(Kind::Story(extent), svg)),
            None if self.state_diagram => Box::new(Pictures::new(Kind::StateDiagram, svg)),
            None if self.ladder => Box::new(Pictures::new(Kind::Ladder, svg)),
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
    let source = Source::open(&flags.file, out)?;
    let mut outputs = [("--write", &flags.write), ("--svg", &flags.svg)].into_iter();
    if let Some((flag, _)) = outputs.find(|(_, path)| path.as_deref().is_some_and(|path| source.is_at(path)))
    {
        return Ok(out.usage(&format!("{flag} would overwrite the capture that is read"), None));
    }
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
