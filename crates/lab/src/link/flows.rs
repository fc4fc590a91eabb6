//! Conversations in the order of their first packet.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use wire::tcp::TcpFlags;

use super::Direction;
use super::dice::Dice;
use super::fate::Fates;
use super::sight::{Key, Kind, Sight};

/// How many conversations are remembered; the oldest make room. One that comes back afterwards counts as new.
const MOST: usize = 65_536;

/// The conversations that the link has seen.
#[derive(Debug, Default)]
pub(super) struct Flows {
    known: HashMap<Key, Fates>,
    /// The keys that are known, in order of appearance.
    order: VecDeque<Key>,
    /// How many of each kind there have been.
    counts: HashMap<Kind, u64>,
}

impl Flows {
    /// The conversation that a packet belongs to: a known one, or the next of its kind.
    pub(super) fn of(&mut self, sight: &Sight, direction: Direction, dice: Dice) -> &mut Fates {
        if self.known.get(&sight.key).is_some_and(|fates| opens_another(sight, direction, fates)) {
            // Replaced in place: its turn to make room stays the same.
            self.known.insert(sight.key, next(&mut self.counts, &sight.key, dice));
        }
        if !self.known.contains_key(&sight.key) {
            self.make_room();
            self.order.push_back(sight.key);
        }
        match self.known.entry(sight.key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(next(&mut self.counts, &sight.key, dice)),
        }
    }

    fn make_room(&mut self) {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn next(counts: &mut HashMap<Kind, u64>, key: &Key, dice: Dice) -> Fates {
    let count = counts.entry(key.kind).or_default();
    let ordinal = *count;
    *count += 1;
    Fates::new(dice, key, ordinal)
}

/// True for a SYN that opens another connection between the same ports. A repeated SYN has the same number.
fn opens_another(sight: &Sight, direction: Direction, fates: &Fates) -> bool {
    let Some(tcp) = &sight.tcp else { return false };
    let opens = tcp.flags.has(TcpFlags::SYN) && !tcp.flags.has(TcpFlags::ACK);
    opens && fates.syn(direction).is_some_and(|seq| seq != tcp.seq)
}
