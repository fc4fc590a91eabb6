//! Scenes: what is shown of a play or of a capture. A scene says what; [`Material`] is what it is made of. Drawing is the
//! work of others.

use crate::calls::Call;
use crate::moments::Moment;
use crate::{DatagramFlow, Flow, Frame};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Every conversation as a ladder.
    Ladders,
    /// The conversation of this number, from 1, as a ladder.
    Ladder(usize),
    /// The first conversation as a ladder with the calls of both programs beside it.
    Calls,
    /// Both buffers of what the opener sends in the first conversation, as cells, moment by moment.
    Buffers,
    /// What the opener sent in each conversation: bytes in flight and round trips, interval by interval.
    Transfer,
    /// The state diagram of the first conversation.
    States,
    /// The packet of this number, from 1, as its layers lie one in another, and its bytes.
    Layers(u64),
    /// The header of this name in the packet of this number, from 1, as its standard's figure, with every field.
    Header(u64, &'static str),
    /// The bytes of the packet of this number, from 1.
    Bytes(u64),
    /// The sockets of the hosts as the kernel had them, moment by moment.
    Sockets,
    /// What was found out, fact by fact.
    Facts,
}

/// What scenes are made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Material<'a> {
    /// Conversations of TCP.
    pub flows: &'a [Flow],
    /// Conversations of datagrams.
    pub datagrams: &'a [DatagramFlow],
    /// The programs' calls, in the order in which they began.
    pub calls: &'a [Call],
    /// The packets, whole.
    pub frames: &'a [Frame<'a>],
    /// What the kernel's tables of sockets said.
    pub moments: &'a [Moment],
    /// What was found out, each with its words.
    pub facts: &'a [(String, String)],
}
