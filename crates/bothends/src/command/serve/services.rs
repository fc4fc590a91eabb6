//! The services by name, with the words and flags that belong to each.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use ends::service::{Chat, Collect, Discard, Echo, Reply, Service, Shape, Source, TimeOfDay, Upper};
use wire::frame::Frame;
use wire::quantity;

use crate::files;
use crate::sink::Fsync;

/// The longest line that is kept in one piece, in bytes, unless --max-message says otherwise.
const LONGEST_LINE: usize = 64 * 1024;

/// Makes a service.
pub(super) type Make = Box<dyn Fn() -> Box<dyn Service> + Send + Sync>;

/// The services by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ServiceWord {
    #[value(help = "Send back what was received (RFC 862).")]
    Echo,
    #[value(help = "Send back what was received, in capital letters.")]
    Upper,
    #[value(help = "Answer each arrival with TEXT, or with --frame line each line.")]
    Reply,
    #[value(help = "Take everything and say nothing (RFC 863).")]
    Discard,
    #[value(help = "Send characters for as long as they are taken, or --size bytes (RFC 864).")]
    Source,
    #[value(help = "Tell the date and time in words (RFC 867).")]
    Daytime,
    #[value(help = "Tell the seconds since 1900 as four bytes (RFC 868).")]
    Time,
    #[value(help = "Show the lines of all clients, whole, each with its client's number and address.")]
    Collect,
    #[value(help = "Let all clients talk to each other, in rooms, and to you at this keyboard.")]
    Chat,
}

/// How messages lie in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FrameWord {
    #[default]
    #[value(help = "Each arrival is one.")]
    None,
    #[value(help = "Each line is one.")]
    Line,
    #[value(help = "Each stands behind its length, in four bytes, the highest first.")]
    Len32,
}

/// The flags of single services.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Services")]
pub(super) struct ServiceFlags {
    #[arg(long, value_name = "SIZE", value_parser = quantity::size,
          help = "Source: send this many bytes to each client, such as 1M, then end; by itself it never ends.")]
    size: Option<u64>,
    #[arg(long, value_name = "HOW", help = "Reply: what counts as one message in a stream; none by itself.")]
    frame: Option<FrameWord>,
    #[arg(long, value_name = "FILE", value_parser = record_file,
          help = "Collect, chat: append each line to FILE as a JSON record before it is shown.",
          long_help = "Collect, chat: append each line to FILE as a JSON record before it is shown. What is shown is in \
                       the file, once, even if the program is killed. A record that an earlier run was killed in \
                       the middle of, and never showed, is cut off at the start; any other unfinished line gets its \
                       end. While FILE cannot be written (a full disk) lines are still shown, and counted; then \
                       recording goes on.")]
    pub(super) record: Option<PathBuf>,
    #[arg(long, value_name = "WHEN", value_parser = Fsync::parse, requires = "record",
          help = "Put recorded lines on the disk itself: batch, never, or after a time such as 1s; batch by itself.",
          long_help = "Put recorded lines on the disk itself (fdatasync): batch, before they are shown, so that not even \
                       a power failure loses what was shown; after a time such as 1s at the latest; or never, when the \
                       kernel sees fit. Batch by itself.")]
    pub(super) fsync: Option<Fsync>,
}

/// A file to record into.
fn record_file(text: &str) -> Result<PathBuf, &'static str> {
    files::named(text.into())
}

impl ServiceWord {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            ServiceWord::Echo => "echo",
            ServiceWord::Upper => "upper",
            ServiceWord::Reply => "reply",
            ServiceWord::Discard => "discard",
            ServiceWord::Source => "source",
            ServiceWord::Daytime => "daytime",
            ServiceWord::Time => "time",
            ServiceWord::Collect => "collect",
            ServiceWord::Chat => "chat",
        }
    }

    /// Whether it shows lines here.
    pub(super) fn shows_lines(self) -> bool {
        matches!(self, ServiceWord::Collect | ServiceWord::Chat)
    }

    /// Takes the word that it needs from the front of `words`; the rest are addresses.
    pub(super) fn own_word(self, words: &[String]) -> Result<(Option<&String>, &[String]), String> {
        match (self, words) {
            (ServiceWord::Reply, [text, addresses @ ..]) => Ok((Some(text), addresses)),
            (ServiceWord::Reply, []) => {
                Err("reply needs a text behind its name: serve reply 'hello, i am server'".to_owned())
            }
            (_, addresses) => Ok((None, addresses)),
        }
    }

    /// A flag that belongs to another service, as a sentence.
    pub(super) fn strange_flag(self, flags: &ServiceFlags) -> Option<String> {
        let name = self.name();
        let strange = |flag: &str, of: &str| Some(format!("--{flag} belongs to {of}, not to {name}"));
        match flags {
            ServiceFlags { size: Some(_), .. } if self != ServiceWord::Source => strange("size", "source"),
            ServiceFlags { frame: Some(_), .. } if self != ServiceWord::Reply => strange("frame", "reply"),
            ServiceFlags { record: Some(_), .. } if !self.shows_lines() => {
                strange("record", "collect and chat")
            }
            _ => None,
        }
    }

    /// Why a limit of messages has nothing to hold to here, as a sentence. Bytes of a stream are no messages.
    pub(super) fn no_messages(
        self,
        flags: &ServiceFlags,
        max_message: Option<usize>,
        shapes: &[Shape],
    ) -> Option<String> {
        let longest = max_message?;
        if self == ServiceWord::Chat && longest > Chat::LONGEST_LINE {
            return Some(
                "chat hears lines of at most 8K, and longer ones in pieces: --max-message can be less".into(),
            );
        }
        let has_frame =
            self == ServiceWord::Reply && flags.frame.is_some_and(|frame| frame != FrameWord::None);
        let has_messages =
            self.shows_lines() || has_frame || shapes.iter().any(|shape| *shape != Shape::Stream);
        let name = self.name();
        (!has_messages).then(|| {
            format!(
                "--max-message belongs to collect, chat and reply --frame, and to packets and datagrams, not to {name} \
                 on a stream, which has no messages"
            )
        })
    }

    /// Makes it, as often as the engine needs it. `word` is [`ServiceWord::own_word`]'s.
    pub(super) fn make(
        self,
        word: Option<&String>,
        flags: &ServiceFlags,
        max_message: Option<usize>,
    ) -> Make {
        let longest = max_message.unwrap_or(LONGEST_LINE);
        let size = flags.size;
        match self {
            ServiceWord::Echo => Box::new(|| Box::new(Echo)),
            ServiceWord::Upper => Box::new(|| Box::new(Upper)),
            ServiceWord::Reply => {
                let text = word.cloned().unwrap_or_default();
                let frame = flags.frame.unwrap_or_default().frame();
                if max_message.is_some() {
                    return Box::new(move || Box::new(Reply::with_limit(text.as_bytes(), frame, longest)));
                }
                Box::new(move || Box::new(Reply::new(text.as_bytes(), frame, longest)))
            }
            ServiceWord::Discard => Box::new(|| Box::new(Discard)),
            ServiceWord::Source => Box::new(move || Box::new(Source::new(size))),
            ServiceWord::Daytime => Box::new(|| Box::new(TimeOfDay::daytime(SystemTime::now))),
            ServiceWord::Time => Box::new(|| Box::new(TimeOfDay::time(SystemTime::now))),
            ServiceWord::Collect if max_message.is_some() => {
                Box::new(move || Box::new(Collect::with_limit(longest)))
            }
            ServiceWord::Collect => Box::new(move || Box::new(Collect::new(longest))),
            ServiceWord::Chat if max_message.is_some() => {
                Box::new(move || Box::new(Chat::with_limit(longest)))
            }
            ServiceWord::Chat => Box::new(move || Box::new(Chat::new(longest))),
        }
    }
}

impl FrameWord {
    fn frame(self) -> Frame {
        match self {
            FrameWord::None => Frame::None,
            FrameWord::Line => Frame::Line,
            FrameWord::Len32 => Frame::Len32,
        }
    }
}

/// A size in bytes that fits into memory, and is not 0.
pub(super) fn message_size(text: &str) -> Result<NonZeroUsize, String> {
    let bytes = quantity::size(text).map_err(|error| error.to_string())?;
    let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= 16 << 20);
    fits.and_then(NonZeroUsize::new).ok_or_else(|| "it has to be from 1 to 16M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_is_made_under_its_name() {
        for word in ServiceWord::value_variants() {
            let text = "hello".to_owned();
            let service = word.make(Some(&text), &ServiceFlags::default(), None)();
            assert_eq!(service.name(), word.name());
            assert_eq!(service.shows_lines(), word.shows_lines(), "{}", word.name());
        }
    }

    #[test]
    fn reply_takes_the_word_behind_its_name() {
        let words = ["hello".to_owned(), "8080".to_owned()];
        assert_eq!(ServiceWord::Reply.own_word(&words), Ok((Some(&words[0]), &words[1..])));
        assert_eq!(ServiceWord::Echo.own_word(&words), Ok((None, &words[..])));
        assert!(ServiceWord::Reply.own_word(&[]).unwrap_err().starts_with("reply needs a text"));
    }

    #[test]
    fn flags_of_other_services_are_refused() {
        let flags = ServiceFlags { size: Some(1), ..ServiceFlags::default() };
        assert_eq!(ServiceWord::Source.strange_flag(&flags), None);
        let told = ServiceWord::Echo.strange_flag(&flags);
        assert_eq!(told.as_deref(), Some("--size belongs to source, not to echo"));
        let flags = ServiceFlags { record: Some("x".into()), ..ServiceFlags::default() };
        assert_eq!(ServiceWord::Chat.strange_flag(&flags), None);
        assert!(ServiceWord::Upper.strange_flag(&flags).is_some());
    }
}
