//! What the rules are at which time: those of the whole run, and changes at set times.
//!
//! A change is written as one sentence: `START [for DURATION]: RULE VALUE, …`, each rule with `up-` or `down-` in front
//! where it is for one direction only. Times count from the first packet that enters the link, so that they mean the
//! same however long programs take to start.

use std::fmt;
use std::time::Duration;

use wire::quantity;

use super::Direction;
use super::grammar::{self, Misread, in_time};
use super::rules::{Rule, Rules};

/// The rules of both directions, for the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// From the client to the server.
    pub up: Rules,
    /// From the server to the client.
    pub down: Rules,
    /// What changes, by start; of those with the same start the later one is heard last.
    changes: Vec<Change>,
}

/// Rules for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it begins, from the first packet on.
    pub start: Duration,
    /// How long it holds; for good where that is not said.
    pub length: Option<Duration>,
    /// The rules that take the place of others, for one direction or both.
    pub rules: Vec<(Option<Direction>, Rule)>,
}

impl Schedule {
    /// The same rules in both directions, for the whole run.
    pub fn both(rules: Rules) -> Schedule {
        Schedule { up: rules, down: rules, changes: Vec::new() }
    }

    /// These rules for the whole run, each written as in a change: `up-loss 5%`.
    ///
    /// # Errors
    /// The first rule that cannot be read, with the place in its text.
    pub fn of(rules: &[&str]) -> Result<Schedule, Misread> {
        let mut schedule = Schedule::default();
        for text in rules {
            let (direction, rule) = directed(text)?;
            schedule.set(direction, rule);
        }
        Ok(schedule)
    }

    /// Sets a rule for the whole run, of one direction or both.
    pub fn set(&mut self, direction: Option<Direction>, rule: Rule) {
        for (one, rules) in [(Direction::Up, &mut self.up), (Direction::Down, &mut self.down)] {
            if direction.is_none_or(|direction| direction == one) {
                rules.set(rule);
            }
        }
    }

    /// Adds a change.
    pub fn add(&mut self, change: Change) {
        let place = self.changes.partition_point(|earlier| earlier.start <= change.start);
        self.changes.insert(place, change);
    }

    /// The changes, by start.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The same for a link of which one end sends by the rules of this direction, upwards, and the other by none.
    pub(crate) fn one_way(&self, direction: Direction) -> Schedule {
        let up = match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        };
        let of_it = |change: &Change| Change {
            rules: change
                .rules
                .iter()
                .filter(|(of, _)| of.is_none_or(|of| of == direction))
                .map(|(_, rule)| (Some(Direction::Up), *rule))
                .collect(),
            ..change.clone()
        };
        Schedule { up, down: Rules::default(), changes: self.changes.iter().map(of_it).collect() }
    }

    /// True where nothing is ever done to a packet.
    pub fn is_perfect(&self) -> bool {
        *self == Schedule::default()
    }

    /// The rules of both directions so long after the first packet, and for how long from the first packet on they
    /// hold; for good when there is no time.
    pub(super) fn at(&self, elapsed: Duration) -> ([Rules; 2], Option<Duration>) {
        let mut rules = [self.up, self.down];
        let mut until: Option<Duration> = None;
        for change in &self.changes {
            let end = change.length.map(|length| change.start.saturating_add(length));
            let next =
                if elapsed < change.start { Some(change.start) } else { end.filter(|end| elapsed < *end) };
            until = [until, next].into_iter().flatten().min();
            if elapsed >= change.start && end.is_none_or(|end| elapsed < end) {
                change.apply(&mut rules);
            }
        }
        (rules, until)
    }

    /// Where the rules at this time after the first packet let nothing pass one way, and later ones will: when.
    pub(crate) fn opens_again(&self, elapsed: Duration) -> Option<Duration> {
        let (mut rules, mut until) = self.at(elapsed);
        let is_shut = |rules: [Rules; 2]| rules.iter().any(Rules::let_nothing_pass);
        let mut opens = None;
        while is_shut(rules) {
            opens = Some(until?);
            (rules, until) = self.at(until?);
        }
        opens
    }

    /// True where some rule at some time asks the dice.
    pub(super) fn needs_luck(&self) -> bool {
        self.ever(Rules::need_luck)
    }

    /// Whether packets are ever kept under way for a time of their own.
    pub fn delays(&self) -> bool {
        self.ever(|rules| rules.delay.floor != Duration::ZERO)
    }

    /// True where it is true of some rule at some time.
    fn ever(&self, is_so: impl Fn(&Rules) -> bool) -> bool {
        let mut rules = [self.up, self.down];
        let now = rules.iter().any(&is_so);
        now || self.changes.iter().any(|change| {
            rules = [Rules::default(); 2];
            change.apply(&mut rules);
            rules.iter().any(&is_so)
        })
    }

    /// How long a packet is usually under way at most, whatever the time: twice that, and what the programs take, is a
    /// round trip.
    pub fn usual_delay(&self) -> Duration {
        let mut rules = vec![self.up, self.down];
        for change in &self.changes {
            let mut changed = [self.up, self.down];
            change.apply(&mut changed);
            rules.extend(changed);
        }
        rules.iter().map(Rules::usual_delay).max().unwrap_or_default()
    }

    /// The flags that make it, each word by itself.
    pub fn flags(&self) -> Vec<String> {
        let (up, down) = (self.up.list(), self.down.list());
        let mut flags = Vec::new();
        let mut flag = |prefix: &str, rule: &Rule| {
            flags.push(format!("--{prefix}{}", rule.name()));
            flags.extend(Some(rule.value()).filter(|value| !value.is_empty()));
        };
        for rule in &up {
            flag(if down.contains(rule) { "" } else { "up-" }, rule);
        }
        for rule in down.iter().filter(|rule| !up.contains(rule)) {
            flag("down-", rule);
        }
        for change in &self.changes {
            flags.extend(["--at".to_owned(), change.to_string()]);
        }
        flags
    }
}

impl Change {
    /// Reads a sentence.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place in `text`: no colon, a time without a unit, something else than
    /// `for` and a time behind the first, or a rule that is missing, has two values or is one that [`grammar::rule`]
    /// refuses.
    pub fn read(text: &str) -> Result<Change, Misread> {
        let Some((when, what)) = text.split_once(':') else {
            let sentence = "a colon and a rule belong behind the time";
            return Err(Misread::at(text.len(), sentence).hint("'2s for 500ms: cut'"));
        };
        let (start, length) = times(when)?;
        let mut rules = Vec::new();
        let mut at = when.len() + 1;
        for part in what.split(',') {
            rules.push(directed(part).map_err(|misread| misread.later(at))?);
            at += part.len() + 1;
        }
        Ok(Change { start, length, rules })
    }

    fn apply(&self, rules: &mut [Rules; 2]) {
        for (direction, rule) in &self.rules {
            match direction {
                Some(direction) => rules[direction.index()].set(*rule),
                None => rules.iter_mut().for_each(|rules| rules.set(*rule)),
            }
        }
    }
}

/// `START` or `START for DURATION`.
fn times(text: &str) -> Result<(Duration, Option<Duration>), Misread> {
    let words = words(text);
    let time = |(at, word): (usize, &str)| {
        quantity::duration_with_unit(word).map_err(|error| Misread::at(at, error.to_string()))
    };
    match words[..] {
        [start] => Ok((time(start)?, None)),
        [start, (_, "for"), length] => Ok((time(start)?, Some(time(length)?))),
        [] => Err(Misread::at(0, "a time belongs in front of the colon").hint("'2s for 500ms: cut'")),
        [start, (at, _), ..] => {
            time(start)?;
            Err(Misread::at(at, "only `for` and a time may stand here").hint("'2s for 500ms: cut'"))
        }
    }
}

/// `[up-|down-]RULE [VALUE]`.
fn directed(text: &str) -> Result<(Option<Direction>, Rule), Misread> {
    let (at, name, value) = match words(text)[..] {
        [(at, name)] => (at, name, None),
        [(at, name), value] => (at, name, Some(value)),
        [] => return Err(Misread::at(text.len(), "a rule is missing here")),
        [_, _, (third, _), ..] => {
            return Err(Misread::at(third, "a rule has one value").hint("several rules stand behind commas"));
        }
    };
    let (direction, bare) = match (name.strip_prefix("up-"), name.strip_prefix("down-")) {
        (Some(bare), _) => (Some(Direction::Up), bare),
        (_, Some(bare)) => (Some(Direction::Down), bare),
        _ => (None, name),
    };
    // What is wrong with a value is told where the value stands, all else where the rule does.
    let (value_at, value) = value.unwrap_or((at, ""));
    let known = grammar::WORDS.iter().any(|word| word.name == bare);
    let rule = grammar::rule(bare, value).map_err(|misread| misread.later(if known { value_at } else { at }));
    Ok((direction, rule?))
}

/// The words of a text with their places.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for part in text.split(char::is_whitespace) {
        if !part.is_empty() {
            words.push((at, part));
        }
        // The separator may be longer than a byte.
        at += part.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    words
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_time(self.start))?;
        if let Some(length) = self.length {
            write!(f, " for {}", in_time(length))?;
        }
        for (place, (direction, rule)) in self.rules.iter().enumerate() {
            let prefix = match direction {
                None => "",
                Some(Direction::Up) => "up-",
                Some(Direction::Down) => "down-",
            };
            write!(f, "{} {prefix}{rule}", if place == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(changes: &[&str]) -> Schedule {
        let mut schedule = Schedule::default();
        for change in changes {
            schedule.add(Change::read(change).unwrap());
        }
        schedule
    }

    fn up_at(schedule: &Schedule, millis: u64) -> Vec<String> {
        let ([up, _], _) = schedule.at(Duration::from_millis(millis));
        up.list().iter().map(Rule::to_string).collect()
    }

    #[test]
    fn sentences_read_back() {
        for text in [
            "2s for 500ms: cut",
            "1s: loss 20%",
            "5s: rate 1Mbit/s, queue 10p",
            "0s for 1ms: up-loss exact:5%, down-delay 3ms",
        ] {
            assert_eq!(Change::read(text).map(|change| change.to_string()), Ok(text.to_owned()));
        }
        let loose = Change::read("  2s   for 500ms :cut ,  up-loss  5% ").unwrap();
        assert_eq!(loose.to_string(), "2s for 500ms: cut, up-loss 5%");
    }

    #[test]
    fn a_change_holds_for_its_time() {
        let schedule = schedule(&["2s for 500ms: cut"]);
        assert_eq!(up_at(&schedule, 1999), [""; 0]);
        assert_eq!(up_at(&schedule, 2000), ["cut"]);
        assert_eq!(up_at(&schedule, 2499), ["cut"]);
        assert_eq!(up_at(&schedule, 2500), [""; 0]);
    }

    #[test]
    fn the_later_start_is_heard_last_in_whatever_order_they_are_given() {
        let schedule = schedule(&["3s: loss 0%", "1s: loss 20%", "1s: delay 5ms"]);
        assert_eq!(up_at(&schedule, 999), [""; 0]);
        assert_eq!(up_at(&schedule, 1000), ["delay 5ms", "loss 20%"]);
        assert_eq!(up_at(&schedule, 3000), ["delay 5ms"]);
    }

    #[test]
    fn the_next_change_is_known() {
        let schedule = schedule(&["2s for 500ms: cut", "1s: loss 20%"]);
        let next = |millis| schedule.at(Duration::from_millis(millis)).1.map(|until| until.as_millis());
        assert_eq!([0, 1000, 2000, 2500].map(next), [Some(1000), Some(2000), Some(2500), None]);
    }

    #[test]
    fn when_a_shut_link_opens_again_is_known() {
        let opens = |changes: &[&str], millis| {
            let opens = schedule(changes).opens_again(Duration::from_millis(millis));
            opens.map(|opens| opens.as_millis())
        };
        let for_a_time = ["1s for 1s: cut", "2s for 500ms: down-loss 100%", "9s: cut"];
        assert_eq!(
            [0, 1000, 2100, 2500, 9000].map(|at| opens(&for_a_time, at)),
            [None, Some(2500), Some(2500), None, None]
        );
        assert_eq!(opens(&["0s: loss 99%"], 1), None);
    }

    #[test]
    fn one_direction_leaves_the_other_alone() {
        let schedule = schedule(&["0s: down-loss 20%"]);
        let ([up, down], _) = schedule.at(Duration::ZERO);
        assert_eq!((up.list().len(), down.list().len()), (0, 1));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text: &str| {
            let misread = Change::read(text).unwrap_err();
            (misread.at, misread.sentence)
        };
        assert_eq!(wrong("2s"), (2, "a colon and a rule belong behind the time".to_owned()));
        assert_eq!(wrong("2: cut").0, 0);
        assert_eq!(wrong(": cut"), (0, "a time belongs in front of the colon".to_owned()));
        assert_eq!(wrong("2s or 3s: cut"), (3, "only `for` and a time may stand here".to_owned()));
        assert_eq!(wrong("2s for 3: cut").0, 7);
        assert_eq!(wrong("2s:"), (3, "a rule is missing here".to_owned()));
        assert_eq!(wrong("2s: loss 5%, "), (13, "a rule is missing here".to_owned()));
        assert_eq!(wrong("2s: los 5%"), (4, "there is no rule \"los\"".to_owned()));
        assert_eq!(wrong("2s: loss 5"), (9, "it needs a unit: 20% or 0.5%".to_owned()));
        assert_eq!(wrong("2s: delay 1ms, loss exact:5").0, 26);
        assert_eq!(wrong("2s: loss 5% cut"), (12, "a rule has one value".to_owned()));
    }

    #[test]
    fn flags_say_what_both_directions_share() {
        let mut schedule = schedule(&["2s for 500ms: cut"]);
        schedule.set(None, grammar::rule("delay", "5ms").unwrap());
        schedule.set(Some(Direction::Up), grammar::rule("loss", "5%").unwrap());
        schedule.set(Some(Direction::Down), grammar::rule("cut", "").unwrap());
        let flags = ["--delay", "5ms", "--up-loss", "5%", "--down-cut", "--at", "2s for 500ms: cut"];
        assert_eq!(schedule.flags(), flags);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}", likely in "[0-9]{1,3}(s|ms)?( for [0-9]{1,3}ms)?:( (up-|down-)?(cut|loss|delay|rate)( [0-9a-z%:]{1,9})?,?){0,3}") {
            for text in [&text, &likely] {
                match Change::read(text) {
                    Ok(change) => prop_assert_eq!(Change::read(&change.to_string()), Ok(change)),
                    Err(misread) => prop_assert!(misread.at <= text.len()),
                }
            }
        }
    }
}
