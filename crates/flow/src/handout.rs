//! What leaves a tracker that keeps nothing: rows in the order of their frames, each as soon as it is settled, and
//! conversations that had to make room.

use std::collections::VecDeque;

use crate::conversation::{Flow, Row};
use crate::datagrams::{DatagramFlow, DatagramRow};

/// A row on its way out, with the number of the conversation that it belongs to.
#[derive(Clone, Debug)]
pub enum HandedRow {
    /// A segment of TCP.
    Segment(u64, Row),
    /// A datagram of UDP.
    Datagram(u64, DatagramRow),
}

/// A conversation that had to make room.
#[derive(Clone, Debug)]
pub enum Departed {
    /// Of TCP.
    Tcp(Box<Flow>),
    /// Of UDP.
    Udp(Box<DatagramFlow>),
}

/// What waits to be handed out.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The first waiting row of the conversation in this slot.
    Segment(usize),
    /// A datagram of this conversation; there is nothing that it could wait for.
    Datagram(u64, DatagramRow),
}

/// What waits to be taken.
#[derive(Debug, Default)]
pub(crate) struct HandOut {
    /// In the order of frames.
    pub(crate) order: VecDeque<Turn>,
    /// Rows that are settled, or had to be taken as they are.
    pub(crate) rows: VecDeque<HandedRow>,
    pub(crate) departed: VecDeque<Departed>,
}
