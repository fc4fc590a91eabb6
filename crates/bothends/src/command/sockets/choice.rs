//! Which sockets the flags mean, by ss(8)'s rules: each flag adds a table or a family with the states that are usual
//! there; -a, -l and the filter's states take their place.

use wire::socket_filter::{Family, Filter, kinds_of};
use wire::socket_row::{Kind, SocketRow, SocketState, States};

use super::Flags;

/// What is listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The tables, each once.
    pub(super) kinds: Vec<Kind>,
    /// The families.
    pub(super) families: Vec<Family>,
    /// The states.
    pub(super) states: States,
    /// The family of addresses that name none.
    pub(super) preferred: Option<Family>,
    said_states: bool,
}

impl Choice {
    /// What the flags say.
    ///
    /// # Errors
    /// A sentence about a family or table that there is not.
    pub(super) fn of(flags: &Flags) -> Result<Choice, String> {
        let which = &flags.which;
        let mut choice = Choice {
            kinds: Vec::new(),
            families: Vec::new(),
            states: States(0),
            preferred: None,
            said_states: false,
        };
        for (wanted, kind) in [(which.tcp, Kind::Tcp), (which.udp, Kind::Udp), (which.raw, Kind::Raw)] {
            if wanted {
                choice.table(kind);
            }
        }
        let by_letter = [
            (flags.families.ipv4, Family::Inet),
            (flags.families.ipv6, Family::Inet6),
            (which.unix, Family::Unix),
            (which.packet, Family::Packet),
        ];
        for (_, family) in by_letter.iter().filter(|(wanted, _)| *wanted) {
            choice.family(*family);
        }
        for name in &which.family {
            choice.family(family_named(name)?);
        }
        let asked = choice.states;
        if !which.query.is_empty() {
            choice.kinds.clear();
            choice.states = States::CONNECTIONS.with(asked);
            choice.said_states = true;
        }
        for query in &which.query {
            choice.query(query)?;
        }
        if choice.kinds.is_empty() && choice.families.is_empty() {
            choice.states = States::CONNECTIONS;
            choice.kinds = Kind::ALL.to_vec();
        }
        if which.listening {
            choice.states = States::WAITING;
        }
        if which.all {
            choice.states = States::ALL;
        }
        choice.complete();
        Ok(choice)
    }

    /// Every socket that there is.
    pub(super) fn everything() -> Choice {
        let families = vec![Family::Inet, Family::Inet6, Family::Unix, Family::Packet];
        Choice {
            kinds: Kind::ALL.to_vec(),
            families,
            states: States::ALL,
            preferred: None,
            said_states: true,
        }
    }

    /// With the states and the family that the filter names.
    pub(super) fn narrowed(mut self, filter: &Filter) -> Choice {
        if let Some(states) = filter.states {
            self.states = states;
        }
        if let Some(family) = filter.family {
            self.families = vec![family];
            self.kinds.retain(|kind| kinds_of(family).contains(kind));
            self.complete();
        }
        self
    }

    /// Whether a row of the kernel's tables is among them, the filter's conditions aside.
    pub(super) fn has(&self, row: &SocketRow) -> bool {
        self.kinds.contains(&row.kind)
            && self.states.has(row.state)
            && self.families.iter().any(|family| family.has(row))
    }

    /// Whether any of these families is wanted.
    pub(super) fn has_family(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    fn table(&mut self, kind: Kind) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        if !self.said_states {
            self.states = self.states.with(usual(kind));
        }
    }

    fn family(&mut self, family: Family) {
        self.families.push(family);
        self.preferred = Some(family);
        self.states = self.states.with(match family {
            Family::Packet => States::of(SocketState::CLOSED),
            _ => States::CONNECTIONS,
        });
    }

    fn query(&mut self, query: &str) -> Result<(), String> {
        let (without, name) = query.strip_prefix('!').map_or((false, query), |rest| (true, rest));
        let (_, kinds) = QUERIES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            format!("there is no table {name}; `bothends sockets --help` names them under --query")
        })?;
        if without {
            self.kinds.retain(|kind| !kinds.contains(kind));
        } else {
            kinds.iter().for_each(|kind| self.table(*kind));
        }
        Ok(())
    }

    /// Tables without a family get theirs, families without a table theirs.
    fn complete(&mut self) {
        for kind in self.kinds.clone() {
            let of: Vec<Family> = [Family::Inet, Family::Inet6, Family::Unix, Family::Packet]
                .into_iter()
                .filter(|family| kinds_of(*family).contains(&kind))
                .collect();
            if !of.iter().any(|family| self.families.contains(family)) {
                self.families.extend(of);
            }
        }
        for family in self.families.clone() {
            if !kinds_of(family).iter().any(|kind| self.kinds.contains(kind)) {
                self.kinds.extend(kinds_of(family));
            }
        }
    }
}

/// The states that are shown of a table where nobody says which.
fn usual(kind: Kind) -> States {
    match kind {
        Kind::Tcp | Kind::UnixStream | Kind::UnixSeqpacket => States::CONNECTIONS,
        Kind::Udp | Kind::Raw => States::of(SocketState::ESTABLISHED),
        Kind::UnixDgram | Kind::PacketRaw | Kind::PacketDgram => States::of(SocketState::CLOSED),
    }
}

const UNIX: &[Kind] = &[Kind::UnixStream, Kind::UnixDgram, Kind::UnixSeqpacket];
const PACKET: &[Kind] = &[Kind::PacketRaw, Kind::PacketDgram];

/// The words of --query.
const QUERIES: [(&str, &[Kind]); 17] = [
    ("all", &Kind::ALL),
    ("inet", &[Kind::Udp, Kind::Tcp, Kind::Raw]),
    ("tcp", &[Kind::Tcp]),
    ("udp", &[Kind::Udp]),
    ("raw", &[Kind::Raw]),
    ("unix", UNIX),
    ("unix_stream", &[Kind::UnixStream]),
    ("u_str", &[Kind::UnixStream]),
    ("unix_dgram", &[Kind::UnixDgram]),
    ("u_dgr", &[Kind::UnixDgram]),
    ("unix_seqpacket", &[Kind::UnixSeqpacket]),
    ("u_seq", &[Kind::UnixSeqpacket]),
    ("packet", PACKET),
    ("packet_raw", &[Kind::PacketRaw]),
    ("p_raw", &[Kind::PacketRaw]),
    ("packet_dgram", &[Kind::PacketDgram]),
    ("p_dgr", &[Kind::PacketDgram]),
];

fn family_named(name: &str) -> Result<Family, String> {
    match name {
        "inet" => Ok(Family::Inet),
        "inet6" => Ok(Family::Inet6),
        "unix" => Ok(Family::Unix),
        "link" => Ok(Family::Packet),
        _ => Err(format!("there is no family {name}; there are inet, inet6, unix and link")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn choice(words: &str) -> Choice {
        let words = ["bothends", "sockets"].into_iter().chain(words.split_whitespace());
        let Command::Sockets(flags) = Cli::try_parse_from(words).expect("flags").command else {
            panic!("sockets")
        };
        Choice::of(&flags).expect("a choice")
    }

    #[test]
    fn flags_mean_what_they_mean_to_ss() {
        let all = choice("");
        assert_eq!((all.kinds.len(), all.states), (8, States::CONNECTIONS));
        let tulpn = choice("-tulpn");
        assert_eq!((tulpn.kinds.clone(), tulpn.states), (vec![Kind::Tcp, Kind::Udp], States::WAITING));
        assert_eq!(tulpn.families, [Family::Inet, Family::Inet6]);
        assert_eq!(choice("-u").states, States::of(SocketState::ESTABLISHED));
        assert_eq!(choice("-tu").states, States::CONNECTIONS);
        let four = choice("-4ta");
        assert_eq!(
            (four.kinds, four.families, four.states),
            (vec![Kind::Tcp], vec![Family::Inet], States::ALL)
        );
        assert_eq!(choice("-4").kinds.len(), 3);
        assert_eq!(choice("-x").kinds, UNIX);
        assert_eq!(choice("-0").states, States::of(SocketState::CLOSED));
        assert_eq!(choice("-f unix -t").kinds.len(), 4);
        assert_eq!(choice("-A unix,!u_dgr").kinds, [Kind::UnixStream, Kind::UnixSeqpacket]);
        assert_eq!(choice("-A u_dgr").states, States::CONNECTIONS);
        assert_eq!(choice("-a -A u_dgr").states, States::ALL);
    }
}
