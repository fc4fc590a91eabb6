//! The names of users.

use std::collections::HashMap;

/// Those of /etc/passwd by their numbers, passwd(5).
pub fn names() -> HashMap<u32, String> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    names_in(&text)
}

/// Of several names of a number the first is the one that counts.
fn names_in(text: &str) -> HashMap<u32, String> {
    let mut found = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(number))) = (fields.next(), fields.nth(1).map(str::parse)) {
            found.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts_and_broken_lines_do_not() {
        let names =
            names_in("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\nann:x:x:1\n\nbob\nhttp:x:33:33:::\n");
        assert_eq!(names, HashMap::from([(0, "root".to_owned()), (33, "http".to_owned())]));
    }
}
