//! To whom a line goes: `@ADDRESS ` in front of it says so.

use std::net::SocketAddr;
use std::path::PathBuf;

use wire::{Address, Transport};

/// Whom a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addressed<'a> {
    /// For whom lines go to that say nothing about it.
    ToUsual(&'a [u8]),
    /// For this one.
    To(Address, &'a [u8]),
    /// For nobody that there is: the word, and what is wrong with it, as a fragment.
    Wrong(String, &'static str),
}

/// The kind of addresses that a socket can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Ipv4,
    /// And to IPv4 ones, if it is for both families.
    Ipv6,
    Unix,
}

impl Reach {
    pub(super) fn of(transport: Transport, own: &Address) -> Reach {
        match own.internet() {
            _ if !transport.is_internet() => Reach::Unix,
            Some(SocketAddr::V6(_)) => Reach::Ipv6,
            Some(SocketAddr::V4(_)) | None => Reach::Ipv4,
        }
    }

    /// The address that a word is.
    fn parse(self, word: &str) -> Option<Address> {
        match self {
            Reach::Unix => unix(word),
            Reach::Ipv4 | Reach::Ipv6 => Some(Address::Internet(word.parse().ok()?)),
        }
    }

    fn what_it_takes(self) -> &'static str {
        match self {
            Reach::Unix => "it has to be a path or @NAME",
            Reach::Ipv4 | Reach::Ipv6 => "it has to be an IP address with its port",
        }
    }

    fn has(self, address: &Address) -> bool {
        self != Reach::Ipv4 || !matches!(address, Address::Internet(SocketAddr::V6(_)))
    }
}

fn unix(word: &str) -> Option<Address> {
    match word.strip_prefix('@') {
        Some("") | None if word.contains('/') => Some(Address::Path(PathBuf::from(word))),
        Some("") | None => None,
        Some(name) => Some(Address::Abstract(name.as_bytes().to_vec())),
    }
}

/// Looks at the beginning of a line. What a person types (`by_hand`) behind an `@` has to be an address, or nothing: `@
/// text` goes to whom lines go anyway, whatever the text begins with. In a pipe or file a line with anything else behind
/// its `@` is data, and left alone.
pub(super) fn addressed(line: &[u8], reach: Reach, by_hand: bool) -> Addressed<'_> {
    let Some(behind) = line.strip_prefix(b"@") else { return Addressed::ToUsual(line) };
    let end = behind.iter().position(|byte| b" \t\r\n".contains(byte)).unwrap_or(behind.len());
    let (word, rest) = behind.split_at(end);
    let rest = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"\t")).unwrap_or(rest);
    if word.is_empty() {
        return Addressed::ToUsual(if by_hand { rest } else { line });
    }
    let word = String::from_utf8_lossy(word);
    match reach.parse(&word) {
        Some(address) if reach.has(&address) => Addressed::To(address, rest),
        // Clearly for somebody: nobody else gets it.
        Some(_) => Addressed::Wrong(word.into_owned(), "this socket is for IPv4 only"),
        None if by_hand => Addressed::Wrong(word.into_owned(), reach.what_it_takes()),
        None => Addressed::ToUsual(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str, rest: &'static str) -> Addressed<'static> {
        Addressed::To(Address::Internet(address.parse().expect("an address")), rest.as_bytes())
    }

    fn typed(line: &str, reach: Reach) -> Addressed<'_> {
        addressed(line.as_bytes(), reach, true)
    }

    #[test]
    fn a_line_says_to_whom_it_goes() {
        let usual = |text: &'static str| Addressed::ToUsual(text.as_bytes());
        assert_eq!(typed("hello @you\n", Reach::Ipv4), usual("hello @you\n"));
        assert_eq!(typed("@192.0.2.1:9 hello\n", Reach::Ipv4), to("192.0.2.1:9", "hello\n"));
        assert_eq!(typed("@192.0.2.1:9  two\r\n", Reach::Ipv4), to("192.0.2.1:9", " two\r\n"));
        assert_eq!(typed("@192.0.2.1:9\n", Reach::Ipv4), to("192.0.2.1:9", "\n"));
        assert_eq!(typed("@[fe80::1%3]:9 hello", Reach::Ipv6), to("[fe80::1%3]:9", "hello"));
        assert_eq!(typed("@192.0.2.1:9 hello", Reach::Ipv6), to("192.0.2.1:9", "hello"));
    }

    #[test]
    fn unix_sockets_are_named_as_they_are_shown() {
        let unix = |address, rest: &'static str| Addressed::To(address, rest.as_bytes());
        assert_eq!(typed("@/run/x hello\n", Reach::Unix), unix(Address::Path("/run/x".into()), "hello\n"));
        assert_eq!(typed("@./x hello\n", Reach::Unix), unix(Address::Path("./x".into()), "hello\n"));
        let name = Address::Abstract(b"0001f".to_vec());
        assert_eq!(typed("@@0001f hello\n", Reach::Unix), unix(name, "hello\n"));
        for line in ["@unnamed x", "@@ x"] {
            assert!(matches!(typed(line, Reach::Unix), Addressed::Wrong(..)), "{line}");
        }
    }

    #[test]
    fn who_types_nobody_is_told_and_can_write_an_at_sign() {
        let no_address = "it has to be an IP address with its port";
        for (line, word, why) in [
            ("@home I am\n", "home", no_address),
            ("@192.0.2.1 x\n", "192.0.2.1", no_address),
            ("@[::1]:9\n", "[::1]:9", "this socket is for IPv4 only"),
        ] {
            assert_eq!(typed(line, Reach::Ipv4), Addressed::Wrong(word.to_owned(), why));
        }
        assert_eq!(typed("@ @home\n", Reach::Ipv4), Addressed::ToUsual(b"@home\n"));
        assert_eq!(typed("@\n", Reach::Ipv4), Addressed::ToUsual(b"\n"));
    }

    #[test]
    fn data_with_an_at_sign_stays_as_it_is() {
        for line in [&b"@ IN SOA ns\n"[..], b"@home\n", b"@", b"@\xff\0 x", b"@192.0.2.1 x\n"] {
            assert_eq!(addressed(line, Reach::Ipv4, false), Addressed::ToUsual(line));
        }
        assert_eq!(addressed(b"@192.0.2.1:9 x", Reach::Ipv4, false), to("192.0.2.1:9", "x"));
        assert!(matches!(addressed(b"@[::1]:9 x", Reach::Ipv4, false), Addressed::Wrong(..)));
    }
}
