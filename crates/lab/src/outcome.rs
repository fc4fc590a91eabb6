//! How a lab ended.

use std::fmt;

use wire::Fault;
use wire::refusal::Refusal;

use crate::event::{Backend, Role};

/// A lab that was made and has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What carried the packets.
    pub backend: Backend,
    /// How the server's program ended.
    pub server: Ending,
    /// How the client's program ended.
    pub client: Ending,
    /// How those of further hosts ended.
    pub others: Vec<Ending>,
    /// The signal that asked the lab to end early, when one did.
    pub interrupted: Option<i32>,
}

impl Outcome {
    /// How a host's program ended; that of the leader is how the lab ended.
    pub fn ending(&self, role: Role) -> &Ending {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
            Role::Other(_) => {
                role.index().checked_sub(2).and_then(|at| self.others.get(at)).unwrap_or(&self.client)
            }
        }
    }

    /// How all ended, in the order of the hosts.
    pub fn endings(&self) -> impl Iterator<Item = &Ending> {
        [&self.client, &self.server].into_iter().chain(&self.others)
    }
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
