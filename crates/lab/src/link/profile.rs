//! Links that have names, as one table: what each is like, in the words of the command line.

use super::grammar::Misread;
use super::schedule::{Change, Schedule};

/// A link with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: &'static str,
    /// What it is like, a sentence.
    pub sentence: &'static str,
    /// Its rules, as in a schedule.
    rules: &'static [&'static str],
    /// What changes, and when.
    changes: &'static [&'static str],
}

/// All there are.
pub const PROFILES: [Profile; 7] = [
    Profile {
        name: "wifi",
        sentence: "A room with neighbours: fast, but what collides is sent again by the radio, so delays have a tail and losses come in small bursts.",
        rules: &["delay 2ms+1ms", "jitter 2ms", "loss bursts:1%:3", "rate 50Mbit/s", "queue 256K"],
        changes: &[],
    },
    Profile {
        name: "3g",
        sentence: "A phone on an old mobile network: slow, more down than up, a sixth of a second for a round trip, deep queues.",
        rules: &[
            "delay 70ms+10ms",
            "jitter 10ms",
            "loss bursts:1%:4",
            "up-rate 768kbit/s",
            "down-rate 3Mbit/s",
            "queue 200p",
        ],
        changes: &[],
    },
    Profile {
        name: "transatlantic",
        sentence: "Europe to North America by fibre: the speed of light makes 80 ms of every round trip, and next to nothing is lost.",
        rules: &["delay 40ms", "jitter 1ms", "loss 0.01%"],
        changes: &[],
    },
    Profile {
        name: "satellite",
        sentence: "A geostationary satellite: 36,000 km up and down again, so 600 ms for a round trip at a decent rate.",
        rules: &[
            "delay 300ms",
            "jitter 5ms",
            "loss bursts:0.5%:5",
            "up-rate 3Mbit/s",
            "down-rate 20Mbit/s",
            "queue 512K",
        ],
        changes: &[],
    },
    Profile {
        name: "bufferbloat",
        sentence: "A home line whose modem never says no: its queue holds seconds, so whoever uploads makes everybody wait.",
        rules: &["delay 10ms", "up-rate 1Mbit/s", "down-rate 10Mbit/s", "queue 1M"],
        changes: &[],
    },
    Profile {
        name: "lossy",
        sentence: "A bad line: one packet in twenty is lost, each by itself, and some come twice or late.",
        rules: &["delay 20ms", "loss 5%", "duplicate 0.5%", "reorder 1%:5ms"],
        changes: &[],
    },
    Profile {
        name: "blackhole",
        sentence: "A path that dies without a word: after a second nothing arrives any more, and nobody is told.",
        rules: &["delay 5ms"],
        changes: &["1s: cut"],
    },
];

impl Profile {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Its rules.
    ///
    /// # Errors
    /// The first rule or change that cannot be read. Those of [`PROFILES`] can.
    pub fn schedule(&self) -> Result<Schedule, Misread> {
        let mut schedule = Schedule::of(self.rules)?;
        for change in self.changes {
            schedule.add(Change::read(change)?);
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_read_and_does_something() {
        for profile in &PROFILES {
            let schedule = profile.schedule().unwrap();
            assert!(!schedule.is_perfect(), "{}", profile.name);
            assert!(profile.sentence.ends_with('.'), "{}", profile.name);
            assert_eq!(Profile::named(profile.name).unwrap().sentence, profile.sentence);
        }
    }

    #[test]
    fn a_satellite_is_as_far_as_it_is() {
        // 4 × 35,786 km at 299,792 km/s are 477 ms; what is on the ground takes the rest.
        let schedule = Profile::named("satellite").unwrap().schedule().unwrap();
        let round_trip = schedule.up.delay.floor + schedule.down.delay.floor;
        assert!(round_trip.as_millis() >= 477);
    }
}
