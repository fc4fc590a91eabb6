//! What a server does with bytes, without sockets: a state machine that is told what happened and answers with actions.

/// A client of a server: 1, 2, … in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

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

/// One thing that a service wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Send bytes that are still in the arrival's buffer: the engine writes them from there and copies only what the
    /// socket does not take.
    Send(Client, &'a [u8]),
    /// Send bytes that the service made.
    SendOwned(Client, Vec<u8>),
    /// Send what is queued, then FIN; go on reading.
    HalfClose(Client),
    /// Send what is queued, then close.
    Close(Client),
}

/// The actions of one call, in order. The first one costs no allocation.
#[derive(Debug, Default)]
pub struct Output<'a> {
    first: Option<Action<'a>>,
    rest: Vec<Action<'a>>,
}

impl<'a> Output<'a> {
    /// No actions yet.
    pub fn new() -> Output<'a> {
        Output::default()
    }

    /// Sends bytes of the arrival to a client.
    pub fn to(&mut self, client: Client, bytes: &'a [u8]) {
        self.push(Action::Send(client, bytes));
    }

    /// Sends bytes that the service made to a client.
    pub fn to_owned(&mut self, client: Client, bytes: Vec<u8>) {
        self.push(Action::SendOwned(client, bytes));
    }

    /// FIN after what is queued; the client may go on sending.
    pub fn half_close(&mut self, client: Client) {
        self.push(Action::HalfClose(client));
    }

    /// Close after what is queued.
    pub fn close(&mut self, client: Client) {
        self.push(Action::Close(client));
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

    /// Takes the actions in order.
    pub fn drain(self) -> impl Iterator<Item = Action<'a>> {
        self.first.into_iter().chain(self.rest)
    }
}

/// What a server does with bytes. Every method is told which client it is about and may ask for actions on any client
/// that the same value serves: all of a worker's under the event engine, the session's own under the others.
pub trait Service: Send {
    /// The word on the command line.
    fn name(&self) -> &'static str;

    /// What it wants of arriving bytes.
    fn appetite(&self) -> Appetite {
        Appetite::Bytes
    }

    /// A client arrived.
    fn opened<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        let _ = (client, output);
    }

    /// Bytes of a client arrived.
    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>);

    /// The client sent its FIN: it will say no more, but still listens.
    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>);

    /// The client's queue has room for `bytes` more (asked only while it holds less than 64 KiB).
    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let _ = (client, bytes, output);
    }

    /// The client is gone, however it went; nothing more can be sent to it.
    fn gone(&mut self, client: Client) {
        let _ = client;
    }
}

/// RFC 862: sends back what it receives; at the client's FIN, the rest and then its own.
#[derive(Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        if let Arrival::Bytes(bytes) = arrival {
            output.to(client, bytes);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
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
        echo.opened(Client(3), &mut output);
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
