//! The private network: a link, two hosts or more, their programs; on the real kernel or simulated.

mod calibration;
pub mod config;
mod control;
pub mod event;
mod forward;
mod hosts;
mod init;
mod keeper;
pub mod lesson;
mod lines;
pub mod link;
mod link_end;
mod links;
mod namespaces;
mod network;
pub mod outcome;
mod programs;
mod ready;
mod run;
pub mod simulate;
mod sockets;

pub use calibration::Calibration;
pub use config::Config;
pub use namespaces::Namespaces;
pub use outcome::{Ending, NotMade, Outcome};
pub use run::{probe, run, run_in};
pub use simulate::simulate;
