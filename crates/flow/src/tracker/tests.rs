//! Whole conversations, row by row; and properties of any of them.

mod closing;
mod itself;
mod loss;
mod midstream;
mod model;
mod numbers;
mod opening;
mod properties;
mod resets;
