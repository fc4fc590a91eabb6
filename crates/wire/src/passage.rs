//! What the emulated link did to one packet, and the form of it that stands in a capture's packet comment.
//!
//! `lab` writes it, `trace` reads it back, so a capture of the lab tells the same story as the lab did. The form is one
//! line that people can read in any other tool, each part but the fate left out when there is nothing to say:
//!
//! ```text
//! lab: FATE after SECONDS s as N segments (RULE)
//! lab: delivered after 0.000031000 s
//! lab: lost as 4 segments (loss 20%)
//! ```
//!
//! [`Passage::from_comment`] takes comments from strangers: it never panics, and what is not of this form is none.

use std::time::Duration;

use crate::Time;

/// What all these comments begin with.
const PREFIX: &str = "lab: ";

/// The longest rule that is read back, in bytes; no command line has a longer one.
const MAX_RULE_LEN: usize = 128;

/// The fate of a packet on the link, one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It arrived as it was sent.
    Delivered,
    /// It arrived, after it had waited for others in a queue before the line.
    Queued,
    /// It arrived late: it was held back, and others overtook it.
    Reordered,
    /// It arrived twice.
    Duplicated,
    /// It arrived with other bytes, and its checksum fits them.
    Altered,
    /// It arrived with other bytes, so that its checksum fails and the receiver drops it.
    Corrupted,
    /// The link dropped it on purpose.
    Lost,
    /// It was still under way when the lab ended.
    Stopped,
}

/// The words used in records, comments and drawings.
const WORDS: [(Fate, &str); 8] = [
    (Fate::Delivered, "delivered"),
    (Fate::Queued, "queued"),
    (Fate::Reordered, "reordered"),
    (Fate::Duplicated, "duplicated"),
    (Fate::Altered, "altered"),
    (Fate::Corrupted, "corrupted"),
    (Fate::Lost, "lost"),
    (Fate::Stopped, "stopped"),
];

impl Fate {
    /// All there are, the mildest first.
    pub const ALL: [Fate; 8] = {
        let mut all = [Fate::Delivered; 8];
        let mut at = 0;
        while at < all.len() {
            all[at] = WORDS[at].0;
            at += 1;
        }
        all
    };

    /// The word for it.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(fate, _)| *fate == self).map_or("", |(_, word)| word)
    }

    /// Whether the receiver takes it in: what is lost or stopped never comes, and what is corrupted it drops.
    pub fn is_received(self) -> bool {
        !self.is_lost() && self != Fate::Stopped
    }

    /// Whether it is the link's doing that the receiver does not take it in.
    pub fn is_lost(self) -> bool {
        matches!(self, Fate::Lost | Fate::Corrupted)
    }
}

/// The way of one packet over the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What became of it.
    pub fate: Fate,
    /// The rule that decided, in the words of the command line (`loss 20%`); none when nothing interfered.
    pub rule: Option<String>,
    /// When it reached the other end.
    pub arrived: Option<Time>,
    /// How many segments of the wire this packet stands for: more than 1 when the kernel left the cutting to the
    /// device (GSO).
    pub segments: u32,
}

impl Passage {
    /// The comment for a packet that entered the link at `sent`.
    pub fn to_comment(&self, sent: Time) -> String {
        let mut comment = format!("{PREFIX}{}", self.fate.word());
        if let Some(arrived) = self.arrived {
            let under_way = arrived.since(sent);
            comment += &format!(" after {}.{:09} s", under_way.as_secs(), under_way.subsec_nanos());
        }
        if self.segments > 1 {
            comment += &format!(" as {} segments", self.segments);
        }
        if let Some(rule) = &self.rule {
            comment += &format!(" ({rule})");
        }
        comment
    }

    /// What [`Passage::to_comment`] wrote for a packet that entered the link at `sent`; none for any other comment, and
    /// none when the rule is not printable or longer than 128 bytes.
    pub fn from_comment(text: &str, sent: Time) -> Option<Passage> {
        let text = text.strip_prefix(PREFIX)?;
        let (word, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
        let fate = Fate::ALL.into_iter().find(|fate| fate.word() == word)?;
        let (arrived, rest) = arrival(rest, sent)?;
        let (segments, rest) = segments(rest)?;
        let rule = rule(rest)?;
        Some(Passage { fate, rule, arrived, segments })
    }
}

/// Reads ` after SECONDS s`, if that is there; none when it is there and wrong.
fn arrival(text: &str, sent: Time) -> Option<(Option<Time>, &str)> {
    let Some(text) = text.strip_prefix(" after ") else { return Some((None, text)) };
    let (number, rest) = text.split_once(" s")?;
    let (seconds, fraction) = number.split_once('.')?;
    if fraction.len() != 9 {
        return None;
    }
    let nanos = u32::try_from(digits(fraction)?).ok()?;
    let under_way = Duration::new(digits(seconds)?, nanos);
    let arrived = sent.0.checked_add(u64::try_from(under_way.as_nanos()).ok()?)?;
    Some((Some(Time(arrived)), rest))
}

/// Reads ` as N segments`, if that is there; none when it is there and wrong.
fn segments(text: &str) -> Option<(u32, &str)> {
    let Some(text) = text.strip_prefix(" as ") else { return Some((1, text)) };
    let (number, rest) = text.split_once(" segments")?;
    let segments = u32::try_from(digits(number)?).ok()?;
    (segments > 1).then_some((segments, rest))
}

/// Reads ` (RULE)` up to the end; none when anything else stands there.
fn rule(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    let rule = text.strip_prefix(" (")?.strip_suffix(')')?;
    let readable = rule.len() <= MAX_RULE_LEN && !rule.contains(char::is_control);
    readable.then(|| Some(rule.to_owned()))
}

/// A plain decimal number: `parse` alone would take a sign as well.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Time = Time(1_700_000_000_123_456_789);

    fn passage(fate: Fate, rule: Option<&str>, nanos: Option<u64>, segments: u32) -> Passage {
        let arrived = nanos.map(|nanos| Time(SENT.0 + nanos));
        Passage { fate, rule: rule.map(str::to_owned), arrived, segments }
    }

    #[test]
    fn comments_read_like_sentences() {
        let told = |passage: Passage| passage.to_comment(SENT);
        assert_eq!(
            told(passage(Fate::Delivered, None, Some(31_000), 1)),
            "lab: delivered after 0.000031000 s"
        );
        assert_eq!(told(passage(Fate::Lost, Some("loss 20%"), None, 1)), "lab: lost (loss 20%)");
        assert_eq!(
            told(passage(Fate::Lost, Some("loss 20%"), None, 4)),
            "lab: lost as 4 segments (loss 20%)"
        );
        assert_eq!(
            told(passage(Fate::Delivered, Some("delay 1s"), Some(1_000_000_001), 45)),
            "lab: delivered after 1.000000001 s as 45 segments (delay 1s)"
        );
    }

    #[test]
    fn every_fate_has_a_word_of_its_own() {
        let words = Fate::ALL.map(Fate::word);
        let expected =
            ["delivered", "queued", "reordered", "duplicated", "altered", "corrupted", "lost", "stopped"];
        assert_eq!(words, expected);
    }

    #[test]
    fn foreign_comments_are_none() {
        for text in [
            "",
            "lab:",
            "lab: ",
            "lab: eaten",
            "lab:lost",
            " lab: lost",
            "Lab: lost",
            "lab: lost ",
            "lab: lost today",
            "lab: lost (loss 20%",
            "lab: lost (loss 20%) or so",
            "lab: lost (a\u{1b}[2Jb)",
            "lab: lost (loss 20%) as 4 segments",
            "lab: lost as 1 segments",
            "lab: lost as 0 segments",
            "lab: lost as -4 segments",
            "lab: lost as 99999999999 segments",
            "lab: delivered after 0.1 s",
            "lab: delivered after +0.000031000 s",
            "lab: delivered after 0.+00031000 s",
            "lab: delivered after 99999999999999999999.000000000 s",
            "lab: delivered after 18446744073.000000000 s",
            "lab: delivered after 0.000031000 sec",
            "the lab: lost",
        ] {
            assert_eq!(Passage::from_comment(text, SENT), None, "{text:?}");
        }
        let endless = format!("lab: lost ({})", "x".repeat(129));
        assert_eq!(Passage::from_comment(&endless, SENT), None);
    }

    proptest! {
        #[test]
        fn from_comment_undoes_to_comment(
            fate in prop::sample::select(Fate::ALL.to_vec()), rule in prop::option::of("[^\\p{Cc}]{0,32}"),
            nanos in prop::option::of(0..u64::MAX - SENT.0), segments in 1_u32..,
        ) {
            let passage = passage(fate, rule.as_deref(), nanos, segments);
            prop_assert_eq!(Passage::from_comment(&passage.to_comment(SENT), SENT), Some(passage));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "lab: (delivered|queued|altered|corrupted|lost)( after [0-9.]{1,12} s)?( as [0-9]{1,3} segments)?( \\(.*\\))?") {
            if let Some(passage) = Passage::from_comment(&text, SENT) {
                let again = passage.to_comment(SENT);
                prop_assert_eq!(Passage::from_comment(&again, SENT), Some(passage));
            }
        }

        #[test]
        fn hostile_text_is_survived(text in "(lab: )?\\PC*", sent: u64) {
            let _ = Passage::from_comment(&text, Time(sent));
        }
    }
}
