//! Gathers what clients say, line by line, for whoever runs the server.

use std::collections::HashSet;

use wire::frame::Piece;

use super::lines::Lines;
use super::{Arrival, Client, Line, Output, Service, Shape};

/// Shows every line that a client says, whole, under its number; a message or a datagram is a line. What a client said last
/// without an end to it, and each part of a line that is too long, is shown as cut.
#[derive(Debug)]
pub struct Collect {
    max_line: usize,
    what_if_longer: Longer,
    lines: Lines,
    /// Those whose messages are kept apart.
    messages: HashSet<Client>,
}

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Longer {
    ComesInPieces,
    EndsTheSession,
}

impl Collect {
    /// A line of more than `max_line` bytes comes in pieces.
    pub fn new(max_line: usize) -> Collect {
        let what_if_longer = Longer::ComesInPieces;
        Collect { max_line, what_if_longer, lines: Lines::new(max_line), messages: HashSet::new() }
    }

    /// A line of more than `max_line` bytes ends its client's session; what of it was taken is shown, and cut.
    pub fn with_limit(max_line: usize) -> Collect {
        Collect { what_if_longer: Longer::EndsTheSession, ..Collect::new(max_line) }
    }

    /// The bytes of a stream.
    fn take_stream(&mut self, client: Client, bytes: &[u8], output: &mut Output<'_>) {
        let ends = self.what_if_longer == Longer::EndsTheSession;
        let mut is_over = false;
        self.lines.push(client, bytes, &mut |piece| {
            if !is_over {
                output.show(line(client, piece));
                is_over = piece.cut && ends;
            }
        });
        if is_over {
            self.lines.finish(client);
            output.over_limit(client);
        }
    }

    /// A whole message: one line, whatever is in it.
    fn take_message(&self, client: Client, bytes: &[u8], output: &mut Output<'_>) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.len() > self.max_line && self.what_if_longer == Longer::EndsTheSession {
            output.show(line(client, Piece { bytes: &bytes[..self.max_line], cut: true }));
            return output.over_limit(client);
        }
        let mut rest = bytes;
        while rest.len() > self.max_line.max(1) {
            let (now, later) = rest.split_at(self.max_line.max(1));
            output.show(line(client, Piece { bytes: now, cut: true }));
            rest = later;
        }
        output.show(line(client, Piece { bytes: rest, cut: false }));
    }

    /// What had no end.
    fn take_rest(&mut self, client: Client, output: &mut Output<'_>) {
        if let Some(bytes) = self.lines.finish(client) {
            output.show(line(client, Piece { bytes: &bytes, cut: true }));
        }
    }
}

impl Service for Collect {
    fn name(&self) -> &'static str {
        "collect"
    }

    fn shows_lines(&self) -> bool {
        true
    }

    fn opened<'a>(&mut self, client: Client, shape: Shape, _: &mut Output<'a>) {
        if shape != Shape::Stream {
            self.messages.insert(client);
        }
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { return };
        match self.messages.contains(&client) {
            true => self.take_message(client, bytes, output),
            false => self.take_stream(client, bytes, output),
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        self.take_rest(client, output);
        output.close(client);
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        self.take_rest(client, output);
        self.messages.remove(&client);
    }
}

fn line(client: Client, Piece { bytes, cut }: Piece<'_>) -> Line {
    Line { client: Some(client), room: None, name: None, bytes: bytes.to_vec(), cut }
}

#[cfg(test)]
mod tests;
