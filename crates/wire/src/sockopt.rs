//! Socket options by name: which there are, at which level, what their values look like, and when they have to be set.

/// One option with the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option's name as it is shown: `SO_RCVBUF`.
    pub name: &'static str,
    /// The value as it was written.
    pub asked: String,
}
