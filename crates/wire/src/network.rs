//! Networks in CIDR form (RFC 4632 §3.1), and lists of those that may come.

/// Who may come: the networks allowed and the networks denied. An empty list of the allowed allows all; the denied come
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {}
