//! How many sessions there may be at once, and waking those who wait for one to end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::event::EventfdFlags;
use wire::Fault;

use crate::stop::{counter, ring};

/// The places of a server, shared by its workers. Each worker has a bell: a counter in its poll set.
#[derive(Debug)]
pub(crate) struct Places {
    limit: Option<usize>,
    taken: AtomicUsize,
    somebody_waits: AtomicBool,
    bells: Vec<OwnedFd>,
}

impl Places {
    pub(crate) fn new(limit: Option<usize>, workers: usize) -> Result<Places, Fault> {
        let bells = (0..workers).map(|_| counter(EventfdFlags::empty())).collect::<Result<_, _>>()?;
        Ok(Places { limit, taken: AtomicUsize::new(0), somebody_waits: AtomicBool::new(false), bells })
    }

    /// Takes a place. If there is none, the bells ring when one is given back.
    pub(crate) fn take(&self) -> bool {
        if self.try_take() {
            return true;
        }
        self.wake_me();
        // One may have been given back just before it could know that we wait.
        self.try_take()
    }

    /// Asks for the bells to ring at the end of the next session.
    pub(crate) fn wake_me(&self) {
        self.somebody_waits.store(true, Ordering::SeqCst);
    }

    /// Gives a place back. The session's descriptor must be closed before: whoever waits may wait for that.
    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
        if self.somebody_waits.load(Ordering::SeqCst) && self.somebody_waits.swap(false, Ordering::SeqCst) {
            self.ring_all();
        }
    }

    /// Gives back a place for which no client was found. Nobody needs to wake for that: the next client wakes them.
    pub(crate) fn put_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn ring_all(&self) {
        self.bells.iter().for_each(|bell| ring(bell.as_fd()));
    }

    /// A worker's bell; the first one's for a number that no worker has.
    pub(crate) fn bell(&self, worker: usize) -> BorrowedFd<'_> {
        self.bells[worker.min(self.bells.len() - 1)].as_fd()
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Takes a place if there is one, and asks for no bell.
    pub(crate) fn try_take(&self) -> bool {
        let limit = self.limit.unwrap_or(usize::MAX);
        let more = |taken| (taken < limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::take_one;

    #[test]
    fn no_more_are_taken_than_there_are() {
        let places = Places::new(Some(2), 1).expect("a descriptor");
        assert!(places.take() && places.take() && !places.take());
        assert_eq!(places.taken(), 2);
        places.give_back();
        assert!(places.take());
    }

    #[test]
    fn the_bell_rings_once_for_those_who_wait() {
        let places = Places::new(Some(1), 2).expect("descriptors");
        assert!(places.take());
        places.give_back();
        assert!(!take_one(places.bell(0)), "nobody waits");
        assert!(places.take() && !places.take());
        places.give_back();
        assert!(take_one(places.bell(0)) && take_one(places.bell(1)));
        assert!(!take_one(places.bell(0)), "once");
    }
}
