//! What one client is still to be sent: a stream of bytes, or messages one by one.

use std::collections::VecDeque;

/// A queue in the order of sending. An empty one has no memory.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: VecDeque<u8>,
    /// The lengths of the messages, where messages are kept apart.
    messages: Option<VecDeque<usize>>,
}

impl Queue {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What it costs, in bytes: empty messages too have a place.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.messages.as_ref().map_or(0, |lengths| lengths.len() * size_of::<usize>())
    }

    /// Whether nothing waits, not even an empty message.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.messages.as_ref().is_none_or(VecDeque::is_empty)
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn push_message(&mut self, message: &[u8]) {
        self.messages.get_or_insert_default().push_back(message.len());
        self.bytes.extend(message);
    }

    /// What is to be handed to the kernel next: a whole message, or as many bytes as lie in one piece.
    pub(super) fn front(&mut self) -> &[u8] {
        match self.messages.as_ref().and_then(|lengths| lengths.front().copied()) {
            Some(length) => self.bytes.make_contiguous().get(..length).unwrap_or_default(),
            None => self.bytes.as_slices().0,
        }
    }

    /// The kernel took so much of [`Queue::front`]; of a message it takes all.
    pub(super) fn taken(&mut self, length: usize) {
        if let Some(lengths) = &mut self.messages {
            lengths.pop_front();
        }
        self.bytes.drain(..length.min(self.bytes.len()));
        if self.is_empty() {
            *self = Queue::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_stream() {
        let mut queue = Queue::default();
        queue.push_bytes(b"one");
        queue.push_bytes(b"two");
        assert_eq!(queue.front(), b"onetwo");
        queue.taken(4);
        assert_eq!(queue.front(), b"wo");
        assert_eq!((queue.len(), queue.is_empty()), (2, false));
        queue.taken(2);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0, "no memory while nothing waits");
    }

    #[test]
    fn messages_stay_apart_and_may_be_empty() {
        let mut queue = Queue::default();
        for message in [&b"one"[..], b"", b"three"] {
            queue.push_message(message);
        }
        assert_eq!(queue.front(), b"one");
        queue.taken(3);
        assert_eq!(queue.front(), b"");
        assert!(!queue.is_empty(), "an empty message is one");
        queue.taken(0);
        assert_eq!(queue.front(), b"three");
        queue.taken(5);
        assert!(queue.is_empty() && queue.messages.is_none());
    }

    #[test]
    fn a_message_that_wraps_around_is_whole() {
        let mut queue = Queue::default();
        let mut expected = VecDeque::new();
        for round in 0..1000usize {
            let message = vec![round.to_le_bytes()[0]; round % 37];
            queue.push_message(&message);
            expected.push_back(message);
            if round % 3 != 0 {
                let first: Vec<u8> = expected.pop_front().expect("more come than go");
                assert_eq!(queue.front(), first);
                queue.taken(first.len());
            }
        }
        assert_eq!(queue.len(), expected.iter().map(Vec::len).sum::<usize>());
    }
}
