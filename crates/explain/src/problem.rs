//! A problem: a fault or finding whose cause is known, and what helps.

use crate::evidence::{Evidence, Holder};

/// A problem that was recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Its fixed id: `address-in-use`.
    pub id: &'static str,
    /// Its title, as one would search for it.
    pub title: &'static str,
    /// What was found, fact by fact; empty where nothing was, or nothing could be looked for.
    pub evidence: Vec<Fact>,
    /// What causes it: lower case, without a full stop.
    pub cause: String,
    /// Whether the cause was seen, and is not only what such a fault means as a rule.
    pub cause_is_seen: bool,
    /// What to do: lower case, without a full stop.
    pub advice: String,
}

impl Problem {
    /// The hint behind an error: what is there where that was seen, and what to do.
    pub fn hint(&self) -> String {
        match self.cause_is_seen {
            true => format!("{}; {}", self.cause, self.advice),
            false => self.advice.clone(),
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// In words: lower case, without a full stop.
    pub text: String,
    /// The socket that it is about.
    pub socket: Option<Box<Holder>>,
}

/// What a rule says about the evidence it recognised.
pub(crate) struct Verdict {
    pub(crate) evidence: Vec<Fact>,
    pub(crate) cause: String,
    pub(crate) cause_is_seen: bool,
    pub(crate) advice: String,
}

impl Verdict {
    /// What such a fault means as a rule.
    pub(crate) fn new(cause: impl Into<String>, advice: impl Into<String>) -> Verdict {
        Verdict { evidence: Vec::new(), cause: cause.into(), cause_is_seen: false, advice: advice.into() }
    }

    /// What was seen to be so.
    pub(crate) fn seen(cause: impl Into<String>, advice: impl Into<String>, evidence: Vec<Fact>) -> Verdict {
        Verdict { evidence, cause_is_seen: true, ..Verdict::new(cause, advice) }
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
