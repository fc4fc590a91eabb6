//! Rooms in which people talk, whoever runs the server among them.
//!
//! What is said goes into the mailbox of everybody in the room, as one piece of memory that all of them share, and each is
//! offered to the engine, which takes out of it what its client reads. So one who does not read stops nobody: its mailbox
//! is bounded, the oldest messages go, and it is told how many when it reads again.

mod mailbox;
mod people;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use wire::frame::Piece;
use wire::visible;

use self::mailbox::{Mailbox, Message};
use self::people::{BadName, People, Person, Who};
use super::lines::Lines;
use super::{Arrival, Client, Line, Output, Service, Shape};

/// The longest line, in bytes: spelled out to the last character it is still one datagram.
const LONGEST_LINE: usize = 8 * 1024;

/// How much somebody may say in one message or datagram, in bytes.
const LONGEST_MESSAGE: usize = LONGEST_LINE;

/// How many names are listed at once.
const LISTED: usize = 500;

const HELP: &str = "\
* /name NAME  be called so
* /join ROOM  go to another room
* /who        who is here
* /quit       leave
* //TEXT      say /TEXT
";

/// A chat: rooms and names, by commands that begin with a slash.
#[derive(Debug)]
pub struct Chat {
    people: People,
    guests: HashMap<Client, Guest>,
    lines: Lines,
    /// Whether a line that is too long ends its client's session.
    ends_if_longer: bool,
    /// Counts what happened: each is a turn.
    turn: u64,
    /// What was said in this turn and has not been passed on.
    said: Said,
}

/// Lines that somebody said in one turn, for a room: thousands may come at once, and as many may be there to hear them, so
/// they are passed on together.
#[derive(Debug, Default)]
struct Said {
    text: String,
    lines: u32,
}

/// A client as one who is told things.
#[derive(Debug)]
struct Guest {
    shape: Shape,
    mailbox: Mailbox,
}

impl Chat {
    /// The longest line that is heard in one piece, in bytes, whatever else is asked for.
    pub const LONGEST_LINE: usize = LONGEST_LINE;

    /// Longer lines come in pieces, each said by itself; `max_line` is bounded by 8 KiB.
    pub fn new(max_line: usize) -> Chat {
        let lines = Lines::new(max_line.min(LONGEST_LINE));
        let (people, guests, said) = (People::new(), HashMap::new(), Said::default());
        Chat { people, guests, lines, ends_if_longer: false, turn: 0, said }
    }

    /// A line of more than `max_line` bytes ends its client's session, and what came of it is not said; `max_line` is
    /// bounded by 8 KiB.
    pub fn with_limit(max_line: usize) -> Chat {
        Chat { ends_if_longer: true, ..Chat::new(max_line) }
    }

    /// Takes each line of an arrival. A message's last line needs no end.
    fn hear(&mut self, client: Client, bytes: &[u8], output: &mut Output<'_>) {
        let is_message = self.guests.get(&client).is_some_and(|guest| guest.shape != Shape::Stream);
        if is_message && bytes.len() > LONGEST_MESSAGE {
            let text = format!("* not said: a message has at most {LONGEST_MESSAGE} bytes\n");
            return self.answer(Who::Guest(client), &text, output);
        }
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(1));
        let mut is_over = false;
        lines.push(client, bytes, &mut |piece| {
            is_over |= piece.cut && self.ends_if_longer;
            if !is_over {
                self.line(Who::Guest(client), piece, output);
            }
        });
        if is_over {
            lines.finish(client);
            output.over_limit(client);
        }
        let rest = if is_message { lines.finish(client) } else { None };
        self.lines = lines;
        if let Some(rest) = rest {
            self.line(Who::Guest(client), Piece { bytes: &rest, cut: false }, output);
        }
        self.pass_on(Who::Guest(client), output);
    }

    /// A line is a command, or said to the room. One who has left says nothing more.
    fn line(&mut self, who: Who, Piece { bytes, cut }: Piece<'_>, output: &mut Output<'_>) {
        let text = String::from_utf8_lossy(bytes);
        let Some(person) = self.people.of(who).cloned() else { return };
        match text.strip_prefix('/') {
            Some(rest) if rest.starts_with('/') => self.say(who, &person, rest, cut, output),
            Some(command) => {
                self.pass_on(who, output);
                self.command(who, &person, command, output);
            }
            None if text.is_empty() => {}
            None => self.say(who, &person, &text, cut, output),
        }
    }

    fn say(&mut self, who: Who, person: &Person, text: &str, cut: bool, output: &mut Output<'_>) {
        let Person { name, room } = person;
        let safe = visible(text, false);
        // It does not fail.
        let _ = writeln!(self.said.text, "{name}: {safe}{}", if cut { " …" } else { "" });
        self.said.lines += 1;
        if self.said.text.len() >= LONGEST_LINE {
            self.pass_on(who, output);
        }
        let client = if let Who::Guest(client) = who { Some(client) } else { None };
        output.show(Line {
            client,
            room: Some(Arc::clone(room)),
            name: Some(Arc::clone(name)),
            bytes: Cow::into_owned(safe).into_bytes(),
            cut,
        });
    }

    /// Passes on what somebody said until now to those who are in the same room.
    fn pass_on(&mut self, who: Who, output: &mut Output<'_>) {
        let Said { text, lines } = std::mem::take(&mut self.said);
        if let Some(Person { room, .. }) = self.people.of(who).cloned().filter(|_| lines > 0) {
            self.tell_room(&room, Some(who), &Message { bytes: text.into_bytes().into(), lines }, output);
        }
    }

    fn command(&mut self, who: Who, person: &Person, command: &str, output: &mut Output<'_>) {
        let (word, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let argument = argument.trim();
        match word {
            "name" => self.rename(who, person, argument, output),
            "join" => self.join(who, person, argument, output),
            "who" => {
                let here = self.who_is_here(&person.room);
                self.answer(who, &here, output);
            }
            "help" => self.answer(who, HELP, output),
            "quit" => match who {
                Who::Guest(client) => self.leave(client, output),
                Who::Operator => self.answer(who, "* the server ends with ^C\n", output),
            },
            _ => {
                let word: String = word.chars().take(20).collect();
                let word = visible(&word, false);
                self.answer(who, &format!("* there is no /{word}; /help says what there is\n"), output);
            }
        }
    }

    fn rename(&mut self, who: Who, person: &Person, name: &str, output: &mut Output<'_>) {
        match self.people.rename(who, name) {
            Err(bad) => self.answer(who, &format!("* {bad}\n"), output),
            Ok(old) if *old == *name => self.answer(who, &format!("* you are {name} already\n"), output),
            Ok(old) => {
                self.answer(who, &format!("* you are {name}\n"), output);
                self.announce(&person.room, who, &format!("{old} is now {name}"), output);
            }
        }
    }

    fn join(&mut self, who: Who, person: &Person, room: &str, output: &mut Output<'_>) {
        let name = &person.name;
        match self.people.join(who, room) {
            Err(BadName::Missing) => self.answer(who, "* the name of a room is missing\n", output),
            Err(bad) => self.answer(who, &format!("* {bad}\n"), output),
            Ok(old) if *old == *room => self.answer(who, &format!("* you are in {room} already\n"), output),
            Ok(old) => {
                self.answer(who, &format!("* you are in {room}\n"), output);
                self.announce(&old, who, &format!("{name} has left"), output);
                self.announce(room, who, &format!("{name} has joined"), output);
            }
        }
    }

    /// A client leaves: what it was still to be told is sent, then it is closed.
    fn leave(&mut self, client: Client, output: &mut Output<'_>) {
        if let Some(guest) = self.guests.get_mut(&client) {
            while guest.hand_over(client, usize::MAX, output) {}
        }
        self.forget(client, output);
        output.close(client);
    }

    /// Nothing is kept of a client, and the others hear that it has left.
    fn forget(&mut self, client: Client, output: &mut Output<'_>) {
        self.guests.remove(&client);
        if let Some(person) = self.people.leave(Who::Guest(client)) {
            let text = format!("{} has left", person.name);
            self.announce(&person.room, Who::Guest(client), &text, output);
        }
    }

    fn who_is_here(&self, room: &str) -> String {
        let listed: Vec<&str> =
            self.people.in_room(room).take(LISTED).map(|(_, person)| &*person.name).collect();
        let more = match self.people.count_in(room) - listed.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("* in {room}: {}{more}\n", listed.join(", "))
    }

    /// Tells everybody in a room, and whoever runs the server, what somebody did.
    fn announce(&mut self, room: &str, who: Who, what: &str, output: &mut Output<'_>) {
        self.tell_room(room, Some(who), &Message::one(&format!("* {what}\n")), output);
        let bytes = format!("* {what}").into_bytes();
        output.show(Line { client: None, room: Some(room.into()), name: None, bytes, cut: false });
    }

    /// Tells one alone. The operator is shown everything anyway.
    fn answer(&mut self, who: Who, text: &str, output: &mut Output<'_>) {
        match who {
            Who::Guest(client) => self.tell(client, &Message::one(text), output),
            Who::Operator => {
                for line in text.lines() {
                    let bytes = line.as_bytes().to_vec();
                    output.show(Line { client: None, room: None, name: None, bytes, cut: false });
                }
            }
        }
    }

    fn tell_room(&mut self, room: &str, but: Option<Who>, message: &Message, output: &mut Output<'_>) {
        for (who, _) in self.people.in_room(room) {
            if let Who::Guest(client) = who
                && Some(who) != but
                && let Some(guest) = self.guests.get_mut(&client)
            {
                guest.put(client, message, self.turn, output);
            }
        }
    }

    fn tell(&mut self, client: Client, message: &Message, output: &mut Output<'_>) {
        if let Some(guest) = self.guests.get_mut(&client) {
            guest.put(client, message, self.turn, output);
        }
    }
}

impl Guest {
    fn put(&mut self, client: Client, message: &Message, turn: u64, output: &mut Output<'_>) {
        // Whose mailbox is not empty has been offered already.
        if self.mailbox.put(message.clone(), turn) {
            output.offer(client);
        }
    }

    /// Takes out what there is room for, in as few pieces as may be; one message at least. Whether more is left.
    fn hand_over(&mut self, client: Client, room: usize, output: &mut Output<'_>) -> bool {
        let Some(first) = self.mailbox.take() else { return false };
        if self.shape != Shape::Stream && first.lines > 1 {
            let lines = first.bytes.split_inclusive(|byte| *byte == b'\n');
            lines.for_each(|line| output.to_owned(client, line.to_vec()));
        } else if self.shape != Shape::Stream || self.mailbox.is_empty() {
            output.to_shared(client, first.bytes);
        } else {
            let mut bytes = first.bytes.to_vec();
            while self.mailbox.next_len().is_some_and(|next| bytes.len() + next <= room)
                && let Some(next) = self.mailbox.take()
            {
                bytes.extend_from_slice(&next.bytes);
            }
            output.to_owned(client, bytes);
        }
        !self.mailbox.is_empty()
    }
}

impl Service for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn shows_lines(&self) -> bool {
        true
    }

    fn opened<'a>(&mut self, client: Client, shape: Shape, output: &mut Output<'a>) {
        self.turn += 1;
        self.guests.insert(client, Guest { shape, mailbox: Mailbox::default() });
        let Person { name, room } = self.people.arrive(client);
        let text = format!("* you are {name} in {room}; /help says what you can do\n");
        self.answer(Who::Guest(client), &text, output);
        self.announce(&room, Who::Guest(client), &format!("{name} has joined"), output);
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        self.turn += 1;
        if let Arrival::Bytes(bytes) = arrival {
            self.hear(client, bytes, output);
        }
    }

    /// What was said last needs no end: it may be the whole input of a command.
    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        self.turn += 1;
        if let Some(rest) = self.lines.finish(client) {
            self.line(Who::Guest(client), Piece { bytes: &rest, cut: false }, output);
            self.pass_on(Who::Guest(client), output);
        }
        self.leave(client, output);
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        if let Some(guest) = self.guests.get_mut(&client)
            && guest.hand_over(client, bytes, output)
        {
            output.offer(client);
        }
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        self.turn += 1;
        self.lines.finish(client);
        self.forget(client, output);
    }

    fn operator<'a>(&mut self, line: &[u8], output: &mut Output<'a>) {
        self.turn += 1;
        for bytes in line.chunks(LONGEST_LINE) {
            self.line(Who::Operator, Piece { bytes, cut: false }, output);
        }
        self.pass_on(Who::Operator, output);
    }
}

#[cfg(test)]
mod tests;
