//! What is asked of a lab: the link's rules, the two programs, and the names and addresses that every lab has.

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;

use crate::event::Role;
use crate::link::Schedule;

/// The client's address; its name inside the lab is `client`.
pub const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The server's address; its name inside the lab is `server`.
pub const SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// How many bits of these addresses name their network.
pub const PREFIX_LEN: u8 = 24;
/// The same of the hosts' IPv6 addresses.
pub const PREFIX_LEN_V6: u8 = 64;
/// The most hosts.
pub const MOST_HOSTS: usize = 8;
/// The port of the conversation's server: echo (RFC 862).
pub const ECHO_PORT: u16 = 7;
/// The ports of [`Program::Services`]: echo, discard, daytime and source (RFC 862, 863, 867, 864).
pub const SERVICE_PORTS: [u16; 4] = [ECHO_PORT, 9, 13, 19];
/// The largest IP packet, in bytes, that crosses the link: Ethernet's (RFC 894).
pub const MTU: u32 = 1500;

/// What the client of the conversation says, one after the other, each once the one before has come back. Sixteen
/// bytes each, so that sequence numbers can be added up in the head.
pub const LINES: [&str; 3] = ["hello, server!!\n", "how is the line\n", "goodbye for now\n"];

/// A lab to be made.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the link does to packets.
    pub link: Schedule,
    /// What the link's decisions follow from: packets of the same seed meet the same fate.
    pub seed: u64,
    /// What the host `server` runs.
    pub server: Program,
    /// What the host `client` runs.
    pub client: Program,
    /// What further hosts run, from `host3` on. With two hosts they are joined by the link itself; with more, by a switch,
    /// and each packet passes the rules once, between its sender and the switch.
    pub others: Vec<Program>,
    /// Whose end is the lab's, and who has the calling process's standard streams.
    pub leader: Role,
    /// Which of a name's addresses come first, and what the conversation uses.
    pub family: Family,
    /// How much of each packet is kept for those who look at it.
    pub keep: Keep,
    /// What is to carry the packets.
    pub backend: Choice,
    /// Whether the client's output is told as events too, instead of going where ours goes.
    pub capture_output: bool,
}

impl Default for Config {
    /// The conversation over a perfect link.
    fn default() -> Config {
        Config {
            link: Schedule::default(),
            seed: 1,
            server: Program::Conversation,
            client: Program::Conversation,
            others: Vec::new(),
            leader: Role::Client,
            family: Family::V4,
            keep: Keep::Headers,
            backend: Choice::Automatic,
            capture_output: false,
        }
    }
}

impl Config {
    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        2 + self.others.len()
    }

    /// What a host runs.
    pub fn program(&self, role: Role) -> &Program {
        match role {
            Role::Server => &self.server,
            Role::Client => &self.client,
            Role::Other(_) => {
                role.index().checked_sub(2).and_then(|at| self.others.get(at)).unwrap_or(&Program::Idle)
            }
        }
    }
}

/// A version of the Internet protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

/// What a host runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Ours: the server echoes on [`ECHO_PORT`]; the client says [`LINES`] in lock-step, half-closes, reads the rest
    /// and ends.
    Conversation,
    /// Ours, for the server: echo, discard, daytime and source on [`SERVICE_PORTS`], by TCP and, but for source, by UDP.
    Services,
    /// A command: the program's name, looked for in PATH, and its arguments.
    Command(Vec<OsString>),
    /// A command that gets the terminal, if standard input is one: an interactive shell.
    Shell(Vec<OsString>),
    /// Nothing.
    Idle,
}

impl Program {
    /// Whether it is the user's own, and not one of ours.
    pub fn is_command(&self) -> bool {
        matches!(self, Program::Command(_) | Program::Shell(_))
    }

    /// What it is, in words: a command as a shell would take it.
    pub fn words(&self, role: Role) -> String {
        match (self, role) {
            (Program::Command(words) | Program::Shell(words), _) => {
                words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
            }
            (Program::Conversation, Role::Server) => "serve echo".to_owned(),
            (Program::Services, _) => "serve echo, discard, daytime and source".to_owned(),
            (Program::Conversation, _) => format!("say {} lines", LINES.len()),
            (Program::Idle, _) => String::new(),
        }
    }
}

/// A word as a shell would take it.
pub fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+@%^".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// How much of each packet is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The first 128 bytes: every header.
    Headers,
    /// All of it, for a capture file.
    Whole,
}

impl Keep {
    /// The number of bytes kept of a packet.
    pub fn limit(self) -> usize {
        match self {
            Keep::Headers => 128,
            Keep::Whole => usize::MAX,
        }
    }
}

/// What is to carry the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// TUN devices where they may be made, else packet sockets.
    Automatic,
    /// TUN devices or nothing.
    Tun,
    /// veth pairs and packet sockets.
    Packet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = ["sh", "-c", "echo 'it works' | cat", ""].map(OsString::from);
        let program = Program::Command(words.to_vec());
        assert_eq!(program.words(Role::Client), r"sh -c 'echo '\''it works'\'' | cat' ''");
    }

    #[test]
    fn every_line_of_the_conversation_is_sixteen_bytes() {
        for line in LINES {
            assert_eq!(line.len(), 16, "{line:?}");
            assert!(line.ends_with('\n'));
        }
    }
}
