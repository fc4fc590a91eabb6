//! How rules are written, in one table: as flags (`--loss 5%`), in a schedule (`2s for 500ms: loss 5%`), and shown
//! again the same.
//!
//! | rule | value | example |
//! |---|---|---|
//! | delay | a time, and the mean of a long tail behind `+` | `20ms`, `20ms+5ms` |
//! | rtt | the same for the round trip: half of it is the delay of each direction | `40ms` |
//! | jitter | a time | `3ms` |
//! | loss | a percentage; `exact:SHARE`, `bursts:SHARE:LENGTH`, `gilbert:ENTER:LEAVE[:BAD[:GOOD]]` | `5%`, `bursts:5%:8` |
//! | duplicate | a percentage | `1%` |
//! | corrupt | a percentage; behind `unseen:` with a checksum that fits | `1%`, `unseen:1%` |
//! | reorder | a percentage, and behind `:` for how long; or `jitter` | `5%`, `5%:20ms`, `jitter` |
//! | rate | bits per second, or `none` | `1Mbit/s`, `800k` |
//! | queue | bytes, or packets with a `p` | `64K`, `100p` |
//! | mtu | bytes; without ICMP behind `silent:` | `1400`, `silent:1400` |
//! | cut | nothing | |

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use wire::quantity::{self, Probability, QuantityError};

use super::rules::{Corrupt, Delay, Loss, Mtu, Queue, Reorder, Rule};

/// How long `reorder 5%` holds packets back.
const USUAL_HOLD: Duration = Duration::from_millis(10);
/// What every IPv4 host takes (RFC 791 §3.2); a smaller MTU would stop everything.
const LEAST_MTU: u32 = 68;
/// What an IP header can say.
const MOST_MTU: u32 = 65_535;
/// A delay that is longer makes times overflow.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A rule of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Its name.
    pub name: &'static str,
    /// Its flags without `--`: for both directions, from the client, from the server.
    pub flags: [&'static str; 3],
    /// What its value is called; none where it has none.
    pub value: Option<&'static str>,
    /// What it does, a sentence.
    pub help: &'static str,
    read: fn(&str) -> Result<Rule, Misread>,
}

/// The flags of a name.
macro_rules! flags {
    ($name:literal) => {
        [$name, concat!("up-", $name), concat!("down-", $name)]
    };
}

/// All rules, in the order in which they are explained.
pub const WORDS: [Word; 11] = [
    Word {
        name: "delay",
        flags: flags!("delay"),
        value: Some("D"),
        help: "Keep each packet under way this long, in each direction, such as 20ms; 20ms+5ms with a long tail of 5 ms in the mean. A round trip takes twice that.",
        read: delay,
    },
    Word {
        name: "rtt",
        flags: flags!("rtt"),
        value: Some("D"),
        help: "Make a round trip take this long: half of it is the delay of each direction.",
        read: rtt,
    },
    Word {
        name: "jitter",
        flags: flags!("jitter"),
        value: Some("D"),
        help: "Keep each packet up to this much longer under way; no packet overtakes another unless --reorder says so.",
        read: jitter,
    },
    Word {
        name: "loss",
        flags: flags!("loss"),
        value: Some("P"),
        help: "Lose this share of the packets, in each direction, such as 5%; exact:5% loses exactly so many; bursts:5%:8 so many in bursts of 8 in the mean; gilbert:ENTER:LEAVE:BAD:GOOD has all numbers of the model.",
        read: loss,
    },
    Word {
        name: "duplicate",
        flags: flags!("duplicate"),
        value: Some("P"),
        help: "Deliver this share of the packets, such as 1%, twice.",
        read: duplicate,
    },
    Word {
        name: "corrupt",
        flags: flags!("corrupt"),
        value: Some("P"),
        help: "Flip a bit in this share of the packets, so that the checksum fails, such as 1%; unseen:1% swaps words, and the checksum passes.",
        read: corrupt,
    },
    Word {
        name: "reorder",
        flags: flags!("reorder"),
        value: Some("P"),
        help: "Hold this share of the packets back so that others overtake them: 5% holds it for 10 ms, 5%:30ms for 30 ms; `jitter` lets the jitter reorder.",
        read: reorder,
    },
    Word {
        name: "rate",
        flags: flags!("rate"),
        value: Some("R"),
        help: "Let so many bits of IP packets pass in a second, such as 1Mbit/s or 800k; no limit by itself.",
        read: rate,
    },
    Word {
        name: "queue",
        flags: flags!("queue"),
        value: Some("Q"),
        help: "Let this much wait while the line is busy, and drop the rest: 64K bytes, 100p packets. It is 1000p by itself.",
        read: queue,
    },
    Word {
        name: "mtu",
        flags: flags!("mtu"),
        value: Some("BYTES"),
        help: "Drop larger packets and tell the sender by ICMP; silent:1400 does not tell.",
        read: mtu,
    },
    Word { name: "cut", flags: flags!("cut"), value: None, help: "Let nothing pass.", read: cut },
];

/// The rule of this name and value.
///
/// # Errors
/// There is no such rule, its value is missing, or it takes none or another one. The place told is one in `value`.
pub fn rule(name: &str, value: &str) -> Result<Rule, Misread> {
    let Some(word) = WORDS.iter().find(|word| word.name == name) else {
        let names: Vec<&str> = WORDS.iter().map(|word| word.name).collect();
        let sentence = format!("there is no rule {name:?}");
        return Err(Misread::at(0, sentence).hint(format!("the rules are {}", names.join(", "))));
    };
    match (word.value, value) {
        (Some(_), "") => Err(Misread::at(0, format!("{name} needs a value"))),
        (None, value) if !value.is_empty() => Err(Misread::at(0, format!("{name} takes no value"))),
        _ => (word.read)(value),
    }
}

/// What is wrong with a rule or a schedule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// How many bytes stand before what is wrong.
    pub at: usize,
    /// What is wrong: lower case, without a full stop.
    pub sentence: String,
    /// What to write instead, if that can be told.
    pub hint: Option<String>,
}

impl Misread {
    pub(super) fn at(at: usize, sentence: impl Into<String>) -> Misread {
        Misread { at, sentence: sentence.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Misread {
        Misread { hint: Some(hint.into()), ..self }
    }

    /// The same in a longer text in which it begins so many bytes later.
    pub(super) fn later(self, by: usize) -> Misread {
        Misread { at: self.at + by, ..self }
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Misread {}

/// A part of a value and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    fn read<T>(self, read: fn(&str) -> Result<T, QuantityError>) -> Result<T, Misread> {
        read(self.text).map_err(|error| Misread::at(self.at, error.to_string()))
    }

    fn share(self) -> Result<Probability, Misread> {
        self.read(quantity::percentage)
    }

    fn time(self) -> Result<Duration, Misread> {
        let time = self.read(quantity::duration_with_unit)?;
        if time > LONGEST { Err(Misread::at(self.at, "24h is the most")) } else { Ok(time) }
    }

    fn number(self) -> Result<u32, Misread> {
        let plain = !self.text.is_empty() && self.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain { self.text.parse().ok() } else { None };
        number.ok_or_else(|| Misread::at(self.at, "a whole number belongs here"))
    }
}

/// The parts between these characters.
fn parts(text: &str, between: char, first_at: usize) -> Vec<Part<'_>> {
    let mut at = first_at;
    let part = |text: &'_ str| {
        let start = at;
        at += text.len() + 1;
        start
    };
    let starts: Vec<usize> = text.split(between).map(part).collect();
    text.split(between).zip(starts).map(|(text, at)| Part { text, at }).collect()
}

fn whole(text: &str) -> Part<'_> {
    Part { text, at: 0 }
}

/// What stands behind this word and a colon.
fn behind<'a>(text: &'a str, word: &str) -> Option<Part<'a>> {
    let rest = text.strip_prefix(word)?.strip_prefix(':')?;
    Some(Part { text: rest, at: text.len() - rest.len() })
}

fn delay(text: &str) -> Result<Rule, Misread> {
    Ok(Rule::Delay(match parts(text, '+', 0)[..] {
        [floor] => Delay::constant(floor.time()?),
        [floor, tail] => Delay { floor: floor.time()?, tail: tail.time()? },
        [_, _, third, ..] => return Err(Misread::at(third.at - 1, "one tail is the most")),
        [] => Delay::default(),
    }))
}

fn rtt(text: &str) -> Result<Rule, Misread> {
    match delay(text)? {
        Rule::Delay(Delay { floor, tail }) => Ok(Rule::Delay(Delay { floor: floor / 2, tail: tail / 2 })),
        other => Ok(other),
    }
}

fn jitter(text: &str) -> Result<Rule, Misread> {
    Ok(Rule::Jitter(whole(text).time()?))
}

fn loss(text: &str) -> Result<Rule, Misread> {
    Ok(Rule::Loss(if let Some(exact) = behind(text, "exact") {
        Loss::Exact(exact.share()?)
    } else if let Some(numbers) = behind(text, "bursts") {
        bursts(numbers)?
    } else if let Some(numbers) = behind(text, "gilbert") {
        gilbert(numbers)?
    } else if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(Misread::at(0, "a percentage, exact:, bursts: or gilbert: belongs here"));
    } else {
        Loss::Random(whole(text).share()?)
    }))
}

fn bursts(numbers: Part<'_>) -> Result<Loss, Misread> {
    let [share, length] = parts(numbers.text, ':', numbers.at)[..] else {
        return Err(Misread::at(numbers.at, "a share and a length belong here").hint("bursts:5%:8"));
    };
    let (lost, packets) = (share.share()?, length.number()?);
    if !(2..=1000).contains(&packets) {
        return Err(Misread::at(length.at, "2 to 1000 packets in a row are possible"));
    }
    // The good state has to last for a packet at least.
    if u64::from(lost.millionths()) * u64::from(packets) > 1_000_000 * u64::from(packets - 1) {
        return Err(Misread::at(share.at, "so large a share needs longer bursts"));
    }
    Ok(Loss::Bursts { share: lost, length: packets })
}

fn gilbert(numbers: Part<'_>) -> Result<Loss, Misread> {
    let given = parts(numbers.text, ':', numbers.at);
    let ([enter, leave] | [enter, leave, _] | [enter, leave, _, _]) = given[..] else {
        let sentence = "two to four percentages belong here";
        return Err(Misread::at(numbers.at, sentence).hint("gilbert:ENTER:LEAVE:BAD:GOOD"));
    };
    let (entered, left) = (enter.share()?, leave.share()?);
    if left.millionths() < 1000 {
        return Err(Misread::at(leave.at, "0.1% is the least, or the bad state would hardly end"));
    }
    if entered.millionths() + left.millionths() > 1_000_000 {
        return Err(Misread::at(enter.at, "the two together are 100% at most"));
    }
    let bad = given.get(2).map_or(Ok(Probability::ALWAYS), |part| part.share())?;
    let good = given.get(3).map_or(Ok(Probability::NEVER), |part| part.share())?;
    Ok(Loss::Gilbert { enter: entered, leave: left, bad, good })
}

fn duplicate(text: &str) -> Result<Rule, Misread> {
    Ok(Rule::Duplicate(whole(text).share()?))
}

fn corrupt(text: &str) -> Result<Rule, Misread> {
    let unseen = behind(text, "unseen");
    let share = unseen.unwrap_or(whole(text)).share()?;
    Ok(Rule::Corrupt(Corrupt { share, unseen: unseen.is_some() }))
}

fn reorder(text: &str) -> Result<Rule, Misread> {
    Ok(Rule::Reorder(match parts(text, ':', 0)[..] {
        [Part { text: "jitter", .. }] => Reorder::Jitter,
        [share] => held(share.share()?, USUAL_HOLD),
        [share, by] => held(share.share()?, by.time()?),
        [_, _, third, ..] => return Err(Misread::at(third.at - 1, "a share and a time are enough")),
        [] => Reorder::Never,
    }))
}

fn held(share: Probability, by: Duration) -> Reorder {
    if share == Probability::NEVER { Reorder::Never } else { Reorder::Held { share, by } }
}

fn rate(text: &str) -> Result<Rule, Misread> {
    if text == "none" {
        return Ok(Rule::Rate(None));
    }
    let number = ["bit/s", "bits/s", "bit", "bps"].iter().find_map(|unit| text.strip_suffix(unit));
    let bits = whole(number.unwrap_or(text)).read(quantity::rate)?;
    let bits = NonZeroU64::new(bits).ok_or_else(|| Misread::at(0, "nothing would pass").hint("--cut"))?;
    if text.ends_with(|last: char| last.is_ascii_digit()) {
        // As times and shares: 1 is not said to be 1 bit/s, which nobody means.
        return Err(Misread::at(text.len(), "it needs a unit: 1Mbit/s, 800k or 9600bit/s"));
    }
    Ok(Rule::Rate(Some(bits)))
}

fn queue(text: &str) -> Result<Rule, Misread> {
    let packets = ["p", "packets", "packet"].iter().find_map(|unit| text.strip_suffix(unit));
    Ok(Rule::Queue(match packets {
        Some(number) => Queue::Packets(whole(number).number()?.into()),
        None => Queue::Bytes(whole(text).read(quantity::size)?),
    }))
}

fn mtu(text: &str) -> Result<Rule, Misread> {
    let silent = behind(text, "silent");
    let number = silent.unwrap_or(whole(text));
    let bytes = number.number()?;
    if !(LEAST_MTU..=MOST_MTU).contains(&bytes) {
        return Err(Misread::at(number.at, format!("{LEAST_MTU} to {MOST_MTU} bytes are possible")));
    }
    Ok(Rule::Mtu(Mtu { bytes, silent: silent.is_some() }))
}

fn cut(_: &str) -> Result<Rule, Misread> {
    Ok(Rule::Cut)
}

impl Rule {
    /// Its name in [`WORDS`].
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Cut => "cut",
            Rule::Mtu(_) => "mtu",
            Rule::Loss(_) => "loss",
            Rule::Corrupt(_) => "corrupt",
            Rule::Duplicate(_) => "duplicate",
            Rule::Rate(_) => "rate",
            Rule::Queue(_) => "queue",
            Rule::Delay(_) => "delay",
            Rule::Jitter(_) => "jitter",
            Rule::Reorder(_) => "reorder",
        }
    }

    /// Its value as [`rule`] reads it; empty where it has none.
    pub fn value(&self) -> String {
        match *self {
            Rule::Cut => String::new(),
            Rule::Mtu(Mtu { bytes, silent: false }) => bytes.to_string(),
            Rule::Mtu(Mtu { bytes, silent: true }) => format!("silent:{bytes}"),
            Rule::Loss(loss) => loss.to_string(),
            Rule::Corrupt(Corrupt { share, unseen: false }) | Rule::Duplicate(share) => share.to_string(),
            Rule::Corrupt(Corrupt { share, unseen: true }) => format!("unseen:{share}"),
            Rule::Rate(None) => "none".to_owned(),
            Rule::Rate(Some(bits)) => in_bits(bits.get()),
            Rule::Queue(Queue::Packets(packets)) => format!("{packets}p"),
            Rule::Queue(Queue::Bytes(bytes)) => in_bytes(bytes),
            Rule::Delay(Delay { floor, tail: Duration::ZERO }) => in_time(floor),
            Rule::Delay(Delay { floor, tail }) => format!("{}+{}", in_time(floor), in_time(tail)),
            Rule::Jitter(jitter) => in_time(jitter),
            Rule::Reorder(Reorder::Never) => "0%".to_owned(),
            Rule::Reorder(Reorder::Jitter) => "jitter".to_owned(),
            Rule::Reorder(Reorder::Held { share, by: USUAL_HOLD }) => share.to_string(),
            Rule::Reorder(Reorder::Held { share, by }) => format!("{share}:{}", in_time(by)),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Random(share) => write!(f, "{share}"),
            Loss::Exact(share) => write!(f, "exact:{share}"),
            Loss::Bursts { share, length } => write!(f, "bursts:{share}:{length}"),
            Loss::Gilbert { enter, leave, bad, good } => {
                write!(f, "gilbert:{enter}:{leave}:{bad}:{good}")
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value().as_str() {
            "" => f.write_str(self.name()),
            value => write!(f, "{} {value}", self.name()),
        }
    }
}

/// In the largest unit in which it is a whole number, or in microseconds.
pub(super) fn in_time(time: Duration) -> String {
    let nanos = time.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    match units.iter().find(|(_, unit)| nanos.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", nanos / unit),
        None => format!("{}.{:03}us", nanos / 1000, nanos % 1000),
    }
}

fn in_bits(bits: u64) -> String {
    let units = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000), ("", 1)];
    let whole = units.iter().find(|(_, unit)| bits.is_multiple_of(*unit));
    whole.map_or_else(String::new, |(name, unit)| format!("{}{name}bit/s", bits / unit))
}

fn in_bytes(bytes: u64) -> String {
    let units = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)];
    let whole = units.iter().find(|(_, unit)| bits_fit(bytes, *unit));
    whole.map_or_else(String::new, |(name, unit)| format!("{}{name}", bytes / unit))
}

/// Nothing at all is written without a unit.
fn bits_fit(bytes: u64, unit: u64) -> bool {
    bytes.is_multiple_of(unit) && (bytes > 0 || unit == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Rule, Misread> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        rule(name, value)
    }

    #[test]
    fn what_is_read_is_shown_the_same() {
        for text in [
            "delay 20ms",
            "delay 1500us+2s",
            "delay 0.500us",
            "jitter 3ms",
            "loss 5%",
            "loss exact:0.01%",
            "loss bursts:5%:8",
            "loss gilbert:1%:25%:90%:0.1%",
            "duplicate 1%",
            "corrupt 1%",
            "corrupt unseen:1%",
            "reorder 5%",
            "reorder 5%:20ms",
            "reorder jitter",
            "rate 1500kbit/s",
            "rate 1Gbit/s",
            "rate none",
            "queue 64K",
            "queue 100p",
            "queue 0",
            "mtu 1400",
            "mtu silent:1280",
            "cut",
        ] {
            assert_eq!(read(text).map(|rule| rule.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_ways_of_writing_mean_the_same() {
        for (one, other) in [
            ("rtt 40ms", "delay 20ms"),
            ("rate 1M", "rate 1Mbit/s"),
            ("rate 1000000bps", "rate 1Mbit"),
            ("queue 5packets", "queue 5p"),
            ("queue 1024", "queue 1k"),
            ("loss gilbert:1%:25%", "loss gilbert:1%:25%:100%:0%"),
            ("reorder 5%:10ms", "reorder 5%"),
        ] {
            assert_eq!(read(one).unwrap(), read(other).unwrap(), "{one}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text| read(text).map_err(|misread| (misread.at, misread.sentence)).unwrap_err();
        assert_eq!(wrong("loss 5").0, 0);
        assert_eq!(wrong("loss exact:5").0, 6);
        assert_eq!(wrong("loss bursts:5%:x"), (10, "a whole number belongs here".to_owned()));
        assert_eq!(wrong("loss bursts:5%:1").0, 10);
        assert_eq!(wrong("loss bursts:60%:2").0, 7);
        assert_eq!(wrong("loss bursts:5%").0, 7);
        assert_eq!(wrong("loss gilbert:60%:50%").0, 8);
        assert_eq!(wrong("loss gilbert:1%:0%").0, 11);
        assert_eq!(
            wrong("loss most"),
            (0, "a percentage, exact:, bursts: or gilbert: belongs here".to_owned())
        );
        assert_eq!(wrong("delay 20ms+5").0, 5);
        assert_eq!(wrong("delay 20ms+5ms+1ms").0, 8);
        assert_eq!(wrong("delay 25h"), (0, "24h is the most".to_owned()));
        assert_eq!(wrong("delay").1, "delay needs a value");
        assert_eq!(wrong("cut 5%").1, "cut takes no value");
        assert_eq!(wrong("rate 0").1, "nothing would pass");
        assert_eq!(wrong("rate 1"), (1, "it needs a unit: 1Mbit/s, 800k or 9600bit/s".to_owned()));
        assert_eq!(wrong("mtu 67").1, "68 to 65535 bytes are possible");
        assert_eq!(wrong("los 5%").1, "there is no rule \"los\"");
    }

    proptest! {
        #[test]
        fn nothing_panics(name in 0usize..WORDS.len(), value in "\\PC{0,40}", likely in "(exact|bursts|gilbert|unseen|silent)?[:+0-9a-z%]{0,20}") {
            for value in [&value, &likely] {
                if let Ok(read) = rule(WORDS[name].name, value) {
                    prop_assert_eq!(rule(read.name(), &read.value()), Ok(read));
                }
            }
        }
    }
}
