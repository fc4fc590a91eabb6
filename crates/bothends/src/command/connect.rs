//! `connect`: you at one end, a server at the other.

mod terminal;
mod wishes;

use std::cell::RefCell;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use clap::Args;
use ends::dial::{Connected, Dialled, Options, dial, resolve};
use ends::event::{Account, Event, How};
use ends::pump::{self, Outcome, Over};
use ends::stop::{Asked, Stop};
use explain::errno::{ECONNRESET, EHOSTUNREACH, ETIMEDOUT};
use wire::endpoint::{Endpoint, Host, Use};
use wire::quantity;
use wire::{Address, Cause, Doing, End, Fault};

use self::terminal::Terminal;
use self::wishes::Wishes;
use super::{BadAddress, Wrong, grammar, host_and_port, in_full, unsupported, wrong_family};
use crate::cli::Families;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::out::{Narrator, Out};
use crate::{narrate, record};

/// What `connect` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Talk to a server: what you type goes there, what it says comes here.",
    long_about = "Talk to a server: what you type goes there, what it says comes here.

Examples:
  bothends connect                  to 127.0.0.1:7777, where `serve` is
  bothends connect example.org 80   as nc and telnet have it
  printf 'a\\0b\\n' | bothends connect [::1]:7 | xxd
  bothends connect 10.0.0.2:80 --timeout 2s --json

When your input ends, the other end is told (FIN), and what it still has to say is received; when it has closed, the \
conversation is over, even if you could type on. A reset is never success: exit code 56. On a terminal, or with -v, a \
line at the end says who closed first, how, and what was left unsent or unread.",
    override_usage = "bothends connect [OPTIONS] [ADDR | HOST PORT]"
)]
pub struct Flags {
    /// The address, or host and port.
    #[arg(value_name = "ADDR", num_args = 0..=2,
          help = "Whom to call: an address, or HOST PORT; 127.0.0.1:7777 by itself. See `bothends help addresses`.")]
    words: Vec<String>,
    /// For opening.
    #[arg(long, value_name = "D", value_parser = quantity::duration,
          help = "Give up when the connection is not open after this time: 2s.")]
    timeout: Option<Duration>,
    /// One direction.
    #[arg(
        long,
        conflicts_with = "recv_only",
        help = "Only send: end when all is acknowledged, and throw away what comes."
    )]
    send_only: bool,
    /// The other direction.
    #[arg(
        long,
        help = "Only receive: leave standard input alone; a server that says nothing is exit code 52."
    )]
    recv_only: bool,
    /// No FIN.
    #[arg(long, help = "Send no FIN when your input ends; the other end then has to close.")]
    keep_half_open: bool,
    /// After the input's end.
    #[arg(long, value_name = "D", value_parser = quantity::duration,
          help = "Wait for the other end at most this long after your input has ended.")]
    linger: Option<Duration>,
    /// The families.
    #[command(flatten)]
    families: Families,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = match wanted(flags) {
        Ok((endpoint, wishes)) => {
            talk(&endpoint, &wishes, out).unwrap_or_else(|fault| out.fault(&in_full(fault)))
        }
        Err(wrong) => wrong.told(out),
    };
    out.finish(exit)
}

/// Whom to call and how: flags, and options behind the address.
fn wanted(flags: &Flags) -> Result<(Endpoint, Wishes), Wrong> {
    let (endpoint, text) = endpoint(&flags.words)?;
    let bad = |error| Wrong::Address(BadAddress { text: text.clone(), error });
    let sentence = unsupported(&endpoint, "connect").or_else(|| wrong_family(&endpoint, flags.families));
    if let Some(sentence) = sentence {
        return Err(Wrong::Use(sentence));
    }
    endpoint.only_options(&text, &Wishes::OPTIONS).map_err(bad)?;
    let wishes = Wishes {
        timeout: flags.timeout,
        linger: flags.linger,
        send_only: flags.send_only,
        recv_only: flags.recv_only,
        keep_half_open: flags.keep_half_open,
        families: flags.families,
    };
    let wishes = wishes.with_options(&endpoint.options).map_err(Wrong::Use)?;
    Ok((endpoint, wishes))
}

/// The endpoint of no, one or two words, and the text to point at.
fn endpoint(words: &[String]) -> Result<(Endpoint, String), Wrong> {
    let grammar = grammar(Use::Connect);
    let (text, read) = match words {
        [] => return Ok((Endpoint::default_address(), String::new())),
        [host, port, ..] if grammar.is_port(port) => {
            (format!("{host}:{port}"), grammar.parse_host_and_port(host, port))
        }
        [_, word, ..] => {
            return Err(Wrong::Use(format!("{word} is not a port, so it is not known what it is for")));
        }
        [word] => (word.clone(), grammar.parse(word)),
    };
    match read {
        Ok(endpoint) => Ok((endpoint, text)),
        Err(error) => Err(Wrong::Address(BadAddress { text, error })),
    }
}

fn talk(endpoint: &Endpoint, wishes: &Wishes, out: &Out) -> Result<Exit, Fault> {
    let Some((host, port)) = host_and_port(endpoint) else { return Ok(Exit::Usage) };
    let host = match host {
        Host::V4(v4) => v4.to_string(),
        Host::V6(v6, None) => v6.to_string(),
        Host::V6(v6, Some(zone)) => format!("{v6}%{zone}"),
        Host::Loopback | Host::Any => "localhost".to_owned(),
        Host::Name(name) => name.clone(),
    };
    // Before the signals are taken: a lookup cannot be interrupted once they are.
    let addresses = resolve(&host, port, wishes.families.family())?;
    let stop = Stop::by_signals()?;
    let clock = Clock::start();
    let options = Options { timeout: wishes.timeout, source: None };
    let dialled = dial(&addresses, options, Some(&stop), &|event| tell_of_dialling(&event, out))?;
    match dialled {
        Dialled::Open(connected) => converse(connected, wishes, stop, &clock, out),
        Dialled::Interrupted(asked) => Ok(interrupted(asked)),
    }
}

/// One address of several refused: worth a line only for those who want to know.
fn tell_of_dialling(event: &Event, out: &Out) {
    if let Event::Trouble(fault) = event {
        let sentence = explain::sentence(&in_full(fault.clone()));
        out.narrate(1, &format!("{sentence}; trying the next address\n"));
    }
}

fn converse(
    connected: Connected,
    wishes: &Wishes,
    stop: Stop,
    clock: &Clock,
    out: &Out,
) -> Result<Exit, Fault> {
    let (local, remote) = (connected.local.clone(), connected.remote.clone());
    let peer = remote.in_full(connected.transport);
    // A reader of standard error who stops must not stop the conversation.
    let narrator = (out.verbosity >= 1 && !out.quiet).then(|| Narrator::with_thread(out.stderr.ascii));
    let narrate = |line: &str| narrator.iter().for_each(|narrator| narrator.tell(line));
    narrate(&format!("connected to {peer} from {local}\n"));
    out.record(&record::opened(clock, 1, connected.transport, &local, &remote));
    out.flush();
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let looks = Looks::of(clock, &remote, out);
    let shown = |bytes: &[u8]| looks.shown(bytes);
    let options = pump::Options {
        input: pump::Input::Fd(stdin.as_fd()),
        output: Some(stdout.as_fd()),
        shown: (!looks.are_plain()).then_some(&shown),
        tell_data: out.verbosity >= 2,
        send_only: wishes.send_only,
        recv_only: wishes.recv_only,
        keep_half_open: wishes.keep_half_open,
        linger: wishes.linger,
        ..pump::Options::default()
    };
    let outcome = pump::run(connected, options, Some(&stop), &|event| {
        if let Event::Data { bytes, .. } = event {
            narrate(&format!("{peer}: {}\n", narrate::says(&bytes)));
        }
    })?;
    // From here on a signal ends the program as it ends any: what is left to write may have to wait.
    drop(stop);
    if !outcome.output_was_cut {
        out.print(&looks.rest());
        out.record(&record::closed(clock, 1, &outcome.account));
        out.flush();
    }
    narrator.iter().for_each(Narrator::finish);
    if out.stderr_is_terminal || out.verbosity >= 1 {
        // The account has a line of its own, not the rest of the peer's or of the `^C` that the terminal shows.
        let is_behind_something =
            looks.are_within_a_line() || (is_by_key(outcome.over) && stdin.is_terminal());
        let line_end = if out.stderr_is_terminal && is_behind_something { "\n" } else { "" };
        out.tell(&format!("{line_end}{peer}: {}\n", narrate::account(&outcome.account)));
    }
    Ok(exit(&outcome, wishes, &peer, out))
}

/// Interrupted by the key for that.
fn is_by_key(over: Over) -> bool {
    over == Over::Interrupted(Asked { signal: Some(rustix::process::Signal::INT.as_raw()) })
}

/// What received bytes look like on standard output.
enum Looks<'a> {
    /// As what they are: in a pipe or a file.
    Plain,
    /// As text that cannot steer the terminal.
    Terminal(RefCell<Terminal>),
    /// As records.
    Records { clock: &'a Clock, remote: &'a Address },
}

impl<'a> Looks<'a> {
    fn of(clock: &'a Clock, remote: &'a Address, out: &Out) -> Looks<'a> {
        match (out.json, std::io::stdout().is_terminal()) {
            (true, _) => Looks::Records { clock, remote },
            (false, true) => Looks::Terminal(RefCell::new(Terminal::new(out.stdout.ascii))),
            (false, false) => Looks::Plain,
        }
    }

    fn are_plain(&self) -> bool {
        matches!(self, Looks::Plain)
    }

    fn shown(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Looks::Plain => bytes.to_vec(),
            Looks::Terminal(terminal) => terminal.borrow_mut().show(bytes).into_bytes(),
            Looks::Records { clock, remote } => record::data(clock, 1, remote, bytes).line().into_bytes(),
        }
    }

    fn are_within_a_line(&self) -> bool {
        matches!(self, Looks::Terminal(terminal) if terminal.borrow().is_within_a_line())
    }

    /// What never got its rest.
    fn rest(&self) -> String {
        match self {
            Looks::Terminal(terminal) => terminal.borrow_mut().finish(),
            Looks::Plain | Looks::Records { .. } => String::new(),
        }
    }
}

fn exit(outcome: &Outcome, wishes: &Wishes, peer: &str, out: &Out) -> Exit {
    match outcome.over {
        _ if out.is_closed() => Exit::Ok,
        Over::Interrupted(asked) => interrupted(asked),
        Over::OutputClosed | Over::Expected | Over::Once => Exit::Ok,
        Over::LingerEnded | Over::IdleEnded | Over::TotalEnded => {
            let cause = Cause::TimedOut;
            out.fault(&Fault { end: End::Peer, doing: Doing::Receive, at: peer.to_owned(), cause })
        }
        Over::Closed | Over::Sent => match broken(outcome, peer) {
            Some(fault) => out.fault(&fault),
            None if wishes.recv_only && outcome.account.in_bytes == 0 => {
                out.tell(&format!("bothends: {peer} closed without saying anything\n"));
                Exit::Empty
            }
            None => Exit::Ok,
        },
    }
}

/// The fault of a conversation that did not end in order.
fn broken(outcome: &Outcome, peer: &str) -> Option<Fault> {
    let Account { how, .. } = outcome.account;
    let (end, errno) = match how {
        How::Fin | How::Stopped | How::Limit | How::Idle => return None,
        How::Reset | How::Refused | How::Killed => (End::Peer, ECONNRESET),
        How::TimedOut => (End::Path, ETIMEDOUT),
        How::Unreachable => (End::Path, EHOSTUNREACH),
    };
    // What never left this machine was not even tried: that is told apart from what may have arrived.
    match outcome.never_sent_bytes {
        0 => Some(Fault::errno(end, Doing::Receive, peer, errno)),
        unsent => {
            let unsent = draw::number::size_in_words(unsent);
            let cause =
                Cause::Words(format!("{}, and {unsent} were never sent", explain::errno::words(errno)));
            Some(Fault { end, doing: Doing::Send, at: peer.to_owned(), cause })
        }
    }
}

fn interrupted(asked: Asked) -> Exit {
    asked.signal.map_or(Exit::Interrupted, Exit::of_signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match endpoint(&words) {
            Ok((endpoint, _)) => Ok(endpoint.to_string()),
            Err(Wrong::Use(sentence)) => Err(sentence),
            Err(Wrong::Address(bad)) => Err(bad.error.sentence),
            Err(Wrong::Fault(fault)) => Err(fault.to_string()),
        }
    }

    #[test]
    fn no_one_or_two_words_name_the_server() {
        assert_eq!(called(&[]).as_deref(), Ok("tcp://127.0.0.1:7777"));
        assert_eq!(called(&["8080"]).as_deref(), Ok("tcp://localhost:8080"));
        assert_eq!(called(&["example.org", "http"]).as_deref(), Ok("tcp://example.org:80"));
        assert_eq!(called(&["::1", "80"]).as_deref(), Ok("tcp://[::1]:80"));
        assert!(called(&["h", "example.org"]).unwrap_err().contains("example.org is not a port"));
        assert!(called(&["h:1", "2"]).unwrap_err().contains("has a port already"));
        assert!(called(&["h", "80-90"]).unwrap_err().contains("not a range"));
    }

    fn outcome(how: How, never_sent_bytes: u64) -> Outcome {
        let account = Account {
            closed_by: ends::event::ClosedBy::Peer,
            how,
            in_bytes: 0,
            out_bytes: 4,
            unsent_bytes: 4,
            unread_bytes: 0,
            open: Duration::ZERO,
        };
        Outcome { over: Over::Closed, account, never_sent_bytes, output_was_cut: false, first_byte: None }
    }

    #[test]
    fn a_conversation_that_broke_is_never_success() {
        let code = |how, unsent| {
            broken(&outcome(how, unsent), "tcp://[::1]:80").map(|fault| Exit::of(&fault).code())
        };
        assert_eq!(code(How::Fin, 0), None);
        assert_eq!(code(How::Reset, 0), Some(56));
        assert_eq!(code(How::Reset, 4), Some(55));
        assert_eq!(code(How::TimedOut, 0), Some(56));
        assert_eq!(code(How::Unreachable, 0), Some(56));
        let fault = broken(&outcome(How::Reset, 9), "tcp://[::1]:80").unwrap();
        let told = "send to tcp://[::1]:80: connection reset by peer, and 9 bytes were never sent";
        assert_eq!(explain::sentence(&fault), told);
    }
}
