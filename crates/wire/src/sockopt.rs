//! Socket options by name: at which level, what their values look like, and when they have to be set. Nothing here asks a
//! kernel; `kernel::sockopt` does.
//!
//! Checked in what people write: the length of the text, the name, the form and the range of the value. What a value
//! does, and whether a socket takes it, is for the kernel to say.

mod table;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use crate::address::Transport;
use crate::visible;

pub use table::TABLE;
pub use value::{Kind, Unit};

/// The characters that an option and its value may have together.
const TEXT_MAX: usize = 256;

/// What an option belongs to: the second argument of setsockopt(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Sockets of any kind: socket(7).
    Socket,
    /// tcp(7).
    Tcp,
    /// ip(7).
    Ip,
    /// ipv6(7).
    Ipv6,
    /// udp(7).
    Udp,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 5] = [Level::Socket, Level::Tcp, Level::Ip, Level::Ipv6, Level::Udp];

    /// C's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Socket => "SOL_SOCKET",
            Level::Tcp => "IPPROTO_TCP",
            Level::Ip => "IPPROTO_IP",
            Level::Ipv6 => "IPPROTO_IPV6",
            Level::Udp => "IPPROTO_UDP",
        }
    }

    /// C's number: the protocol's (IANA), and 1 for `SOL_SOCKET`.
    pub fn number(self) -> i32 {
        match self {
            Level::Socket => 1,
            Level::Tcp => 6,
            Level::Ip => 0,
            Level::Ipv6 => 41,
            Level::Udp => 17,
        }
    }
}

/// The sockets that have an option, or that it does anything for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// All.
    All,
    /// Those with hosts and ports.
    Internet,
    /// TCP sockets.
    Tcp,
    /// UDP sockets.
    Udp,
    /// Unix sockets of each kind.
    Unix,
    /// Those without connections.
    Datagrams,
}

impl Of {
    /// Whether sockets of this transport are among them.
    pub fn has(self, transport: Transport) -> bool {
        match self {
            Of::All => true,
            Of::Internet => transport.is_internet(),
            Of::Tcp => transport == Transport::Tcp,
            Of::Udp => transport == Transport::Udp,
            Of::Unix => !transport.is_internet(),
            Of::Datagrams => !transport.has_connections(),
        }
    }
}

/// When an option has to be set to do what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// Before the socket has an address.
    BeforeBind,
    /// Before it listens.
    BeforeListen,
    /// Before it calls or listens: what is agreed on in the handshake, or true from the first packet on.
    BeforeConnect,
    /// At any time.
    Any,
    /// Never: it can only be read.
    ReadOnly,
}

impl When {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            When::BeforeBind => "before bind",
            When::BeforeListen => "before listen",
            When::BeforeConnect => "before connect",
            When::Any => "any time",
            When::ReadOnly => "read only",
        }
    }
}

/// One socket option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sockopt {
    /// C's name: `SO_RCVBUF`.
    pub name: &'static str,
    /// The level.
    pub level: Level,
    /// C's number, by which setsockopt(2) knows it.
    pub number: i32,
    /// What its values look like.
    pub kind: Kind,
    /// Which sockets have it.
    pub of: Of,
    /// When it has to be set.
    pub when: When,
    /// What it does, in one line.
    pub help: &'static str,
}

impl Sockopt {
    /// The option of this name, in any case, also without `SO_`, `TCP_`, `IP_`, `IPV6_` or `UDP_` where that leaves no
    /// doubt.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn named(name: &str) -> Result<&'static Sockopt, SockoptError> {
        let wanted = name.trim().to_ascii_uppercase().replace('-', "_");
        if let Some(option) = TABLE.iter().find(|option| option.name == wanted) {
            return Ok(option);
        }
        let candidates: Vec<&Sockopt> = TABLE.iter().filter(|option| option.short_name() == wanted).collect();
        match candidates.as_slice() {
            [option] => Ok(option),
            [] => Err(unknown(name, &wanted)),
            several => {
                let names: Vec<&str> = several.iter().map(|option| option.name).collect();
                let sentence = format!("{} may be {}", visible(name.trim(), false), names.join(" or "));
                Err(SockoptError { sentence, hint: "write the whole name".to_owned() })
            }
        }
    }

    /// Without its prefix: `RCVBUF`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('_').map_or(self.name, |(_, rest)| rest)
    }

    /// The number to read it by; some are read by another's.
    pub fn read_number(&self) -> i32 {
        match self.name {
            "SO_SNDBUFFORCE" => 7,
            "SO_RCVBUFFORCE" => 8,
            _ => self.number,
        }
    }

    /// Whether the kernel tells its value; memberships of groups it does not.
    pub fn is_readable(&self) -> bool {
        !matches!(self.kind, Kind::Group4 | Kind::Group6)
    }

    /// A value as the kernel gave it, in the form in which it is written. Bytes that are none of this option's values
    /// are shown in hexadecimal.
    pub fn show(&self, value: &[u8]) -> String {
        self.kind.show(value)
    }
}

/// One option with the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    option: &'static Sockopt,
    asked: String,
    value: Vec<u8>,
}

impl Setting {
    /// Reads `NAME=VALUE`; a flag's name alone sets it.
    ///
    /// # Errors
    /// No such option, one that cannot be set, or no such value.
    pub fn parse(text: &str) -> Result<Setting, SockoptError> {
        if text.len() > TEXT_MAX {
            let sentence = format!("an option and its value have at most {TEXT_MAX} characters");
            return Err(SockoptError { sentence, hint: LIST.to_owned() });
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim())),
            None => (text, None),
        };
        let option = Sockopt::named(name)?;
        let failed = |sentence: String| SockoptError { sentence, hint: option.form() };
        if option.when == When::ReadOnly {
            return Err(failed(format!("{} can only be read", option.name)));
        }
        let asked = match (value, option.kind) {
            (Some(value), _) => value,
            (None, Kind::Flag) => "1",
            (None, _) => return Err(failed(format!("{} needs a value", option.name))),
        };
        let value = option
            .kind
            .encode(asked)
            .map_err(|why| failed(format!("{} cannot be {}: {why}", option.name, visible(asked, false))))?;
        Ok(Setting { option, asked: asked.to_owned(), value })
    }

    /// The option.
    pub fn option(&self) -> &'static Sockopt {
        self.option
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.option.name
    }

    /// The value as it was written.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// The value as setsockopt(2) takes it.
    pub fn encode(&self) -> Vec<u8> {
        self.value.clone()
    }
}

/// `SO_RCVBUF=4096`, safe to show.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.option.name, visible(&self.asked, false))
    }
}

/// What is wrong with an option as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SockoptError {
    /// What, safe to show.
    pub sentence: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for SockoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.sentence, self.hint)
    }
}

impl std::error::Error for SockoptError {}

/// Where they all are.
const LIST: &str = "`bothends help sockopts` lists them";

impl Sockopt {
    /// How a value of it is written.
    fn form(&self) -> String {
        match self.when {
            When::ReadOnly => LIST.to_owned(),
            _ => format!("{}={}", self.name, self.kind.form()),
        }
    }
}

fn unknown(name: &str, wanted: &str) -> SockoptError {
    let shown = visible(name.trim(), false);
    let sentence = match wanted {
        "" => "an option needs a name".to_owned(),
        _ => format!("there is no socket option {shown} here"),
    };
    let distances = TABLE.iter().map(|option| (distance(wanted, option.name), option.name));
    let near = distances.min().filter(|(distance, _)| *distance <= MEANT);
    let hint = near.map_or_else(|| LIST.to_owned(), |(_, name)| format!("{name} may be meant"));
    SockoptError { sentence, hint }
}

/// How many letters may be wrong for a name to be recognised.
const MEANT: usize = 3;

/// How many letters have to be changed, left out or put in (Levenshtein), for names of at most [`TEXT_MAX`] bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (place, wanted) in row.iter_mut().skip(1).zip(other.bytes()) {
            let best = (diagonal + usize::from(byte != wanted)).min(left + 1).min(*place + 1);
            diagonal = std::mem::replace(place, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
