//! Patterns of names as shells have them, in any case: glob(7). `*` any text, `?` any character, `[a-z]` one of these,
//! `[!a-z]` none of these, a backslash takes the next character as it is.

/// Whether the whole name fits the pattern. The time is bounded by the product of both lengths.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut in_name) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, in_name));
            at += 1;
        } else if let Some(len) = one(&pattern[at..], name[in_name]) {
            at += len;
            in_name += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (at, in_name) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

/// How many characters of the pattern stand for this one, if they do.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (*escaped == character).then_some(2),
        ['[', rest @ ..] => match class(rest, character) {
            Some((true, len)) => Some(len + 1),
            Some((false, _)) => None,
            // Without its end it is a bracket.
            None => (character == '[').then_some(1),
        },
        [first, ..] => (*first == character).then_some(1),
        [] => None,
    }
}

/// Whether the character is in a class, and where that ends; none where it has no end.
fn class(rest: &[char], character: char) -> Option<(bool, usize)> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut is_in = false;
    loop {
        match rest.get(at..)? {
            // The first one is a member, not the end.
            [']', ..] if at > start => return Some((is_in != negated, at + 1)),
            [first, '-', last, ..] if *last != ']' => {
                is_in |= (*first..=*last).contains(&character);
                at += 3;
            }
            [first, ..] => {
                is_in |= *first == character;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_matched_as_shells_do() {
        for (pattern, name) in [
            ("*", ""),
            ("/run/*", "/run/a/b"),
            ("*X11*", "@/tmp/.x11-unix"),
            ("a?c", "abc"),
            ("[a-c]x", "bX"),
            ("[!a]x", "bx"),
            ("[]]", "]"),
            ("a\\*", "a*"),
            ("[a", "[a"),
            ("*a*b", "xaybb"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "a"), ("a", ""), ("/run/*", "/var"), ("[!a]x", "ax"), ("a\\*", "ab"), ("*a*b", "ba")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_survived(pattern in "[\\[\\]!^*?a-c\\\\-]{0,20}", name in "[a-c\\[\\]-]{0,30}") {
            let _ = matches(&pattern, &name);
        }

        #[test]
        fn a_name_is_its_own_pattern(name in "[a-z/.@0-9]{0,30}") {
            prop_assert!(matches(&name, &name));
        }
    }
}
