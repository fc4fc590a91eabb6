//! Being an end: dialling, serving, and what a server does with bytes.
//!
//! A [`service::Service`] is a small state machine that knows no socket; an engine runs it. The same `echo` runs under
//! every engine, in the simulated world of `lab`, and in a unit test without any of them. Nothing here prints: what there
//! is to tell leaves as an [`event::Event`] through one callback.

pub mod event;
pub mod service;
