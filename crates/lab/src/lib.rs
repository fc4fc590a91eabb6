//! The private network: a link, two hosts, two programs; on the real kernel or simulated.

pub mod config;
mod control;
pub mod event;
pub mod forward;
mod hosts;
mod init;
mod keeper;
pub mod link;
pub mod link_end;
mod network;
pub mod outcome;
mod programs;
mod run;
pub mod simulate;
mod sockets;

pub use config::Config;
pub use outcome::{Ending, NotMade, Outcome};
pub use run::run;
pub use simulate::simulate;
