//! What a ladder says of datagrams: how large they are, and what became of them.

use std::net::SocketAddr;

use flow::calls::Call;
use flow::{DatagramFlow, DatagramRow, PathError, Side};
use wire::{Passage, Time};

use super::conversation::{Conversation, Sending};
use super::steps::{MergedSide, Part, Segment};
use super::{Remark, remark};
use crate::number::{count, grouped, size};
use crate::{Names, verdict};

impl Sending for DatagramRow {
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
        true
    }

    fn is_ordinary(&self) -> bool {
        true
    }
}

impl Conversation for DatagramFlow {
    type Row = DatagramRow;
    const ONE: &'static str = "datagram";

    fn ends(&self) -> [SocketAddr; 2] {
        [self.a, self.b]
    }

    fn rows(&self) -> &[DatagramRow] {
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

    fn labels(segment: &Segment<'_, DatagramRow>, _window: bool) -> Vec<String> {
        match segment.row.len_bytes {
            0 => vec!["an empty datagram".to_owned(), "empty".to_owned()],
            bytes => vec![count(bytes.into(), "byte"), size(bytes.into())],
        }
    }

    fn merged_labels(side: &MergedSide) -> Vec<String> {
        let more = count(side.data, "more datagram");
        let bytes = size(side.bytes);
        let short = [format!("{} more, {bytes}", grouped(side.data)), grouped(side.data)];
        let long = [format!("{more}, {}", count(side.bytes, "byte")), format!("{more}, {bytes}")];
        long.into_iter().chain(short).collect()
    }

    fn remark(&self, segment: &Segment<'_, DatagramRow>) -> Option<Remark> {
        match segment.part {
            Part::Arrival => Some(remark::arrival(segment)),
            _ => remark::lost(segment.row)
                .or_else(|| remark::touched(segment.row))
                .or_else(|| remark::cut_on_the_wire(segment.row, "datagram"))
                .or_else(|| remark::queued(segment.row)),
        }
    }

    fn ended_by(&self, call: &Call) -> Option<usize> {
        call.ended_by_datagram(self)
    }

    fn verdict(&self, names: &Names) -> [String; 2] {
        [verdict::datagrams::short(self), verdict::datagrams::paragraph(self, names)]
    }
}

#[cfg(test)]
mod tests;
