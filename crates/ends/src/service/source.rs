//! RFC 864: characters without end, or so many bytes.

use std::collections::HashMap;

use super::{Arrival, Client, Output, Service, Shape};

/// The printable characters of ASCII in a ring, the blank behind `~`: 72 to a line, each line beginning one later (RFC 864).
const PRINTABLE: usize = 95;
const LINE: usize = 72;
/// One whole turn of the pattern: 95 lines of 72 characters, CR and LF.
const TURN: usize = PRINTABLE * (LINE + 2);
/// Lent to the engine, so that nothing is copied: many turns, so that one call of the kernel takes much.
static PATTERN: [u8; TURN * 40] = pattern();
/// The longest message where messages are kept apart, in bytes: what a reader's buffer does not hold of one is lost.
const MESSAGE: usize = 8 * 1024;

/// Sends the pattern until the client has gone, or so many bytes and then closes; what it receives is thrown away. At the
/// client's FIN a source with a size goes on to it, one without closes.
#[derive(Debug)]
pub struct Source {
    size: Option<u64>,
    clients: HashMap<Client, Given>,
}

/// What a client has been given, in bytes, and how much it takes at once.
#[derive(Debug)]
struct Given {
    bytes: u64,
    at_once: usize,
}

impl Source {
    /// Of so many bytes for each client; none: without end.
    pub fn new(size: Option<u64>) -> Source {
        Source { size, clients: HashMap::new() }
    }
}

impl Service for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn opened<'a>(&mut self, client: Client, shape: Shape, output: &mut Output<'a>) {
        let at_once = if shape == Shape::Stream { PATTERN.len() } else { MESSAGE };
        self.clients.insert(client, Given { bytes: 0, at_once });
        if self.size == Some(0) {
            output.close(client);
        }
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        if self.size.is_none() {
            output.close(client);
        }
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let Some(Given { bytes: given, at_once }) = self.clients.get_mut(&client) else { return };
        let left = self.size.map_or(u64::MAX, |size| size - *given);
        let start = usize::try_from(*given % TURN as u64).unwrap_or_default();
        let most = bytes.min(*at_once).min(PATTERN.len() - start);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        if length == 0 {
            return;
        }
        *given += length as u64;
        output.to(client, &PATTERN[start..start + length]);
        if self.size == Some(*given) {
            output.close(client);
        }
    }

    fn gone<'a>(&mut self, client: Client, _: &mut Output<'a>) {
        self.clients.remove(&client);
    }
}

const fn pattern() -> [u8; TURN * 40] {
    let mut bytes = [0; TURN * 40];
    let mut at = 0;
    while at < bytes.len() {
        let (line, column) = (at / (LINE + 2), at % (LINE + 2));
        bytes[at] = match column {
            LINE => b'\r',
            column if column > LINE => b'\n',
            column => match b'!' + ((line + column) % PRINTABLE) as u8 {
                0x7f => b' ',
                character => character,
            },
        };
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    fn take(source: &mut Source, room: usize) -> (Vec<u8>, bool) {
        let mut output = Output::new();
        source.room(Client(1), room, &mut output);
        let mut sent = Vec::new();
        let mut closed = false;
        for action in output.drain() {
            match action {
                Action::Send(_, bytes) => sent.extend_from_slice(bytes),
                Action::Close(_) => closed = true,
                _ => {}
            }
        }
        (sent, closed)
    }

    fn opened(size: Option<u64>) -> Source {
        let mut source = Source::new(size);
        source.opened(Client(1), Shape::Stream, &mut Output::new());
        source
    }

    /// RFC 864's figure begins so.
    #[test]
    fn the_pattern_is_the_rfcs() {
        let (sent, _) = take(&mut opened(None), 148);
        let first = b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n";
        assert_eq!(&sent[..74], first);
        assert_eq!(
            &sent[74..148],
            b"\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghi\r\n"
        );
    }

    #[test]
    fn a_size_is_kept_to_the_byte_however_it_is_asked_for() {
        for step in [1, 77, 5000, 1 << 20] {
            let mut source = opened(Some(20_000));
            let mut all = Vec::new();
            let closed = loop {
                let (sent, closed) = take(&mut source, step);
                assert!(sent.len() <= step);
                all.extend(sent);
                if closed || all.len() > 20_000 {
                    break closed;
                }
            };
            assert!(closed && all.len() == 20_000 && all[..] == PATTERN[..20_000], "step {step}");
        }
    }

    #[test]
    fn the_pattern_goes_on_where_it_was() {
        let mut source = opened(None);
        let all: Vec<u8> = (0..2000).flat_map(|_| take(&mut source, 500).0).collect();
        assert!(all.chunks(TURN).all(|turn| PATTERN.starts_with(turn)));
    }

    #[test]
    fn no_message_is_longer_than_what_readers_take_at_once() {
        let mut source = Source::new(Some(20_000));
        source.opened(Client(1), Shape::Messages, &mut Output::new());
        let lengths: Vec<usize> = (0..3).map(|_| take(&mut source, 1 << 20).0.len()).collect();
        assert_eq!(lengths, [8192, 8192, 20_000 - 2 * 8192]);
    }

    #[test]
    fn at_the_clients_fin_only_a_source_without_a_size_closes() {
        for (size, closes) in [(None, true), (Some(5), false)] {
            let mut output = Output::new();
            opened(size).ended(Client(1), &mut output);
            assert_eq!(!output.is_empty(), closes);
        }
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let mut source = opened(None);
        source.gone(Client(1), &mut Output::new());
        assert!(source.clients.is_empty() && take(&mut source, 10).0.is_empty());
    }
}
