//! From words to a filter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::words::{Word, words};
use super::{Chain, Comparison, Family, Filter, FilterError, Host, Link, Names, Network, Side, Term};
use crate::socket_row::States;

/// Brackets and negations inside each other.
const DEEPEST: usize = 100;

pub(super) fn parse<S: AsRef<str>>(
    given: &[S],
    family: Option<Family>,
    names: &dyn Names,
) -> Result<Filter, FilterError> {
    let text = given.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    let words = words(&text);
    let mut parser =
        Parser { text: &text, words: &words, at: 0, depth: 0, preferred: family, family: None, names };
    let states = parser.states()?;
    let chain = if parser.peek().is_some() { Some(parser.chain()?) } else { None };
    match parser.peek() {
        Some(word) => Err(parser.wrong(word, "this bracket was never opened".to_owned(), None)),
        None => Ok(Filter { states, family: parser.family, chain }),
    }
}

struct Parser<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
    depth: usize,
    preferred: Option<Family>,
    family: Option<Family>,
    names: &'a dyn Names,
}

type Parsed<T> = Result<T, FilterError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    /// The next word, if it is one of these.
    fn take(&mut self, any: &[&str]) -> Option<&'a Word> {
        let word = self.peek().filter(|word| !word.is_escaped && any.contains(&word.text.as_str()))?;
        self.at += 1;
        Some(word)
    }

    fn wrong(&self, word: &Word, sentence: String, hint: Option<&str>) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            column: word.column,
            sentence,
            hint: hint.map(str::to_owned),
        }
    }

    /// Something is missing at the end.
    fn unfinished(&self, what: &str) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            column: self.text.chars().count(),
            sentence: format!("{what} is missing at the end"),
            hint: None,
        }
    }

    /// `state` adds to none, `exclude` takes from all.
    fn states(&mut self) -> Parsed<Option<States>> {
        let mut states = None;
        loop {
            if self.take(&["state"]).is_some() {
                let more = self.set_of_states()?;
                states = Some(states.unwrap_or(States(0)).with(more));
            } else if self.take(&["exclude", "excl"]).is_some() {
                let less = self.set_of_states()?;
                states = Some(states.unwrap_or(States::ALL).without(less));
            } else {
                return Ok(states);
            }
        }
    }

    fn set_of_states(&mut self) -> Parsed<States> {
        let Some(word) = self.peek() else { return Err(self.unfinished("the name of a state")) };
        self.at += 1;
        States::named(&word.text).ok_or_else(|| {
            let hint = "established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, close-wait, \
                        last-ack, listening, closing; all, connected, synchronized, bucket, big";
            self.wrong(word, format!("{} is no state", word.text), Some(hint))
        })
    }

    fn chain(&mut self) -> Parsed<Chain> {
        let first = Box::new(self.term()?);
        let mut rest = Vec::new();
        loop {
            let link = if self.take(&["or", "|", "||"]).is_some() {
                Link::Or
            } else if self.take(&["and", "&", "&&"]).is_some() {
                Link::And
            } else {
                match self.peek() {
                    None => break,
                    Some(word) if word.text == ")" && !word.is_escaped => break,
                    Some(_) => Link::And,
                }
            };
            rest.push((link, self.term()?));
        }
        Ok(Chain { first, rest })
    }

    fn term(&mut self) -> Parsed<Term> {
        let Some(word) = self.peek() else { return Err(self.unfinished("a condition")) };
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(word, "this is nested too deep".to_owned(), None));
        }
        self.at += 1;
        let term = match word.text.as_str() {
            _ if word.is_escaped => Err(self.no_condition(word)),
            "!" | "not" => Ok(Term::Not(Box::new(self.term()?))),
            "(" => self.bracket(word),
            "autobound" => Ok(Term::Autobound(self.names.ephemeral_ports())),
            "src" => self.host(Side::Local),
            "dst" => self.host(Side::Remote),
            "sport" => self.port(Side::Local),
            "dport" => self.port(Side::Remote),
            "dev" => self.interface(),
            "fwmark" => self.mark(),
            "cgroup" => self.cgroup(),
            _ => Err(self.no_condition(word)),
        };
        self.depth -= 1;
        term
    }

    fn no_condition(&self, word: &Word) -> FilterError {
        let hint = match word.text.as_str() {
            "state" | "exclude" | "excl" => "states stand before all conditions",
            _ => {
                "src, dst, sport, dport, dev, fwmark, cgroup, autobound, not, and, or and brackets are understood"
            }
        };
        self.wrong(word, format!("{} begins no condition", word.text), Some(hint))
    }

    fn bracket(&mut self, open: &Word) -> Parsed<Term> {
        let chain = self.chain()?;
        match self.take(&[")"]) {
            Some(_) => Ok(Term::Chain(chain)),
            None => Err(self.wrong(open, "this bracket is never closed".to_owned(), None)),
        }
    }

    /// `=`, `!=`, or nothing; true for equality.
    fn equality(&mut self) -> bool {
        if self.take(&["!=", "ne", "neq"]).is_some() {
            return false;
        }
        self.take(&["=", "==", "eq"]);
        true
    }

    fn comparison(&mut self) -> Comparison {
        const WORDS: [(&[&str], Comparison); 5] = [
            (&["!=", "ne", "neq"], Comparison::NotEqual),
            (&["<=", "le", "leq"], Comparison::AtMost),
            (&[">=", "ge", "geq"], Comparison::AtLeast),
            (&["<", "lt"], Comparison::Less),
            (&[">", "gt"], Comparison::Greater),
        ];
        let found = WORDS.iter().find(|(words, _)| self.take(words).is_some());
        found.map_or_else(
            || {
                self.take(&["=", "==", "eq"]);
                Comparison::Equal
            },
            |(_, comparison)| *comparison,
        )
    }

    /// The word that a condition is about.
    fn value(&mut self, what: &str) -> Parsed<&'a Word> {
        let Some(word) = self.peek() else { return Err(self.unfinished(what)) };
        let is_sign = !word.is_escaped
            && matches!(word.text.as_str(), ")" | "(" | "&" | "|" | "&&" | "||" | "=" | "<" | ">" | "!");
        if is_sign {
            return Err(self.wrong(word, format!("{what} is missing here"), None));
        }
        self.at += 1;
        Ok(word)
    }

    fn host(&mut self, side: Side) -> Parsed<Term> {
        let equal = self.equality();
        let word = self.value("an address")?;
        let (family, rest) = family_of(&word.text);
        let family = family.or(self.preferred);
        if family.is_some() {
            self.family = family;
        }
        let host = match family {
            Some(Family::Unix) => Host::Unix(rest.to_owned()),
            Some(Family::Packet) => self.packet(word, rest)?,
            _ => self.internet(word, rest, family)?,
        };
        let term = Term::Host(side, host);
        Ok(if equal { term } else { Term::Not(Box::new(term)) })
    }

    fn packet(&self, word: &Word, text: &str) -> Parsed<Host> {
        let (protocol, interface) = text.split_once(':').unwrap_or((text, ""));
        let ether_type = match protocol {
            "" | "*" => None,
            "all" => Some(3),
            "ip" => Some(0x0800),
            "arp" => Some(0x0806),
            "ipv6" => Some(0x86dd),
            number => {
                let wrong = || {
                    self.wrong(
                        word,
                        format!("{number} is no protocol"),
                        Some("all, ip, arp, ipv6, or a number"),
                    )
                };
                Some(number_in(number).and_then(|number| u16::try_from(number).ok()).ok_or_else(wrong)?)
            }
        };
        let interface = match interface {
            "" | "*" => None,
            name => Some(self.index(word, name)?),
        };
        Ok(Host::Packet { ether_type, interface })
    }

    fn index(&self, word: &Word, name: &str) -> Parsed<u32> {
        let found = self.names.interface(name).or_else(|| number_in(name));
        found.ok_or_else(|| self.wrong(word, format!("there is no interface {name}"), None))
    }

    fn internet(&self, word: &Word, text: &str, family: Option<Family>) -> Parsed<Host> {
        let (host, port) = self.host_and_port(word, text)?;
        let port = port.map(|port| self.port_number(word, port)).transpose()?.flatten();
        let networks = match host {
            "" | "*" | "any" | "all" | "default" => Vec::new(),
            _ => self.networks(word, host, family)?,
        };
        Ok(Host::Internet { networks, port })
    }

    /// `[::1]:80`, `*:80`, `10.0.0.0/8:80`, `:80`, `host`, and an IPv6 address by itself.
    fn host_and_port<'t>(&self, word: &Word, text: &'t str) -> Parsed<(&'t str, Option<&'t str>)> {
        if let Some(inside) = text.strip_prefix('[') {
            let Some((host, rest)) = inside.split_once(']') else {
                return Err(self.wrong(word, "the bracket of this address is never closed".to_owned(), None));
            };
            // The length of a network may stand behind the bracket too.
            return match rest.strip_prefix(':') {
                Some(port) => Ok((host, Some(port))),
                None if rest.is_empty() => Ok((host, None)),
                None => Err(self.wrong(
                    word,
                    format!("{rest} behind the bracket is no port"),
                    Some("[::1]:80 or [2001:db8::/32]"),
                )),
            };
        }
        if text.split('/').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok()) {
            return Ok((text, None));
        }
        Ok(match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        })
    }

    fn networks(&self, word: &Word, text: &str, family: Option<Family>) -> Parsed<Vec<Network>> {
        let (host, length) = match text.split_once('/') {
            Some((host, length)) => (host, Some(length)),
            None => (text, None),
        };
        let addresses = match short_ipv4(host).map(IpAddr::V4).or_else(|| host.parse().ok()) {
            Some(address) => vec![address],
            None => self.names.hosts(host),
        };
        let fits = |address: &IpAddr| match family {
            Some(Family::Inet) => address.is_ipv4(),
            Some(Family::Inet6) => address.is_ipv6(),
            _ => true,
        };
        let addresses: Vec<IpAddr> = addresses.into_iter().filter(fits).collect();
        if addresses.is_empty() {
            let hint = "an address, a network as 10.0.0.0/8, or the name of a host";
            return Err(self.wrong(word, format!("{host} is no address"), Some(hint)));
        }
        let network = |address: IpAddr| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix =
                length.map_or(Some(most), |length| length.parse().ok().filter(|length| *length <= most));
            let wrong = || {
                self.wrong(word, format!("/{} is no length of a network", length.unwrap_or_default()), None)
            };
            Ok(Network { address, prefix: prefix.ok_or_else(wrong)? })
        };
        addresses.into_iter().map(network).collect()
    }

    /// None is any port.
    fn port_number(&self, word: &Word, text: &str) -> Parsed<Option<u32>> {
        match text {
            "" | "*" => Ok(None),
            _ => match number_in(text).or_else(|| self.names.port(text).map(u32::from)) {
                Some(port) => Ok(Some(port)),
                None => Err(self.wrong(
                    word,
                    format!("{text} is no port"),
                    Some("a number, or the name of a service"),
                )),
            },
        }
    }

    fn port(&mut self, side: Side) -> Parsed<Term> {
        let comparison = self.comparison();
        let word = self.value("a port")?;
        let (family, rest) = family_of(&word.text);
        if family.is_some() {
            self.family = family;
        }
        let number = self.port_number(word, rest.strip_prefix(':').unwrap_or(rest))?;
        Ok(Term::Port(side, comparison, number))
    }

    fn interface(&mut self) -> Parsed<Term> {
        let equal = self.equality();
        let word = self.value("an interface")?;
        let term = Term::Interface(self.index(word, &word.text)?);
        Ok(if equal { term } else { Term::Not(Box::new(term)) })
    }

    fn mark(&mut self) -> Parsed<Term> {
        let equal = self.equality();
        let word = self.value("a mark")?;
        let (mark, mask) =
            word.text.split_once('/').map_or((word.text.as_str(), None), |(mark, mask)| (mark, Some(mask)));
        let mask = mask.map_or(Some(u32::MAX), number_in);
        let (Some(mark), Some(mask)) = (number_in(mark), mask) else {
            return Err(self.wrong(
                word,
                format!("{} is no mark", word.text),
                Some("a number as 0x1, or with a mask: 0x1/0xff"),
            ));
        };
        let term = Term::Mark { mark, mask };
        Ok(if equal { term } else { Term::Not(Box::new(term)) })
    }

    fn cgroup(&mut self) -> Parsed<Term> {
        let equal = self.equality();
        let word = self.value("a control group")?;
        let Some(number) = self.names.cgroup(&word.text) else {
            return Err(self.wrong(word, format!("there is no control group {}", word.text), None));
        };
        let term = Term::Cgroup(number);
        Ok(if equal { term } else { Term::Not(Box::new(term)) })
    }
}

fn family_of(text: &str) -> (Option<Family>, &str) {
    const NAMES: [(&str, Family); 4] = [
        ("inet:", Family::Inet),
        ("inet6:", Family::Inet6),
        ("unix:", Family::Unix),
        ("link:", Family::Packet),
    ];
    for (name, family) in NAMES {
        if let Some(rest) = text.strip_prefix(name) {
            return (Some(family), rest);
        }
    }
    (None, text)
}

/// As C reads numbers: 0x hexadecimal, 0 octal.
fn number_in(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

/// An IPv4 address whose last numbers may be left out, as `10` or `127.1`: ip(8) fills up with zeros behind.
fn short_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    for (given, part) in text.split('.').enumerate() {
        let octet = octets.get_mut(given)?;
        *octet = part.parse().ok().filter(|_| !part.starts_with('+'))?;
    }
    Some(Ipv4Addr::from(octets))
}
