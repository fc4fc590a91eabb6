//! What is wrong with a filter, and where.

use std::fmt;

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The filter's words, joined by single blanks.
    pub text: String,
    /// The place, in characters from its beginning.
    pub column: usize,
    /// What is wrong, in lower case.
    pub sentence: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter at {}: {}", self.column, self.sentence)
    }
}

impl std::error::Error for FilterError {}
