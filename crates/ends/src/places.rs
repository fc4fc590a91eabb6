//! How many sessions there may be at once, and waking those who wait for one to end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::event::EventfdFlags;
use wire::{Address, Fault};

use crate::stop::{counter, ring};

/// The places of a server, shared by its workers. Each worker has a bell: a counter in its poll set.
#[derive(Debug)]
pub(crate) struct Places {
    limit: Option<usize>,
    taken: AtomicUsize,
    somebody_waits: AtomicBool,
    bells: Vec<OwnedFd>,
    sources: Option<Sources>,
}

/// How many sessions the clients of each address have, where there is a limit to that.
#[derive(Debug)]
struct Sources {
    limit: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Places {
    /// `limit` in all, `per_source` for the clients of one address.
    pub(crate) fn new(
        limit: Option<usize>,
        per_source: Option<usize>,
        workers: usize,
    ) -> Result<Places, Fault> {
        let bells = (0..workers).map(|_| counter(EventfdFlags::empty())).collect::<Result<_, _>>()?;
        let sources = per_source.map(|limit| Sources { limit, taken: Mutex::default() });
        let (taken, somebody_waits) = (AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Places { limit, taken, somebody_waits, bells, sources })
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

    /// Counts a client of this address in.
    ///
    /// # Errors
    /// The limit, where all places for one address are taken.
    pub(crate) fn enter(&self, remote: &Address) -> Result<(), usize> {
        let (Some(sources), Some(remote)) = (&self.sources, remote.internet()) else { return Ok(()) };
        let mut taken = sources.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = taken.entry(remote.ip()).or_default();
        if *of_source >= sources.limit {
            return Err(sources.limit);
        }
        *of_source += 1;
        Ok(())
    }

    /// Counts a client out that was counted in.
    pub(crate) fn leave(&self, remote: &Address) {
        let (Some(sources), Some(remote)) = (&self.sources, remote.internet()) else { return };
        let mut taken = sources.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_source) = taken.get_mut(&remote.ip()) {
            *of_source -= 1;
            if *of_source == 0 {
                taken.remove(&remote.ip());
            }
        }
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
        let places = Places::new(Some(2), None, 1).expect("a descriptor");
        assert!(places.take() && places.take() && !places.take());
        assert_eq!(places.taken(), 2);
        places.give_back();
        assert!(places.take());
    }

    #[test]
    fn each_source_has_its_own_places() {
        let places = Places::new(None, Some(2), 1).expect("a descriptor");
        let at = |text: &str| Address::Internet(text.parse().expect("an address"));
        assert_eq!(places.enter(&at("192.0.2.1:1")), Ok(()));
        assert_eq!(places.enter(&at("192.0.2.1:2")), Ok(()));
        assert_eq!(places.enter(&at("192.0.2.1:3")), Err(2));
        assert_eq!(places.enter(&at("192.0.2.2:1")), Ok(()));
        for _ in 0..5 {
            assert_eq!(places.enter(&Address::Unnamed), Ok(()), "a client on this machine has no source");
        }
        places.leave(&at("192.0.2.1:1"));
        assert_eq!(places.enter(&at("192.0.2.1:3")), Ok(()));
        for remote in ["192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1"] {
            places.leave(&at(remote));
        }
        let sources = places.sources.expect("a limit");
        assert!(sources.taken.lock().expect("no panic").is_empty(), "who is gone costs nothing");
    }

    #[test]
    fn the_bell_rings_once_for_those_who_wait() {
        let places = Places::new(Some(1), None, 2).expect("descriptors");
        assert!(places.take());
        places.give_back();
        assert!(!take_one(places.bell(0)), "nobody waits");
        assert!(places.take() && !places.take());
        places.give_back();
        assert!(take_one(places.bell(0)) && take_one(places.bell(1)));
        assert!(!take_one(places.bell(0)), "once");
    }
}
