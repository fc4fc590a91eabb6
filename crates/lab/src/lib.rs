//! The private network: a link, two hosts, two programs; on the real kernel or simulated.

pub mod event;
