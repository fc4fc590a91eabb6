//! Why, and what to do: faults and refusals as a sentence and a hint. Pure: evidence is values, whoever gathered them.
//!
//! A [`wire::Fault`] becomes one sentence ([`sentence`]); the rules of [`rules`], one per file, say which problem it
//! is and what helps. Everything that this program ever advises stands in this crate.

pub mod doctor;
pub mod evidence;
pub mod problem;
pub mod reach;
pub mod refusal;
pub mod rules;
mod sentence;
pub mod waiting;
mod words;

pub use evidence::{Evidence, Found};
pub use problem::Problem;
pub use rules::{problem, problem_in};
pub use sentence::sentence;
pub use wire::errno;
