//! The lines of many clients, which arrive in pieces.

use std::collections::HashMap;

use wire::frame::{Frame, Piece, Splitter};

use super::Client;

/// What clients said of lines that have no end yet. A client costs memory only in the middle of a line.
#[derive(Debug)]
pub(super) struct Lines {
    max: usize,
    held: HashMap<Client, Splitter>,
}

impl Lines {
    /// Of at most `max` bytes; longer ones come in pieces.
    pub(super) fn new(max: usize) -> Lines {
        Lines { max, held: HashMap::new() }
    }

    /// Hands on every line that these bytes make whole, without its end (LF, or CR and LF).
    pub(super) fn push(&mut self, client: Client, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        let begun = self.held.remove(&client);
        let mut splitter = begun.unwrap_or_else(|| Splitter::new(Frame::Line, self.max));
        // Only lengths can be too long.
        let _ = splitter.push(bytes, &mut |piece| each(without_cr(piece)));
        if !splitter.is_empty() {
            self.held.insert(client, splitter);
        }
    }

    /// What a client said last, without an end to it. Nothing is kept of it.
    pub(super) fn finish(&mut self, client: Client) -> Option<Vec<u8>> {
        self.held.remove(&client).map(|mut splitter| splitter.finish())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn without_cr(piece: Piece<'_>) -> Piece<'_> {
    match piece.bytes.strip_suffix(b"\r") {
        Some(bytes) if !piece.cut => Piece { bytes, ..piece },
        _ => piece,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_lines_of_its_own_and_either_end_of_line_is_one() {
        let mut lines = Lines::new(10);
        let mut found = Vec::new();
        for (client, bytes) in [(1, &b"on"[..]), (2, b"tw"), (1, b"e\r\nx"), (2, b"o\n"), (1, b"")] {
            lines.push(Client(client), bytes, &mut |piece| found.push(piece.bytes.to_vec()));
        }
        assert_eq!(found, [b"one", b"two"]);
        assert_eq!(lines.finish(Client(1)).as_deref(), Some(&b"x"[..]));
        assert_eq!((lines.finish(Client(1)), lines.finish(Client(2))), (None, None));
        assert!(lines.is_empty());
    }
}
