//! What `connect` and `listen` both understand. Options behind the address are the same flags, so one declaration is the
//! table of both.

use std::time::Duration;

use clap::Args;
use regex::bytes::Regex;
use wire::frame::Frame;
use wire::{Transport, quantity};

use super::expectation;
use crate::cli::Families;

/// What to say, what to wait for, and when to stop.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::command) struct Talking {
    #[arg(short, long, help = "Mean UDP by an address without a scheme.")]
    pub(in crate::command) udp: bool,
    #[command(flatten)]
    pub(in crate::command) families: Families,
    #[command(flatten)]
    pub(super) saying: Saying,
    #[command(flatten)]
    pub(super) hearing: Hearing,
}

/// What to say.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What to say")]
pub(super) struct Saying {
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help = "Send this, as it stands, in place of your input; may be given several times."
    )]
    pub(super) send: Vec<String>,
    #[arg(long, value_name = "D", value_parser = quantity::duration,
          help = "Send one of the texts of --send each D, again and again, until the other end closes.")]
    pub(super) every: Option<Duration>,
    #[arg(
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        help = "End the input at a line that is this word, which is not sent; may be given several times."
    )]
    pub(super) until: Vec<String>,
    #[arg(short = 'C', long, help = "Send line ends as CR LF.")]
    pub(super) crlf: bool,
    #[arg(long, value_name = "FRAME", value_parser = frame,
          help = "Make messages: `line` puts a line end behind each text of --send; `len32` puts the length of each line or text in front of it, in four bytes, and shows each message received as a line; `none` by itself.")]
    pub(super) frame: Option<Frame>,
    #[arg(
        long,
        help = "Only send, to your input's end: leave when all is acknowledged, and throw away what comes."
    )]
    pub(super) send_only: bool,
    #[arg(long, help = "Send no FIN when your input ends; the other end then has to close.")]
    pub(super) keep_half_open: bool,
}

/// What to wait for, and for how long.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What to wait for")]
pub(super) struct Hearing {
    #[arg(long, help = "Only receive: leave standard input alone; nothing received is exit code 52.")]
    pub(super) recv_only: bool,
    #[arg(long, value_name = "REGEX", value_parser = expectation::pattern, allow_hyphen_values = true,
          help = "End with success as soon as this has come, with exit code 1 when it never does.")]
    pub(super) expect: Option<Regex>,
    #[arg(long, help = "End after the first arrival: one read, or one datagram.")]
    pub(super) once: bool,
    #[arg(long, value_name = "D", value_parser = quantity::duration,
          help = "Wait for the other end at most this long after your input has ended; by itself without end, over UDP for 1s.")]
    pub(super) linger: Option<Duration>,
    #[arg(short, long, value_name = "D", value_parser = quantity::duration,
          help = "Give up when nothing was said either way for this long; never by itself.")]
    pub(super) idle: Option<Duration>,
    #[arg(long, value_name = "D", value_parser = quantity::duration,
          help = "Give up when the conversation has gone on for this long; never by itself.")]
    pub(super) max_time: Option<Duration>,
    #[arg(
        long,
        help = "Put the sender's address in front of each datagram also where no terminal shows it."
    )]
    pub(super) label: bool,
    #[arg(long, help = "Tell at the end how long looking up, connecting, the first byte and all took.")]
    pub(super) timing: bool,
    /// `TCP_INFO`.
    #[arg(
        long,
        help = "Tell at the end what the kernel knows of the connection: round trips, what was sent again, windows."
    )]
    pub(super) info: bool,
}

impl Talking {
    /// These before those: where both say something, these do; lists are joined, those first.
    pub(in crate::command) fn over(self, those: &Talking) -> Talking {
        Talking {
            udp: self.udp || those.udp,
            families: Families {
                ipv4: self.families.ipv4 || those.families.ipv4,
                ipv6: self.families.ipv6 || those.families.ipv6,
            },
            saying: self.saying.over(&those.saying),
            hearing: self.hearing.over(&those.hearing),
        }
    }

    /// What does not go with this transport, as a sentence.
    pub(in crate::command) fn wrong_for(&self, transport: Option<Transport>) -> Option<String> {
        let has_lengths = self.saying.frame == Some(Frame::Len32);
        let transport = transport.filter(|transport| has_lengths && !transport.has_connections())?;
        Some(format!("frame=len32 is for streams; {} keeps messages apart by itself", transport.name()))
    }

    /// What does not go together, as a sentence. Not clap's business, for the flags may come from two places.
    pub(in crate::command) fn wrong(&self) -> Option<String> {
        let Talking { families, saying, hearing, .. } = self;
        let sends = !saying.send.is_empty();
        let exclude = |one: &str, other: &str| Some(format!("{one} and {other} exclude each other"));
        if saying.send_only && hearing.recv_only {
            exclude("send-only", "recv-only")
        } else if saying.send_only && hearing.expect.is_some() {
            exclude("send-only", "expect")
        } else if saying.send_only && hearing.once {
            exclude("send-only", "once")
        } else if hearing.recv_only && sends {
            exclude("recv-only", "send")
        } else if sends && !saying.until.is_empty() {
            exclude("send", "until")
        } else if families.ipv4 && families.ipv6 {
            exclude("ipv4", "ipv6")
        } else if saying.every.is_some() && !sends {
            Some("every says how often, and --send TEXT what is sent".to_owned())
        } else if saying.every.is_some_and(|every| every.is_zero()) {
            Some("every needs a time longer than nothing".to_owned())
        } else {
            None
        }
    }
}

impl Saying {
    fn over(self, those: &Saying) -> Saying {
        Saying {
            send: [those.send.clone(), self.send].concat(),
            every: self.every.or(those.every),
            until: [those.until.clone(), self.until].concat(),
            crlf: self.crlf || those.crlf,
            frame: self.frame.or(those.frame),
            send_only: self.send_only || those.send_only,
            keep_half_open: self.keep_half_open || those.keep_half_open,
        }
    }
}

impl Hearing {
    fn over(self, those: &Hearing) -> Hearing {
        Hearing {
            recv_only: self.recv_only || those.recv_only,
            expect: self.expect.or_else(|| those.expect.clone()),
            once: self.once || those.once,
            linger: self.linger.or(those.linger),
            idle: self.idle.or(those.idle),
            max_time: self.max_time.or(those.max_time),
            label: self.label || those.label,
            timing: self.timing || those.timing,
            info: self.info || those.info,
        }
    }
}

fn frame(word: &str) -> Result<Frame, String> {
    Frame::parse(word).ok_or_else(|| "it has to be none, line or len32".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::address::{read, url_options};

    fn url(text: &str) -> Talking {
        let Ok(endpoint) = read(text, wire::endpoint::Use::Connect, false, "connect") else {
            panic!("{text}")
        };
        let Ok(flags) = url_options(&endpoint, text) else { panic!("{text}") };
        flags
    }

    #[test]
    fn what_stands_behind_the_address_goes_before_the_flags() {
        let typed = url("h:80?linger=1&idle=3&send=one&crlf&until=quit");
        let all = url("h:80?linger=250ms&send=two&keep-half-open&once&until=QUIT&frame=line").over(&typed);
        assert_eq!(all.hearing.linger, Some(Duration::from_millis(250)));
        assert_eq!(all.hearing.idle, Some(Duration::from_secs(3)));
        assert_eq!(
            (all.saying.send, all.saying.until),
            (vec!["one".into(), "two".into()], vec!["quit".into(), "QUIT".into()])
        );
        assert!(all.saying.crlf && all.saying.keep_half_open && all.hearing.once && !all.saying.send_only);
        assert_eq!(all.saying.frame, Some(Frame::Line));
    }

    #[test]
    fn what_does_not_go_together_is_said_in_a_sentence() {
        let wrong = |options: &str| url(&format!("h:80?{options}")).wrong();
        assert_eq!(wrong("send-only"), None);
        assert_eq!(wrong("send=x&every=1s"), None);
        assert_eq!(
            wrong("send-only&recv-only").as_deref(),
            Some("send-only and recv-only exclude each other")
        );
        assert_eq!(wrong("send-only&expect=x").as_deref(), Some("send-only and expect exclude each other"));
        assert_eq!(wrong("send=x&until=y").as_deref(), Some("send and until exclude each other"));
        assert!(wrong("every=1s").unwrap().contains("--send TEXT"));
        assert!(wrong("send=x&every=0").unwrap().contains("longer than nothing"));
        assert_eq!(
            url("h:80?ipv4").over(&url("h:80?ipv6")).wrong().as_deref(),
            Some("ipv4 and ipv6 exclude each other")
        );
    }
}
