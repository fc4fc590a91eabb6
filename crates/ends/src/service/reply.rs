//! Answers with a text.

use std::collections::HashMap;
use std::sync::Arc;

use wire::frame::{Frame, Splitter};

use super::{Arrival, Client, Output, Service, Shape};

/// Answers each arrival with its text as given, or with a frame each message, as a message.
#[derive(Debug)]
pub struct Reply {
    answer: Arc<[u8]>,
    frame: Frame,
    max_message: usize,
    /// Whether a line that is longer ends its client's session; of a length one always does.
    ends_if_longer: bool,
    /// Whom answers are owed, or who is in the middle of a message; none without a frame.
    asked: HashMap<Client, Asked>,
}

/// A client whose messages are told apart. A few bytes may hold thousands of them, so the answers are counted, and made
/// when there is room for them.
#[derive(Debug)]
struct Asked {
    shape: Shape,
    splitter: Splitter,
    owed: u64,
    has_ended: bool,
}

impl Reply {
    /// `text` is the answer, to messages of at most `max_message` bytes. A longer line is one too, and not kept whole.
    pub fn new(text: &[u8], frame: Frame, max_message: usize) -> Reply {
        let answer = frame.wrap(text).into();
        Reply { answer, frame, max_message, ends_if_longer: false, asked: HashMap::new() }
    }

    /// A message of more than `max_message` bytes ends its client's session.
    pub fn with_limit(text: &[u8], frame: Frame, max_message: usize) -> Reply {
        Reply { ends_if_longer: true, ..Reply::new(text, frame, max_message) }
    }
}

impl Service for Reply {
    fn name(&self) -> &'static str {
        "reply"
    }

    fn opened<'a>(&mut self, client: Client, shape: Shape, _: &mut Output<'a>) {
        if self.frame != Frame::None {
            let splitter = Splitter::new(self.frame, self.max_message);
            self.asked.insert(client, Asked { shape, splitter, owed: 0, has_ended: false });
        }
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { return };
        if self.frame == Frame::None {
            return output.to_shared(client, Arc::clone(&self.answer));
        }
        let Some(asked) = self.asked.get_mut(&client) else { return };
        let (owed, mut is_longer) = (&mut asked.owed, false);
        let pushed = asked.splitter.push(bytes, &mut |piece| {
            is_longer |= piece.cut;
            *owed += u64::from(!piece.cut);
        });
        if pushed.is_err() || (is_longer && self.ends_if_longer) {
            return output.over_limit(client);
        }
        if asked.owed > 0 {
            output.offer(client);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        match self.asked.get_mut(&client).filter(|asked| asked.owed > 0) {
            Some(asked) => {
                asked.has_ended = true;
                output.offer(client);
            }
            None => output.close(client),
        }
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let Some(asked) = self.asked.get_mut(&client).filter(|asked| asked.owed > 0) else { return };
        // One at least: there is room for something.
        let fit = (bytes / self.answer.len().max(1)).max(1);
        let now = usize::try_from(asked.owed).unwrap_or(usize::MAX).min(fit);
        asked.owed -= now as u64;
        match (asked.shape, now) {
            (Shape::Stream, 2..) => output.to_owned(client, self.answer.repeat(now)),
            _ => (0..now).for_each(|_| output.to_shared(client, Arc::clone(&self.answer))),
        }
        match (asked.owed, asked.has_ended) {
            (0, true) => output.close(client),
            (0, false) => {}
            (1.., _) => output.offer(client),
        }
    }

    fn gone<'a>(&mut self, client: Client, _: &mut Output<'a>) {
        self.asked.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    /// What is sent when a client says this and then has room for so much at a time.
    fn answers(reply: &mut Reply, arrivals: &[&[u8]], room: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        for bytes in arrivals {
            let mut output = Output::new();
            reply.received(Client(1), Arrival::Bytes(bytes), &mut output);
            let mut is_offered = take(output, &mut sent);
            while is_offered {
                let (mut output, before) = (Output::new(), sent.len());
                reply.room(Client(1), room, &mut output);
                is_offered = take(output, &mut sent);
                assert!(sent.len() - before <= room.max(reply.answer.len()));
            }
        }
        sent
    }

    /// Whether more was offered.
    fn take(output: Output<'_>, sent: &mut Vec<u8>) -> bool {
        let mut is_offered = false;
        for action in output.drain() {
            match action {
                Action::SendOwned(_, bytes) => sent.extend(bytes),
                Action::SendShared(_, bytes) => sent.extend_from_slice(&bytes),
                Action::Offer(_) => is_offered = true,
                other => sent.extend(format!("{other:?}").into_bytes()),
            }
        }
        is_offered
    }

    fn opened(frame: Frame, shape: Shape, max_message: usize) -> Reply {
        let mut reply = Reply::new(b"yes", frame, max_message);
        reply.opened(Client(1), shape, &mut Output::new());
        reply
    }

    #[test]
    fn each_arrival_is_answered_or_each_line() {
        for room in [1, 10, 1 << 16] {
            let mut reply = opened(Frame::None, Shape::Stream, 100);
            assert_eq!(answers(&mut reply, &[b"one\ntwo\n", b"x"], room), b"yesyes");
            let mut reply = opened(Frame::Line, Shape::Stream, 100);
            assert_eq!(answers(&mut reply, &[b"one\ntwo\nth", b"ree", b"\n"], room), b"yes\nyes\nyes\n");
            let mut reply = opened(Frame::Len32, Shape::Stream, 100);
            assert_eq!(answers(&mut reply, &[&[0, 0, 0, 1], b"x"], room), b"\0\0\0\x03yes");
        }
    }

    #[test]
    fn where_messages_are_kept_apart_each_answer_is_one() {
        let mut reply = opened(Frame::Line, Shape::Messages, 100);
        reply.received(Client(1), Arrival::Bytes(b"one\ntwo\n"), &mut Output::new());
        let mut output = Output::new();
        reply.room(Client(1), 1000, &mut output);
        let one = || Action::SendShared(Client(1), b"yes\n"[..].into());
        assert_eq!(output.drain().collect::<Vec<_>>(), [one(), one()]);
        let mut output = Output::new();
        reply.received(Client(1), Arrival::Bytes(b"not whole"), &mut output);
        assert!(output.is_empty(), "and no answer is none, not an empty one");
    }

    #[test]
    fn all_answers_come_before_the_fin() {
        let mut reply = opened(Frame::Line, Shape::Stream, 100);
        reply.received(Client(1), Arrival::Bytes(b"\n\n"), &mut Output::new());
        let mut output = Output::new();
        reply.ended(Client(1), &mut output);
        assert_eq!(output.drain().collect::<Vec<_>>(), [Action::Offer(Client(1))]);
        let mut sent = Vec::new();
        for _ in 0..2 {
            let mut output = Output::new();
            reply.room(Client(1), 4, &mut output);
            take(output, &mut sent);
        }
        assert_eq!(sent, b"yes\nyes\nClose(Client(1))");
    }

    #[test]
    fn many_messages_in_few_bytes_are_answered_as_there_is_room() {
        let mut reply = opened(Frame::Line, Shape::Stream, 100);
        let mut output = Output::new();
        reply.received(Client(1), Arrival::Bytes(&[b'\n'; 60_000]), &mut output);
        assert_eq!(output.drain().collect::<Vec<_>>(), [Action::Offer(Client(1))], "nothing is made yet");
        assert_eq!(answers(&mut reply, &[b"\n"], 1000).len(), 60_001 * 4);
    }

    #[test]
    fn a_line_beyond_the_limit_ends_it_only_where_there_is_one() {
        let mut reply = Reply::with_limit(b"yes", Frame::Line, 3);
        reply.opened(Client(1), Shape::Stream, &mut Output::new());
        assert_eq!(answers(&mut reply, &[b"abc\n"], 100), b"yes\n", "as long as it may be");
        assert_eq!(
            answers(&mut reply, &[b"ab", b"cd"], 100),
            b"OverLimit(Client(1))",
            "before its end has come"
        );
        let mut reply = opened(Frame::Line, Shape::Stream, 3);
        assert_eq!(answers(&mut reply, &[b"abcd\n"], 100), b"yes\n", "one answer, for it is one line");
    }

    #[test]
    fn a_length_beyond_the_limit_ends_it_and_nothing_is_kept_of_who_is_gone() {
        let mut reply = opened(Frame::Len32, Shape::Stream, 3);
        assert_eq!(answers(&mut reply, &[&[0, 0, 0, 4]], 100), b"OverLimit(Client(1))");
        reply.gone(Client(1), &mut Output::new());
        assert!(reply.asked.is_empty());
    }
}
