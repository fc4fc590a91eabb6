//! The datagram that is to be sent next: where there is no room for it, it waits a while.

use std::time::{Duration, Instant};

use wire::Address;

/// How long a datagram waits for room before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before trying again where the kernel does not tell when there is room, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// To whom; none: to whom lines go that say nothing about it.
    pub(super) to: Option<Address>,
    pub(super) bytes: Vec<u8>,
}

/// At most one datagram, and how long it has been waiting.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    message: Option<Message>,
    waits: Option<Waits>,
}

/// There was no room.
#[derive(Clone, Copy, Debug)]
struct Waits {
    since: Instant,
    next_try: Instant,
    pause: Duration,
    /// The socket's buffer is full: poll will say when it is not.
    is_told: bool,
}

/// What is to be done with a datagram that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// It waits, and has just begun to.
    Begins,
    Waits,
    /// It has waited for long enough.
    GiveUp,
}

impl Outbox {
    pub(super) fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.message.is_none()
    }

    pub(super) fn put(&mut self, message: Message) {
        (self.message, self.waits) = (Some(message), None);
    }

    pub(super) fn take(&mut self) -> Option<Message> {
        self.waits = None;
        self.message.take()
    }

    /// There was no room for it: for that reason. `is_told`: poll says when there is some.
    pub(super) fn found_no_room(&mut self, now: Instant, is_told: bool) -> NoRoom {
        let Some(waits) = &mut self.waits else {
            let next_try = now + FIRST_PAUSE;
            self.waits = Some(Waits { since: now, next_try, pause: FIRST_PAUSE, is_told });
            return NoRoom::Begins;
        };
        if now.saturating_duration_since(waits.since) >= PATIENCE {
            return NoRoom::GiveUp;
        }
        waits.pause = (waits.pause * 2).min(LAST_PAUSE);
        (waits.next_try, waits.is_told) = (now + waits.pause, is_told);
        NoRoom::Waits
    }

    /// Whether it may be tried now. `has_room`: poll said so.
    pub(super) fn may_try(&self, now: Instant, has_room: bool) -> bool {
        self.waits.is_none_or(|waits| has_room || waits.retry_at() <= now)
    }

    /// Whether poll is to be asked for room.
    pub(super) fn wants_room(&self) -> bool {
        self.waits.is_some_and(|waits| waits.is_told)
    }

    /// When to try again although poll says nothing.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.waits.as_ref().map(Waits::retry_at)
    }
}

impl Waits {
    fn retry_at(&self) -> Instant {
        if self.is_told { self.since + PATIENCE } else { self.next_try }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_longer_and_longer_and_not_for_ever() {
        let mut outbox = Outbox::default();
        outbox.put(Message { to: None, bytes: Vec::new() });
        let begin = Instant::now();
        assert!(outbox.may_try(begin, false));
        assert_eq!(outbox.found_no_room(begin, false), NoRoom::Begins);
        let mut now = begin;
        let mut tries = 0;
        loop {
            assert!(!outbox.may_try(now, false) && outbox.may_try(now, true));
            let next = outbox.retry_at().expect("it waits");
            assert!(next > now && next <= now + LAST_PAUSE);
            now = next;
            tries += 1;
            if outbox.found_no_room(now, false) == NoRoom::GiveUp {
                break;
            }
        }
        assert!(now >= begin + PATIENCE && now <= begin + PATIENCE + LAST_PAUSE);
        assert!(tries > 90, "{tries}");
    }

    #[test]
    fn where_poll_tells_nothing_is_tried_in_between() {
        let mut outbox = Outbox::default();
        outbox.put(Message { to: None, bytes: Vec::new() });
        let begin = Instant::now();
        outbox.found_no_room(begin, true);
        assert!(outbox.wants_room());
        assert_eq!(outbox.retry_at(), Some(begin + PATIENCE));
        outbox.take();
        assert!(!outbox.wants_room() && outbox.retry_at().is_none());
    }
}
