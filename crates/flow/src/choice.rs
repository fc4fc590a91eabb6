//! Which conversations are wanted: by their number, an address, a network, or a port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use wire::network::Network;

/// A choice of conversations: those that any of its parts takes; without parts, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    parts: Vec<Part>,
}

/// The two kinds of conversation; each is numbered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One way to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The conversation of this number.
    Number(Protocol, u64),
    /// Those that one of these addresses has a part in, at this port if there is one.
    Network(Network, Option<u16>),
    /// Those that one end of has this port.
    Port(u16),
}

/// A text that chooses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPart;

impl fmt::Display for NoPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a number (3, udp:0), nor an address (10.0.0.1, [::1]:80), a network (10.0.0.0/8) or a port (:80)")
    }
}

impl std::error::Error for NoPart {}

impl std::str::FromStr for Part {
    type Err = NoPart;

    /// Reads `3`, `tcp:3`, `udp:0`, `:80`, `10.0.0.1`, `10.0.0.0/8`, `::1`, `10.0.0.1:80`, `[::1]:80`.
    fn from_str(text: &str) -> Result<Part, NoPart> {
        let number = |protocol, digits: &str| digits.parse().map(|number| Part::Number(protocol, number));
        if let Ok(part) = number(Protocol::Tcp, text.strip_prefix("tcp:").unwrap_or(text)) {
            return Ok(part);
        }
        if let Some(digits) = text.strip_prefix("udp:") {
            return number(Protocol::Udp, digits).map_err(|_| NoPart);
        }
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(Part::Port(port));
        }
        if let Ok(network) = Network::parse(text) {
            return Ok(Part::Network(network, None));
        }
        let end: SocketAddr = text.parse().map_err(|_| NoPart)?;
        let host = Network::parse(&end.ip().to_string()).map_err(|_| NoPart)?;
        Ok(Part::Network(host, Some(end.port())))
    }
}

impl Choice {
    /// Those that any of `parts` takes; all, if there is none.
    pub fn of(parts: Vec<Part>) -> Choice {
        Choice { parts }
    }

    /// True when nothing was chosen, and so everything is.
    pub fn is_all(&self) -> bool {
        self.parts.is_empty()
    }

    /// The number, where one conversation alone was chosen by it.
    pub fn number(&self) -> Option<(Protocol, u64)> {
        match self.parts.as_slice() {
            [Part::Number(protocol, number)] => Some((*protocol, *number)),
            _ => None,
        }
    }

    /// Whether the conversation of this number between these ends is wanted.
    pub fn takes(&self, protocol: Protocol, stream: u64, ends: [SocketAddr; 2]) -> bool {
        self.is_all() || self.parts.iter().any(|part| part.takes(protocol, stream, ends))
    }

    /// Whether a packet between two addresses may belong to a conversation that is wanted, as far as these tell: for
    /// packets of which no conversation is known.
    pub fn takes_hosts(&self, hosts: [IpAddr; 2]) -> bool {
        let takes = |part: &Part| match part {
            Part::Network(network, None) => hosts.iter().any(|host| network.contains(*host)),
            _ => false,
        };
        self.is_all() || self.parts.iter().any(takes)
    }
}

impl Part {
    fn takes(&self, protocol: Protocol, stream: u64, ends: [SocketAddr; 2]) -> bool {
        ends.iter().any(|end| match *self {
            Part::Number(wanted, number) => (wanted, number) == (protocol, stream),
            Part::Network(network, port) => {
                network.contains(end.ip()) && port.is_none_or(|port| port == end.port())
            }
            Part::Port(port) => end.port() == port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(parts: &[&str], stream: u64) -> bool {
        let ends = ["10.0.0.1:40712", "[2001:db8::2]:80"].map(|end| end.parse().unwrap());
        let choice = Choice::of(parts.iter().map(|part| part.parse().unwrap()).collect());
        choice.takes(Protocol::Tcp, stream, ends)
    }

    #[test]
    fn each_way_to_choose() {
        for part in ["3", "tcp:3", ":80", ":40712", "10.0.0.1", "10.0.0.0/8", "10.0.0.1:40712"] {
            assert!(takes(&[part], 3), "{part}");
        }
        for part in ["2001:db8::2", "[2001:db8::2]:80", "2001:db8::/32"] {
            assert!(takes(&[part], 3), "{part}");
        }
        for part in ["4", "udp:3", ":81", "10.0.0.2", "11.0.0.0/8", "10.0.0.1:80", "[2001:db8::2]:81"] {
            assert!(!takes(&[part], 3), "{part}");
        }
        assert!(takes(&["4", ":80"], 3), "either will do");
        assert!(takes(&[], 3), "no choice takes all");
    }

    #[test]
    fn what_chooses_nothing_is_refused() {
        for text in ["", "x", ":", ":99999", "10.0.0.1/33", "10.0.0.300", "udp:", "-1", "10.0.0.1:x", "tcp:x"]
        {
            assert_eq!(text.parse::<Part>(), Err(NoPart), "{text}");
        }
    }
}
