//! Answers with a text.

use std::collections::HashMap;
use std::sync::Arc;

use wire::frame::{Frame, Splitter};

use super::{Arrival, Client, Output, Service};

/// Answers each arrival with its text as given, or with a frame each message, as a message.
#[derive(Debug)]
pub struct Reply {
    answer: Arc<[u8]>,
    frame: Frame,
    max_message: usize,
    /// Messages that have not come whole, by client; none without a frame.
    splitters: HashMap<Client, Splitter>,
}

impl Reply {
    /// `text` is the answer, to messages of at most `max_message` bytes.
    pub fn new(text: &[u8], frame: Frame, max_message: usize) -> Reply {
        Reply { answer: frame.wrap(text).into(), frame, max_message, splitters: HashMap::new() }
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
        let (frame, max) = (self.frame, self.max_message);
        let splitter = self.splitters.entry(client).or_insert_with(|| Splitter::new(frame, max));
        let mut messages = 0;
        let pushed = splitter.push(bytes, &mut |piece| messages += usize::from(!piece.cut));
        // As one piece of output: a queue takes it, or does not.
        output.to_owned(client, self.answer.repeat(messages));
        if pushed.is_err() {
            output.over_limit(client);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn gone<'a>(&mut self, client: Client, _: &mut Output<'a>) {
        self.splitters.remove(&client);
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
        assert!(reply.splitters.is_empty());
    }
}
