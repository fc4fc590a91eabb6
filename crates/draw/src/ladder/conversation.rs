//! What a ladder needs to know of a conversation, whichever its transport.

use std::fmt::Debug;
use std::net::SocketAddr;

use flow::calls::Call;
use flow::{Flow, PathError, Phase, Row, Side, State};
use wire::tcp::TcpFlags;
use wire::{Passage, Time};

use super::steps::{MergedSide, Segment};
use super::{Remark, label, layout, remark};
use crate::{Names, verdict};

/// A segment or a datagram.
pub(crate) trait Sending: Clone + Debug {
    /// Who sent it.
    fn from(&self) -> Side;
    /// When.
    fn time(&self) -> Time;
    /// Payload bytes.
    fn len_bytes(&self) -> u32;
    /// What the emulated link did.
    fn passage(&self) -> Option<&Passage>;
    /// False for what only acknowledges.
    fn is_data(&self) -> bool;
    /// True when it may be merged with its neighbours: nothing about it is an event.
    fn is_ordinary(&self) -> bool;

    /// True when it repeats what was sent before.
    fn is_resent(&self) -> bool {
        false
    }

    /// Its flags, where the transport has them.
    fn flags(&self) -> Option<TcpFlags> {
        None
    }

    /// Its acknowledgement number.
    fn ack(&self) -> Option<u32> {
        None
    }

    /// The states of A and B after it.
    fn states(&self) -> Option<[State; 2]> {
        None
    }

    /// The part of the conversation that it belongs to.
    fn phase(&self) -> Option<Phase> {
        None
    }

    /// The window that it announces, and its sender's bytes in flight.
    fn numbers(&self) -> Option<(u32, Option<u32>)> {
        None
    }
}

/// Rows between two ends, with what is said about them.
pub(crate) trait Conversation {
    /// What is sent.
    type Row: Sending;
    /// What that is called.
    const ONE: &'static str;

    /// A and B.
    fn ends(&self) -> [SocketAddr; 2];
    /// The rows that were kept, in order of sending.
    fn rows(&self) -> &[Self::Row];
    /// Sending and arrival of each row. The rows' order is the order of sending, whatever a capture's clock did.
    fn times(&self) -> Vec<(Time, Time)> {
        flow::path::times(self.rows().iter().map(|row| (row.time(), row.passage())))
    }
    /// How many were not.
    fn rows_left_out(&self) -> u64;
    /// The time that is zero in the drawing.
    fn first(&self) -> Time;
    /// The ICMP errors.
    fn path_errors(&self) -> &[PathError];

    /// The states of both ends before the first row and at the end; none where the transport has none.
    fn states(&self) -> Option<[[State; 2]; 2]> {
        None
    }

    /// The bytes in flight that fill a bar.
    fn most_in_flight(&self) -> Option<u32> {
        None
    }

    /// The words on an arrow in falling length.
    fn labels(segment: &Segment<'_, Self::Row>, window: bool) -> Vec<String>;
    /// The words on the arrow of a merged run.
    fn merged_labels(side: &MergedSide) -> Vec<String>;
    /// What is said beside it.
    fn remark(&self, segment: &Segment<'_, Self::Row>) -> Option<Remark>;

    /// What is said where nothing else is and there is room.
    fn aside(&self, _segment: &Segment<'_, Self::Row>) -> Option<Remark> {
        None
    }

    /// The place of the row whose arrival ended the wait of a call.
    fn ended_by(&self, call: &Call) -> Option<usize>;

    /// The verdict in a few words, and in a sentence.
    fn verdict(&self, names: &Names) -> [String; 2];
}

impl Sending for Row {
    fn from(&self) -> Side {
        self.from
    }

    fn time(&self) -> Time {
        self.time
    }

    fn len_bytes(&self) -> u32 {
        self.len_bytes
    }

    fn passage(&self) -> Option<&Passage> {
        self.passage.as_ref()
    }

    fn is_data(&self) -> bool {
        self.len_bytes > 0
    }

    fn is_ordinary(&self) -> bool {
        let events = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0 | TcpFlags::URG.0;
        self.flags.0 & events == 0 && self.resent.is_none() && self.window_bytes > 0
    }

    fn is_resent(&self) -> bool {
        self.resent.is_some()
    }

    fn flags(&self) -> Option<TcpFlags> {
        Some(self.flags)
    }

    fn ack(&self) -> Option<u32> {
        self.ack
    }

    fn states(&self) -> Option<[State; 2]> {
        Some([self.state_a, self.state_b])
    }

    fn phase(&self) -> Option<Phase> {
        Some(self.phase)
    }

    fn numbers(&self) -> Option<(u32, Option<u32>)> {
        Some((self.window_bytes, self.in_flight_bytes))
    }
}

impl Conversation for Flow {
    type Row = Row;
    const ONE: &'static str = "segment";

    fn ends(&self) -> [SocketAddr; 2] {
        [self.a, self.b]
    }

    fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn rows_left_out(&self) -> u64 {
        self.rows_left_out
    }

    fn first(&self) -> Time {
        self.first
    }

    fn path_errors(&self) -> &[PathError] {
        &self.path_errors.first
    }

    fn states(&self) -> Option<[[State; 2]; 2]> {
        Some([self.before, [self.state_a, self.state_b]])
    }

    fn most_in_flight(&self) -> Option<u32> {
        layout::most_in_flight(self)
    }

    fn labels(segment: &Segment<'_, Row>, window: bool) -> Vec<String> {
        label::labels(segment, window)
    }

    fn merged_labels(side: &MergedSide) -> Vec<String> {
        label::merged_labels(side)
    }

    fn remark(&self, segment: &Segment<'_, Row>) -> Option<Remark> {
        remark::remark(self, segment)
    }

    fn aside(&self, segment: &Segment<'_, Row>) -> Option<Remark> {
        remark::by_analysis(self, segment)
    }

    fn ended_by(&self, call: &Call) -> Option<usize> {
        call.ended_by(self)
    }

    fn verdict(&self, names: &Names) -> [String; 2] {
        [verdict::short(self), verdict::paragraph(self, names)]
    }
}
