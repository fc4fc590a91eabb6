//! What leaves a tracker that keeps nothing: rows in the order of their frames, each as soon as it is settled, and
//! conversations that had to make room.

use std::collections::VecDeque;

use crate::conversation::{Flow, Row};
use crate::datagrams::DatagramFlow;

/// A row, and the number of the conversation that it belongs to.
#[derive(Clone, Debug)]
pub struct HandedRow {
    /// The conversation's number.
    pub stream: u64,
    /// The row.
    pub row: Row,
}

/// A conversation that is over, or had to make room.
#[derive(Clone, Debug)]
pub enum Departed {
    /// Of TCP.
    Tcp(Box<Flow>),
    /// Of UDP.
    Udp(Box<DatagramFlow>),
}

/// What waits to be taken.
#[derive(Debug, Default)]
pub(crate) struct HandOut {
    /// The slots of the conversations whose rows wait, in the order of frames.
    pub(crate) order: VecDeque<usize>,
    /// Rows that are settled, or had to be taken as they are.
    pub(crate) rows: VecDeque<HandedRow>,
    pub(crate) departed: VecDeque<Departed>,
}
