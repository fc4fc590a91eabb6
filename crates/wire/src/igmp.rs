//! IGMP messages: who wants which multicast groups. Read first: RFC 3376 §4 (version 3), RFC 2236 §2 (version 2), RFC 1112
//! appendix I (version 1).
//!
//! [`IgmpMessage::new`] checks that the 8 bytes are there that all messages begin with; after that no accessor panics.
//! The records of a version 3 report are read as far as they were captured. `Display` gives one line.

use std::fmt;
use std::net::Ipv4Addr;

use crate::undecoded::{Header, Undecoded};

/// The number of IGMP in IP headers (RFC 3376 §4).
pub const PROTOCOL: u8 = 2;

/// What every message begins with, in bytes (RFC 3376 §4).
pub const HEADER_LEN: usize = 8;

/// Groups and sources that `Display` names before it only counts.
const SHOWN: usize = 4;

/// An IGMP message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IgmpMessage<'a> {
    fixed: &'a [u8; HEADER_LEN],
    body: &'a [u8],
}

/// What an IGMP message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A router asks who listens: to this group, or to any.
    Query {
        /// The version that asks like this: 1 to 3.
        version: u8,
        /// None for all groups.
        group: Option<Ipv4Addr>,
    },
    /// A host listens to this group, in version 1 or 2.
    Report {
        /// 1 or 2.
        version: u8,
        /// The group.
        group: Ipv4Addr,
    },
    /// A host no longer listens to this group (version 2).
    Leave(Ipv4Addr),
    /// What a host listens to, or no longer, in version 3.
    Report3(Records<'a>),
    /// Something else, by its type.
    Other(u8),
}

/// What a version 3 report says of one group (RFC 3376 §4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its type, 1 to 6 (RFC 3376 §4.2.12).
    pub kind: u8,
    /// The group.
    pub group: Ipv4Addr,
    /// The sources it names, as far as captured: four bytes each.
    pub sources: &'a [[u8; 4]],
}

/// The records of a version 3 report, as far as they are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> IgmpMessage<'a> {
    /// The message that `bytes` are; version 3's queries are told by their length (RFC 3376 §7.1).
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`HEADER_LEN`] bytes.
    pub fn new(bytes: &'a [u8]) -> Result<IgmpMessage<'a>, Undecoded> {
        let (fixed, body) = bytes.split_first_chunk().ok_or(Undecoded::Cut(Header::Igmp))?;
        Ok(IgmpMessage { fixed, body })
    }

    /// What it says.
    pub fn kind(&self) -> Kind<'a> {
        let [kind, code, .., a, b, c, d] = *self.fixed;
        let group = Ipv4Addr::new(a, b, c, d);
        match kind {
            0x11 => Kind::Query {
                version: match (code, self.body.len()) {
                    (0, 0) => 1,
                    (_, 0..4) => 2,
                    _ => 3,
                },
                group: (!group.is_unspecified()).then_some(group),
            },
            0x12 => Kind::Report { version: 1, group },
            0x16 => Kind::Report { version: 2, group },
            0x17 => Kind::Leave(group),
            0x22 => Kind::Report3(Records { left: u16::from_be_bytes([c, d]), bytes: self.body }),
            other => Kind::Other(other),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (&[kind, auxiliary_words, e, f, a, b, c, d], rest) = self.bytes.split_first_chunk()?;
        let count = usize::from(u16::from_be_bytes([e, f]));
        let (sources, _) = rest.as_chunks();
        let sources = sources.get(..count).unwrap_or(sources);
        self.bytes = rest.get(count * 4 + usize::from(auxiliary_words) * 4..).unwrap_or_default();
        Some(Record { kind, group: Ipv4Addr::new(a, b, c, d), sources })
    }
}

impl fmt::Display for IgmpMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Query { group: Some(group), .. } => write!(f, "who listens to {group}?"),
            Kind::Query { group: None, .. } => f.write_str("who listens to which groups?"),
            Kind::Report { group, .. } => write!(f, "listens to {group}"),
            Kind::Leave(group) => write!(f, "no longer listens to {group}"),
            Kind::Report3(records) => records.fmt(f),
            Kind::Other(kind) => write!(f, "IGMP type 0x{kind:02x}"),
        }
    }
}

impl fmt::Display for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let announced = usize::from(self.left);
        for (position, record) in self.take(SHOWN).enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{record}")?;
        }
        match announced.saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for Record<'_> {
    /// RFC 3376 §4.2.12: a mode that is or becomes, or sources allowed and blocked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group;
        match (self.kind, self.sources.is_empty()) {
            (1 | 3, true) => write!(f, "no longer listens to {group}"),
            (1 | 3, false) => write!(f, "listens to {group} from {}", Sources(self.sources)),
            (2 | 4, true) => write!(f, "listens to {group}"),
            (2 | 4, false) => write!(f, "listens to {group}, but not from {}", Sources(self.sources)),
            (5, _) => write!(f, "listens to {group} also from {}", Sources(self.sources)),
            (6, _) => write!(f, "no longer listens to {group} from {}", Sources(self.sources)),
            (other, _) => write!(f, "record type {other} about {group}"),
        }
    }
}

struct Sources<'a>(&'a [[u8; 4]]);

impl fmt::Display for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        for (position, source) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Ipv4Addr::from(*source))?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(bytes: &[u8]) -> String {
        IgmpMessage::new(bytes).unwrap().to_string()
    }

    #[test]
    fn messages_of_versions_1_and_2() {
        assert_eq!(told(&[0x11, 0, 0, 0, 0, 0, 0, 0]), "who listens to which groups?");
        assert_eq!(told(&[0x11, 100, 0, 0, 239, 1, 2, 3]), "who listens to 239.1.2.3?");
        assert_eq!(told(&[0x12, 0, 0, 0, 239, 1, 2, 3]), "listens to 239.1.2.3");
        assert_eq!(told(&[0x16, 0, 0, 0, 239, 1, 2, 3]), "listens to 239.1.2.3");
        assert_eq!(told(&[0x17, 0, 0, 0, 239, 1, 2, 3]), "no longer listens to 239.1.2.3");
        assert_eq!(told(&[0x13, 0, 0, 0, 0, 0, 0, 0]), "IGMP type 0x13");
    }

    #[test]
    fn queries_tell_their_version() {
        let version = |bytes: &[u8]| match IgmpMessage::new(bytes).unwrap().kind() {
            Kind::Query { version, .. } => version,
            other => panic!("{other:?}"),
        };
        assert_eq!(version(&[0x11, 0, 0, 0, 0, 0, 0, 0]), 1);
        assert_eq!(version(&[0x11, 100, 0, 0, 0, 0, 0, 0]), 2);
        assert_eq!(version(&[0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]), 3);
    }

    #[test]
    fn reports_of_version_3_are_read_record_by_record() {
        let exclude_none = [4, 0, 0, 0, 239, 1, 2, 3];
        let allow_two = [5, 1, 0, 2, 239, 1, 2, 4, 10, 0, 0, 1, 10, 0, 0, 2, 0xee, 0xee, 0xee, 0xee];
        let include_none = [3, 0, 0, 0, 239, 1, 2, 5];
        let report = [&[0x22, 0, 0, 0, 0, 0, 0, 3][..], &exclude_none, &allow_two, &include_none].concat();
        assert_eq!(
            told(&report),
            "listens to 239.1.2.3; listens to 239.1.2.4 also from 10.0.0.1, 10.0.0.2; no longer listens to 239.1.2.5"
        );
        let many = [&[0x22, 0, 0, 0, 0, 0, 0, 6][..], &exclude_none.repeat(6)].concat();
        assert!(told(&many).ends_with("; and 2 more"));
        assert_eq!(told(&report[..20]), "listens to 239.1.2.3");
    }

    #[test]
    fn cut_messages_are_refused() {
        assert_eq!(IgmpMessage::new(&[0x11; 7]), Err(Undecoded::Cut(Header::Igmp)));
        assert_eq!((PROTOCOL, HEADER_LEN), (2, 8));
    }

    proptest! {
        #[test]
        fn random_bytes_are_survived(
            kind in prop::sample::select(vec![0x11_u8, 0x22, 0x99]),
            bytes in prop::collection::vec(any::<u8>(), 7..200),
        ) {
            let told = told(&[&[kind][..], &bytes].concat());
            prop_assert!(told.len() < 600, "{}", told);
        }
    }
}
