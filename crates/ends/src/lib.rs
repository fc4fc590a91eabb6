//! Being an end: dialling, serving, and what a server does with bytes.
//!
//! A [`service::Service`] is a small state machine that knows no socket; an engine runs it. The same `echo` runs under
//! every engine, in the simulated world of `lab`, and in a unit test without any of them. Nothing here prints: what there
//! is to tell leaves as an [`event::Event`] through one callback.
//!
//! A server: [`serve::serve`] opens its listeners ([`listen`]) and hands them to one of three engines, which run until
//! [`stop::Stop`] says so. A client: [`dial`] opens a connection, [`pump`] carries bytes between it and two descriptors;
//! [`conversation`] is the small scripted client of the lab.

pub mod accept_one;
mod address;
pub mod conversation;
mod datagram_socket;
pub mod datagrams;
pub mod dial;
mod ending;
mod engine;
pub mod event;
pub mod listen;
mod no_client;
pub mod operator;
pub mod options;
mod peers;
mod places;
pub mod pump;
pub mod serve;
pub mod service;
mod shortage;
pub mod source_address;
pub mod stop;
pub mod supervisor;
