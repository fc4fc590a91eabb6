//! Whole conversations, row by row.

mod closing;
mod loss;
mod midstream;
mod numbers;
mod opening;
mod resets;
