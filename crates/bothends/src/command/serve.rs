//! `serve`: a server for many clients.

mod engines;
mod guests;
mod keyboard;
mod limits;
mod ports;
mod services;
mod telling;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use draw::number::count;
use ends::listen::{At, Place};
use ends::operator::operator;
use ends::serve::{Config, Engine, Served, Sink, Tells, serve};
use ends::service::{Shape, refusal};
use ends::stop::Stop;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wire::endpoint::{Endpoint, Use};
use wire::{Fault, Transport};

use self::engines::EngineFlags;
use self::guests::GuestFlags;
use self::limits::LimitFlags;
use self::ports::Ports;
use self::services::{Make, ServiceFlags, ServiceWord};
use self::telling::Telling;
use super::Wrong;
use super::address::{
    default_endpoint, in_full, mode_without_a_file, places, read, transport_of, url_options, wrong_family,
};
use super::socket::ListenFlags;
use crate::cli::Families;
use crate::clock::Clock;
use crate::evidence;
use crate::exit::Exit;
use crate::out::{self, Narrator, Out};
use crate::record;
use crate::sink::{Lines, Recording, told};

/// What `serve` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Run a server for many clients.",
    long_about = "Run a server for many clients.

Examples:
  bothends serve echo                     on 127.0.0.1:7777, this machine only
  bothends serve reply 'hello' :7 -v      on every interface, telling who comes
  bothends serve echo udp://:7 tcp://:7 unix:/run/echo.sock
  bothends serve collect --record said    what all say, here and in a file
  bothends serve chat :7777               rooms, names, and you at this keyboard
  bothends serve echo 0 --port-file port  on any free port; its number in a file
  bothends serve upper --engine thread --max-connections 128 --when-full refuse

It runs until it is interrupted: the first ^C or SIGTERM takes no new clients and gives those that are there the time \
of --grace, the second ends it at once. The end of standard input ends nothing. What happens to one client is told, \
with -v on standard error and with --json as records, but is never the exit code; -vv tells every message as well.

People in a chat are called client-1, client-2 and so on, and are in the room lobby, until they say /name and /join; /help \
lists what they can say. Who does not read stops nobody: the oldest of what waits beyond 256K is dropped, and it is told how \
much that was. A collect whose lines nobody takes lets its clients wait, and drops nothing.

Started by systemd with sockets (LISTEN_FDS) and without an address, it serves on those; systemd is told when it is \
ready and when it stops (NOTIFY_SOCKET).",
    override_usage = "bothends serve [OPTIONS] <SERVICE> [ADDR]...\n       bothends serve [OPTIONS] reply <TEXT> [ADDR]..."
)]
pub struct Flags {
    #[arg(value_name = "SERVICE", help = "What to do with the bytes that clients send.")]
    service: ServiceWord,
    /// The service's own word, and the addresses.
    #[arg(
        value_name = "ADDR",
        help = "Where to listen; 127.0.0.1:7777 by itself. See `bothends help addresses`."
    )]
    words: Vec<String>,
    #[arg(short, long, help = "Let addresses without a scheme be UDP's.")]
    udp: bool,
    #[command(flatten)]
    families: Families,
    #[arg(
        long,
        value_name = "FILE",
        help = "Write the port into this file once it listens; one line for each address."
    )]
    port_file: Option<PathBuf>,
    #[command(flatten)]
    of_service: ServiceFlags,
    #[command(flatten)]
    engine: EngineFlags,
    #[command(flatten)]
    guests: GuestFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    sockets: ListenFlags,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = match wanted(flags) {
        Ok((make, places)) => {
            let at = places.clone();
            listen_and_serve(flags, make, places, out).unwrap_or_else(|fault| {
                let fault = in_full(fault, &at);
                out.fault_amid(&fault, &evidence::of_places(&fault, &at))
            })
        }
        Err(wrong) => wrong.told(out),
    };
    out.finish(exit)
}

/// What is served, and where; all that can be wrong with it is known before anybody listens.
fn wanted(flags: &Flags) -> Result<(Make, Vec<Place>), Wrong> {
    if let Some(sentence) = flags.engine.wrong() {
        return Err(Wrong::Use(sentence));
    }
    let (word, addresses) = flags.service.own_word(&flags.words).map_err(Wrong::Use)?;
    if let Some(sentence) = flags.service.strange_flag(&flags.of_service) {
        return Err(Wrong::Use(sentence));
    }
    let places = places_of(flags, addresses)?;
    if let Some(sentence) = stands_there_twice(&places) {
        return Err(Wrong::Use(sentence));
    }
    if let Some(sentence) = mode_without_a_file(&places) {
        return Err(Wrong::Use(sentence));
    }
    let (engine, workers) = (flags.engine.engine(), flags.engine.workers());
    for place in &places {
        if place.options.socket.is_for_datagrams() && transport_at(&place.at) != Transport::Udp {
            let sentence =
                "broadcast and multicast are udp's; behind an address, ?join=GROUP is for that one alone";
            return Err(Wrong::Use(sentence.to_owned()));
        }
        if let Some(sentence) = refusal(flags.service.name(), shape_at(&place.at), engine, workers) {
            return Err(Wrong::Use(sentence));
        }
    }
    let max_message = flags.limits.max_message.map(NonZeroUsize::get);
    let shapes: Vec<Shape> = places.iter().map(|place| shape_at(&place.at)).collect();
    if let Some(sentence) = flags.service.no_messages(&flags.of_service, max_message, &shapes) {
        return Err(Wrong::Use(sentence));
    }
    Ok((flags.service.make(word, &flags.of_service, max_message), places))
}

fn places_of(flags: &Flags, addresses: &[String]) -> Result<Vec<Place>, Wrong> {
    if addresses.is_empty() {
        let options = flags.sockets.options();
        let inherited = kernel::inherited::listen_fds();
        if !inherited.is_empty() {
            let place = |number| Place { at: At::Inherited(number), options: options.clone() };
            return Ok(inherited.iter().map(|socket| place(socket.fd)).collect());
        }
        let endpoint = default_endpoint(flags.families, flags.udp);
        return places(&endpoint, flags.families, &options).map_err(Wrong::Fault);
    }
    let mut all = Vec::new();
    for text in addresses {
        let (endpoint, sockets) = endpoint(text, flags)?;
        all.extend(places(&endpoint, flags.families, &sockets.options()).map_err(Wrong::Fault)?);
    }
    Ok(all)
}

/// Two places that are the same, as a sentence: the second would find the first in its way. A port that the kernel chooses
/// is another each time, and one that is shared is shared among ourselves too.
fn stands_there_twice(places: &[Place]) -> Option<String> {
    let is_free_or_shared = |place: &Place| match &place.at {
        At::Address(_, address) => address.port() == 0 || place.options.reuse_port,
        At::EveryInterface(_, port) => *port == 0 || place.options.reuse_port,
        At::Unix(..) | At::Inherited(_) => false,
    };
    let is_again = |(number, place): &(usize, &Place)| {
        !is_free_or_shared(place) && places[..*number].iter().any(|earlier| earlier.at == place.at)
    };
    let (_, place) = places.iter().enumerate().find(is_again)?;
    let at = match evidence::addresses_of(&place.at).into_iter().next() {
        Some((transport, address)) => address.in_full(transport),
        None => return Some("the same descriptor stands there twice".to_owned()),
    };
    Some(format!("{at} stands there twice, and can be had once"))
}

/// An address, and how to listen there: the flags, and what stands behind the address.
fn endpoint(text: &str, flags: &Flags) -> Result<(Endpoint, ListenFlags), Wrong> {
    let endpoint = read(text, Use::Listen, flags.udp, "serve")?;
    if let Some(sentence) = wrong_family(&endpoint, flags.families) {
        return Err(Wrong::Use(sentence));
    }
    let own: ListenFlags = url_options(&endpoint, text)?;
    Ok((endpoint, own.over(&flags.sockets)))
}

/// How bytes come at a place.
fn shape_at(at: &At) -> Shape {
    let transport = transport_at(at);
    match (transport.has_connections(), transport.keeps_messages()) {
        (true, false) => Shape::Stream,
        (true, true) => Shape::Messages,
        (false, _) => Shape::Datagrams,
    }
}

/// What carries what comes there; of a descriptor that is none this is told when it is opened.
fn transport_at(at: &At) -> Transport {
    match at {
        At::Address(transport, _) | At::EveryInterface(transport, _) | At::Unix(transport, _) => *transport,
        At::Inherited(number) => transport_of(*number).unwrap_or_default(),
    }
}

fn config(flags: &Flags, make: Make, places: Vec<Place>, out: &Out) -> Config {
    let engine = flags.engine.engine();
    let is_collect = flags.service == ServiceWord::Collect && !out.quiet;
    let sessions = out.json || out.verbosity >= 1 || is_collect;
    // Records of arrivals would say twice what those of lines say.
    let data = out.verbosity >= 2 && !(out.json && flags.service.shows_lines());
    Config {
        places,
        service: make,
        engine,
        max_connections: flags.guests.max_connections().or(engine.max_connections()),
        when_full: flags.guests.when_full(),
        guests: flags.guests.guests(),
        limits: flags.limits.limits(),
        grace: flags.engine.grace,
        tells: Tells { opened: sessions, closed: sessions, data },
        left_to_tell: None,
        sink: None,
        operator: None,
    }
}

fn listen_and_serve(flags: &Flags, make: Make, places: Vec<Place>, out: &Out) -> Result<Exit, Fault> {
    let mut config = config(flags, make, places, out);
    let ports = Ports::new(flags.port_file.as_ref(), config.places.len())?;
    let recording = recording(flags, out)?;
    // Before any thread: each of them has to leave the signals to the one that waits for them.
    let stop = if flags.guests.has_files() { Stop::by_signals_and_hangup() } else { Stop::by_signals() }?;
    raise_descriptor_limit();
    let may_start_threads = config.engine != Engine::Process;
    let narrator = Arc::new(match may_start_threads {
        true => Narrator::with_thread(out.stderr.ascii),
        false => Narrator::without_thread(out.stderr.ascii),
    });
    let clock = Arc::new(Clock::start());
    let lines = Arc::new(Lines::new(out, &clock, &narrator, recording, may_start_threads));
    config.left_to_tell = Some({
        let (narrator, lines) = (Arc::clone(&narrator), Arc::clone(&lines));
        // Both go on, whether or not the first has something left.
        Box::new(move || narrator.go_on() | lines.go_on())
    });
    if flags.service.shows_lines() {
        config.sink = Some(Arc::clone(&lines) as Arc<dyn Sink>);
    }
    if flags.service == ServiceWord::Chat {
        let (operator, keys) = operator()?;
        config.operator = Some(operator);
        keyboard::start(keys);
    }
    let telling = Telling::new(&config, out, &clock, &narrator, &lines, ports);
    let served = serve(&config, &stop, &|event| telling.tell(&event));
    let unrecorded = lines.finish();
    let served = served.inspect_err(|_| narrator.finish())?;
    if out.verbosity >= 1 {
        narrator.tell(&farewell(served));
    }
    Ok(end(telling.fault().or(unrecorded), flags.service.shows_lines(), &narrator, out))
}

/// Tells the last of all, on the way of everything before: who stopped reading keeps nobody from ending.
fn end(fault: Option<Fault>, shows_lines: bool, narrator: &Narrator, out: &Out) -> Exit {
    if let Some(fault) = fault.as_ref().filter(|_| out.json) {
        narrator.record(record::error(fault, Exit::of(fault)));
    }
    narrator.finish_output();
    // For services that show lines it is a failure that they could not be shown; for others the records are a help.
    let unshown = || narrator.fault().or_else(|| narrator.left_behind()).filter(|_| shows_lines);
    let fault = fault.or_else(unshown);
    if let Some(fault) = &fault {
        narrator.tell(&out::told(fault));
    }
    narrator.finish();
    fault.as_ref().map_or(Exit::Ok, Exit::of)
}

fn recording(flags: &Flags, out: &Out) -> Result<Option<Recording>, Fault> {
    let Some(path) = &flags.of_service.record else { return Ok(None) };
    let (recording, news) = Recording::open(path, flags.of_service.fsync.unwrap_or_default())?;
    if let Some(news) = news {
        out.tell(&told(&news));
    }
    Ok(Some(recording))
}

/// As many clients as the machine allows, not as a shell does by itself (1024, for the sake of programs that use select).
/// The children of the process engine keep it: they open nothing and start no program. Whoever starts one from here has
/// to give it the old limit back, for select cannot hold descriptors beyond 1023.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // To the hard limit it is always allowed; if not, the server works with what it has.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn farewell(served: Served) -> String {
    let away = match served.turned_away {
        0 => String::new(),
        away => format!(", {away} turned away"),
    };
    format!("served {}{away}\n", count(served.sessions, "client"))
}

#[cfg(test)]
mod tests;
