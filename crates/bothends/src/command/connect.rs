//! `connect`: you at one end, a server at the other.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use clap::Args;
use ends::dial::{self, Dialled, Options, Retry, Target};
use ends::event::Event;
use ends::stop::Stop;
use wire::endpoint::{Endpoint, Host, Place, Use};
use wire::quantity;
use wire::{Address, Fault, Transport};

use super::Wrong;
use super::address::{self, bad, grammar, unix_address, unsupported, url_options, wrong_family};
use super::socket::SocketFlags;
use super::talk::{Talk, Talking, With, interrupted};
use crate::cli::Families;
use crate::clock::Clock;
use crate::evidence;
use crate::exit::Exit;
use crate::narrate;
use crate::out::Out;

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
  bothends connect --send 'hello, i am client' --every 1s
  bothends connect example.org 25 --expect '^220 ' --max-time 5s
  bothends connect udp://127.0.0.1:7   each line you type is a datagram
  bothends connect /run/x.sock --until quit

When your input ends, the other end is told (FIN), and what it still has to say is received; when it has closed, the \
conversation is over, even if you could type on; a file is sent to its end before, and a pipe until it pauses (to its \
end with --send-only); exit code 55 says that something was left. A reset is never success: exit code 56. On a terminal, or with -v, a \
line at the end says who closed first, how, and what was left unsent or unread.

Over UDP one line is one datagram, its line end included, and the conversation ends a second (--linger) after your \
input has. On a terminal each datagram stands behind the address that sent it; into a pipe or file go its bytes alone, \
unless --label is given.",
    override_usage = "bothends connect [OPTIONS] [ADDR | HOST PORT]"
)]
pub struct Flags {
    #[arg(value_name = "ADDR", num_args = 0..=2,
          help = "Whom to call: an address, or HOST PORT; 127.0.0.1:7777 by itself. See `bothends help addresses`.")]
    words: Vec<String>,
    #[command(flatten)]
    calling: Calling,
}

/// How to call and to talk: flags, or options behind the address.
#[derive(Clone, Debug, Default, Args)]
struct Calling {
    #[arg(short = 'w', long, value_name = "D", value_parser = quantity::duration,
          help = "Give up a call when the connection is not open after this time, such as 2s; else the kernel does, after minutes.")]
    timeout: Option<Duration>,
    #[arg(
        long,
        value_name = "N",
        help = "Call again up to N times when refused or not answered in time (-w), after 0.25 s, 0.5 s, 1 s and so on up to 30 s."
    )]
    retry: Option<NonZeroU32>,
    #[arg(short, long, value_name = "IP", help = "Call from this address of this machine.")]
    source: Option<IpAddr>,
    #[arg(short = 'p', long, value_name = "N", help = "Call from this port.")]
    source_port: Option<u16>,
    #[command(flatten)]
    talk: Talking,
    #[command(flatten)]
    socket: SocketFlags,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = match wanted(flags) {
        Ok((endpoint, calling)) => {
            let transport = endpoint.scheme.transport().unwrap_or_default();
            call(&endpoint, &calling, out).unwrap_or_else(|fault| {
                let fault = in_full(fault, transport);
                out.fault_amid(&fault, &evidence::of_call(&fault))
            })
        }
        Err(wrong) => wrong.told(out),
    };
    out.finish(exit)
}

/// Whom to call and how: flags, and options behind the address.
fn wanted(flags: &Flags) -> Result<(Endpoint, Calling), Wrong> {
    let (endpoint, text) = endpoint(&flags.words, flags.calling.talk.udp)?;
    let calling: Calling = url_options(&endpoint, &text)?;
    let calling = calling.over(&flags.calling);
    let sentence = unsupported(&endpoint, "connect")
        .or_else(|| wrong_family(&endpoint, calling.talk.families))
        .or_else(|| calling.talk.wrong())
        .or_else(|| calling.talk.wrong_for(endpoint.scheme.transport()));
    match sentence {
        Some(sentence) => Err(Wrong::Use(sentence)),
        None => Ok((endpoint, calling)),
    }
}

/// The endpoint of no, one or two words, and the text to point at.
fn endpoint(words: &[String], udp: bool) -> Result<(Endpoint, String), Wrong> {
    let grammar = grammar(Use::Connect, udp);
    match words {
        [] => Ok((address::default_endpoint(Families::default(), udp), String::new())),
        [host, port, ..] if grammar.is_port(port) => {
            let text = format!("{host}:{port}");
            match grammar.parse_host_and_port(host, port) {
                Ok(endpoint) => Ok((endpoint, text)),
                Err(error) => Err(bad(&text, error)),
            }
        }
        [_, word, ..] => Err(Wrong::Use(format!("{word} is not a port, so it is not known what it is for"))),
        [word] => Ok((address::read(word, Use::Connect, udp, "connect")?, word.clone())),
    }
}

impl Calling {
    /// These before those.
    fn over(self, those: &Calling) -> Calling {
        Calling {
            timeout: self.timeout.or(those.timeout),
            retry: self.retry.or(those.retry),
            source: self.source.or(those.source),
            source_port: self.source_port.or(those.source_port),
            talk: self.talk.over(&those.talk),
            socket: self.socket.over(&those.socket),
        }
    }

    fn options(&self) -> Options {
        let retry = Retry { times: self.retry.map_or(0, NonZeroU32::get), ..Retry::default() };
        Options {
            timeout: self.timeout,
            source: self.source,
            source_port: self.source_port,
            socket: self.socket.options(),
            retry,
        }
    }
}

fn call(endpoint: &Endpoint, calling: &Calling, out: &Out) -> Result<Exit, Fault> {
    let began = Instant::now();
    // Before the signals are taken: a lookup cannot be interrupted once they are.
    let target = target(endpoint, calling.talk.families)?;
    let resolve = has_a_name(endpoint).then(|| began.elapsed());
    let stop = Stop::by_signals()?;
    let clock = Clock::start();
    let transport = endpoint.scheme.transport().unwrap_or_default();
    let tell = |event: Event| told(&event, transport, out);
    let talk =
        Talk { flags: &calling.talk, out, clock: &clock, began, resolve, connect: None, leaves_at_fin: true };
    if is_for_datagrams(&target) {
        let (socket, server) = dial::dial_datagrams(&target, &calling.options(), &tell)?;
        return talk.by_datagrams(socket, With::Server(server), stop);
    }
    match dial::dial(&target, &calling.options(), Some(&stop), &tell)? {
        Dialled::Open(connected) => {
            let connect = Some(connected.times.connect);
            Talk { connect, ..talk }.over(connected, stop)
        }
        Dialled::Interrupted(asked) => Ok(interrupted(asked)),
    }
}

/// Whom to call, with all addresses of a name.
fn target(endpoint: &Endpoint, families: Families) -> Result<Target, Fault> {
    let transport = endpoint.scheme.transport().unwrap_or_default();
    match &endpoint.place {
        Place::Internet { host, port } => {
            let addresses = address::addresses(host, *port, families)?;
            Ok(Target::Internet { transport, addresses })
        }
        Place::Descriptor(number) => Ok(Target::Inherited(*number)),
        _ => match unix_address(endpoint) {
            Some((transport, address)) => Ok(Target::Unix { transport, address }),
            None => Ok(Target::Internet { transport, addresses: Vec::new() }),
        },
    }
}

fn has_a_name(endpoint: &Endpoint) -> bool {
    matches!(&endpoint.place, Place::Internet { host: Host::Name(_) | Host::Loopback | Host::Any, .. })
}

/// Whether there is no connection to be opened. A socket that was handed to us says by itself what it is.
fn is_for_datagrams(target: &Target) -> bool {
    match target {
        Target::Internet { transport, .. } | Target::Unix { transport, .. } => !transport.has_connections(),
        Target::Inherited(number) => {
            address::transport_of(*number).is_some_and(|transport| !transport.has_connections())
        }
    }
}

/// One address of several refused: worth a line only for those who want to know.
fn told(event: &Event, transport: Transport, out: &Out) {
    match event {
        Event::Trouble(fault) => {
            let sentence = explain::sentence(&in_full(fault.clone(), transport));
            out.narrate(1, &format!("{sentence}; trying on\n"));
        }
        other => {
            if let Some(line) = narrate::line(other, out.verbosity) {
                out.tell(&line);
            }
        }
    }
}

/// The fault with its address in the full form: `udp://127.0.0.1:80`, `unix:/run/x`.
fn in_full(fault: Fault, transport: Transport) -> Fault {
    if transport.is_internet() {
        return match fault.at.parse::<SocketAddr>() {
            Ok(address) => Fault { at: Address::from(address).in_full(transport), ..fault },
            Err(_) => fault,
        };
    }
    match fault.at.starts_with(['/', '@', '.']) {
        true => Fault { at: format!("{}:{}", transport.name(), fault.at), ..fault },
        false => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str], udp: bool) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match endpoint(&words, udp) {
            Ok((endpoint, _)) => Ok(endpoint.to_string()),
            Err(Wrong::Use(sentence)) => Err(sentence),
            Err(Wrong::Address(bad)) => Err(bad.error.sentence),
            Err(Wrong::Fault(fault)) => Err(fault.to_string()),
        }
    }

    #[test]
    fn no_one_or_two_words_name_the_server() {
        let tcp = |words| called(words, false);
        assert_eq!(tcp(&[]).as_deref(), Ok("tcp://127.0.0.1:7777"));
        assert_eq!(tcp(&["8080"]).as_deref(), Ok("tcp://localhost:8080"));
        assert_eq!(tcp(&["example.org", "http"]).as_deref(), Ok("tcp://example.org:80"));
        assert_eq!(tcp(&["::1", "80"]).as_deref(), Ok("tcp://[::1]:80"));
        assert!(tcp(&["h", "example.org"]).unwrap_err().contains("example.org is not a port"));
        assert!(tcp(&["h:1", "2"]).unwrap_err().contains("has a port already"));
        assert!(tcp(&["h", "80-90"]).unwrap_err().contains("not a range"));
        assert_eq!(called(&["h", "7"], true).as_deref(), Ok("udp://h:7"));
        assert_eq!(called(&[], true).as_deref(), Ok("udp://127.0.0.1:7777"));
        assert_eq!(called(&["tcp://h:7"], true).as_deref(), Ok("tcp://h:7"));
    }

    #[test]
    fn faults_show_the_full_address() {
        let fault = |at: &str, transport| {
            in_full(Fault::errno(wire::End::Peer, wire::Doing::Connect, at, 111), transport).at
        };
        assert_eq!(fault("[::1]:80", Transport::Tcp), "tcp://[::1]:80");
        assert_eq!(fault("127.0.0.1:80", Transport::Udp), "udp://127.0.0.1:80");
        assert_eq!(fault("example.org", Transport::Tcp), "example.org");
        assert_eq!(fault("/run/x", Transport::UnixSeqpacket), "unix-seqpacket:/run/x");
        assert_eq!(fault("unix:/run/x", Transport::Unix), "unix:/run/x");
    }
}
