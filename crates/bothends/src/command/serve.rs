//! `serve`: a server for many clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use draw::number::count;
use ends::dial::resolve;
use ends::event::Event;
use ends::listen::{At, Options, Place};
use ends::serve::{Config, Engine, Served, Tells, WhenFull, serve};
use ends::service::{Discard, Echo, Reply, Service, Source, TimeOfDay, Upper};
use ends::stop::Stop;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wire::Fault;
use wire::endpoint::{Endpoint, Host, Use};
use wire::frame::Frame;
use wire::quantity;

use super::{BadAddress, Wrong, grammar, host_and_port, in_full, unsupported, wrong_family};
use crate::cli::Families;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::files::WholeFile;
use crate::out::{Narrator, Out};
use crate::{narrate, record};

/// What `serve` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Run a server for many clients.",
    long_about = "Run a server for many clients.

Examples:
  bothends serve echo                     on 127.0.0.1:7777, this machine only
  bothends serve echo :7 -v               on every interface, telling who comes
  bothends serve echo 0 --port-file port  on any free port; its number in a file
  bothends serve echo [::1]:7777 127.0.0.1:7777 --engine process
  bothends serve reply 'hello, i am server' --frame line
  bothends serve source --size 1M         a megabyte for each client

It runs until it is interrupted: the first ^C or SIGTERM takes no new clients and gives those that are there the time \
of --grace, the second ends it at once. What happens to one client is told, but is never the exit code."
)]
pub struct Flags {
    /// The service.
    #[arg(value_name = "SERVICE", help = "What to do with the bytes that clients send.")]
    service: ServiceWord,
    /// The word of a service that needs one, and the addresses.
    #[arg(
        value_name = "ADDR",
        help = "Where to listen; 127.0.0.1:7777 by itself. See `bothends help addresses`. For reply, TEXT comes first."
    )]
    words: Vec<String>,
    /// For reply.
    #[arg(
        long,
        value_name = "FRAME",
        default_value = "none",
        hide_default_value = true,
        help = "Let reply answer each message, not each arrival: line, or len32 with four bytes of length in front."
    )]
    frame: FrameWord,
    /// For source.
    #[arg(long, value_name = "SIZE", value_parser = quantity::size,
          help = "Let source send this much to each client and then close: 64K, 1M; it has no end by itself.")]
    size: Option<u64>,
    /// The engine.
    #[arg(
        long,
        value_name = "ENGINE",
        default_value = "event",
        hide_default_value = true,
        help = "Choose what runs the sessions; event by itself."
    )]
    engine: EngineWord,
    /// Loops.
    #[arg(long, value_name = "N", help = "Run this many event loops on the same addresses; one by itself.")]
    workers: Option<NonZeroUsize>,
    /// The places.
    #[arg(
        long,
        value_name = "N",
        help = "Serve at most this many clients at once; 1024 by itself with threads, 512 with processes."
    )]
    max_connections: Option<NonZeroUsize>,
    /// Beyond that.
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "wait",
        hide_default_value = true,
        help = "Choose what becomes of clients when all places are taken; wait by itself."
    )]
    when_full: WhenFullWord,
    /// The time to finish.
    #[arg(long, value_name = "D", default_value = "2s", value_parser = quantity::duration,
          help = "Let clients finish for this long after the first signal.")]
    grace: Duration,
    /// The backlog.
    #[arg(
        long,
        value_name = "N",
        help = "Let this many clients wait to be accepted; the kernel's net.core.somaxconn stands above it."
    )]
    backlog: Option<NonZeroU32>,
    /// No SO_REUSEADDR.
    #[arg(
        long,
        help = "Do without SO_REUSEADDR: connections of an earlier run in TIME_WAIT then block the port."
    )]
    no_reuse_addr: bool,
    /// SO_REUSEPORT.
    #[arg(long, help = "Share the port with other servers that ask for it too (SO_REUSEPORT).")]
    reuse_port: bool,
    /// Tells the port.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write the port into this file once it listens; one line for each address."
    )]
    port_file: Option<PathBuf>,
    /// The families.
    #[command(flatten)]
    families: Families,
}

/// The services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServiceWord {
    /// Sends back what it receives.
    #[value(help = "Send back what was received (RFC 862).")]
    Echo,
    /// The same in capitals.
    #[value(help = "Send it back in capital letters.")]
    Upper,
    /// Answers with a text.
    #[value(help = "Answer each arrival, or with --frame each message, with TEXT.")]
    Reply,
    /// Takes everything.
    #[value(help = "Take everything and say nothing (RFC 863).")]
    Discard,
    /// Sends characters.
    #[value(help = "Send characters without end, or --size of them (RFC 864).")]
    Source,
    /// Tells the time to people.
    #[value(help = "Tell the time to people (RFC 867).")]
    Daytime,
    /// Tells the time to programs.
    #[value(help = "Tell the time to programs: 32 bits (RFC 868).")]
    Time,
}

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FrameWord {
    /// Not at all.
    #[value(help = "Not at all.")]
    None,
    /// By line ends.
    #[value(help = "Each ends with LF.")]
    Line,
    /// By lengths.
    #[value(help = "Each has its length in front, in four bytes.")]
    Len32,
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineWord {
    /// One loop that waits for all clients at once.
    #[value(help = "One loop waits for all clients at once.")]
    Event,
    /// A thread for each client.
    #[value(help = "A thread waits for each client.")]
    Thread,
    /// A process for each client.
    #[value(help = "A process is forked for each client.")]
    Process,
}

/// What happens when all places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhenFullWord {
    /// Clients wait in the kernel's queue.
    #[value(help = "They wait in the kernel's queue until a place is free.")]
    Wait,
    /// Clients are reset at once.
    #[value(help = "They are accepted and reset at once.")]
    Refuse,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    if flags.workers.is_some() && flags.engine != EngineWord::Event {
        return out.usage("--workers are event loops, and another engine was chosen", None);
    }
    let exit = match asked(flags) {
        Ok((service, places)) => {
            listen_and_serve(flags, service, places, out).unwrap_or_else(|fault| out.fault(&in_full(fault)))
        }
        Err(wrong) => wrong.told(out),
    };
    out.finish(exit)
}

/// Makes a service: for each loop, or each session.
type Make = Box<dyn Fn() -> Box<dyn Service> + Send + Sync>;

/// What to serve, and where.
fn asked(flags: &Flags) -> Result<(Make, Vec<Place>), Wrong> {
    let wrong = |sentence: &str| Err(Wrong::Use(sentence.to_owned()));
    if flags.size.is_some() && flags.service != ServiceWord::Source {
        return wrong("--size is for the service source");
    }
    if flags.frame != FrameWord::None && flags.service != ServiceWord::Reply {
        return wrong("--frame is for the service reply");
    }
    let (make, addresses) = match (flags.service, flags.words.as_slice()) {
        (ServiceWord::Reply, [text, addresses @ ..]) => (reply(text.clone(), flags.frame), addresses),
        (ServiceWord::Reply, []) => return wrong("reply needs its answer: serve reply TEXT [ADDR]"),
        (ServiceWord::Echo, addresses) => (make(|| Echo), addresses),
        (ServiceWord::Upper, addresses) => (make(|| Upper), addresses),
        (ServiceWord::Discard, addresses) => (make(|| Discard), addresses),
        (ServiceWord::Source, addresses) => (source(flags.size), addresses),
        (ServiceWord::Daytime, addresses) => (make(|| TimeOfDay::daytime(SystemTime::now)), addresses),
        (ServiceWord::Time, addresses) => (make(|| TimeOfDay::time(SystemTime::now)), addresses),
    };
    Ok((make, places(addresses, flags)?))
}

fn make<S: Service + 'static>(new: fn() -> S) -> Make {
    Box::new(move || Box::new(new()))
}

fn source(size: Option<u64>) -> Make {
    Box::new(move || Box::new(Source::new(size)))
}

/// The longest message that reply takes, in bytes.
const LONGEST_MESSAGE: usize = 1024 * 1024;

fn reply(text: String, frame: FrameWord) -> Make {
    let frame = match frame {
        FrameWord::None => Frame::None,
        FrameWord::Line => Frame::Line,
        FrameWord::Len32 => Frame::Len32,
    };
    Box::new(move || Box::new(Reply::new(text.as_bytes(), frame, LONGEST_MESSAGE)))
}

fn places(addresses: &[String], flags: &Flags) -> Result<Vec<Place>, Wrong> {
    let endpoints = match addresses {
        [] => vec![default_endpoint(flags.families)],
        written => written.iter().map(|text| endpoint(text, flags.families)).collect::<Result<_, _>>()?,
    };
    let mut places = Vec::new();
    for endpoint in &endpoints {
        places.extend(places_of(endpoint, flags.families).map_err(Wrong::Fault)?);
    }
    Ok(places)
}

fn default_endpoint(families: Families) -> Endpoint {
    let default = Endpoint::default_address();
    match (families.ipv6, host_and_port(&default)) {
        (true, Some((_, port))) => {
            Endpoint::at(default.scheme, SocketAddr::from((Ipv6Addr::LOCALHOST, port)))
        }
        _ => default,
    }
}

fn endpoint(text: &str, families: Families) -> Result<Endpoint, Wrong> {
    let bad = |error| Wrong::Address(BadAddress { text: text.to_owned(), error });
    let endpoint = grammar(Use::Listen).parse(text).map_err(bad)?;
    endpoint.only_options(text, &[]).map_err(bad)?;
    let wrong = unsupported(&endpoint, "serve").or_else(|| wrong_family(&endpoint, families));
    wrong.map_or(Ok(endpoint), |sentence| Err(Wrong::Use(sentence)))
}

/// The sockets' places of an endpoint: one, or all addresses of a name.
fn places_of(endpoint: &Endpoint, families: Families) -> Result<Vec<Place>, Fault> {
    let Some((host, port)) = host_and_port(endpoint) else { return Ok(Vec::new()) };
    let at = |ip: IpAddr| vec![Place::tcp(SocketAddr::new(ip, port))];
    Ok(match host {
        Host::Loopback if families.ipv6 => at(Ipv6Addr::LOCALHOST.into()),
        Host::Loopback => at(Ipv4Addr::LOCALHOST.into()),
        Host::Any if families.ipv4 => at(Ipv4Addr::UNSPECIFIED.into()),
        Host::Any if families.ipv6 => at(Ipv6Addr::UNSPECIFIED.into()),
        Host::Any => vec![Place::new(At::EveryInterface(port))],
        Host::V4(v4) => at((*v4).into()),
        Host::V6(v6, None) => at((*v6).into()),
        Host::V6(v6, Some(zone)) => looked_up(&format!("{v6}%{zone}"), port, families)?,
        Host::Name(name) => looked_up(name, port, families)?,
    })
}

fn looked_up(name: &str, port: u16, families: Families) -> Result<Vec<Place>, Fault> {
    let addresses = resolve(name, port, families.family())?;
    Ok(addresses.into_iter().map(Place::tcp).collect())
}

fn config(flags: &Flags, service: Make, places: Vec<Place>, out: &Out) -> Config {
    let engine = match flags.engine {
        EngineWord::Event => Engine::Event { workers: flags.workers.map_or(1, NonZeroUsize::get) },
        EngineWord::Thread => Engine::Thread,
        EngineWord::Process => Engine::Process,
    };
    let mut config = Config { service, ..Config::new(places, engine, Echo::default) };
    config.max_connections = flags.max_connections.map(NonZeroUsize::get).or(config.max_connections);
    config.when_full = match flags.when_full {
        WhenFullWord::Wait => WhenFull::Wait,
        WhenFullWord::Refuse => WhenFull::Refuse,
    };
    let default = Options::default();
    let options = Options {
        reuse_address: !flags.no_reuse_addr,
        reuse_port: flags.reuse_port,
        backlog: flags.backlog.map_or(default.backlog, |n| i32::try_from(n.get()).unwrap_or(i32::MAX)),
    };
    config.places.iter_mut().for_each(|place| place.options = options.clone());
    config.grace = flags.grace;
    let sessions = out.json || out.verbosity >= 1;
    config.tells = Tells { opened: sessions, closed: sessions, data: out.verbosity >= 2 };
    config
}

fn listen_and_serve(flags: &Flags, service: Make, places: Vec<Place>, out: &Out) -> Result<Exit, Fault> {
    let mut config = config(flags, service, places, out);
    let ports = Ports::new(flags.port_file.as_ref(), config.places.len())?;
    // Before any thread: each of them has to leave the signals to the one that waits for them.
    let stop = Stop::by_signals()?;
    raise_descriptor_limit();
    let narrator = Arc::new(match config.engine {
        Engine::Process => Narrator::without_thread(out.stderr.ascii),
        Engine::Event { .. } | Engine::Thread => Narrator::with_thread(out.stderr.ascii),
    });
    let left_to_tell = Arc::clone(&narrator);
    config.left_to_tell = Some(Box::new(move || left_to_tell.go_on()));
    let clock = Clock::start();
    let served = serve(&config, &stop, &|event| {
        if let Event::Listening { address, .. } = &event {
            ports.listening(address.port().unwrap_or_default());
        }
        if out.json
            && let Some(record) = record::of_event(&clock, &event)
        {
            narrator.record(record);
        }
        if !out.quiet
            && let Some(line) = narrate::line(&event, out.verbosity)
        {
            narrator.tell(&line);
        }
    });
    narrator.finish();
    let served = served?;
    out.narrate(1, &farewell(served));
    ports.fault().map_or(Ok(Exit::Ok), Err)
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

/// The port file: it appears when every address is listened on.
struct Ports(Option<Mutex<PortFile>>);

struct PortFile {
    file: WholeFile,
    expected: usize,
    ports: Vec<u16>,
    fault: Option<Fault>,
}

impl Ports {
    fn new(path: Option<&PathBuf>, expected: usize) -> Result<Ports, Fault> {
        let file = path.map(|path| WholeFile::create(path)).transpose()?;
        Ok(Ports(file.map(|file| Mutex::new(PortFile { file, expected, ports: Vec::new(), fault: None }))))
    }

    fn listening(&self, port: u16) {
        let Some(ports) = &self.0 else { return };
        let mut ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.ports.push(port);
        if ports.ports.len() == ports.expected {
            let text: String = ports.ports.iter().map(|port| format!("{port}\n")).collect();
            ports.fault = ports.file.publish(&text).err();
        }
    }

    fn fault(&self) -> Option<Fault> {
        let ports = self.0.as_ref()?;
        ports.lock().unwrap_or_else(PoisonError::into_inner).fault.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listens(text: &str, families: Families) -> Result<Vec<Place>, String> {
        match endpoint(text, families) {
            Ok(endpoint) => Ok(places_of(&endpoint, families).unwrap()),
            Err(Wrong::Use(sentence)) => Err(sentence),
            Err(Wrong::Address(bad)) => Err(bad.error.sentence),
            Err(Wrong::Fault(fault)) => Err(fault.to_string()),
        }
    }

    fn at(text: &str) -> Result<Vec<Place>, String> {
        Ok(vec![Place::tcp(text.parse().unwrap())])
    }

    #[test]
    fn a_port_alone_is_this_machine_and_a_colon_is_every_interface() {
        let (any, v4, v6) =
            (Families::default(), Families { ipv4: true, ipv6: false }, Families { ipv4: false, ipv6: true });
        assert_eq!(listens("8080", any), at("127.0.0.1:8080"));
        assert_eq!(listens("8080", v6), at("[::1]:8080"));
        assert_eq!(listens(":8080", any), Ok(vec![Place::new(At::EveryInterface(8080))]));
        assert_eq!(listens("*:8080", v4), at("0.0.0.0:8080"));
        assert_eq!(listens("*:8080", v6), at("[::]:8080"));
        assert_eq!(listens("[::1]:0", any), at("[::1]:0"));
        assert_eq!(listens("[::1]:80", v4), Err("tcp://[::1]:80 is IPv6, and -4 asks for IPv4".to_owned()));
    }

    #[test]
    fn what_is_not_served_yet_is_said_in_a_sentence() {
        let any = Families::default();
        let told = |text| listens(text, any).unwrap_err();
        assert_eq!(told("udp://:53"), "serve speaks tcp; udp:// is not supported yet");
        assert_eq!(told("/run/x"), "serve speaks tcp; unix: is not supported yet");
        assert_eq!(told("-"), "serve needs an address; - is standard input and output");
        assert_eq!(told(":80?backlog=3"), "there is no option backlog here");
    }

    #[test]
    fn the_port_file_appears_when_all_places_are_listened_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        let ports = Ports::new(Some(&path), 2).unwrap();
        ports.listening(40_001);
        assert!(!path.exists());
        ports.listening(40_002);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "40001\n40002\n");
        assert_eq!(ports.fault(), None);
    }
}
