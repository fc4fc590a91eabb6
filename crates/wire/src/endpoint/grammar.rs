//! The reader of the grammar. It works on byte offsets of the whole text, so that every error can point at its place.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{
    DEFAULT_PORT, Endpoint, EndpointError, Host, Place, Scheme, TLS_PORT, UNIX_NAME_MAX, UrlOption, Use,
    well_known_port,
};

/// The longest text that is read at all, in bytes.
const LONGEST: usize = 4096;
/// The longest name of a host (RFC 1035 §2.3.4, without the trailing dot's octets).
const LONGEST_NAME: usize = 253;
/// The most options behind one address.
const MOST_OPTIONS: usize = 32;

/// How addresses are to be read.
#[derive(Clone, Copy)]
pub struct Grammar<'a> {
    /// What they are wanted for.
    pub purpose: Use,
    /// The scheme of one that names none.
    pub scheme: Scheme,
    /// The port of a service name that is not well known.
    pub services: &'a dyn Fn(&str) -> Option<u16>,
}

impl Grammar<'_> {
    /// TCP unless the address says otherwise; only the well-known services.
    pub fn new(purpose: Use) -> Grammar<'static> {
        Grammar { purpose, scheme: Scheme::Tcp, services: &|_| None }
    }

    /// Reads one address.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place: a text that is empty, too long or has blanks in it; a scheme,
    /// host, port, path, number or option that is none; an IPv6 address without brackets; what [`Grammar::purpose`]
    /// does not allow, such as port 0 to connect to.
    pub fn parse(&self, text: &str) -> Result<Endpoint, EndpointError> {
        let reader = Reader { grammar: self, text };
        reader.check_characters()?;
        reader.endpoint()
    }

    /// Reads the two words HOST PORT, as nc and telnet have them. The host has no port and may be a bare IPv6 address.
    ///
    /// # Errors
    /// Where `host` has a port already; else those of [`Grammar::parse`] for `HOST:PORT`, with IPv6 in brackets.
    pub fn parse_host_and_port(&self, host: &str, port: &str) -> Result<Endpoint, EndpointError> {
        if host.parse::<Ipv6Addr>().is_ok() {
            return self.parse(&format!("[{host}]:{port}"));
        }
        let start = host.find("://").map_or(0, |end| end + 3);
        let has_port = host[start..].rsplit(']').next().and_then(|rest| rest.find(':'));
        if let Some(colon) = has_port {
            let sentence = "this word has a port already, so no other can follow it";
            let before = host.len() - host[start..].rsplit(']').next().map_or(0, str::len);
            return Err(EndpointError::at(host, before + colon, sentence));
        }
        self.parse(&format!("{host}:{port}"))
    }

    /// True when `word` can be the second of the two words HOST PORT: a number, a range, or the name of a service.
    pub fn is_port(&self, word: &str) -> bool {
        let number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let range = word.split_once('-').is_some_and(|(low, high)| number(low) && number(high));
        number(word) || range || self.service(word).is_some()
    }

    fn service(&self, name: &str) -> Option<u16> {
        well_known_port(&name.to_ascii_lowercase()).or_else(|| (self.services)(name))
    }
}

/// The text that is being read.
struct Reader<'a> {
    grammar: &'a Grammar<'a>,
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self, at: usize, sentence: impl Into<String>) -> EndpointError {
        EndpointError::at(self.text, at, sentence)
    }

    fn check_characters(&self) -> Result<(), EndpointError> {
        if self.text.is_empty() {
            return Err(self.error(0, "the address is empty").hint("write a port, or HOST:PORT"));
        }
        if self.text.len() > LONGEST {
            let sentence = format!("the address is longer than {LONGEST} bytes");
            return Err(self.error(0, sentence));
        }
        match self.text.char_indices().find(|(_, c)| c.is_control() || c.is_whitespace()) {
            // A written path may hold anything but NUL.
            Some((at, '\0')) => Err(self.error(at, "a NUL byte cannot be part of an address")),
            Some((at, _)) if !self.text.starts_with('/') => {
                Err(self.error(at, "an address has no blanks or control characters in it"))
            }
            _ => Ok(()),
        }
    }

    fn endpoint(&self) -> Result<Endpoint, EndpointError> {
        if self.text == "-" {
            return Ok(endpoint(Scheme::Standard, Place::StandardStreams));
        }
        if self.text.starts_with('/') {
            self.check_unix_name(0..self.text.len(), self.text)?;
            return Ok(endpoint(Scheme::Unix, Place::Path(self.text.to_owned())));
        }
        let (scheme, start) = self.scheme()?;
        let (end, options) = match self.text[start..].find('?') {
            Some(length) => (start + length, self.options(start + length + 1)?),
            None => (self.text.len(), Vec::new()),
        };
        let place = match scheme {
            _ if scheme.is_internet() => self.internet(scheme, start..end)?,
            _ if scheme.is_unix() => self.unix(start..end)?,
            Scheme::Fd => self.descriptor(start..end)?,
            _ => self.virtual_machine(start..end)?,
        };
        Ok(Endpoint { scheme, place, options })
    }

    /// The scheme, and where the place begins.
    fn scheme(&self) -> Result<(Scheme, usize), EndpointError> {
        if let Some(end) = self.text.find("://") {
            let word = &self.text[..end];
            if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
                return match scheme_named(word) {
                    Some(scheme) => Ok((scheme, end + 3)),
                    None => Err(self.unknown_scheme(word, end + 3)),
                };
            }
        }
        let Some(end) = self.text.find(':') else { return Ok((self.grammar.scheme, 0)) };
        match scheme_named(&self.text[..end]) {
            Some(scheme) if !scheme.is_internet() => Ok((scheme, end + 1)),
            Some(scheme) => {
                let rest = self.text[end + 1..].trim_start_matches('/');
                let sentence = format!("two slashes belong behind {}:", scheme.name());
                Err(self.error(end + 1, sentence).hint(format!("write {}://{rest}", scheme.name())))
            }
            None => Ok((self.grammar.scheme, 0)),
        }
    }

    fn unknown_scheme(&self, word: &str, rest: usize) -> EndpointError {
        let error = self.error(0, format!("there is no scheme {word}"));
        let host = self.text[rest..].split(['/', '?']).next().unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "" => self.error(0, "a scheme belongs before ://"),
            name @ ("http" | "ws") => error.hint(with_port(host, "tcp", name, 80)),
            // Not tls://, which is understood, but which no command speaks yet.
            name @ ("https" | "wss") => {
                let host = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
                error.hint(format!(
                    "{name} runs over TLS, which is not spoken yet; `openssl s_client {host}` speaks it"
                ))
            }
            _ => error.hint(format!("the schemes are {}", Scheme::WRITTEN.map(Scheme::name).join(", "))),
        }
    }

    fn internet(&self, scheme: Scheme, place: Range<usize>) -> Result<Place, EndpointError> {
        let text = &self.text[place.clone()];
        if let Some(slash) = text.find('/') {
            let sentence = format!("{} addresses have no path", scheme.name());
            return Err(self.error(place.start + slash, sentence));
        }
        if text.is_empty() {
            return Err(self.error(place.start, "a host or a port is missing"));
        }
        if text.starts_with('[') {
            return self.bracketed(scheme, place);
        }
        let colons = text.bytes().filter(|byte| *byte == b':').count();
        match text.rfind(':') {
            Some(_) if colons > 1 => Err(self.bare_v6(place)),
            Some(colon) => {
                let host = self.host(place.start..place.start + colon)?;
                let port = self.port(place.start + colon + 1..place.end)?;
                Ok(Place::Internet { host, port })
            }
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Place::Internet { host: Host::Loopback, port: self.port(place)? })
            }
            None => Ok(Place::Internet { host: self.host(place)?, port: default_port(scheme) }),
        }
    }

    /// `[v6]:port`, `[v6%zone]:port`, `[v6]`.
    fn bracketed(&self, scheme: Scheme, place: Range<usize>) -> Result<Place, EndpointError> {
        let text = &self.text[place.clone()];
        let Some(close) = text.find(']') else {
            return Err(self.error(place.end, "the bracket is not closed").hint("write [::1]:80"));
        };
        let (address, zone) = match text[1..close].split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (&text[1..close], None),
        };
        let Ok(v6) = address.parse::<Ipv6Addr>() else {
            let sentence = format!("{address} is not an IPv6 address");
            let error = self.error(place.start + 1, sentence);
            return Err(match address.parse::<Ipv4Addr>() {
                Ok(v4) => error.hint(format!("IPv4 addresses have no brackets: write {v4}")),
                Err(_) => error,
            });
        };
        if let Some(zone) = zone {
            self.check_zone(zone, place.start + 2 + address.len())?;
        }
        let host = Host::V6(v6, zone.map(str::to_owned));
        match text[close + 1..].strip_prefix(':') {
            Some(_) => Ok(Place::Internet { host, port: self.port(place.start + close + 2..place.end)? }),
            None if close + 1 == text.len() => Ok(Place::Internet { host, port: default_port(scheme) }),
            None => Err(self.error(place.start + close + 1, "only :PORT may follow the bracket")),
        }
    }

    /// An interface's name or number: at most 15 bytes (IFNAMSIZ, netdevice(7)).
    fn check_zone(&self, zone: &str, at: usize) -> Result<(), EndpointError> {
        if zone.is_empty() || zone.len() > 15 || zone.contains(['%', '/', ':', '?', '[']) {
            return Err(self.error(at, "behind % belongs the name of an interface"));
        }
        Ok(())
    }

    /// Several colons without brackets: where the address ends and the port begins cannot be told.
    fn bare_v6(&self, place: Range<usize>) -> EndpointError {
        let text = &self.text[place.clone()];
        let last = text.rfind(':').unwrap_or(0);
        let (front, back) = (&text[..last], &text[last + 1..]);
        if is_v6(front) && self.grammar.is_port(back) {
            let sentence = "an IPv6 address needs brackets before a port";
            return self.error(place.start + last, sentence).hint(format!("write [{front}]:{back}"));
        }
        if is_v6(text) {
            let sentence = "an IPv6 address needs brackets";
            return self.error(place.start, sentence).hint(format!("write [{text}]:PORT"));
        }
        let second = text.match_indices(':').nth(1).map_or(0, |(at, _)| at);
        self.error(place.start + second, "there is more than one colon, and this is not an IPv6 address")
    }

    fn host(&self, host: Range<usize>) -> Result<Host, EndpointError> {
        let (text, at) = (&self.text[host.clone()], host.start);
        match text {
            "" | "*" if self.grammar.purpose == Use::Connect => {
                let sentence = "to connect, one host has to be named";
                Err(self.error(at, sentence).hint("this machine is localhost"))
            }
            "" | "*" => Ok(Host::Any),
            _ if text.eq_ignore_ascii_case("localhost") => Ok(Host::Loopback),
            _ if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => match text.parse() {
                Ok(v4) => Ok(Host::V4(v4)),
                Err(_) => Err(self.not_v4(text, at)),
            },
            _ => self.name(text, at),
        }
    }

    /// Says what keeps digits and dots from being an IPv4 address; inet_aton's short and octal forms are not taken.
    fn not_v4(&self, text: &str, at: usize) -> EndpointError {
        let mut start = at;
        for part in text.split('.') {
            let too_large = part.parse::<u16>().map_or(!part.is_empty(), |number| number > 255);
            if too_large {
                return self.error(start, format!("{part} is more than 255, so this is not an IPv4 address"));
            }
            if part.len() > 1 && part.starts_with('0') {
                let sentence =
                    "a part of an IPv4 address does not begin with 0 (some programs read it as octal)";
                return self.error(start, sentence);
            }
            start += part.len() + 1;
        }
        self.error(at, "an IPv4 address has four numbers: 192.0.2.1")
    }

    fn name(&self, text: &str, at: usize) -> Result<Host, EndpointError> {
        let wrong = |c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '.' | '_');
        if let Some((offset, character)) = text.char_indices().find(|(_, c)| wrong(*c)) {
            return Err(self.error(at + offset, format!("{character} cannot be part of a host's name")));
        }
        let empty_label = text.strip_suffix('.').unwrap_or(text).split('.').any(str::is_empty);
        if empty_label || text.starts_with('-') {
            return Err(self.error(at, format!("{text} is not the name of a host")));
        }
        if text.len() > LONGEST_NAME {
            return Err(self.error(at, format!("a host's name has at most {LONGEST_NAME} bytes")));
        }
        Ok(Host::Name(text.to_owned()))
    }

    fn port(&self, port: Range<usize>) -> Result<u16, EndpointError> {
        let (text, at) = (&self.text[port.clone()], port.start);
        if text.is_empty() {
            return Err(self.error(at, "the port is missing behind the colon"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let Ok(number) = text.parse::<u16>() else {
                return Err(self.error(at, format!("port {text} is more than 65535")));
            };
            if number == 0 && self.grammar.purpose == Use::Connect {
                let sentence = "nothing can be reached at port 0 (for a server it means: any free port)";
                return Err(self.error(at, sentence));
            }
            return Ok(number);
        }
        if let Some(number) = self.grammar.service(text) {
            return Ok(number);
        }
        let range = text
            .split_once('-')
            .is_some_and(|(low, high)| [low, high].iter().all(|part| part.parse::<u16>().is_ok()));
        if range {
            return Err(self.error(at, "one port is needed here, not a range"));
        }
        Err(self.error(at, format!("{text} is neither a port from 0 to 65535 nor the name of a service")))
    }

    fn unix(&self, place: Range<usize>) -> Result<Place, EndpointError> {
        // unix://PATH and unix:PATH are the same.
        let start = place.start;
        let shown = &self.text[start..place.end];
        let is_abstract = shown.starts_with('@');
        let start = start + usize::from(is_abstract);
        let name = self.unescaped(start..place.end)?;
        if name.is_empty() {
            let sentence = if is_abstract { "the name behind @ is missing" } else { "the path is missing" };
            return Err(self.error(start, sentence).hint("write unix:/run/x.sock or unix:@name"));
        }
        self.check_unix_name(start..place.end, &name)?;
        Ok(if is_abstract { Place::Abstract(name) } else { Place::Path(name) })
    }

    fn check_unix_name(&self, at: Range<usize>, name: &str) -> Result<(), EndpointError> {
        if name.contains('\0') {
            return Err(self.error(at.start, "a NUL byte cannot be part of an address"));
        }
        if name.len() > UNIX_NAME_MAX {
            let sentence = format!(
                "a Unix socket's path has at most {UNIX_NAME_MAX} bytes; this one has {}",
                name.len()
            );
            return Err(self.error(at.start, sentence));
        }
        Ok(())
    }

    fn descriptor(&self, place: Range<usize>) -> Result<Place, EndpointError> {
        let text = &self.text[place.clone()];
        match text.parse::<u32>() {
            Ok(number) if i32::try_from(number).is_ok() && !text.starts_with('+') => {
                Ok(Place::Descriptor(number))
            }
            _ => Err(self.error(place.start, "behind fd: belongs a descriptor's number").hint("write fd:3")),
        }
    }

    fn virtual_machine(&self, place: Range<usize>) -> Result<Place, EndpointError> {
        let text = &self.text[place.clone()];
        let numbers = text.split_once(':').and_then(|(cid, port)| {
            let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
            Some((number(cid)?, number(port)?))
        });
        match numbers {
            Some((cid, port)) => Ok(Place::Virtual { cid, port }),
            None => Err(self.error(place.start, "behind vsock: belong CID:PORT").hint("write vsock:2:1234")),
        }
    }

    fn options(&self, start: usize) -> Result<Vec<UrlOption>, EndpointError> {
        let mut options = Vec::new();
        let mut at = start;
        for part in self.text[start..].split('&') {
            let (name, value) = match part.split_once('=') {
                Some((name, _)) => (name, Some(self.unescaped(at + name.len() + 1..at + part.len())?)),
                None => (part, None),
            };
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(good) {
                return Err(self.error(at, "an option behind ? is written name or name=value"));
            }
            if options.len() == MOST_OPTIONS {
                return Err(self.error(at, format!("there are more than {MOST_OPTIONS} options")));
            }
            options.push(UrlOption { name: name.to_owned(), value });
            at += part.len() + 1;
        }
        Ok(options)
    }

    /// The text with its `%XX` turned into bytes.
    fn unescaped(&self, part: Range<usize>) -> Result<String, EndpointError> {
        let mut bytes = Vec::with_capacity(part.len());
        let mut rest = self.text[part.clone()].bytes().enumerate();
        while let Some((offset, byte)) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit = || rest.next().and_then(|(_, byte)| char::from(byte).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                let sentence = "two hexadecimal digits belong behind %";
                return Err(self.error(part.start + offset, sentence).hint("a percent sign itself is %25"));
            };
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
        }
        String::from_utf8(bytes).map_err(|_| self.error(part.start, "the bytes written with % are not UTF-8"))
    }
}

fn endpoint(scheme: Scheme, place: Place) -> Endpoint {
    Endpoint { scheme, place, options: Vec::new() }
}

fn scheme_named(word: &str) -> Option<Scheme> {
    Scheme::WRITTEN.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(word))
}

fn default_port(scheme: Scheme) -> u16 {
    if scheme == Scheme::Tls { TLS_PORT } else { DEFAULT_PORT }
}

fn with_port(host: &str, scheme: &str, name: &str, port: u16) -> String {
    let port = if host.contains(':') { String::new() } else { format!(":{port}") };
    format!("{name} runs over {scheme}: write {scheme}://{host}{port}")
}

/// An IPv6 address, perhaps with a zone behind it (RFC 4007 §11).
fn is_v6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok()
        && zone.is_none_or(|zone| !zone.is_empty() && !zone.contains(['%', ':']))
}
