//! What is wrong with a text that was meant to be an IP address, and where.

use crate::endpoint::EndpointError;

/// The fault of a text that can only have been meant as an IPv4 or IPv6 address; none for all other texts.
pub(super) fn of(text: &str) -> Option<EndpointError> {
    four(text).or_else(|| six(text))
}

fn error(column: usize, sentence: String) -> EndpointError {
    EndpointError { column, sentence, hint: None }
}

/// Digits and dots, with two dots at least.
fn four(text: &str) -> Option<EndpointError> {
    let is_meant = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().filter(|byte| *byte == b'.').count() >= 2;
    if !is_meant {
        return None;
    }
    let mut at = 0;
    let words: Vec<&str> = text.split('.').collect();
    for (place, word) in words.iter().enumerate() {
        if word.is_empty() {
            return Some(error(at, "between two dots has to stand a number".to_owned()));
        }
        if place == 4 {
            return Some(error(at, "an IPv4 address has four numbers, and this is a fifth".to_owned()));
        }
        let is_octal = word.starts_with('0') && word.len() > 1;
        if is_octal && word.bytes().any(|byte| byte > b'7') {
            return Some(error(
                at,
                format!("{word} begins with 0, so it is octal, and 8 and 9 are no octal digits"),
            ));
        }
        let is_last = place + 1 == words.len();
        if !is_octal && word.parse::<u8>().is_err() && (!is_last || words.len() == 4) {
            return Some(error(at, format!("{word} is larger than 255")));
        }
        at += word.len() + 1;
    }
    Some(error(0, "it is larger than an IPv4 address can be".to_owned()))
}

/// Hexadecimal digits and at least two colons.
fn six(text: &str) -> Option<EndpointError> {
    let inner = text.strip_prefix('[').unwrap_or(text);
    let shift = text.len() - inner.len();
    let inner = inner.split([']', '%']).next().unwrap_or_default();
    let is_meant = inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
        && inner.bytes().filter(|byte| *byte == b':').count() >= 2;
    if !is_meant || inner.parse::<std::net::Ipv6Addr>().is_ok() {
        return None;
    }
    let fault = |at: usize, sentence: &str| Some(error(shift + at, sentence.to_owned()));
    if let Some(at) = inner.find(":::") {
        return fault(at + 2, "three colons are never right; two stand for zeros");
    }
    if let Some(first) = inner.find("::")
        && let Some(second) = inner[first + 2..].find("::")
    {
        return fault(first + 2 + second, "zeros may be left out only once, and this is the second ::");
    }
    let mut at = 0;
    let groups: Vec<&str> = inner.split(':').collect();
    for group in &groups {
        if group.len() > 4 && !group.contains('.') {
            return fault(at, "a group has at most four hexadecimal digits");
        }
        if group.contains('.') && group.parse::<std::net::Ipv4Addr>().is_err() {
            return fault(at, "the last 32 bits are no IPv4 address");
        }
        at += group.len() + 1;
    }
    let has_gap = inner.contains("::");
    if inner.starts_with(':') && !has_gap {
        return fault(0, "a single colon cannot stand first");
    }
    let count: usize =
        groups.iter().map(|group| if group.contains('.') { 2 } else { usize::from(!group.is_empty()) }).sum();
    match count {
        8.. if has_gap => fault(0, "with :: it has at most seven groups"),
        9.. => fault(0, &format!("an IPv6 address has eight groups, and these are {count}")),
        _ if !has_gap => {
            fault(inner.len(), &format!("an IPv6 address has eight groups, and these are {count}"))
        }
        _ => fault(inner.len(), "it ends in the midst of an address"),
    }
}
