//! Who has sent datagrams: each has a number, in order of arrival, and the last one is the one to be answered.

use std::collections::HashSet;
use std::time::Instant;

use kernel::packet_info::OurAddress;
use wire::Address;

use crate::datagram_socket::{Received, shown};
use crate::peers::{self, Peer};
use crate::service::Client;

/// How many are remembered; the one not heard of for longest is forgotten first. Who was forgotten and comes again is
/// somebody new.
const MOST: usize = 4096;

/// Says whether a peer with this address may speak, and tells if it may not.
pub type Admits<'a> = &'a dyn Fn(&Address) -> bool;

/// One who has just spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speaker {
    pub(super) number: u64,
    /// Nobody knew of it before.
    pub(super) is_new: bool,
}

/// Those who have sent something, and the server that was called.
pub(super) struct Peers<'a> {
    known: peers::Peers,
    admits: Option<Admits<'a>>,
    /// Those who may not speak and have been told of.
    turned_away: HashSet<Address>,
    server: Option<Address>,
    server_has_spoken: bool,
    last: Option<Address>,
    last_number: u64,
}

impl<'a> Peers<'a> {
    /// A server that was called is the first one, before it has said anything.
    pub(super) fn new(server: Option<&Address>, admits: Option<Admits<'a>>) -> Peers<'a> {
        let mut known = peers::Peers::new(MOST);
        if let Some(server) = server {
            known.add(Peer::new(Client(1), 0, server.clone(), Instant::now()));
        }
        Peers {
            known,
            admits,
            turned_away: HashSet::new(),
            server: server.cloned(),
            server_has_spoken: false,
            last: None,
            last_number: u64::from(server.is_some()),
        }
    }

    /// Whoever has just sent this; none where it may not. `is_answerable`: something can be sent back.
    pub(super) fn heard(
        &mut self,
        received: &Received,
        is_answerable: bool,
        now: Instant,
    ) -> Option<Speaker> {
        let known = self.known.heard(0, received, now).and_then(|index| self.known.get(index));
        let speaker = match known {
            Some(peer) => Speaker { number: peer.client.0, is_new: false },
            None => self.meet(received, now)?,
        };
        self.server_has_spoken |= self.server.as_ref() == Some(&received.from);
        if is_answerable && self.last.as_ref() != Some(&received.from) {
            self.last = Some(received.from.clone());
        }
        Some(speaker)
    }

    fn meet(&mut self, received: &Received, now: Instant) -> Option<Speaker> {
        if !self.may_speak(&received.from) {
            return None;
        }
        if self.known.is_full()
            && let Some((oldest, _)) = self.known.oldest()
        {
            self.known.remove(oldest);
        }
        self.last_number += 1;
        let mut peer = Peer::new(Client(self.last_number), 0, received.from.clone(), now);
        peer.ours = received.to;
        self.known.add(peer);
        Some(Speaker { number: self.last_number, is_new: true })
    }

    fn may_speak(&mut self, from: &Address) -> bool {
        let Some(admits) = self.admits else { return true };
        if self.turned_away.contains(from) {
            return false;
        }
        let may_speak = admits(&shown(from));
        if !may_speak {
            if self.turned_away.len() >= MOST {
                self.turned_away.clear();
            }
            self.turned_away.insert(from.clone());
        }
        may_speak
    }

    /// Who spoke last, of those who can be answered.
    pub(super) fn last(&self) -> Option<&Address> {
        self.last.as_ref()
    }

    /// Which address of ours this peer has asked: the one that it expects answers from. The server gets what the route
    /// says, as with the first datagram.
    pub(super) fn asked(&mut self, peer: &Address) -> Option<OurAddress> {
        if self.server.as_ref() == Some(peer) {
            return None;
        }
        let index = self.known.of_address(0, peer)?;
        self.known.get(index)?.ours
    }

    /// How many have spoken.
    pub(super) fn count(&self) -> u64 {
        let silent_server = self.server.is_some() && !self.server_has_spoken;
        self.last_number - u64::from(silent_server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn address(port: u16) -> Address {
        Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn from(port: u16) -> Received {
        Received { length: 1, from: address(port), to: None }
    }

    fn number(peers: &mut Peers<'_>, port: u16) -> u64 {
        peers.heard(&from(port), true, Instant::now()).expect("it may speak").number
    }

    #[test]
    fn each_has_its_number_and_the_last_is_answered() {
        let mut peers = Peers::new(None, None);
        assert_eq!(peers.last(), None);
        let numbers = [7, 8, 7, 9].map(|port| number(&mut peers, port));
        assert_eq!((numbers, peers.count()), ([1, 2, 1, 3], 3));
        assert_eq!(peers.last(), Some(&address(9)));
        assert_eq!(peers.asked(&address(9)), None);
        let unnamed = Received { length: 1, from: Address::Unnamed, to: None };
        let speaker = peers.heard(&unnamed, false, Instant::now());
        assert_eq!(speaker, Some(Speaker { number: 4, is_new: true }));
        assert_eq!(peers.last(), Some(&address(9)), "nothing can be said to who has no address");
    }

    #[test]
    fn the_server_is_the_first_and_counts_once_it_has_spoken() {
        let server = address(7);
        let mut peers = Peers::new(Some(&server), None);
        assert_eq!((number(&mut peers, 9), peers.count()), (2, 1));
        assert_eq!((number(&mut peers, 7), peers.count()), (1, 2));
        let ours = |ip: [u8; 4]| Some(OurAddress { ip: ip.into(), interface: 1 });
        for (port, to) in [(7, ours([127, 0, 0, 2])), (9, ours([127, 0, 0, 3]))] {
            peers.heard(&Received { to, ..from(port) }, true, Instant::now());
        }
        assert_eq!((peers.asked(&server), peers.asked(&address(9))), (None, ours([127, 0, 0, 3])));
    }

    #[test]
    fn memory_stays_bounded_and_who_goes_on_speaking_is_remembered() {
        let mut peers = Peers::new(None, None);
        for port in 1..=5000 {
            number(&mut peers, port);
            assert_eq!(number(&mut peers, 1), 1);
        }
        assert_eq!(peers.count(), 5000);
        assert_eq!((number(&mut peers, 2), number(&mut peers, 5000)), (5001, 5000));
    }

    #[test]
    fn who_may_not_speak_is_asked_about_once() {
        let asked = Cell::new(0);
        let admits = |address: &Address| {
            asked.set(asked.get() + 1);
            address.port() == Some(1)
        };
        let mut peers = Peers::new(None, Some(&admits));
        let spoken = [1, 2, 2].map(|port| peers.heard(&from(port), true, Instant::now()).is_some());
        assert_eq!((spoken, asked.get(), peers.count()), ([true, false, false], 2, 1));
        assert_eq!(peers.last(), Some(&address(1)));
    }
}
