//! Why, and what to do: faults and refusals as a sentence and a hint. Pure: evidence is values, whoever gathered them.
//!
//! A [`wire::Fault`] becomes one sentence ([`sentence`]); the rules of [`rules`], one per file, say which problem it
//! is and what helps. Everything that this program ever advises stands in this crate.

pub mod doctor;
pub mod problem;
pub mod refusal;
pub mod rules;
mod sentence;
pub mod waiting;

pub use problem::{Evidence, Problem};
pub use rules::problem;
pub use sentence::sentence;
pub use wire::errno;
