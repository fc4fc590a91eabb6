//! A problem: a fault or finding whose cause is known, and what helps.

use std::net::SocketAddr;

use wire::{Cause, Doing, Fault};

/// What is known when a problem is looked for. More will be gathered (socket tables, counters); a rule takes what it
/// needs and stays silent where that is missing.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What went wrong.
    pub fault: &'a Fault,
}

impl Evidence<'_> {
    /// The operation that failed.
    pub fn doing(&self) -> Doing {
        self.fault.doing
    }

    /// True when the kernel answered with one of these error numbers.
    pub fn errno_is(&self, numbers: &[i32]) -> bool {
        self.fault.raw_errno().is_some_and(|errno| numbers.contains(&errno))
    }

    /// True when a time that was asked for ran out.
    pub fn timed_out(&self) -> bool {
        self.fault.cause == Cause::TimedOut
    }

    /// What the fault is about, as it is shown.
    pub fn at(&self) -> &str {
        &self.fault.at
    }

    /// The socket address that the fault is about, when it is written as one (with or without `tcp://`).
    pub fn address(&self) -> Option<SocketAddr> {
        let at = self.fault.at.as_str();
        at.split_once("://").map_or(at, |(_, place)| place).parse().ok()
    }

    /// The port that the fault is about, also behind a name.
    pub fn port(&self) -> Option<u16> {
        self.fault.at.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }
}

/// A problem that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its fixed id: `address-in-use`.
    pub id: &'static str,
    /// Its title, as one would search for it.
    pub title: &'static str,
    /// What causes it: lower case, without a full stop.
    pub cause: String,
    /// What to do: lower case, without a full stop; this is the hint behind an error.
    pub advice: String,
}

/// What a rule says about the evidence it recognised.
pub(crate) struct Verdict {
    /// What causes it.
    pub(crate) cause: String,
    /// What to do.
    pub(crate) advice: String,
}

impl Verdict {
    pub(crate) fn new(cause: impl Into<String>, advice: impl Into<String>) -> Verdict {
        Verdict { cause: cause.into(), advice: advice.into() }
    }
}

/// One problem: its name, and how it is recognised.
pub struct Rule {
    /// Its fixed id.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// None when the evidence shows something else.
    pub(crate) judge: fn(&Evidence<'_>) -> Option<Verdict>,
}
