//! What one client is still to be told, within bounds: who does not read loses the oldest, and hears how much.

use std::collections::VecDeque;
use std::sync::Arc;

/// How much waits at most, in bytes with [`MESSAGE`] for each message: then the oldest are dropped.
pub(super) const KEPT: usize = 256 * 1024;

/// How much may come in one turn, before there was a chance to take any of it.
pub(super) const BURST: usize = 2 * KEPT;

/// What a message costs beside its bytes: its place here, twice where the places are doubled, and its count of owners.
const MESSAGE: usize = 64;

/// Something to be told to many, who share its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Arc<[u8]>,
    /// How many things it says: one, or so many lines that somebody said at once.
    pub(super) lines: u32,
}

impl Message {
    /// That says one thing.
    pub(super) fn one(text: &str) -> Message {
        Message { bytes: text.as_bytes().into(), lines: 1 }
    }
}

/// Messages that wait, each one shared by all who are to hear it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    messages: VecDeque<Message>,
    weight: usize,
    missed: u64,
    /// The turn in which something came last.
    turn: u64,
}

impl Mailbox {
    /// Takes a message. Between two turns whoever reads is asked for room, so what an earlier turn left is left by one
    /// who is slow. Whether the box was empty.
    pub(super) fn put(&mut self, message: Message, turn: u64) -> bool {
        let was_empty = self.is_empty();
        let most = if self.turn == turn { BURST } else { KEPT };
        self.turn = turn;
        self.weight += message.bytes.len() + MESSAGE;
        self.messages.push_back(message);
        while self.weight > most && self.messages.len() > 1 {
            self.drop_oldest();
        }
        was_empty
    }

    /// The next message: first of all, what was missed.
    pub(super) fn take(&mut self) -> Option<Message> {
        if self.missed > 0 {
            return Some(Message::one(&notice(std::mem::take(&mut self.missed))));
        }
        let message = self.messages.pop_front()?;
        self.weight -= message.bytes.len() + MESSAGE;
        if self.messages.is_empty() {
            // An idle client costs nothing.
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// How long the next message is, in bytes.
    pub(super) fn next_len(&self) -> Option<usize> {
        match self.missed {
            0 => self.messages.front().map(|message| message.bytes.len()),
            missed => Some(notice(missed).len()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.missed == 0
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.weight -= oldest.bytes.len() + MESSAGE;
            self.missed += u64::from(oldest.lines);
        }
    }
}

fn notice(missed: u64) -> String {
    let plural = if missed == 1 { "" } else { "s" };
    format!("… {missed} message{plural} missed\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message::one(text)
    }

    fn take_all(mailbox: &mut Mailbox) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some(length) = mailbox.next_len() {
            let next = mailbox.take().expect("it has a length");
            assert_eq!(next.bytes.len(), length);
            taken.push(String::from_utf8(next.bytes.to_vec()).expect("text"));
        }
        assert!(mailbox.is_empty() && mailbox.weight == 0 && mailbox.messages.capacity() == 0);
        taken
    }

    #[test]
    fn messages_come_out_in_order_and_an_empty_box_is_told() {
        let mut mailbox = Mailbox::default();
        assert!(mailbox.put(message("one"), 1));
        assert!(!mailbox.put(message("two"), 1));
        assert_eq!(take_all(&mut mailbox), ["one", "two"]);
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let mut mailbox = Mailbox::default();
        let fit = KEPT / (1000 + MESSAGE);
        for turn in 0..fit + 12 {
            mailbox.put(message(&format!("{turn:01000}")), turn as u64);
        }
        let taken = take_all(&mut mailbox);
        assert_eq!(taken.len(), fit + 1);
        assert_eq!(taken[0], "… 12 messages missed\n");
        assert_eq!(taken[1], format!("{:01000}", 12));
        mailbox.put(message("again"), 0);
        assert_eq!(take_all(&mut mailbox), ["again"], "it is told once");
    }

    #[test]
    fn one_turn_may_bring_more_than_waits_between_turns() {
        let mut mailbox = Mailbox::default();
        let half = "x".repeat(KEPT / 2);
        (0..3).for_each(|_| _ = mailbox.put(message(&half), 1));
        assert_eq!((mailbox.messages.len(), mailbox.missed), (3, 0));
        mailbox.put(message("next"), 2);
        assert_eq!((mailbox.messages.len(), mailbox.missed), (2, 2));
        assert_eq!(take_all(&mut mailbox)[0], "… 2 messages missed\n");
    }

    proptest! {
        /// Whatever comes, memory is bounded, what is left is the newest, and the rest is counted.
        #[test]
        fn bounded_and_honest(lengths in prop::collection::vec((0usize..60_000, 0u64..3), 1..60)) {
            let mut mailbox = Mailbox::default();
            let mut turn = 0;
            for (length, later) in &lengths {
                turn += later;
                mailbox.put(Message { bytes: vec![0; *length].into(), lines: 3 }, turn);
                prop_assert!(mailbox.weight <= BURST);
            }
            let left = mailbox.messages.len();
            prop_assert_eq!(left as u64 * 3 + mailbox.missed, lengths.len() as u64 * 3);
            let newest = lengths[lengths.len() - left..].iter().map(|(length, _)| *length);
            prop_assert!(mailbox.messages.iter().map(|message| message.bytes.len()).eq(newest));
        }
    }
}
