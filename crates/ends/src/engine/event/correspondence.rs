//! A worker's rounds through its sockets for datagrams: who sent, whether it may, what the service says.

use kernel::inbox::{AT_ONCE, Inbox};

use super::clients::Who;
use super::datagrams::Verdict;
use super::{READS_AT_ONCE, Worker};
use crate::datagram_socket::Received;
use crate::ending::Ending;
use crate::event::{ClosedBy, Event};
use crate::peers::PeerIndex;
use crate::service::{Arrival, Output, Shape};

/// How many datagrams one socket gets between two looks at everything else.
const DATAGRAMS_AT_ONCE: usize = 64;

/// How long a datagram of the internet may be that is taken together with others, in bytes: none is longer.
pub(super) const LONGEST: usize = 64 * 1024;

/// How much a service may say to one peer at once: what one UDP datagram over IPv4 holds, in bytes.
const DATAGRAM: usize = 65_507;

impl Worker<'_> {
    /// Takes what has come to each socket, and does what is due there.
    pub(super) fn correspond(&mut self) {
        let datagrams = &mut self.clients.datagrams;
        if datagrams.count() == 0 {
            return;
        }
        datagrams.begin_round();
        datagrams.keep_time();
        while let Some(peer) = self.clients.datagrams.idle_peer() {
            self.forget_peer(peer, Ending::IDLE);
        }
        self.offer_to_peers();
        for place in 0..self.clients.datagrams.count() {
            if self.clients.datagrams.has_input(place) && !self.is_pressed() {
                self.take_datagrams(place);
            }
        }
    }

    /// The server stops: what has come so far is served, then the sockets close.
    pub(super) fn end_correspondence(&mut self) {
        for place in 0..self.clients.datagrams.count() {
            self.take_datagrams(place);
        }
        while let Some(peer) = self.clients.datagrams.any_peer() {
            self.forget_peer(peer, Ending::STOPPED);
        }
        let clients = &mut self.clients;
        clients.datagrams.close_all(clients.sessions.poll.registry());
    }

    fn take_datagrams(&mut self, place: usize) {
        match self.inbox.take() {
            Some(mut inbox) if self.clients.datagrams.is_of_the_internet(place) => {
                self.take_many(place, &mut inbox);
                self.inbox = Some(inbox);
            }
            inbox => {
                self.inbox = inbox;
                self.take_one_by_one(place);
            }
        }
        let clients = &mut self.clients;
        clients.datagrams.end_round(place, clients.sessions.poll.registry());
    }

    fn take_many(&mut self, place: usize, inbox: &mut Inbox) {
        // Where only their number counts, their bytes are left where they are.
        let room = if self.count_only { 0 } else { LONGEST };
        for _ in 0..DATAGRAMS_AT_ONCE / AT_ONCE {
            let datagrams = &mut self.clients.datagrams;
            let Some(count) = datagrams.receive(place, |socket| socket.receive_many(inbox, room)) else {
                return;
            };
            for number in 0..count {
                if let Some((arrived, bytes)) = inbox.get(number, room) {
                    self.take_one(place, arrived.into(), bytes);
                }
            }
        }
    }

    fn take_one_by_one(&mut self, place: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let room = if self.count_only { 0 } else { buffer.len() };
        for _ in 0..DATAGRAMS_AT_ONCE {
            let buffer = &mut buffer[..room];
            let datagrams = &mut self.clients.datagrams;
            let Some(received) = datagrams.receive(place, |socket| socket.receive(buffer)) else { break };
            let length = received.length.min(room);
            self.take_one(place, received, &buffer[..length]);
        }
        self.buffer = buffer;
    }

    fn take_one(&mut self, place: usize, received: Received, bytes: &[u8]) {
        let whole = received.length;
        let known = self.clients.datagrams.heard(place, &received);
        let known = known.filter(|peer| !self.begins_anew(*peer));
        if let Some(peer) = known.or_else(|| self.greet(place, received)) {
            self.datagram_arrived(peer, whole, bytes);
        }
    }

    fn begins_anew(&mut self, peer: PeerIndex) -> bool {
        let is_over = self.clients.datagrams.is_out_of_time(peer);
        if is_over {
            self.forget_peer(peer, Ending::LIMIT);
        }
        is_over
    }

    /// Makes a sender known, if it may come.
    fn greet(&mut self, place: usize, received: Received) -> Option<PeerIndex> {
        if !self.clients.datagrams.admits(&received.from) {
            return None;
        }
        if let Some(displaced) = self.clients.datagrams.displaced() {
            self.forget_peer(displaced, Ending::LIMIT);
        }
        let client = self.server.next_client();
        let peer = self.clients.datagrams.open(client, place, received)?;
        let mut output = Output::new();
        self.service.opened(client, Shape::Datagrams, &mut output);
        self.clients.perform(output, client, Who::Peer(peer));
        self.settle();
        // The service may have closed it at once.
        self.clients.datagrams.of_client(client)
    }

    fn datagram_arrived(&mut self, peer: PeerIndex, whole: usize, bytes: &[u8]) {
        let there = if self.count_only { whole } else { bytes.len() };
        if self.clients.datagrams.judge(peer, whole, there) == Verdict::Drop {
            return;
        }
        let Some(client) = self.clients.datagrams.client(peer) else { return };
        if self.server.config.tells.data
            && let Some(remote) = self.clients.datagrams.remote(peer)
        {
            let bytes = bytes.to_vec();
            (self.server.tell)(Event::Data { client: client.0, remote, bytes, whole_bytes: None });
        }
        let arrival = if self.count_only { Arrival::Count(whole as u64) } else { Arrival::Bytes(bytes) };
        let mut output = Output::new();
        self.service.received(client, arrival, &mut output);
        self.clients.perform(output, client, Who::Peer(peer));
        self.settle();
    }

    /// Asks the service what it has for the peers for whom it wanted to be asked.
    fn offer_to_peers(&mut self) {
        for client in self.clients.datagrams.take_listed() {
            for _ in 0..READS_AT_ONCE {
                let Some(peer) = self.clients.datagrams.of_client(client) else { break };
                let mut output = Output::new();
                self.service.room(client, DATAGRAM, &mut output);
                if output.is_empty() {
                    break;
                }
                self.clients.perform(output, client, Who::Peer(peer));
                self.settle();
            }
        }
    }

    /// Sees off those with whom the service has done, of either kind.
    fn settle(&mut self) {
        self.bury();
        while let Some(peer) = self.clients.datagrams.next_closing() {
            self.forget_peer(peer, Ending::fin(ClosedBy::Us));
        }
    }

    fn forget_peer(&mut self, peer: PeerIndex, ending: Ending) {
        let Some(client) = self.clients.datagrams.client(peer) else { return };
        let mut output = Output::new();
        self.service.gone(client, &mut output);
        self.clients.perform(output, client, Who::Peer(peer));
        self.clients.forget(client);
        self.clients.datagrams.forget(peer, ending);
        self.bury();
    }
}
