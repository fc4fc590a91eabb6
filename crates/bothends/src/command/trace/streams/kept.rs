//! What is kept of a conversation until it is its turn to be shown.

use flow::Side;
use flow::reassembly::{Conflict, Gap, Item, Said};
use wire::Time;

/// What was said, in the order in which the streams handed it out.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    entries: Vec<(Side, Entry)>,
    /// Bytes that were not kept; nothing is behind them.
    pub(super) left_out_bytes: u64,
}

/// What a conversation costs before it says anything, about.
const BASE: usize = 256;

/// What keeping something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) memory_bytes: usize,
    /// Bytes that were not kept, of a conversation of which nothing is.
    pub(super) unkept_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    /// The next so many of the bytes.
    Data {
        start: i64,
        len: usize,
        frame: u64,
        time: Time,
        late: bool,
    },
    Gap(Gap),
    Conflict(Conflict),
}

impl Kept {
    /// Keeps one more, if that takes no more than `most` bytes of memory.
    pub(super) fn keep(&mut self, from: Side, item: &Item<'_>, most: usize) -> Taken {
        let bytes = match item {
            Item::Data(said) | Item::Late(said) => said.bytes,
            Item::Gap(_) | Item::Conflict(_) => &[],
        };
        let before = self.memory_bytes();
        let beginning = if before == 0 { BASE } else { 0 };
        let len = bytes.len() as u64;
        if self.left_out_bytes > 0 || bytes.len() + size_of::<(Side, Entry)>() + beginning > most {
            let begun = beginning == 0;
            self.left_out_bytes += if begun { len } else { 0 };
            return Taken { memory_bytes: 0, unkept_bytes: if begun { 0 } else { len } };
        }
        self.bytes.extend_from_slice(bytes);
        match item {
            Item::Data(said) if self.joins(from, said) => {}
            Item::Data(said) => self.entries.push((from, Entry::of(said, false))),
            Item::Late(said) => self.entries.push((from, Entry::of(said, true))),
            Item::Gap(gap) => self.entries.push((from, Entry::Gap(*gap))),
            Item::Conflict(conflict) => self.entries.push((from, Entry::Conflict(*conflict))),
        }
        Taken { memory_bytes: self.memory_bytes() - before + beginning, unkept_bytes: 0 }
    }

    /// The memory behind it.
    fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<(Side, Entry)>()
    }

    /// What was kept, in order.
    pub(super) fn items(&self) -> impl Iterator<Item = (Side, Item<'_>)> {
        let mut rest = self.bytes.as_slice();
        self.entries.iter().map(move |(from, entry)| {
            let item = match *entry {
                Entry::Gap(gap) => Item::Gap(gap),
                Entry::Conflict(conflict) => Item::Conflict(conflict),
                Entry::Data { start, len, frame, time, late } => {
                    let (bytes, behind) = rest.split_at(len.min(rest.len()));
                    rest = behind;
                    let said = Said { start, bytes, frame, time };
                    if late { Item::Late(said) } else { Item::Data(said) }
                }
            };
            (*from, item)
        })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.entries.is_empty() && self.left_out_bytes == 0
    }

    /// Lengthens the last entry if these bytes go on with it.
    fn joins(&mut self, from: Side, said: &Said<'_>) -> bool {
        let Some((side, Entry::Data { start, len, late: false, .. })) = self.entries.last_mut() else {
            return false;
        };
        let joins = *side == from && *start + i64::try_from(*len).unwrap_or(i64::MAX) == said.start;
        *len += if joins { said.bytes.len() } else { 0 };
        joins
    }
}

impl Entry {
    fn of(said: &Said<'_>, late: bool) -> Entry {
        Entry::Data { start: said.start, len: said.bytes.len(), frame: said.frame, time: said.time, late }
    }
}

#[cfg(test)]
mod tests {
    use flow::reassembly::Missing;

    use super::*;

    #[test]
    fn what_was_kept_comes_back_joined_and_what_was_not_is_counted() {
        let said = |start, bytes| Said { start, bytes, frame: 1, time: Time(5) };
        let gap = Item::Gap(Gap { start: 5, len_bytes: 2, why: Missing::NeverSeen });
        let mut kept = Kept::default();
        assert!(kept.is_nothing());
        let mut took = 0;
        for (from, item) in [
            (Side::A, Item::Data(said(1, b"ab"))),
            (Side::A, Item::Data(said(3, b"cd"))),
            (Side::A, gap),
            (Side::A, Item::Late(said(5, b"ef"))),
            (Side::B, Item::Data(said(1, b"gh"))),
        ] {
            took += kept.keep(from, &item, 1_000).memory_bytes;
        }
        assert_eq!(took, BASE + kept.memory_bytes());
        let nothing = Taken { memory_bytes: 0, unkept_bytes: 0 };
        assert_eq!(kept.keep(Side::B, &Item::Data(said(3, b"too much")), 8), nothing);
        assert_eq!(kept.keep(Side::B, &Item::Data(said(11, b"x")), 1_000), nothing, "nothing behind it");
        let items: Vec<_> = kept.items().collect();
        let expected = [
            (Side::A, Item::Data(said(1, b"abcd"))),
            (Side::A, gap),
            (Side::A, Item::Late(said(5, b"ef"))),
            (Side::B, Item::Data(said(1, b"gh"))),
        ];
        assert_eq!((items.as_slice(), kept.left_out_bytes), (&expected[..], 9));

        let mut other = Kept::default();
        let unkept = Taken { memory_bytes: 0, unkept_bytes: 2 };
        assert_eq!(other.keep(Side::A, &Item::Data(said(1, b"ab")), BASE), unkept);
        assert!(other.is_nothing());
    }
}
