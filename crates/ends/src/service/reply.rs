//! Answers with a text.

use std::collections::HashMap;
use std::sync::Arc;

use wire::frame::{Frame, Splitter};

use super::{Arrival, Client, Output, Service};

/// How much is answered at once at most, in bytes, where one answer is not longer: the rest is made as there is room.
const AT_ONCE: usize = 64 * 1024;

/// Answers each arrival with its text as given, or with a frame each message, as a message.
#[derive(Debug)]
pub struct Reply {
    answer: Arc<[u8]>,
    frame: Frame,
    max_message: usize,
    /// What is known of each client; without a frame there is nothing to know.
    clients: HashMap<Client, Asking>,
}

/// A client that asks in messages.
#[derive(Debug)]
struct Asking {
    splitter: Splitter,
    /// How many answers it has not been given.
    owed: u64,
    ended: bool,
}

impl Reply {
    /// `text` is the answer, to messages of at most `max_message` bytes.
    pub fn new(text: &[u8], frame: Frame, max_message: usize) -> Reply {
        Reply { answer: frame.wrap(text).into(), frame, max_message, clients: HashMap::new() }
    }

    /// Gives as many of the answers owed as there is room for, but at least one; closes behind the last.
    fn give(&mut self, client: Client, room: usize, output: &mut Output<'_>) {
        let Some(asking) = self.clients.get_mut(&client) else { return };
        if asking.owed > 0 {
            let answers = (room / self.answer.len().max(1)).max(1);
            let answers = usize::try_from(asking.owed).unwrap_or(answers).min(answers);
            asking.owed -= answers as u64;
            output.to_owned(client, self.answer.repeat(answers));
        }
        if asking.ended && asking.owed == 0 {
            output.close(client);
        }
    }
}

impl Service for Reply {
    fn name(&self) -> &'static str {
        "reply"
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { return };
        if self.frame == Frame::None {
            return output.to_shared(client, Arc::clone(&self.answer));
        }
        let new = || Asking { splitter: Splitter::new(self.frame, self.max_message), owed: 0, ended: false };
        let asking = self.clients.entry(client).or_insert_with(new);
        let owed = &mut asking.owed;
        let pushed = asking.splitter.push(bytes, &mut |piece| *owed += u64::from(!piece.cut));
        self.give(client, AT_ONCE, output);
        if pushed.is_err() {
            output.over_limit(client);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        match self.clients.get_mut(&client) {
            Some(asking) => {
                asking.ended = true;
                self.give(client, AT_ONCE, output);
            }
            None => output.close(client),
        }
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        self.give(client, bytes, output);
    }

    fn gone<'a>(&mut self, client: Client, _: &mut Output<'a>) {
        self.clients.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    fn answers(reply: &mut Reply, arrivals: &[&[u8]]) -> Vec<u8> {
        let mut sent = Vec::new();
        for bytes in arrivals {
            let mut output = Output::new();
            reply.received(Client(1), Arrival::Bytes(bytes), &mut output);
            for action in output.drain() {
                match action {
                    Action::SendOwned(_, bytes) => sent.extend(bytes),
                    Action::SendShared(_, bytes) => sent.extend_from_slice(&bytes),
                    other => sent.extend(format!("{other:?}").into_bytes()),
                }
            }
        }
        sent
    }

    #[test]
    fn each_arrival_is_answered_or_each_line() {
        let mut reply = Reply::new(b"yes", Frame::None, 100);
        assert_eq!(answers(&mut reply, &[b"one\ntwo\n", b"x"]), b"yesyes");
        let mut reply = Reply::new(b"yes", Frame::Line, 100);
        assert_eq!(answers(&mut reply, &[b"one\ntwo\nth", b"ree", b"\n"]), b"yes\nyes\nyes\n");
        let mut reply = Reply::new(b"yes", Frame::Len32, 100);
        assert_eq!(answers(&mut reply, &[&[0, 0, 0, 1], b"x"]), b"\0\0\0\x03yes");
    }

    #[test]
    fn a_length_beyond_the_limit_ends_it_and_nothing_is_kept_of_who_is_gone() {
        let mut reply = Reply::new(b"yes", Frame::Len32, 3);
        assert!(String::from_utf8_lossy(&answers(&mut reply, &[&[0, 0, 0, 4]])).contains("OverLimit"));
        reply.gone(Client(1), &mut Output::new());
        assert!(reply.clients.is_empty());
    }

    /// Many short messages in one arrival, against a long answer: what is made at once stays small, nothing is lost.
    #[test]
    fn answers_are_made_as_there_is_room_and_all_of_them_before_the_end() {
        let mut reply = Reply::new(&[b'x'; 9_999], Frame::Line, 100);
        let mut given = 0;
        let mut closed = false;
        let mut take = |output: Output<'_>| {
            for action in output.drain() {
                match action {
                    Action::SendOwned(_, bytes) => {
                        assert!(!closed && bytes.len() <= AT_ONCE && bytes.len() % 10_000 == 0);
                        given += bytes.len() / 10_000;
                    }
                    Action::Close(_) => closed = true,
                    other => panic!("{other:?}"),
                }
            }
            (given, closed)
        };
        let mut output = Output::new();
        reply.received(Client(1), Arrival::Bytes(&[b'\n'; 1000]), &mut output);
        assert_eq!(take(output), (6, false));
        let mut output = Output::new();
        reply.ended(Client(1), &mut output);
        assert_eq!(take(output), (12, false));
        let rounds = (0..2000).find(|_| {
            let mut output = Output::new();
            reply.room(Client(1), 5_000, &mut output);
            take(output) == (1000, true)
        });
        assert_eq!(rounds, Some(1000 - 12 - 1), "one at a time where there is room for less");
    }
}
