//! Talking: what `connect` and `listen` share from the moment in which there is somebody to talk with.

mod datagrams;
mod ending;
mod expectation;
mod flags;
mod looks;

use std::cell::OnceCell;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ends::dial::Connected;
use ends::event::{Account, Event};
use ends::pump::{self, HalfOpen, Input, Outcome, Over, Script};
use ends::stop::{Asked, Stop};
use rustix::fs::FileType;
use wire::frame::Frame;
use wire::tcp_info::TcpInfo;
use wire::{Fault, Transport};

use self::ending::Ended;
use self::expectation::Expectation;
use self::looks::Looks;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::narrate;
use crate::out::{Narrator, Out};
use crate::record;
use crate::record::talk::{Beside, Timing};

pub(in crate::command) use self::datagrams::With;
pub(in crate::command) use self::ending::interrupted;
pub(super) use self::flags::Talking;

/// How long the conversation waits for its first line to be read; whoever stops reading is not waited for.
const SETTLED: Duration = Duration::from_millis(100);

/// A run of `connect` or `listen`, and what it has come to so far.
pub(super) struct Talk<'a> {
    pub(super) flags: &'a Talking,
    pub(super) out: &'a Out,
    pub(super) clock: &'a Clock,
    /// When the run began, and how long it took to look up and to connect.
    pub(super) began: Instant,
    pub(super) resolve: Option<Duration>,
    pub(super) connect: Option<Duration>,
    /// `connect` leaves when the other end has closed, whatever its input.
    pub(super) leaves_at_fin: bool,
}

impl Talk<'_> {
    /// Carries a connection to its end.
    pub(super) fn over(&self, connected: Connected, stop: Stop) -> Result<Exit, Fault> {
        let out = self.out;
        let (local, remote) = (connected.local.clone(), connected.remote.clone());
        let transport = connected.transport;
        let peer = remote.in_full(transport);
        // A reader of standard error who stops must not stop the conversation.
        let narrator = OnceCell::new();
        let narrate = |verbosity: u8, line: &str| {
            if out.verbosity >= verbosity && !out.quiet {
                narrator.get_or_init(|| Narrator::with_thread(out.stderr.ascii)).tell(line);
            }
        };
        narrate(1, &narrate::talk::open(&peer, &local, self.leaves_at_fin));
        narrator.get().into_iter().for_each(|narrator| narrator.settle(SETTLED));
        out.record(&record::opened(self.clock, 1, transport, &local, &remote));
        out.flush();
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        let looks = Looks::of(self.clock, out);
        let shown = |bytes: &[u8], whole_bytes| looks.shown(&remote, bytes, whole_bytes, transport);
        let mut expectation = self.flags.hearing.expect.clone().map(Expectation::of);
        let mut expect = expectation.as_mut().map(|pattern| |bytes: &[u8]| pattern.has_come_with(bytes));
        let input = self.input(stdin.as_fd());
        let options = pump::Options {
            output: Some(stdout.as_fd()),
            shown: (!looks.are_plain()).then_some(&shown),
            tell_data: out.verbosity >= 2,
            expect: expect.as_mut().map(|expect| expect as &mut dyn FnMut(&[u8]) -> bool),
            may_leave_open_input: self.may_leave_open(&input),
            ..self.options(input)
        };
        let outcome = pump::run(connected, options, Some(&stop), &|event| match event {
            Event::Data { bytes, .. } => narrate(2, &format!("{peer}: {}\n", narrate::says(&bytes))),
            Event::Trouble(fault) => narrate(0, &narrate::talk::trouble(&fault)),
            _ => {}
        })?;
        // From here on a signal ends the program as it ends any: what is left to write may have to wait.
        drop(stop);
        narrator.get().into_iter().for_each(Narrator::finish);
        self.account(&Accounted::of(&outcome, transport), &looks, &peer);
        let Outcome { over, account, input_was_cut, errno, .. } = &outcome;
        let (input_was_cut, errno) = (*input_was_cut, *errno);
        let ended = Ended { over: *over, account, input_was_cut, errno, peer: &peer, has_connection: true };
        Ok(ending::exit(&ended, self.flags, out))
    }

    /// Whether it is over at the peer's FIN although the input is not. Whoever types has seen it come, and what is said for
    /// ever has no other end; `connect` waits for no pipe that may never say anything more. All else has an end that can be
    /// reached.
    fn may_leave_open(&self, input: &Input<'_>) -> bool {
        let saying = &self.flags.saying;
        match input {
            Input::None => true,
            Input::Script(script) => script.every.is_some(),
            Input::Fd(fd) => {
                let goes_on = saying.send_only || saying.keep_half_open || is_a_file(*fd);
                fd.is_terminal() || (self.leaves_at_fin && !goes_on)
            }
        }
    }

    fn input<'f>(&self, stdin: BorrowedFd<'f>) -> Input<'f> {
        let saying = &self.flags.saying;
        if self.flags.hearing.recv_only {
            return Input::None;
        }
        match saying.send.as_slice() {
            [] => Input::Fd(stdin),
            texts => {
                let texts = texts.iter().map(|text| text.clone().into_bytes()).collect();
                Input::Script(Script { texts, every: saying.every })
            }
        }
    }

    /// What the flags say, for any output.
    fn options<'f>(&self, input: Input<'f>) -> pump::Options<'f> {
        let Talking { saying, hearing, .. } = self.flags;
        pump::Options {
            input,
            until: self.until(),
            crlf: saying.crlf,
            frame: saying.frame.unwrap_or(Frame::None),
            once: hearing.once,
            send_only: saying.send_only,
            recv_only: hearing.recv_only,
            keep_half_open: saying.keep_half_open,
            linger: hearing.linger,
            idle: hearing.idle,
            total: hearing.max_time,
            want_tcp_info: hearing.info,
            ..pump::Options::default()
        }
    }

    fn until(&self) -> Vec<Vec<u8>> {
        self.flags.saying.until.iter().map(|word| word.clone().into_bytes()).collect()
    }

    /// What is said behind the last byte: the rest, the record, the account in words, and what was asked for beside it.
    fn account(&self, outcome: &Accounted<'_>, looks: &Looks<'_>, peer: &str) {
        let (out, hearing) = (self.out, &self.flags.hearing);
        let timing = Timing {
            resolve: self.resolve,
            connect: self.connect,
            first_byte: outcome.first_byte,
            total: self.began.elapsed(),
        };
        let is_within_a_line = looks.are_within_a_line();
        if !outcome.output_was_cut {
            out.print(&looks.rest());
            let timing = hearing.timing.then_some(&timing);
            let beside = Beside {
                timing,
                half_open: outcome.half_open.map(|half| half.lasted),
                tcp_info: outcome.tcp_info,
            };
            out.record(&record::talk::over(self.clock, outcome.account, &beside));
            out.flush();
        }
        // The account has a line of its own, not the rest of the peer's or of the `^C` that the terminal shows.
        let is_behind_something =
            is_within_a_line || (is_by_key(outcome.over) && std::io::stdin().is_terminal());
        let mut line_end = if out.stderr_is_terminal && is_behind_something { "\n" } else { "" };
        if out.stderr_is_terminal || out.verbosity >= 1 {
            out.tell(&format!("{line_end}{peer}: {}\n", outcome.words));
            line_end = "";
        }
        if hearing.timing && !out.json {
            out.tell(&format!("{line_end}{}", narrate::talk::timing(&timing)));
            line_end = "";
        }
        if hearing.info && !out.json {
            out.tell(&format!("{line_end}{}", narrate::talk::info(outcome.tcp_info, outcome.account)));
        }
    }
}

/// What the account of a conversation is made of, whatever carried it.
struct Accounted<'a> {
    over: Over,
    account: &'a Account,
    /// The account in words.
    words: String,
    half_open: Option<HalfOpen>,
    output_was_cut: bool,
    first_byte: Option<Duration>,
    tcp_info: Option<&'a TcpInfo>,
}

impl<'a> Accounted<'a> {
    fn of(outcome: &'a Outcome, transport: Transport) -> Accounted<'a> {
        Accounted {
            over: outcome.over,
            account: &outcome.account,
            words: narrate::talk::connection(&outcome.account, transport, outcome.half_open),
            half_open: outcome.half_open,
            output_was_cut: outcome.output_was_cut,
            first_byte: outcome.first_byte,
            tcp_info: outcome.tcp_info.as_ref(),
        }
    }
}

/// Whether it ends by itself, without anybody's doing.
fn is_a_file(fd: BorrowedFd<'_>) -> bool {
    let kind = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::RegularFile | FileType::BlockDevice))
}

/// Interrupted by the key for that.
fn is_by_key(over: Over) -> bool {
    over == Over::Interrupted(Asked { signal: Some(rustix::process::Signal::INT.as_raw()) })
}
