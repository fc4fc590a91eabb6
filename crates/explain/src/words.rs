//! Turns of phrase that several rules need.

/// `a, b and c`; none of nothing.
pub(crate) fn list(words: &[String]) -> Option<String> {
    match words {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

/// `1 connection`, `3 connections`.
pub(crate) fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// `1 connection is`, `3 connections are`.
pub(crate) fn are(number: u64, one: &str) -> String {
    format!("{} {}", count(number, one), if number == 1 { "is" } else { "are" })
}

/// How long something still lasts, in seconds that are never too few: `47 s`.
pub(crate) fn seconds_left(left_ms: u32) -> String {
    format!("{} s", left_ms.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_numbers_read_well() {
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&words).as_deref(), Some("a, b and c"));
        assert_eq!((list(&words[..1]).as_deref(), list(&[])), (Some("a"), None));
        assert_eq!((count(1, "pipe"), count(0, "pipe")), ("1 pipe".to_owned(), "0 pipes".to_owned()));
        assert_eq!((are(1, "pipe"), are(2, "pipe")), ("1 pipe is".to_owned(), "2 pipes are".to_owned()));
        assert_eq!((seconds_left(46_001), seconds_left(0)), ("47 s".to_owned(), "0 s".to_owned()));
    }
}
