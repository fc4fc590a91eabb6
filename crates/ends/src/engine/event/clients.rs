//! All clients of one worker, and what its service wants done for them: one service value serves those with a connection
//! and those who send datagrams alike.

use std::collections::VecDeque;

use crate::ending::Ending;
use crate::serve::Server;
use crate::service::{Action, Client, Line, Output};

use super::datagrams::Datagrams;
use super::sessions::Sessions;
use crate::peers::PeerIndex;

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Session(usize),
    Peer(PeerIndex),
}

/// The clients of one worker.
pub(super) struct Clients<'a> {
    server: &'a Server<'a>,
    pub(super) sessions: Sessions<'a>,
    pub(super) datagrams: Datagrams<'a>,
    /// Whom the service was asked about last: most actions are on it.
    at_work: Option<(Client, Who)>,
    /// Sessions that the service is to be asked about.
    offered: VecDeque<usize>,
    /// Lines were shown in this round.
    has_shown: bool,
}

impl<'a> Clients<'a> {
    pub(super) fn new(
        server: &'a Server<'a>,
        sessions: Sessions<'a>,
        datagrams: Datagrams<'a>,
    ) -> Clients<'a> {
        Clients { server, sessions, datagrams, at_work: None, offered: VecDeque::new(), has_shown: false }
    }

    /// Does what the service wants, asked about this client.
    pub(super) fn perform(&mut self, output: Output<'_>, client: Client, who: Who) {
        if output.is_empty() {
            return;
        }
        self.at_work = Some((client, who));
        self.perform_all(output);
    }

    /// Does what the service wants, asked about nobody.
    pub(super) fn perform_all(&mut self, output: Output<'_>) {
        for action in output.drain() {
            match action {
                Action::Send(to, bytes) => self.send(to, bytes),
                Action::SendOwned(to, bytes) => self.send(to, &bytes),
                Action::SendShared(to, bytes) => self.send(to, &bytes),
                Action::Offer(to) => match self.find(to) {
                    Some(Who::Session(index)) => self.offered.push_back(index),
                    Some(Who::Peer(peer)) => self.datagrams.list(peer),
                    None => {}
                },
                Action::Show(line) => self.show(&line),
                Action::HalfClose(of) => {
                    if let Some(Who::Session(index)) = self.find(of) {
                        self.sessions.half_close(index);
                    }
                }
                Action::Close(of) => match self.find(of) {
                    Some(Who::Session(index)) => self.sessions.close(index),
                    Some(Who::Peer(_)) => self.datagrams.close(of),
                    None => {}
                },
                Action::OverLimit(of) => match self.find(of) {
                    Some(Who::Session(index)) => self.sessions.end(index, Ending::LIMIT),
                    Some(Who::Peer(peer)) => self.datagrams.shut_out(peer),
                    None => {}
                },
            }
        }
    }

    /// A session for which the service has output to be asked for. It may have ended since.
    pub(super) fn next_offered(&mut self) -> Option<usize> {
        self.offered.pop_front()
    }

    /// The client is no more: what is done to it from now on is done to nobody.
    pub(super) fn forget(&mut self, client: Client) {
        self.at_work.take_if(|(at_work, _)| *at_work == client);
    }

    /// A round is over: what was shown in it is written as one batch.
    pub(super) fn end_round(&mut self) {
        if std::mem::take(&mut self.has_shown)
            && let Some(sink) = &self.server.config.sink
        {
            sink.flush();
        }
    }

    fn find(&self, client: Client) -> Option<Who> {
        match self.at_work {
            Some((at_work, who)) if at_work == client => Some(who),
            _ => {
                let session = self.sessions.of_client(client).map(Who::Session);
                session.or_else(|| self.datagrams.of_client(client).map(Who::Peer))
            }
        }
    }

    fn send(&mut self, to: Client, bytes: &[u8]) {
        match self.find(to) {
            Some(Who::Session(index)) => self.sessions.send(index, bytes),
            Some(Who::Peer(peer)) => self.datagrams.send(peer, bytes),
            None => {}
        }
    }

    fn show(&mut self, line: &Line) {
        let Some(sink) = &self.server.config.sink else { return };
        let remote = line.client.and_then(|client| match self.find(client)? {
            Who::Session(index) => self.sessions.get(index).map(|session| session.guest.remote.clone()),
            Who::Peer(peer) => self.datagrams.remote(peer),
        });
        sink.take(remote.as_ref(), line);
        self.has_shown = true;
    }
}
