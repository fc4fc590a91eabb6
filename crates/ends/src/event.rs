//! What an end has to tell: values, made into narration or records by `bothends`.

use std::time::Duration;

use wire::{Address, Fault, Transport};

/// How a conversation ended, one word each (the words of the `closed` record).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// By FIN, in order.
    Fin,
    /// By a reset.
    Reset,
    /// A time ran out.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// No way there.
    Unreachable,
    /// The process that served it was killed.
    Killed,
    /// Nothing was said for too long.
    Idle,
    /// A limit was reached.
    Limit,
    /// We were told to stop.
    Stopped,
}

/// Who ended it first (the words of the `closed` record).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// This program.
    Us,
    /// The other end.
    Peer,
    /// Both at about the same time.
    Both,
    /// The network between.
    Path,
    /// This machine's kernel.
    Kernel,
}

/// The account of one finished conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who ended it first.
    pub closed_by: ClosedBy,
    /// How.
    pub how: How,
    /// Bytes received and taken. With those that nobody read it is all that had arrived.
    pub in_bytes: u64,
    /// Bytes that were sent, each counted once.
    pub out_bytes: u64,
    /// Bytes for the other end that it has not acknowledged, sent or not.
    pub unsent_bytes: u64,
    /// Of these those that were never sent: they waited in the kernel's queue or in ours.
    pub never_sent_bytes: u64,
    /// Bytes that had arrived and nobody read.
    pub unread_bytes: u64,
    /// How long it was open.
    pub open: Duration,
}

/// Why a client was turned away at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// All places were taken: so many.
    Full(usize),
    /// All places for clients of one source address were taken: so many.
    FullForSource(usize),
    /// A list says that it may not come: the network that names it, or none where it is on no list of those allowed.
    Denied(Option<String>),
}

/// What an end has to tell.
#[derive(Clone, Debug)]
pub enum Event {
    /// Waiting for connections or datagrams.
    Listening {
        /// What carries the conversations.
        transport: Transport,
        /// The address with the real port.
        address: Address,
        /// The service's name.
        service: &'static str,
        /// The engine's name.
        engine: &'static str,
    },
    /// A socket option was set, and this is what the kernel made of it.
    OptionSet {
        /// The socket, by its address as shown to people.
        at: String,
        /// The option's name.
        name: &'static str,
        /// What was asked for.
        asked: String,
        /// What the kernel says it is now.
        is: String,
    },
    /// A connection is open, or the first datagram of a peer has come.
    Opened {
        /// Its number, from 1.
        client: u64,
        /// What carries it.
        transport: Transport,
        /// Our address.
        local: Address,
        /// The other end's.
        remote: Address,
    },
    /// Bytes arrived (told only when asked for: `-vv`).
    Data {
        /// Whose.
        client: u64,
        /// The client's address.
        remote: Address,
        /// The bytes as one read gave them.
        bytes: Vec<u8>,
        /// The length that the message had, where less of it fitted into the buffer than was sent.
        whole_bytes: Option<u64>,
    },
    /// A connection is over, or nothing has come from a peer for long.
    Closed {
        /// Its number.
        client: u64,
        /// What carried it.
        transport: Transport,
        /// The other end's address.
        remote: Address,
        /// The account.
        account: Account,
    },
    /// A client was turned away.
    TurnedAway {
        /// The client's address.
        remote: Address,
        /// Why.
        why: Away,
    },
    /// The process of a session ended (engine process).
    ChildEnded {
        /// Its process id.
        pid: u32,
        /// Whose session it was.
        client: u64,
        /// Its exit status, when it exited.
        exit: Option<i32>,
        /// The signal that ended it, when one did.
        signal: Option<i32>,
    },
    /// Something failed and we go on.
    Trouble(Fault),
    /// Out of file descriptors: accepting pauses until one is free.
    Paused,
    /// The lists of who may come were read again.
    ListsRead {
        /// How many networks they name.
        networks: usize,
    },
    /// Asked to stop: no new clients; those there may finish.
    Stopping {
        /// How many are still there.
        sessions: usize,
    },
}
