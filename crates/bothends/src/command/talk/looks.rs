//! What received bytes look like on standard output: themselves, text that is safe on a terminal, or records; datagrams
//! with their sender in front.

use std::cell::RefCell;
use std::io::IsTerminal;

use ends::datagrams::Arrival;
use wire::{Address, Transport, VisibleStream, visible};

use crate::clock::Clock;
use crate::out::Out;
use crate::record;

/// What received bytes look like.
pub(super) enum Looks<'a> {
    /// As what they are: in a pipe or a file.
    Plain,
    /// As text that cannot steer the terminal.
    Terminal(RefCell<VisibleStream>),
    /// As records.
    Records(&'a Clock),
}

impl<'a> Looks<'a> {
    pub(super) fn of(clock: &'a Clock, out: &Out) -> Looks<'a> {
        match (out.json, std::io::stdout().is_terminal()) {
            (true, _) => Looks::Records(clock),
            (false, true) => Looks::Terminal(RefCell::new(VisibleStream::new(out.stdout.ascii))),
            (false, false) => Looks::Plain,
        }
    }

    pub(super) fn are_plain(&self) -> bool {
        matches!(self, Looks::Plain)
    }

    /// What is to be written for one arrival of a connection; of a message that did not fit with its whole length.
    pub(super) fn shown(
        &self,
        remote: &Address,
        bytes: &[u8],
        whole_bytes: Option<u64>,
        transport: Transport,
    ) -> Vec<u8> {
        match self {
            Looks::Plain => bytes.to_vec(),
            Looks::Terminal(terminal) => terminal.borrow_mut().show(bytes).into_bytes(),
            Looks::Records(clock) if transport.keeps_messages() => {
                record::message(clock, 1, remote, bytes, whole_bytes).line().into_bytes()
            }
            Looks::Records(clock) => record::data(clock, 1, remote, bytes).line().into_bytes(),
        }
    }

    /// What is to be written for one datagram. In records a peer's first one stands behind the record of the peer.
    pub(super) fn datagram(&self, arrival: &Arrival<'_>, transport: Transport, labelled: bool) -> Vec<u8> {
        let &Arrival { client, is_first, from, local, bytes, whole_bytes } = arrival;
        match self {
            Looks::Records(clock) => {
                let opened = is_first.then(|| record::opened(clock, client, transport, local, from).line());
                let message = record::message(clock, client, from, bytes, whole_bytes).line();
                (opened.unwrap_or_default() + &message).into_bytes()
            }
            Looks::Plain if !labelled => bytes.to_vec(),
            Looks::Plain => [format!("{from}: ").as_bytes(), bytes, line_end(bytes)].concat(),
            Looks::Terminal(terminal) => {
                // One datagram is one whole message: nothing of it waits for the next.
                let mut terminal = terminal.borrow_mut();
                let text = terminal.show(bytes) + &terminal.finish();
                let from = visible(&from.to_string(), false).into_owned();
                [from.as_bytes(), b": ", text.as_bytes(), line_end(text.as_bytes())].concat()
            }
        }
    }

    /// Whether what was shown last did not end its line.
    pub(super) fn are_within_a_line(&self) -> bool {
        matches!(self, Looks::Terminal(terminal) if terminal.borrow().is_within_a_line())
    }

    /// What never got its rest.
    pub(super) fn rest(&self) -> String {
        match self {
            Looks::Terminal(terminal) => terminal.borrow_mut().finish(),
            Looks::Plain | Looks::Records(_) => String::new(),
        }
    }
}

/// The line end that a labelled datagram lacks: the next label begins a line.
fn line_end(bytes: &[u8]) -> &'static [u8] {
    if bytes.ends_with(b"\n") { b"" } else { b"\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Address {
        Address::Internet("127.0.0.1:9".parse().unwrap())
    }

    fn shown(looks: &Looks<'_>, bytes: &[u8], labelled: bool) -> Vec<u8> {
        let (from, local) = (&peer(), &peer());
        let arrival = Arrival { client: 1, is_first: true, from, local, bytes, whole_bytes: None };
        looks.datagram(&arrival, Transport::Udp, labelled)
    }

    #[test]
    fn a_datagram_in_a_pipe_is_its_bytes_unless_a_label_is_wanted() {
        let looks = Looks::Plain;
        assert_eq!(shown(&looks, b"a\0b", false), b"a\0b");
        assert_eq!(shown(&looks, b"a\0b", true), b"127.0.0.1:9: a\0b\n");
        assert_eq!(shown(&looks, b"line\n", true), b"127.0.0.1:9: line\n");
    }

    #[test]
    fn on_a_terminal_each_datagram_has_its_label_and_its_line() {
        let looks = Looks::Terminal(RefCell::new(VisibleStream::new(false)));
        assert_eq!(shown(&looks, b"\x1b[2J\xe2\x82", false), b"127.0.0.1:9: \\u{1b}[2J\\xe2\\x82\n");
        assert_eq!(shown(&looks, b"hi\r\n", false), b"127.0.0.1:9: hi\n");
    }
}
