//! The conversations that are followed at once: found by their two addresses; when there are too many, the one that has
//! been idle longest makes room.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::idle::IdleOrder;

/// The addresses of both ends, the lower one first.
type Pair = [SocketAddr; 2];

/// Conversations of one protocol, each in a slot of its own.
#[derive(Debug)]
pub(crate) struct Slots<C> {
    limit: usize,
    conversations: Vec<(Pair, C)>,
    idle: IdleOrder,
    /// The conversation that two addresses have now.
    current: HashMap<Pair, usize>,
}

impl<C> Slots<C> {
    /// Room for `limit` conversations, at least one.
    pub(crate) fn new(limit: usize) -> Slots<C> {
        let limit = limit.max(1);
        Slots { limit, conversations: Vec::new(), idle: IdleOrder::default(), current: HashMap::new() }
    }

    /// The slot of the conversation that these two have now.
    pub(crate) fn between(&self, ends: [SocketAddr; 2]) -> Option<usize> {
        self.current.get(&pair(ends)).copied()
    }

    /// The conversation in a slot, which is not idle now.
    pub(crate) fn touch(&mut self, slot: usize) -> &mut C {
        self.idle.touch(slot);
        self.get_mut(slot)
    }

    pub(crate) fn get(&self, slot: usize) -> &C {
        &self.conversations[slot].1
    }

    pub(crate) fn get_mut(&mut self, slot: usize) -> &mut C {
        &mut self.conversations[slot].1
    }

    /// The slot whose conversation must go before another can begin.
    pub(crate) fn next_to_go(&self) -> Option<usize> {
        self.idle.longest().filter(|_| self.conversations.len() >= self.limit)
    }

    /// Another conversation begins; gives its slot, and the conversation that made room.
    pub(crate) fn begin(&mut self, ends: [SocketAddr; 2], conversation: C) -> (usize, Option<C>) {
        let pair = pair(ends);
        let (slot, gone) = match self.next_to_go() {
            None => {
                self.conversations.push((pair, conversation));
                self.idle.join();
                (self.conversations.len() - 1, None)
            }
            Some(slot) => {
                let (old, gone) = std::mem::replace(&mut self.conversations[slot], (pair, conversation));
                if self.current.get(&old) == Some(&slot) {
                    self.current.remove(&old);
                }
                self.idle.touch(slot);
                (slot, Some(gone))
            }
        };
        self.current.insert(pair, slot);
        (slot, gone)
    }

    /// All of them, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &C> {
        self.conversations.iter().map(|(_, conversation)| conversation)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.conversations.iter_mut().map(|(_, conversation)| conversation)
    }
}

fn pair([one, other]: [SocketAddr; 2]) -> Pair {
    if one <= other { [one, other] } else { [other, one] }
}
