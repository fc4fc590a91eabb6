//! What a server does with bytes, without sockets: a state machine that is told what happened and answers with actions.

mod chat;
mod clock;
mod collect;
mod discard;
mod echo;
mod lines;
mod refusal;
mod reply;
mod source;
mod upper;

use std::sync::Arc;

pub use chat::Chat;
pub use clock::TimeOfDay;
pub use collect::Collect;
pub use discard::Discard;
pub use echo::Echo;
pub use refusal::refusal;
pub use reply::Reply;
pub use source::Source;
pub use upper::Upper;

/// A client of a server: 1, 2, … in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

/// How the bytes of a client come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// As a stream: where one arrival ends says nothing. It has an end (FIN).
    Stream,
    /// As messages over a connection, each arrival one: it has an end too.
    Messages,
    /// As datagrams, each arrival one, without an end.
    Datagrams,
}

/// What a service wants of the arriving bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// The bytes themselves.
    Bytes,
    /// Only their number: the engine may discard them unread (splice).
    CountOnly,
}

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub enum Arrival<'a> {
    /// Bytes, for [`Appetite::Bytes`].
    Bytes(&'a [u8]),
    /// Their number, for [`Appetite::CountOnly`].
    Count(u64),
}

/// Something that a client said, whole, for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who said it; none when it is the service itself or the operator.
    pub client: Option<Client>,
    /// The room in which it was said, where there are rooms.
    pub room: Option<Arc<str>>,
    /// The name under which it was said, where there are names.
    pub name: Option<Arc<str>>,
    /// What was said, without the line's end.
    pub bytes: Vec<u8>,
    /// The line had no end: the client died in the middle of it, or it was longer than is kept in one piece.
    pub cut: bool,
}

/// One thing that a service wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Send bytes that are still in the arrival's buffer, or that live for ever: the engine writes them from there and
    /// copies only what the socket does not take. Where messages are kept apart, each of these is one.
    Send(Client, &'a [u8]),
    /// Send bytes that the service made.
    SendOwned(Client, Vec<u8>),
    /// Send bytes that go to many.
    SendShared(Client, Arc<[u8]>),
    /// Ask [`Service::room`] for this client as soon as there is room: there is something to send to somebody whose turn
    /// it is not.
    Offer(Client),
    /// Show a line to whoever runs the server. It is never lost: where nobody takes it, the clients wait.
    Show(Line),
    /// Send what is queued, then FIN; go on reading.
    HalfClose(Client),
    /// Send what is queued, then close.
    Close(Client),
    /// Close at once: the client has gone beyond a limit.
    OverLimit(Client),
}

/// The actions of one call, in order. The first one costs no allocation.
#[derive(Debug, Default)]
pub struct Output<'a> {
    first: Option<Action<'a>>,
    rest: Vec<Action<'a>>,
}

impl Action<'_> {
    fn bytes_to(&self, client: Client) -> usize {
        match self {
            Action::Send(to, bytes) if *to == client => bytes.len(),
            Action::SendOwned(to, bytes) if *to == client => bytes.len(),
            Action::SendShared(to, bytes) if *to == client => bytes.len(),
            _ => 0,
        }
    }
}

impl<'a> Output<'a> {
    /// No actions yet.
    pub fn new() -> Output<'a> {
        Output::default()
    }

    /// Sends bytes of the arrival, or bytes that live for ever, to a client.
    pub fn to(&mut self, client: Client, bytes: &'a [u8]) {
        self.push(Action::Send(client, bytes));
    }

    /// Sends bytes that the service made to a client.
    pub fn to_owned(&mut self, client: Client, bytes: Vec<u8>) {
        self.push(Action::SendOwned(client, bytes));
    }

    /// Sends bytes that go to many to one of them.
    pub fn to_shared(&mut self, client: Client, bytes: Arc<[u8]>) {
        self.push(Action::SendShared(client, bytes));
    }

    /// Asks to be asked for this client's output.
    pub fn offer(&mut self, client: Client) {
        self.push(Action::Offer(client));
    }

    /// Shows a line to whoever runs the server.
    pub fn show(&mut self, line: Line) {
        self.push(Action::Show(line));
    }

    /// FIN after what is queued; the client may go on sending.
    pub fn half_close(&mut self, client: Client) {
        self.push(Action::HalfClose(client));
    }

    /// Close after what is queued.
    pub fn close(&mut self, client: Client) {
        self.push(Action::Close(client));
    }

    /// Close at once, for a limit.
    pub fn over_limit(&mut self, client: Client) {
        self.push(Action::OverLimit(client));
    }

    fn push(&mut self, action: Action<'a>) {
        if self.first.is_none() {
            self.first = Some(action);
        } else {
            self.rest.push(action);
        }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many bytes are to be sent to this client.
    pub(crate) fn bytes_to(&self, client: Client) -> u64 {
        self.first.iter().chain(&self.rest).map(|action| action.bytes_to(client) as u64).sum()
    }

    /// Takes the actions in order.
    pub fn drain(self) -> impl Iterator<Item = Action<'a>> {
        self.first.into_iter().chain(self.rest)
    }
}

/// What a server does with bytes. Every method is told which client it is about and may ask for actions on any client
/// that the same value serves: all of a worker's under the event engine; under the others the session's own, or every
/// client where the service [`Service::is_shared`].
pub trait Service: Send {
    /// The word on the command line.
    fn name(&self) -> &'static str;

    /// What it wants of arriving bytes.
    fn appetite(&self) -> Appetite {
        Appetite::Bytes
    }

    /// Whether clients reach each other, so that one value has to serve all of them.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether it asks for [`Action::Show`]: then clients are read only while their lines are taken.
    fn shows_lines(&self) -> bool {
        false
    }

    /// A client arrived.
    fn opened<'a>(&mut self, client: Client, shape: Shape, output: &mut Output<'a>) {
        let _ = (client, shape, output);
    }

    /// Bytes of a client arrived; of messages and datagrams each comes alone, and may be empty.
    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>);

    /// The client sent its FIN: it will say no more, but still listens. Not told of datagrams.
    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>);

    /// The client's queue has room for `bytes` more (asked only while it holds less than 64 KiB).
    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let _ = (client, bytes, output);
    }

    /// The client is gone, however it went; nothing more can be sent to it, but others may be told.
    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        let _ = (client, output);
    }

    /// Whoever runs the server typed a line (without its end).
    fn operator<'a>(&mut self, line: &[u8], output: &mut Output<'a>) {
        let _ = (line, output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_out_in_order() {
        let mut output = Output::new();
        assert!(output.is_empty());
        output.to(Client(1), b"first");
        output.to_owned(Client(2), b"second".to_vec());
        output.half_close(Client(1));
        output.close(Client(1));
        let actions: Vec<Action<'_>> = output.drain().collect();
        let expected = [
            Action::Send(Client(1), b"first"),
            Action::SendOwned(Client(2), b"second".to_vec()),
            Action::HalfClose(Client(1)),
            Action::Close(Client(1)),
        ];
        assert_eq!(actions, expected);
    }

    #[test]
    fn echo_gives_back_each_arrival_and_closes_after_the_fin() {
        let mut echo = Echo;
        let mut output = Output::new();
        echo.opened(Client(3), Shape::Stream, &mut output);
        echo.room(Client(3), 65536, &mut output);
        assert!(output.is_empty(), "echo never speaks first");
        echo.received(Client(3), Arrival::Bytes(b"hello"), &mut output);
        echo.ended(Client(3), &mut output);
        let actions: Vec<Action<'_>> = output.drain().collect();
        assert_eq!(actions, [Action::Send(Client(3), b"hello"), Action::Close(Client(3))]);
    }

    #[test]
    fn one_echo_costs_no_allocation() {
        let mut output = Output::new();
        Echo.received(Client(1), Arrival::Bytes(b"x"), &mut output);
        assert_eq!(output.rest.capacity(), 0);
    }
}
