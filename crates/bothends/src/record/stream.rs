//! Records of what both ends of a captured conversation said: data, and what is missing of it.

use flow::Side;
use flow::reassembly::{Conflict, Gap, Item, Missing, Said};
use wire::Time;

use super::Record;
use super::capture::side_word;
use crate::clock::seconds;

/// Something that a stream hands out. Offsets count from 0, the stream's first byte; times from `start`, the capture's
/// first frame.
pub fn stream_item(stream: u64, from: Side, item: &Item<'_>, start: Time) -> Record {
    let record = |name| Record::new(name).with("stream", stream).with("from", side_word(from));
    match item {
        Item::Data(said) => data(record("data"), said, start),
        // It stands behind what comes after it.
        Item::Late(said) => data(record("data"), said, start).with("late", true),
        Item::Gap(Gap { start, len_bytes, why }) => {
            let record = record("gap").with("offset_bytes", offset(*start)).with("len_bytes", *len_bytes);
            record.with("why", missing_word(*why))
        }
        Item::Conflict(Conflict { start, len_bytes, first, again }) => {
            let record =
                record("conflict").with("offset_bytes", offset(*start)).with("len_bytes", *len_bytes);
            record.with("frame", *again).with("first_frame", *first)
        }
    }
}

fn data(record: Record, said: &Said<'_>, start: Time) -> Record {
    let record = record.with("frame", said.frame).with("t_s", seconds(said.time.since(start)));
    let record = record.with("offset_bytes", offset(said.start)).with_bytes(said.bytes);
    record.with("len_bytes", said.bytes.len())
}

fn offset(position: i64) -> i64 {
    position - flow::reassembly::FIRST
}

fn missing_word(why: Missing) -> &'static str {
    match why {
        Missing::NeverSeen => "never_seen",
        Missing::Cut { .. } => "cut_by_capture",
        Missing::TooLate => "too_late",
    }
}
