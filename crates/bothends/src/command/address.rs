//! Addresses on command lines, for every command that talks: words are read, names looked up, options behind the address
//! taken as the long flags that they equal, and what comes of it are places to listen and addresses to call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::{Arg, ArgMatches, Args, Command};
use ends::dial::resolve;
use ends::listen::{At, Options, Place};
use wire::endpoint::{self, Endpoint, EndpointError, Grammar, Host, Scheme, Use};
use wire::network::Network;
use wire::{Address, Fault, Transport};

use super::{BadAddress, Wrong};
use crate::cli::Families;
use crate::{evidence, help};

/// The grammar as commands use it: /etc/services knows more names than the built-in table. With `udp`, an address
/// without a scheme means UDP.
pub(super) fn grammar(purpose: Use, udp: bool) -> Grammar<'static> {
    match udp {
        true => Grammar { purpose, scheme: Scheme::Udp, services: &|name| system_service(name, "udp") },
        false => Grammar { purpose, scheme: Scheme::Tcp, services: &|name| system_service(name, "tcp") },
    }
}

/// Reads an address and says what keeps `command` from using it.
pub(super) fn read(text: &str, purpose: Use, udp: bool, command: &str) -> Result<Endpoint, Wrong> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let grammar = match scheme.as_deref() {
        Some("udp") => grammar(purpose, true),
        Some(_) => grammar(purpose, false),
        None => grammar(purpose, udp),
    };
    let endpoint = grammar.parse(text).map_err(|error| bad(text, error))?;
    match unsupported(&endpoint, command) {
        None => Ok(endpoint),
        Some(sentence) => Err(Wrong::Use(sentence)),
    }
}

/// An address with what is wrong with it.
pub(super) fn bad(text: &str, error: EndpointError) -> Wrong {
    Wrong::Address(BadAddress { text: text.to_owned(), error })
}

/// Why an endpoint cannot be used, as a sentence; none when it can.
pub(super) fn unsupported(endpoint: &Endpoint, command: &str) -> Option<String> {
    match endpoint.scheme {
        Scheme::Standard => Some(format!("{command} needs an address; - is standard input and output")),
        Scheme::Tls => Some(format!("{command} speaks no TLS yet: write tcp:// for what is not encrypted")),
        Scheme::Vsock => Some(format!("{command} does not speak to virtual machines yet (vsock:)")),
        Scheme::Tcp | Scheme::Udp | Scheme::Unix | Scheme::UnixDgram | Scheme::UnixSeqpacket | Scheme::Fd => {
            None
        }
    }
}

/// Whether a written address is of another family than the flag asks for, as a sentence.
pub(super) fn wrong_family(endpoint: &Endpoint, families: Families) -> Option<String> {
    let address = endpoint.literal_ip()?;
    match (families.ipv4, families.ipv6) {
        (true, _) if address.is_ipv6() => Some(format!("{endpoint} is IPv6, and -4 asks for IPv4")),
        (_, true) if address.is_ipv4() => Some(format!("{endpoint} is IPv4, and -6 asks for IPv6")),
        _ => None,
    }
}

/// Where `serve` and `listen` are without an address.
pub(super) fn default_endpoint(families: Families, udp: bool) -> Endpoint {
    let host: IpAddr = if families.ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let scheme = if udp { Scheme::Udp } else { Scheme::Tcp };
    Endpoint::at(scheme, SocketAddr::new(host, endpoint::DEFAULT_PORT))
}

/// The sockets' places of an endpoint to listen on: one, or all addresses of a name. Looking up may take its time.
pub(super) fn places(
    endpoint: &Endpoint,
    families: Families,
    options: &Options,
) -> Result<Vec<Place>, Fault> {
    let place = |at: At| Place { at, options: options.clone() };
    let at = match &endpoint.place {
        endpoint::Place::Internet { host, port } => {
            let transport = endpoint.scheme.transport().unwrap_or_default();
            return Ok(on_host(transport, host, *port, families)?.into_iter().map(place).collect());
        }
        endpoint::Place::Descriptor(number) => Some(At::Inherited(*number)),
        _ => unix_address(endpoint).map(|(transport, address)| At::Unix(transport, address)),
    };
    Ok(at.map(place).into_iter().collect())
}

fn on_host(transport: Transport, host: &Host, port: u16, families: Families) -> Result<Vec<At>, Fault> {
    let at = |ip: IpAddr| vec![At::Address(transport, SocketAddr::new(ip, port))];
    let all =
        |found: Vec<SocketAddr>| found.into_iter().map(|address| At::Address(transport, address)).collect();
    Ok(match host {
        Host::Loopback if families.ipv6 => at(Ipv6Addr::LOCALHOST.into()),
        Host::Loopback => at(Ipv4Addr::LOCALHOST.into()),
        Host::Any if families.ipv4 => at(Ipv4Addr::UNSPECIFIED.into()),
        Host::Any if families.ipv6 => at(Ipv6Addr::UNSPECIFIED.into()),
        Host::Any => vec![At::EveryInterface(transport, port)],
        Host::V4(v4) => at((*v4).into()),
        Host::V6(v6, None) => at((*v6).into()),
        Host::V6(..) | Host::Name(_) => all(resolve(&name_of(host), port, families.family())?),
    })
}

/// The addresses to call for a host and a port, in the resolver's order. Looking up may take its time.
pub(super) fn addresses(host: &Host, port: u16, families: Families) -> Result<Vec<SocketAddr>, Fault> {
    resolve(&name_of(host), port, families.family())
}

/// As the resolver takes it; this machine is localhost.
fn name_of(host: &Host) -> String {
    match host {
        Host::V4(v4) => v4.to_string(),
        Host::V6(v6, None) => v6.to_string(),
        Host::V6(v6, Some(zone)) => format!("{v6}%{zone}"),
        Host::Loopback | Host::Any => "localhost".to_owned(),
        Host::Name(name) => name.clone(),
    }
}

/// The transport and address of a Unix endpoint.
pub(super) fn unix_address(endpoint: &Endpoint) -> Option<(Transport, Address)> {
    let address = match &endpoint.place {
        endpoint::Place::Path(path) => Address::Path(path.into()),
        endpoint::Place::Abstract(name) => Address::Abstract(name.clone().into_bytes()),
        _ => return None,
    };
    Some((endpoint.scheme.transport()?, address))
}

/// What carries conversations over the socket with this number, if this program was started with such a one.
pub(super) fn transport_of(number: u32) -> Option<Transport> {
    kernel::inherited::describe_number(number).ok()?.transport
}

/// A network as it is typed.
pub(super) fn network(text: &str) -> Result<Network, String> {
    Network::parse(text).map_err(|error| error.to_string())
}

/// Permissions that were asked for where no place has a socket file, as a sentence.
pub(super) fn mode_without_a_file(places: &[Place]) -> Option<String> {
    let has_file = |place: &Place| matches!(&place.at, At::Unix(_, Address::Path(_)));
    let is_asked_for = places.iter().any(|place| place.options.mode.is_some());
    (is_asked_for && !places.iter().any(has_file))
        .then(|| "mode is for the files of Unix sockets, and none is listened on".to_owned())
}

/// The options behind an address, as the long flags of `A` that they equal: its declaration is the only table there is.
/// `A` must not have default values, so that what is not written can be told apart.
pub(super) fn url_options<A: Args>(endpoint: &Endpoint, written: &str) -> Result<A, Wrong> {
    let mut table = A::augment_args(Command::new("address").no_binary_name(true).disable_help_flag(true));
    let known: Vec<String> = table.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    endpoint.only_options(written, &known).map_err(|error| bad(written, error))?;
    let mut words = Vec::new();
    for option in &endpoint.options {
        let wrong = |sentence: String| {
            let column = column_of_option(written, &option.name);
            bad(written, EndpointError { column, sentence, hint: None })
        };
        let name = option.name.as_str();
        let flag = table.get_arguments().find(|argument| argument.get_long() == Some(name));
        let takes_a_value = flag.is_some_and(|flag| flag.get_action().takes_values());
        let word = match (&option.value, takes_a_value) {
            (Some(value), true) => format!("--{name}={value}"),
            (None, false) => format!("--{name}"),
            (None, true) => return Err(wrong(format!("the option {name} needs a value: {name}=…"))),
            (Some(_), false) => return Err(wrong(format!("the option {name} has no value"))),
        };
        matches(&mut table, [word.clone()])
            .map_err(|error| wrong(format!("the option {name}: {}", reason(&error))))?;
        words.push(word);
    }
    let all = matches(&mut table, words).and_then(|matches| A::from_arg_matches(&matches));
    all.map_err(|error| Wrong::Use(format!("the options of {written}: {}", reason(&error))))
}

fn matches(table: &mut Command, words: impl IntoIterator<Item = String>) -> Result<ArgMatches, clap::Error> {
    table.try_get_matches_from_mut(words)
}

/// Why clap does not take a value, without its frame.
fn reason(error: &clap::Error) -> String {
    let words = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    help::numbers_in_our_words(&words)
}

/// How many characters stand before an option of this name.
fn column_of_option(written: &str, name: &str) -> usize {
    let start = written.find('?').map_or(0, |question| question + 1);
    let mut at = start;
    for part in written[start..].split('&') {
        if part.split('=').next() == Some(name) {
            break;
        }
        at += part.len() + 1;
    }
    written.get(..at).unwrap_or(written).chars().count()
}

/// A service of /etc/services, by name or alias: services(5).
pub(super) fn system_service(name: &str, protocol: &str) -> Option<u16> {
    let services = std::fs::read_to_string("/etc/services").ok()?;
    service_in(&services, name, protocol)
}

/// The name of the service at a port in /etc/services.
pub(super) fn service_at(port: u16, protocol: &str) -> Option<String> {
    let services = std::fs::read_to_string("/etc/services").ok()?;
    name_in(&services, port, protocol)
}

fn name_in(services: &str, port: u16, protocol: &str) -> Option<String> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let (number, of) = words.next()?.split_once('/')?;
        (of == protocol && number.parse() == Ok(port)).then(|| name.to_owned())
    })
}

fn service_in(services: &str, name: &str, protocol: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let official = words.next()?;
        let (port, of) = words.next()?.split_once('/')?;
        let named = official == name || words.any(|alias| alias == name);
        (named && of == protocol).then(|| port.parse().ok()).flatten()
    })
}

/// The fault with its address in the full form, where one of these places has it; else that of TCP: `tcp://127.0.0.1:80`.
pub(super) fn in_full(fault: Fault, places: &[Place]) -> Fault {
    let mut addresses = places.iter().flat_map(|place| evidence::addresses_of(&place.at));
    let full = addresses.find(|(_, address)| address.to_string() == fault.at);
    match full {
        Some((transport, address)) => Fault { at: address.in_full(transport), ..fault },
        None => super::in_full(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
    struct Wishes {
        #[arg(long, value_name = "N")]
        ttl: Option<u8>,
        #[arg(long)]
        broadcast: bool,
        #[arg(long, value_name = "NAME")]
        join: Vec<String>,
    }

    fn wishes(text: &str) -> Result<Wishes, String> {
        let endpoint = read(text, Use::Listen, false, "serve").map_err(told)?;
        url_options(&endpoint, text).map_err(told)
    }

    fn told(wrong: Wrong) -> String {
        match wrong {
            Wrong::Use(sentence) => sentence,
            Wrong::Address(bad) => format!("{}: {}", bad.error.column, bad.error.sentence),
            Wrong::Fault(fault) => fault.to_string(),
        }
    }

    #[test]
    fn options_behind_an_address_are_the_long_flags() {
        assert_eq!(wishes("udp://:53"), Ok(Wishes::default()));
        let all = Wishes { ttl: Some(3), broadcast: true, join: vec!["a b".to_owned(), "c".to_owned()] };
        assert_eq!(wishes("udp://:53?ttl=3&broadcast&join=a%20b&join=c"), Ok(all));
        assert_eq!(wishes("udp://:53?broadcast&tll=3").unwrap_err(), "20: there is no option tll here");
        assert_eq!(wishes("udp://:53?ttl").unwrap_err(), "10: the option ttl needs a value: ttl=…");
        assert_eq!(wishes("udp://:53?broadcast=1").unwrap_err(), "10: the option broadcast has no value");
        assert!(wishes("udp://:53?broadcast&ttl=x").unwrap_err().starts_with("20: the option ttl: "));
    }

    fn listens(text: &str, families: Families) -> Result<Vec<At>, String> {
        let endpoint = read(text, Use::Listen, false, "serve").map_err(told)?;
        let places = places(&endpoint, families, &Options::default()).unwrap();
        Ok(places.into_iter().map(|place| place.at).collect())
    }

    #[test]
    fn a_port_alone_is_this_machine_and_a_colon_is_every_interface() {
        use Transport::{Tcp, Udp};
        let (any, v4, v6) =
            (Families::default(), Families { ipv4: true, ipv6: false }, Families { ipv4: false, ipv6: true });
        let at = |transport, text: &str| Ok(vec![At::Address(transport, text.parse().unwrap())]);
        assert_eq!(listens("8080", any), at(Tcp, "127.0.0.1:8080"));
        assert_eq!(listens("8080", v6), at(Tcp, "[::1]:8080"));
        assert_eq!(listens(":8080", any), Ok(vec![At::EveryInterface(Tcp, 8080)]));
        assert_eq!(listens("*:8080", v4), at(Tcp, "0.0.0.0:8080"));
        assert_eq!(listens("*:8080", v6), at(Tcp, "[::]:8080"));
        assert_eq!(listens("[::1]:0", any), at(Tcp, "[::1]:0"));
        assert_eq!(listens("udp://127.0.0.1:53", any), at(Udp, "127.0.0.1:53"));
        assert_eq!(listens("udp://:53", any), Ok(vec![At::EveryInterface(Udp, 53)]));
    }

    #[test]
    fn sockets_of_this_machine_are_places_too() {
        let any = Families::default();
        let unix = |transport, address| Ok(vec![At::Unix(transport, address)]);
        assert_eq!(listens("/run/x", any), unix(Transport::Unix, Address::Path("/run/x".into())));
        assert_eq!(
            listens("unix-dgram:@x", any),
            unix(Transport::UnixDgram, Address::Abstract(b"x".to_vec()))
        );
        let packets = unix(Transport::UnixSeqpacket, Address::Path("./x".into()));
        assert_eq!(listens("unix-seqpacket:./x", any), packets);
        assert_eq!(listens("fd:3", any), Ok(vec![At::Inherited(3)]));
    }

    #[test]
    fn what_cannot_be_used_is_said_in_a_sentence() {
        let said = |text| listens(text, Families::default()).unwrap_err();
        assert_eq!(said("-"), "serve needs an address; - is standard input and output");
        assert!(said("tls://:1").starts_with("serve speaks no TLS yet"));
        assert!(said("vsock:2:1").starts_with("serve does not speak to virtual machines yet"));
    }

    #[test]
    fn permissions_need_a_socket_file() {
        let options = Options { mode: Some(0o600), ..Options::default() };
        let at = |at| Place { at, options: options.clone() };
        let tcp = at(At::Address(Transport::Tcp, "127.0.0.1:80".parse().unwrap()));
        let named = at(At::Unix(Transport::Unix, Address::Abstract(b"x".to_vec())));
        let file = at(At::Unix(Transport::UnixDgram, Address::Path("/run/x".into())));
        assert!(mode_without_a_file(&[tcp.clone(), named]).is_some());
        assert_eq!(mode_without_a_file(&[tcp, file]), None);
        let plain = Place::new(At::Address(Transport::Tcp, "127.0.0.1:80".parse().unwrap()));
        assert_eq!(mode_without_a_file(&[plain]), None);
    }

    #[test]
    fn dash_u_makes_bare_addresses_udp() {
        let full = |text, udp| read(text, Use::Listen, udp, "serve").map(|end| end.to_string()).map_err(told);
        assert_eq!(full("7", true).as_deref(), Ok("udp://localhost:7"));
        assert_eq!(full("tcp://:7", true).as_deref(), Ok("tcp://*:7"));
        assert_eq!(full("/run/x", true).as_deref(), Ok("unix:/run/x"));
        assert_eq!(default_endpoint(Families::default(), true).to_string(), "udp://127.0.0.1:7777");
    }

    #[test]
    fn services_are_found_by_name_and_alias_of_their_protocol() {
        let services =
            "# comment\nhttp\t80/tcp\twww\t# WorldWideWeb\nntp 123/udp\ngizmo 4242/tcp\ngizmo 4243/udp\n";
        assert_eq!(service_in(services, "gizmo", "tcp"), Some(4242));
        assert_eq!(service_in(services, "gizmo", "udp"), Some(4243));
        assert_eq!(service_in(services, "www", "tcp"), Some(80));
        assert_eq!(service_in(services, "ntp", "tcp"), None);
        assert_eq!(service_in(services, "WorldWideWeb", "tcp"), None);
        assert_eq!(name_in(services, 4243, "udp").as_deref(), Some("gizmo"));
        assert_eq!((name_in(services, 4243, "tcp"), name_in(services, 80, "udp")), (None, None));
        assert_eq!(service_in("broken 1x/tcp\nhalf\n", "broken", "tcp"), None);
    }

    #[test]
    fn faults_show_the_full_address_of_their_place() {
        let fault = |at: &str| Fault::errno(wire::End::Us, wire::Doing::Bind, at, 98);
        let place = Place::new(At::Address(Transport::Udp, "127.0.0.1:53".parse().unwrap()));
        let unix = Place::new(At::Unix(Transport::Unix, Address::Path("/run/x".into())));
        let places = [place, unix];
        assert_eq!(in_full(fault("127.0.0.1:53"), &places).at, "udp://127.0.0.1:53");
        let every = [Place::new(At::EveryInterface(Transport::Udp, 53))];
        assert_eq!(in_full(fault("[::]:53"), &every).at, "udp://[::]:53");
        assert_eq!(in_full(fault("0.0.0.0:53"), &every).at, "udp://0.0.0.0:53", "without IPv6");
        assert_eq!(in_full(fault("/run/x"), &places).at, "unix:/run/x");
        assert_eq!(in_full(fault("[::1]:80"), &places).at, "tcp://[::1]:80");
        assert_eq!(in_full(fault("example.org"), &places).at, "example.org");
    }
}
