//! How a lab ended.

use std::fmt;

use wire::Fault;
use wire::refusal::Refusal;

use crate::event::Backend;

/// A lab that was made and has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What carried the packets.
    pub backend: Backend,
    /// How the server's program ended.
    pub server: Ending,
    /// How the client's program ended: its exit status is the lab's.
    pub client: Ending,
    /// The signal that asked the lab to end early, when one did.
    pub interrupted: Option<i32>,
}

/// How a program ended; nothing is set when it was never started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Its exit status, when it exited.
    pub exit: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Why the command could not be started, or what our own conversation ran into.
    pub fault: Option<Fault>,
}

/// Why there is no lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// The system does not allow a private network; the simulated one still works.
    Refused(Box<Refusal>),
    /// Something else failed.
    Failed(Fault),
}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMade::Refused(refusal) => write!(f, "{refusal}"),
            NotMade::Failed(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for NotMade {}

impl From<Fault> for NotMade {
    fn from(fault: Fault) -> NotMade {
        NotMade::Failed(fault)
    }
}
