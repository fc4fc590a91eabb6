//! What is asked of a lab: the link's rules, the two programs, and the names and addresses that every lab has.

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::time::Duration;

use wire::quantity::Probability;

use crate::event::Role;

/// The client's address; its name inside the lab is `client`.
pub const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The server's address; its name inside the lab is `server`.
pub const SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// How many bits of these addresses name their network.
pub const PREFIX_LEN: u8 = 24;
/// The port of the conversation's server: echo (RFC 862).
pub const ECHO_PORT: u16 = 7;
/// The largest IP packet, in bytes, that crosses the link: Ethernet's (RFC 894).
pub const MTU: u32 = 1500;

/// What the client of the conversation says, one after the other, each once the one before has come back. Sixteen
/// bytes each, so that sequence numbers can be added up in the head.
pub const LINES: [&str; 3] = ["hello, server!!\n", "how is the line\n", "goodbye for now\n"];

/// A lab to be made.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long each packet is under way, in each direction.
    pub delay: Duration,
    /// The probability that a packet is lost, in each direction.
    pub loss: Probability,
    /// What the link's decisions follow from: packets of the same seed meet the same fate.
    pub seed: u64,
    /// What the host `server` runs.
    pub server: Program,
    /// What the host `client` runs.
    pub client: Program,
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
            delay: Duration::ZERO,
            loss: Probability::NEVER,
            seed: 1,
            server: Program::Conversation,
            client: Program::Conversation,
            keep: Keep::Headers,
            backend: Choice::Automatic,
            capture_output: false,
        }
    }
}

/// What a host runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Ours: the server echoes on [`ECHO_PORT`]; the client says [`LINES`] in lock-step, half-closes, reads the rest
    /// and ends.
    Conversation,
    /// A command: the program's name, looked for in PATH, and its arguments.
    Command(Vec<OsString>),
}

impl Program {
    /// What it is, in words: a command as a shell would take it.
    pub fn words(&self, role: Role) -> String {
        match (self, role) {
            (Program::Command(words), _) => {
                words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
            }
            (Program::Conversation, Role::Server) => "serve echo".to_owned(),
            (Program::Conversation, Role::Client) => format!("say {} lines", LINES.len()),
        }
    }
}

fn quoted(word: &OsStr) -> String {
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
