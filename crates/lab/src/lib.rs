//! The private network: a link, two hosts or more, their programs; on the real kernel or simulated.

mod calibration;
pub mod config;
mod control;
pub mod event;
pub mod forward;
mod hosts;
mod init;
mod keeper;
pub mod lesson;
pub mod link;
pub mod link_end;
mod links;
mod network;
pub mod outcome;
mod programs;
mod ready;
mod run;
pub mod simulate;
mod sockets;

pub use calibration::Calibration;
pub use config::Config;
pub use outcome::{Ending, NotMade, Outcome};
pub use run::{probe, run};
pub use simulate::simulate;
