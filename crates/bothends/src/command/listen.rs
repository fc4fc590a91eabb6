//! `listen`: one peer at the other end, you at this one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use ends::accept_one::{Accepted, accept_one};
use ends::event::{Away, Event};
use ends::listen::{self, Opened, Place};
use ends::stop::Stop;
use wire::endpoint::{Endpoint, Use};
use wire::network::{Lists, Network, Verdict};
use wire::quantity;
use wire::{Address, Cause, Doing, End, Fault, Transport};

use super::Wrong;
use super::address::{self, in_full, mode_without_a_file, network, url_options, wrong_family};
use super::socket::ListenFlags;
use super::talk::{Talk, Talking, With, interrupted};
use crate::clock::Clock;
use crate::exit::Exit;
use crate::files::WholeFile;
use crate::out::Out;
use crate::{evidence, narrate, record};

/// What `listen` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Wait for one peer and talk with it: what it says comes here, what you type goes there.",
    long_about = "Wait for one peer and talk with it: what it says comes here, what you type goes there.

Examples:
  bothends listen                       on 127.0.0.1:7777, this machine only
  bothends listen :8080 > received      on every interface, into a file
  bothends listen --once 0 --port-file port
  bothends listen udp://:5000           every peer, each with its address
  bothends listen 'udp://:5000?join=239.1.2.3'
  bothends listen /run/x.sock --mode 600 --timeout 1m

It takes one connection; whoever comes later is refused. When your input ends, the peer is told (FIN), and what it still has to say is \
received. When the peer has closed, the conversation is over; but what comes from a pipe or a file is sent to its end. \
A reset is never success: exit code 56. `serve` is for many clients.

Over UDP it hears every peer. On a terminal each datagram stands behind the address that sent it; into a pipe or file go \
its bytes alone, unless --label is given. What you type goes to whoever spoke last, or with @PEER in front to that one; \
each line is one datagram. It ends by ^C, --idle, --max-time or --once."
)]
pub struct Flags {
    #[arg(
        value_name = "ADDR",
        help = "Where to wait: 127.0.0.1:7777 by itself. See `bothends help addresses`."
    )]
    address: Option<String>,
    #[arg(long, value_name = "FILE", help = "Write the port into this file once it listens.")]
    port_file: Option<PathBuf>,
    #[command(flatten)]
    waiting: Waiting,
}

/// How to wait and to talk: flags, or options behind the address.
#[derive(Clone, Debug, Default, Args)]
struct Waiting {
    #[arg(short = 'w', long, value_name = "D", value_parser = quantity::duration,
          help = "Give up when nobody has come after this time, such as 30s; never by itself.")]
    timeout: Option<Duration>,
    #[arg(long, value_name = "NET", value_parser = network,
          help = "Take only peers of this network, 10.0.0.0/8 or an address; several may be allowed.")]
    allow: Vec<Network>,
    #[arg(long, value_name = "NET", value_parser = network,
          help = "Take no peer of this network; several may be denied.")]
    deny: Vec<Network>,
    #[command(flatten)]
    talk: Talking,
    #[command(flatten)]
    socket: ListenFlags,
}

impl Waiting {
    /// These before those.
    fn over(self, those: &Waiting) -> Waiting {
        Waiting {
            timeout: self.timeout.or(those.timeout),
            allow: [those.allow.clone(), self.allow].concat(),
            deny: [those.deny.clone(), self.deny].concat(),
            talk: self.talk.over(&those.talk),
            socket: self.socket.over(&those.socket),
        }
    }

    fn lists(&self) -> Lists {
        Lists { allow: self.allow.clone(), deny: self.deny.clone() }
    }
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = match wanted(flags) {
        Ok((place, waiting)) => {
            let places = std::slice::from_ref(&place);
            wait(&place, &waiting, flags, out).unwrap_or_else(|fault| {
                let fault = in_full(fault, places);
                out.fault_amid(&fault, &evidence::of_places(&fault, places))
            })
        }
        Err(wrong) => wrong.told(out),
    };
    out.finish(exit)
}

/// Where to wait and how: flags, and options behind the address.
fn wanted(flags: &Flags) -> Result<(Place, Waiting), Wrong> {
    let typed = &flags.waiting;
    let text = flags.address.as_deref().unwrap_or_default();
    let endpoint = match &flags.address {
        Some(text) => address::read(text, Use::Listen, typed.talk.udp, "listen")?,
        None => address::default_endpoint(typed.talk.families, typed.talk.udp),
    };
    let waiting: Waiting = url_options(&endpoint, text)?;
    let waiting = waiting.over(typed);
    let sentence = wrong_family(&endpoint, waiting.talk.families)
        .or_else(|| waiting.talk.wrong())
        .or_else(|| waiting.talk.wrong_for(endpoint.scheme.transport()));
    if let Some(sentence) = sentence {
        return Err(Wrong::Use(sentence));
    }
    let place = place(&endpoint, &waiting)?;
    if let Some(sentence) = mode_without_a_file(std::slice::from_ref(&place)) {
        return Err(Wrong::Use(sentence));
    }
    Ok((place, waiting))
}

/// One socket: of a name with several addresses the first.
fn place(endpoint: &Endpoint, waiting: &Waiting) -> Result<Place, Wrong> {
    let places = address::places(endpoint, waiting.talk.families, &waiting.socket.options());
    let place = places.map_err(Wrong::Fault)?.into_iter().next();
    place.ok_or_else(|| Wrong::Use(format!("listen cannot wait on {endpoint}")))
}

fn wait(place: &Place, waiting: &Waiting, flags: &Flags, out: &Out) -> Result<Exit, Fault> {
    let began = Instant::now();
    let port_file = flags.port_file.as_deref().map(WholeFile::create).transpose()?;
    let stop = Stop::by_signals()?;
    let clock = Clock::start();
    let tell = |event: Event| told(&event, out);
    let mut talk = Talk {
        flags: &waiting.talk,
        out,
        clock: &clock,
        began,
        resolve: None,
        connect: None,
        leaves_at_fin: false,
    };
    let lists = waiting.lists();
    let listener = match listen::open(place, &tell)? {
        Opened::Connections(listener) => listener,
        Opened::Datagrams(socket) => {
            listening(socket.transport, &socket.address, &clock, port_file, out)?;
            let admits = |remote: &Address| admits(&lists, remote, out);
            let with = With::Everybody { admits: &admits, patience: waiting.timeout };
            return talk.by_datagrams(socket, with, stop);
        }
    };
    listening(listener.transport, &listener.address, &clock, port_file, out)?;
    let at = listener.address.in_full(listener.transport);
    let admits = |remote: &Address| admits(&lists, remote, out);
    match accept_one(&listener, &admits, waiting.timeout, Some(&stop), &tell)? {
        Accepted::Open(connected) => {
            // Whoever comes later is refused, not left in a queue that nobody serves.
            drop(listener);
            talk.connect = Some(began.elapsed());
            talk.over(connected, stop)
        }
        Accepted::Interrupted(asked) => Ok(interrupted(asked)),
        Accepted::TimedOut => Err(Fault { end: End::Path, doing: Doing::Accept, at, cause: Cause::TimedOut }),
    }
}

/// Says where, with the port that the kernel chose: a promise, for scripts wait for it.
fn listening(
    transport: Transport,
    address: &Address,
    clock: &Clock,
    port_file: Option<WholeFile>,
    out: &Out,
) -> Result<(), Fault> {
    if let Some(mut file) = port_file {
        file.publish(&format!("{}\n", address.port().unwrap_or_default()))?;
    }
    let address = address.in_full(transport);
    out.record(&record::talk::waiting(clock, &address));
    out.flush();
    out.tell(&format!("listening on {address}\n"));
    Ok(())
}

fn told(event: &Event, out: &Out) {
    if let Some(line) = narrate::line(event, out.verbosity) {
        out.tell(&line);
    }
}

fn admits(lists: &Lists, remote: &Address, out: &Out) -> bool {
    let Some(address) = remote.internet() else { return true };
    match lists.verdict(address.ip()) {
        Verdict::Welcome => true,
        Verdict::Denied(network) => {
            let why = Away::Denied(network.map(|network| network.to_string()));
            told(&Event::TurnedAway { remote: remote.clone(), why }, out);
            false
        }
    }
}
