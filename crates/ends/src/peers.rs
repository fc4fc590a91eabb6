//! Who sends datagrams to us: a table of peers, bounded, the one not heard of for longest first to be forgotten.

use std::collections::HashMap;
use std::time::Instant;

use kernel::packet_info::OurAddress;
use rustix::io::Errno;
use wire::Address;

use crate::datagram_socket::Received;
use crate::engine::rate::Bucket;
use crate::service::Client;

const NONE: usize = usize::MAX;

/// A peer's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerIndex(usize);

/// Why a peer is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It has no address (unix(7): an unbound sender).
    Unnamed,
    /// At its port sits a service that would answer the answer.
    LoopPort,
    /// It is one of our own sockets.
    Ourselves,
    /// Its address is that of a group.
    Group,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) client: Client,
    /// The socket that it sent to.
    pub(crate) place: usize,
    /// As the kernel gave it, and wants it for the answers.
    pub(crate) address: Address,
    /// The address of ours that it knows, where there are several.
    pub(crate) ours: Option<OurAddress>,
    pub(crate) opened: Instant,
    pub(crate) last_heard: Instant,
    pub(crate) in_bytes: u64,
    pub(crate) out_bytes: u64,
    /// What could not be sent to it.
    pub(crate) unsent_bytes: u64,
    pub(crate) silence: Option<Silence>,
    pub(crate) silence_told: bool,
    /// It has gone beyond a limit, or may not come: what it sends is dropped.
    pub(crate) shut_out: bool,
    pub(crate) limit_told: bool,
    /// The last error of sending to it that was told.
    pub(crate) error_told: Option<Errno>,
    pub(crate) bucket: Bucket,
    pub(crate) is_listed: bool,
    newer: usize,
    older: usize,
}

/// Peers, the next one to be forgotten first.
#[derive(Debug)]
pub(crate) struct Peers {
    rows: Vec<Option<Peer>>,
    free: Vec<usize>,
    by_address: HashMap<(usize, Address), usize>,
    by_client: HashMap<Client, usize>,
    newest: usize,
    oldest: usize,
    most: usize,
}

impl Peer {
    pub(crate) fn new(client: Client, place: usize, address: Address, now: Instant) -> Peer {
        Peer {
            client,
            place,
            address,
            ours: None,
            opened: now,
            last_heard: now,
            in_bytes: 0,
            out_bytes: 0,
            unsent_bytes: 0,
            silence: None,
            silence_told: false,
            shut_out: false,
            limit_told: false,
            error_told: None,
            bucket: Bucket::new(now),
            is_listed: false,
            newer: NONE,
            older: NONE,
        }
    }
}

impl Peers {
    pub(crate) fn new(most: usize) -> Peers {
        Peers {
            rows: Vec::new(),
            free: Vec::new(),
            by_address: HashMap::new(),
            by_client: HashMap::new(),
            newest: NONE,
            oldest: NONE,
            most,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.by_client.len() >= self.most
    }

    pub(crate) fn get(&mut self, index: PeerIndex) -> Option<&mut Peer> {
        self.rows.get_mut(index.0)?.as_mut()
    }

    pub(crate) fn of_client(&self, client: Client) -> Option<PeerIndex> {
        self.by_client.get(&client).copied().map(PeerIndex)
    }

    /// Who has sent this to that socket, and is now the one heard of last.
    pub(crate) fn heard(&mut self, place: usize, received: &Received, now: Instant) -> Option<PeerIndex> {
        let address = &received.from;
        let is_at = |index: usize| {
            let peer = self.rows.get(index).and_then(Option::as_ref);
            peer.is_some_and(|peer| peer.place == place && peer.address == *address)
        };
        let index = if is_at(self.newest) {
            self.newest
        } else {
            // Who waits for each answer has its turn when all others have had theirs.
            let index = if is_at(self.oldest) { self.oldest } else { self.of_address(place, address)?.0 };
            self.unlink(index);
            self.link_newest(index);
            index
        };
        let peer = self.rows.get_mut(index)?.as_mut()?;
        (peer.last_heard, peer.ours) = (now, received.to);
        Some(PeerIndex(index))
    }

    /// Who sends from this address to that socket.
    pub(crate) fn of_address(&self, place: usize, address: &Address) -> Option<PeerIndex> {
        // The key is borrowed as a whole; an internet address costs no allocation.
        self.by_address.get(&(place, address.clone())).copied().map(PeerIndex)
    }

    /// Adds one; whoever adds sees to it before that the table is not full.
    pub(crate) fn add(&mut self, peer: Peer) -> PeerIndex {
        let index = self.free.pop().unwrap_or(self.rows.len());
        self.by_address.insert((peer.place, peer.address.clone()), index);
        self.by_client.insert(peer.client, index);
        if index == self.rows.len() {
            self.rows.push(Some(peer));
        } else {
            self.rows[index] = Some(peer);
        }
        self.link_newest(index);
        PeerIndex(index)
    }

    pub(crate) fn remove(&mut self, index: PeerIndex) -> Option<Peer> {
        self.get(index)?;
        self.unlink(index.0);
        let peer = self.rows[index.0].take()?;
        self.by_address.remove(&(peer.place, peer.address.clone()));
        self.by_client.remove(&peer.client);
        self.free.push(index.0);
        Some(peer)
    }

    /// The one not heard of for longest, and when it was heard.
    pub(crate) fn oldest(&self) -> Option<(PeerIndex, Instant)> {
        let peer = self.rows.get(self.oldest)?.as_ref()?;
        Some((PeerIndex(self.oldest), peer.last_heard))
    }

    fn link_newest(&mut self, index: usize) {
        let before = self.newest;
        if let Some(Some(peer)) = self.rows.get_mut(index) {
            (peer.newer, peer.older) = (NONE, before);
        }
        match self.rows.get_mut(before) {
            Some(Some(peer)) => peer.newer = index,
            _ => self.oldest = index,
        }
        self.newest = index;
    }

    fn unlink(&mut self, index: usize) {
        let Some(Some(peer)) = self.rows.get(index) else { return };
        let (newer, older) = (peer.newer, peer.older);
        match self.rows.get_mut(newer) {
            Some(Some(peer)) => peer.older = older,
            _ => self.newest = older,
        }
        match self.rows.get_mut(older) {
            Some(Some(peer)) => peer.newer = newer,
            _ => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::net::SocketAddr;

    fn from(address: Address) -> Received {
        Received { length: 0, from: address, to: None }
    }

    fn address(number: u16) -> Address {
        Address::from(SocketAddr::from(([127, 0, 0, 1], number)))
    }

    #[test]
    fn the_least_recently_heard_is_the_oldest_whatever_the_order() {
        let now = Instant::now();
        let mut peers = Peers::new(8);
        let mut model: VecDeque<u16> = VecDeque::new();
        // A fixed walk over twenty senders for eight places.
        let mut number: u32 = 1;
        for round in 0..10_000u64 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let port = u16::try_from(number >> 16).unwrap_or(0) % 20;
            let known = peers.heard(0, &from(address(port)), now);
            assert_eq!(known.is_some(), model.contains(&port));
            model.retain(|other| *other != port);
            if known.is_none() {
                if peers.is_full() {
                    let (oldest, _) = peers.oldest().expect("it is full");
                    let gone = peers.remove(oldest).expect("it is there");
                    assert_eq!(Some(gone.address), model.pop_front().map(address));
                }
                peers.add(Peer::new(Client(round), 0, address(port), now));
            }
            model.push_back(port);
            assert_eq!(peers.by_client.len(), model.len());
        }
        assert_eq!(peers.rows.len(), 8, "places are used again");
    }

    #[test]
    fn one_address_at_two_sockets_is_two_peers() {
        let now = Instant::now();
        let mut peers = Peers::new(2);
        let first = peers.add(Peer::new(Client(1), 0, address(9), now));
        assert_eq!(peers.heard(1, &from(address(9)), now), None);
        let second = peers.add(Peer::new(Client(2), 1, address(9), now));
        assert_eq!(peers.heard(0, &from(address(9)), now), Some(first));
        assert_eq!(peers.of_client(Client(2)), Some(second));
        peers.remove(first).expect("there");
        assert_eq!((peers.heard(0, &from(address(9)), now), peers.of_client(Client(1))), (None, None));
        assert_eq!(peers.oldest().map(|(index, _)| index), Some(second));
    }
}
