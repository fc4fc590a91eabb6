//! What went wrong with one peer is told, and ends nothing. Where the same goes on and on, it is told a few times a second
//! and the rest is counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wire::{Cause, Fault};

use crate::event::Event;

/// How often the same is told within so long.
const OFTEN: u64 = 8;
const WITHIN: Duration = Duration::from_secs(1);

/// How many different ones are remembered.
const MOST: usize = 1024;

pub(super) struct Complaints<'t> {
    tell: &'t dyn Fn(Event),
    told: HashMap<String, Told>,
}

/// What was told, and how often it was not.
struct Told {
    fault: Fault,
    since: Instant,
    times: u64,
    kept_back: u64,
}

impl<'t> Complaints<'t> {
    pub(super) fn new(tell: &'t dyn Fn(Event)) -> Complaints<'t> {
        Complaints { tell, told: HashMap::new() }
    }

    pub(super) fn complain(&mut self, fault: Fault, now: Instant) {
        let name = fault.to_string();
        if self.told.len() >= MOST && !self.told.contains_key(&name) {
            self.finish();
        }
        let new = || Told { fault: fault.clone(), since: now, times: 0, kept_back: 0 };
        let told = self.told.entry(name).or_insert_with(new);
        if now.saturating_duration_since(told.since) >= WITHIN {
            told.tell_rest(self.tell);
            (told.since, told.times, told.kept_back) = (now, 0, 0);
        }
        if told.times < OFTEN {
            told.times += 1;
            (self.tell)(Event::Trouble(fault));
        } else {
            told.kept_back += 1;
        }
    }

    /// Tells how often the same was kept back, and forgets all.
    pub(super) fn finish(&mut self) {
        for (_, told) in self.told.drain() {
            told.tell_rest(self.tell);
        }
    }
}

impl Told {
    fn tell_rest(&self, tell: &dyn Fn(Event)) {
        let times = match self.kept_back {
            0 => return,
            1 => "once more".to_owned(),
            times => format!("{times} times more"),
        };
        let cause = Cause::Words(format!("the same {times}"));
        tell(Event::Trouble(Fault { cause, ..self.fault.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use wire::{Doing, End};

    fn fault(at: &str) -> Fault {
        Fault::errno(End::Peer, Doing::Send, at, 111)
    }

    #[test]
    fn the_same_is_told_a_few_times_a_second_and_the_rest_is_counted() {
        let told = RefCell::new(Vec::new());
        let tell = |event| {
            if let Event::Trouble(fault) = event {
                told.borrow_mut().push(fault.to_string());
            }
        };
        let mut complaints = Complaints::new(&tell);
        let begin = Instant::now();
        for number in 0..20 {
            complaints.complain(fault("a"), begin + Duration::from_millis(number));
        }
        complaints.complain(fault("b"), begin);
        assert_eq!(told.borrow().len(), 9);
        complaints.complain(fault("a"), begin + WITHIN);
        assert_eq!(
            told.borrow()[9..],
            ["send to a: the same 12 times more".to_owned(), fault("a").to_string()]
        );
        complaints.finish();
        assert_eq!(told.borrow().len(), 11, "nothing was kept back since");
    }

    #[test]
    fn memory_stays_bounded() {
        let mut complaints = Complaints::new(&|_| ());
        for number in 0..3 * MOST {
            complaints.complain(fault(&number.to_string()), Instant::now());
            assert!(complaints.told.len() <= MOST);
        }
    }
}
