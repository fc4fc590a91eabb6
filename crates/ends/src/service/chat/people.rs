//! Who is in which room, and under which name.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use wire::visible;

use crate::service::Client;

/// Where everybody begins.
pub(super) const LOBBY: &str = "lobby";

/// The name of whoever runs the server, to begin with.
pub(super) const OPERATOR: &str = "operator";

/// How long names of people and rooms may be, in characters.
const LONGEST_NAME: usize = 32;

/// Somebody who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// Whoever runs the server.
    Operator,
    /// A client.
    Guest(Client),
}

/// What somebody is called, and where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: Arc<str>,
    pub(super) room: Arc<str>,
}

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadName {
    Missing,
    Invalid,
    Taken(Arc<str>),
    Reserved,
}

/// Everybody who takes part. Names are different even where upper and lower case are not told apart.
#[derive(Debug)]
pub(super) struct People {
    people: HashMap<Who, Person>,
    /// By their names in lower case.
    names: HashMap<String, Who>,
    /// Rooms with anybody in them, in order of arrival.
    rooms: HashMap<Arc<str>, BTreeSet<Who>>,
}

impl People {
    /// The operator alone, in the lobby.
    pub(super) fn new() -> People {
        let mut people = People { people: HashMap::new(), names: HashMap::new(), rooms: HashMap::new() };
        people.settle(Who::Operator, OPERATOR.into());
        people
    }

    /// A client comes, into the lobby, as `client-N`: nobody else can have that name.
    pub(super) fn arrive(&mut self, client: Client) -> Person {
        self.settle(Who::Guest(client), name_of(client).into())
    }

    fn settle(&mut self, who: Who, name: Arc<str>) -> Person {
        self.names.insert(name.to_lowercase(), who);
        let person = Person { name, room: self.room(LOBBY) };
        self.rooms.entry(Arc::clone(&person.room)).or_default().insert(who);
        self.people.insert(who, person.clone());
        person
    }

    /// Somebody goes, and nothing is kept of it.
    pub(super) fn leave(&mut self, who: Who) -> Option<Person> {
        let person = self.people.remove(&who)?;
        self.names.remove(&person.name.to_lowercase());
        self.empty_place(who, &person.room);
        Some(person)
    }

    /// Gives somebody another name; gives the old one.
    pub(super) fn rename(&mut self, who: Who, name: &str) -> Result<Arc<str>, BadName> {
        check(name)?;
        let folded = name.to_lowercase();
        if is_reserved(&folded, who) {
            return Err(BadName::Reserved);
        }
        if let Some(other) = self.names.get(&folded).filter(|other| **other != who) {
            let taken = self.people.get(other).map_or_else(|| name.into(), |person| Arc::clone(&person.name));
            return Err(BadName::Taken(taken));
        }
        let person = self.people.get_mut(&who).ok_or(BadName::Missing)?;
        let old = std::mem::replace(&mut person.name, name.into());
        self.names.remove(&old.to_lowercase());
        self.names.insert(folded, who);
        Ok(old)
    }

    /// Brings somebody into a room; gives the one that was left.
    pub(super) fn join(&mut self, who: Who, room: &str) -> Result<Arc<str>, BadName> {
        check(room)?;
        let room = self.room(room);
        let person = self.people.get_mut(&who).ok_or(BadName::Missing)?;
        let old = std::mem::replace(&mut person.room, Arc::clone(&room));
        self.empty_place(who, &old);
        self.rooms.entry(room).or_default().insert(who);
        Ok(old)
    }

    pub(super) fn of(&self, who: Who) -> Option<&Person> {
        self.people.get(&who)
    }

    /// Those in a room, in order of arrival; the operator first.
    pub(super) fn in_room(&self, room: &str) -> impl Iterator<Item = (Who, &Person)> {
        let members = self.rooms.get(room).into_iter().flatten();
        members.filter_map(|who| self.people.get(who).map(|person| (*who, person)))
    }

    /// How many are in a room.
    pub(super) fn count_in(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, BTreeSet::len)
    }

    /// The name of a room, shared by all who are in it.
    fn room(&self, name: &str) -> Arc<str> {
        self.rooms.get_key_value(name).map_or_else(|| name.into(), |(room, _)| Arc::clone(room))
    }

    fn empty_place(&mut self, who: Who, room: &str) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.remove(&who);
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.people.len(), self.names.len(), self.rooms.len()]
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Missing => write!(f, "a name is missing"),
            BadName::Invalid => {
                write!(f, "a name has 1 to {LONGEST_NAME} letters, digits, and characters of - _ .")
            }
            BadName::Taken(name) => write!(f, "somebody else is called {name}"),
            BadName::Reserved => write!(f, "that name is reserved"),
        }
    }
}

fn name_of(client: Client) -> String {
    format!("client-{}", client.0)
}

/// Names that say who somebody is belong to them: to nobody else, even while they are called otherwise.
fn is_reserved(folded: &str, who: Who) -> bool {
    match who {
        Who::Operator => folded.starts_with("client-"),
        Who::Guest(client) => {
            folded == OPERATOR || (folded.starts_with("client-") && folded != name_of(client))
        }
    }
}

fn check(name: &str) -> Result<(), BadName> {
    // Marks without a width are letters to Unicode, but would make two names look alike.
    let is_good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().count() {
        0 => Err(BadName::Missing),
        1..=LONGEST_NAME if name.chars().all(is_good) && visible(name, false) == name => Ok(()),
        _ => Err(BadName::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADA: Who = Who::Guest(Client(1));
    const BOB: Who = Who::Guest(Client(2));

    fn two() -> People {
        let mut people = People::new();
        people.arrive(Client(1));
        people.arrive(Client(2));
        people
    }

    fn names(people: &People, room: &str) -> Vec<String> {
        people.in_room(room).map(|(_, person)| person.name.to_string()).collect()
    }

    #[test]
    fn everybody_begins_in_the_lobby_by_number() {
        assert_eq!(names(&two(), LOBBY), ["operator", "client-1", "client-2"]);
    }

    #[test]
    fn names_are_different_and_say_what_they_seem() {
        let mut people = two();
        assert_eq!(people.rename(ADA, "Ada").as_deref(), Ok("client-1"));
        assert_eq!(people.rename(BOB, "aDA"), Err(BadName::Taken("Ada".into())));
        assert_eq!(people.rename(ADA, "ada").as_deref(), Ok("Ada"), "one's own in another case");
        for reserved in ["Operator", "client-1", "CLIENT-9", "client-x"] {
            assert_eq!(people.rename(BOB, reserved), Err(BadName::Reserved), "{reserved}");
        }
        assert_eq!(people.rename(Who::Operator, "client-2"), Err(BadName::Reserved));
        assert_eq!(people.rename(ADA, "client-1").as_deref(), Ok("ada"), "one's own");
        assert_eq!(people.rename(BOB, "ada").as_deref(), Ok("client-2"), "the name is free again");
    }

    #[test]
    fn names_are_short_and_cannot_steer_a_terminal() {
        let mut people = two();
        for good in ["a", "Köln", "网", "x-1_2.3", &"n".repeat(32)] {
            assert!(people.rename(ADA, good).is_ok() && people.join(ADA, good).is_ok(), "{good}");
        }
        for bad in ["a b", "\x1b[31m", "a\u{202e}", "a\u{345}", "a/b", "#x", &"n".repeat(33)] {
            assert_eq!(people.rename(ADA, bad), Err(BadName::Invalid), "{bad:?}");
            assert_eq!(people.join(ADA, bad), Err(BadName::Invalid), "{bad:?}");
        }
        assert_eq!(people.rename(ADA, ""), Err(BadName::Missing));
    }

    #[test]
    fn a_room_is_there_while_somebody_is_in_it() {
        let mut people = two();
        assert_eq!(people.join(ADA, "attic").as_deref(), Ok("lobby"));
        assert_eq!((names(&people, "attic").len(), names(&people, LOBBY).len()), (1, 2));
        assert_eq!(people.sizes(), [3, 3, 2]);
        assert_eq!(people.leave(ADA).map(|person| person.room).as_deref(), Some("attic"));
        assert_eq!(people.sizes(), [2, 2, 1]);
        assert_eq!(people.leave(ADA), None);
    }

    proptest! {
        /// Whatever people do: each is in one room, names are different, and who has left leaves nothing behind.
        #[test]
        fn the_tables_agree(steps in prop::collection::vec((0u64..5, 0u8..4, "[a-cA-C]{0,2}"), 0..60)) {
            let mut people = People::new();
            for (number, what, word) in steps {
                let who = if number == 0 { Who::Operator } else { Who::Guest(Client(number)) };
                match (what, who) {
                    (0, Who::Guest(client)) if people.of(who).is_none() => _ = people.arrive(client),
                    (1, Who::Guest(_)) => _ = people.leave(who),
                    (2, _) => _ = people.rename(who, &word),
                    (_, _) => _ = people.join(who, &word),
                }
            }
            prop_assert_eq!(people.people.len(), people.names.len());
            let in_rooms: usize = people.rooms.values().map(BTreeSet::len).sum();
            prop_assert_eq!(in_rooms, people.people.len());
            for (who, person) in &people.people {
                prop_assert_eq!(people.names.get(&person.name.to_lowercase()), Some(who));
                prop_assert!(people.rooms[&person.room].contains(who));
            }
            (1..5).for_each(|number| _ = people.leave(Who::Guest(Client(number))));
            prop_assert_eq!(people.sizes(), [1, 1, 1]);
        }
    }
}
