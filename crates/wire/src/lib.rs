//! Bytes ⇄ values: addresses as people write them, packet headers, capture files, and what went wrong where.
//!
//! Pure: no I/O, no clock, no threads. Every parser here takes bytes from strangers: none panics, none allocates more
//! than its input, and each says in its header what it checks. Views (`TcpView`) borrow and are checked once by `new`;
//! values (`Passage`, `Endpoint`) are owned, comparable and printable.

pub mod fault;
pub mod link_type;
pub mod passage;
pub mod tcp;
pub mod time;

pub use fault::{Cause, Doing, End, Fault};
pub use passage::{Fate, Passage};
pub use time::Time;
