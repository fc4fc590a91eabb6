//! Datagrams: sockets without connections, where every sender becomes a numbered client of the worker's service.
//!
//! A worker reads a socket until it is empty, asks the service about each datagram, and sends each answer to its peer at
//! once; nothing is queued and nothing allocated for a datagram. What cannot be sent is counted and told.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use wire::{Address, Cause, Doing, End, Fault};

use crate::address::{is_group, plain};
use crate::datagram_socket::{Received, shown};
use crate::ending::Ending;
use crate::engine::rate::Rate;
use crate::event::{Account, Event};
use crate::listen::DatagramSocket;
use crate::peers::{Peer, PeerIndex, Peers, Silence};
use crate::serve::{Limits, Server};
use crate::service::Client;
use crate::shortage::{PAUSE, is_short_of_memory, is_want_of_room};

/// How long a peer is remembered that says nothing, unless something else is asked for.
const IDLE: Duration = Duration::from_secs(60);

/// Services that answer everything, or send to whoever asks: an answer to them is answered again, without end. Echo
/// (RFC 862), daytime (RFC 867), quote of the day (RFC 865), chargen (RFC 864), time (RFC 868).
const LOOP_PORTS: [u16; 5] = [7, 13, 17, 19, 37];

/// When a socket that failed is read again although no event says so.
const RETRY: Duration = Duration::from_millis(500);

/// How often it is told that datagrams could not be sent.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How many peers are known at once. The next one takes the place of the one not heard of for longest.
const MOST: usize = 65_536;

/// How many of those turned away are remembered, so that each is told of once.
const DENIED_AT_MOST: usize = 4096;

/// After so many rounds that left something unread a socket is read without being watched: who is watched tells whoever
/// watches of each datagram that has left it, which costs a twentieth of the rate.
const BUSY: u32 = 4;

/// How many errors of one socket are told in one go.
const ERRORS_AT_ONCE: usize = 64;

/// One socket.
#[derive(Debug)]
struct Place {
    socket: DatagramSocket,
    has_input: bool,
    is_watched: bool,
    /// How many rounds in a row have left something unread.
    busy: u32,
    /// Datagrams that found no room, since it was last told.
    unsent: u64,
    unsent_told: Option<Instant>,
    failed: Option<Failed>,
}

/// A socket that cannot be read, for example because its interface is gone.
#[derive(Clone, Copy, Debug)]
struct Failed {
    error: Errno,
    retry_at: Instant,
}

/// What is to be done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is for the service.
    Take,
    Drop,
}

/// The sockets for datagrams of one worker, and those who send to them.
pub(super) struct Datagrams<'a> {
    server: &'a Server<'a>,
    places: Vec<Place>,
    peers: Peers,
    limits: Limits,
    rate: Option<Rate>,
    /// Peers whose service has something for them whose turn it is not.
    listed: Vec<Client>,
    /// Peers that the service wants closed.
    closing: Vec<Client>,
    /// Those who may not come and have been told of.
    denied: HashSet<Address>,
    /// The token of the first socket; each further one has the next lower.
    first: usize,
    now: Instant,
}

impl Place {
    /// What has come before is told at once.
    fn watch(&mut self, registry: &Registry, token: usize) -> std::io::Result<()> {
        let fd = self.socket.socket.as_raw_fd();
        registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE)?;
        self.is_watched = true;
        Ok(())
    }
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(server: &'a Server<'a>) -> Datagrams<'a> {
        let limits = server.config.limits;
        Datagrams {
            server,
            places: Vec::new(),
            peers: Peers::new(MOST),
            limits,
            rate: limits.bytes_per_s.and_then(Rate::new),
            listed: Vec::new(),
            closing: Vec::new(),
            denied: HashSet::new(),
            first: 0,
            now: Instant::now(),
        }
    }

    pub(super) fn add(&mut self, socket: DatagramSocket) {
        let place = Place {
            socket,
            has_input: true,
            is_watched: false,
            busy: 0,
            unsent: 0,
            unsent_told: None,
            failed: None,
        };
        self.places.push(place);
    }

    /// Watches all of them; the first one has the token `first`, each further one the next lower.
    pub(super) fn watch(&mut self, registry: &Registry, first: usize) -> std::io::Result<()> {
        self.first = first;
        self.places
            .iter_mut()
            .enumerate()
            .try_for_each(|(number, place)| place.watch(registry, first - number))
    }

    /// A round is over for a socket: who is empty is watched, and who has been busy for long is not.
    pub(super) fn end_round(&mut self, number: usize, registry: &Registry) {
        let token = self.first - number;
        let Some(place) = self.places.get_mut(number) else { return };
        place.busy = if place.has_input { place.busy.saturating_add(1) } else { 0 };
        if place.is_watched && place.busy >= BUSY {
            place.is_watched = registry.deregister(&mut SourceFd(&place.socket.socket.as_raw_fd())).is_err();
        } else if !place.is_watched
            && !place.has_input
            && let Err(error) = place.watch(registry, token)
        {
            // It is read again after a while, and then watched.
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::NOMEM);
            self.failed(number, errno);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// A round begins: what happens in it happens now.
    pub(super) fn begin_round(&mut self) {
        if !self.places.is_empty() {
            self.now = Instant::now();
        }
    }

    /// Something has changed at a socket.
    pub(super) fn changed(&mut self, place: usize, has_error: bool) {
        if let Some(socket) = self.places.get_mut(place) {
            socket.has_input = true;
        }
        if has_error {
            self.hear_errors(place);
        }
    }

    pub(super) fn has_input(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.has_input)
    }

    /// Whether there is something to go on with before waiting.
    pub(super) fn can_go_on(&self) -> bool {
        !self.listed.is_empty() || self.places.iter().any(|place| place.has_input)
    }

    /// When to look again although nothing happens.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let forget = self.peers.oldest().and_then(|(_, heard)| heard.checked_add(self.idle()));
        let failed = self.places.iter().filter_map(|place| Some(place.failed?.retry_at));
        let telling = self.places.iter().filter(|place| place.unsent > 0);
        let telling = telling.filter_map(|place| Some(place.unsent_told? + TELL_EVERY));
        failed.chain(telling).chain(forget).min()
    }

    /// Does what is due, but for forgetting peers.
    pub(super) fn keep_time(&mut self) {
        for place in &mut self.places {
            if let Some(failed) = &mut place.failed
                && failed.retry_at <= self.now
            {
                failed.retry_at = self.now + RETRY;
                place.has_input = true;
            }
        }
        self.tell_unsent(false);
    }

    /// A peer that has said nothing for too long.
    pub(super) fn idle_peer(&self) -> Option<PeerIndex> {
        let (peer, heard) = self.peers.oldest()?;
        (self.now.saturating_duration_since(heard) >= self.idle()).then_some(peer)
    }

    fn idle(&self) -> Duration {
        self.limits.idle.unwrap_or(IDLE)
    }

    /// Whether many datagrams of this socket come at once.
    pub(super) fn is_of_the_internet(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.socket.transport.is_internet())
    }

    /// Receives by this call, which is made again after what is no error of the socket.
    pub(super) fn receive<T>(
        &mut self,
        place: usize,
        mut receive: impl FnMut(&DatagramSocket) -> Result<T, Errno>,
    ) -> Option<T> {
        for _ in 0..ERRORS_AT_ONCE {
            let socket = &mut self.places.get_mut(place)?;
            match receive(&socket.socket) {
                Ok(received) => {
                    socket.failed = None;
                    return Some(received);
                }
                Err(Errno::AGAIN) => {
                    socket.failed = None;
                    socket.has_input = false;
                    return None;
                }
                Err(Errno::INTR) => {}
                // An ICMP message about a datagram that was sent: it is told with the peer, and the socket is fine.
                Err(_) if self.hear_errors(place) > 0 => {}
                Err(error) => {
                    self.failed(place, error);
                    return None;
                }
            }
        }
        None
    }

    fn failed(&mut self, place: usize, error: Errno) {
        let Some(place) = self.places.get_mut(place) else { return };
        place.has_input = false;
        let retry_at = self.now + if is_short_of_memory(error) { PAUSE } else { RETRY };
        let before = place.failed.replace(Failed { error, retry_at });
        if before.is_none_or(|before| before.error != error) {
            let at = place.socket.address.to_string();
            let fault = Fault::errno(End::Us, Doing::Receive, at, error.raw_os_error());
            (self.server.tell)(Event::Trouble(fault));
        }
    }

    /// Tells what the network has reported about what was sent; how many reports there were.
    fn hear_errors(&mut self, place: usize) -> usize {
        let Some(Place { socket, .. }) = self.places.get(place) else { return 0 };
        let mut count = 0;
        while count < ERRORS_AT_ONCE
            && let Some(queued) = socket.next_report()
        {
            count += 1;
            let end = if queued.from_icmp { End::Peer } else { End::Us };
            let about =
                queued.about.map_or_else(|| socket.address.to_string(), |about| shown(&about).to_string());
            (self.server.tell)(Event::Trouble(Fault::errno(end, Doing::Send, about, queued.errno)));
        }
        count
    }

    /// The known peer that sent this; none where it is to be made known first.
    pub(super) fn heard(&mut self, place: usize, received: &Received) -> Option<PeerIndex> {
        self.peers.heard(place, received, self.now)
    }

    /// The one who has to go so that another may come, where the table is full.
    pub(super) fn displaced(&self) -> Option<PeerIndex> {
        if self.peers.is_full() { self.peers.oldest().map(|(peer, _)| peer) } else { None }
    }

    /// Whether a new sender may come. If not, it is told once.
    pub(super) fn admits(&mut self, from: &Address) -> bool {
        let remote = shown(from);
        let Err(why) = self.server.admit(&remote) else { return true };
        if self.denied.len() >= DENIED_AT_MOST {
            self.denied.clear();
        }
        if self.denied.insert(remote.clone()) {
            self.server.turn_away(remote, why);
        }
        false
    }

    /// A new peer; and if that is wanted, it is told.
    pub(super) fn open(&mut self, client: Client, place: usize, received: Received) -> Option<PeerIndex> {
        let socket = &self.places.get(place)?.socket;
        let Received { from, to, .. } = received;
        if self.server.config.tells.opened {
            let (transport, local) = (socket.transport, socket.our_end(to));
            (self.server.tell)(Event::Opened { client: client.0, transport, local, remote: shown(&from) });
        }
        let silence = self.silence(place, &from);
        let mut peer = Peer::new(client, place, from, self.now);
        (peer.ours, peer.silence) = (to, silence);
        Some(self.peers.add(peer))
    }

    /// Whether, and why, whatever comes from this address is not answered.
    fn silence(&self, place: usize, address: &Address) -> Option<Silence> {
        let ours = || self.places.iter().map(|place| &place.socket.address);
        match address {
            Address::Unnamed => Some(Silence::Unnamed),
            Address::Path(_) | Address::Abstract(_) => {
                let own = &self.places.get(place)?.socket.address;
                (own == address).then_some(Silence::Ourselves)
            }
            Address::Internet(from) if LOOP_PORTS.contains(&from.port()) => Some(Silence::LoopPort),
            Address::Internet(from) if is_group(plain(*from).ip()) => Some(Silence::Group),
            Address::Internet(from) => {
                let from = plain(*from);
                let mut ours = ours().filter_map(Address::internet);
                ours.any(|own| is_same_socket(own, from)).then_some(Silence::Ourselves)
            }
        }
    }

    pub(super) fn client(&mut self, peer: PeerIndex) -> Option<Client> {
        self.peers.get(peer).map(|peer| peer.client)
    }

    pub(super) fn of_client(&self, client: Client) -> Option<PeerIndex> {
        self.peers.of_client(client)
    }

    /// Its address as it is shown.
    pub(super) fn remote(&mut self, peer: PeerIndex) -> Option<Address> {
        self.peers.get(peer).map(|peer| shown(&peer.address))
    }

    /// Whether its time is over, so that it begins anew.
    pub(super) fn is_out_of_time(&mut self, peer: PeerIndex) -> bool {
        let (now, total) = (self.now, self.limits.total);
        let opened = self.peers.get(peer).map(|peer| peer.opened);
        opened.zip(total).is_some_and(|(opened, total)| now.saturating_duration_since(opened) >= total)
    }

    /// Looks at a datagram by its length, of which so much is there, and counts it if it is taken.
    pub(super) fn judge(&mut self, index: PeerIndex, whole: usize, room: usize) -> Verdict {
        let (now, limits, rate) = (self.now, self.limits, self.rate);
        let Some(peer) = self.peers.get(index) else { return Verdict::Drop };
        if peer.shut_out {
            return Verdict::Drop;
        }
        if let Some(limit) = limits.max_message.filter(|limit| whole > *limit) {
            self.tell_limit(index, format!("a datagram of {whole} bytes is dropped; the limit is {limit}"));
            return Verdict::Drop;
        }
        if let Some(rate) = rate {
            if rate.available(peer.bucket, now) == 0 {
                self.tell_limit(index, "it sends faster than it may; what is too much is dropped".into());
                return Verdict::Drop;
            }
            rate.take(&mut peer.bucket, whole, now);
        }
        let Some(peer) = self.peers.get(index) else { return Verdict::Drop };
        if let Some(limit) = limits.max_bytes.filter(|limit| peer.in_bytes + whole as u64 > *limit) {
            peer.shut_out = true;
            self.tell_limit(index, format!("it has sent its {limit} bytes; what more comes is dropped"));
            return Verdict::Drop;
        }
        if whole > room {
            self.tell_limit(index, format!("a datagram of {whole} bytes is dropped; {room} fit"));
            return Verdict::Drop;
        }
        peer.in_bytes += whole as u64;
        Verdict::Take
    }

    /// Tells once for each peer that a limit of ours was reached.
    fn tell_limit(&mut self, index: PeerIndex, words: String) {
        let Some(peer) = self.peers.get(index) else { return };
        if !std::mem::replace(&mut peer.limit_told, true) {
            let at = shown(&peer.address).to_string();
            let fault = Fault { end: End::Peer, doing: Doing::Receive, at, cause: Cause::Words(words) };
            (self.server.tell)(Event::Trouble(fault));
        }
    }

    /// Sends one answer.
    pub(super) fn send(&mut self, index: PeerIndex, bytes: &[u8]) {
        let Some(peer) = self.peers.get(index) else { return };
        if let Some(silence) = peer.silence {
            return self.stay_silent(index, silence, bytes.len());
        }
        let place = peer.place;
        let Err(error) = self.send_once(index, bytes) else { return };
        // The error may be an ICMP message about an earlier datagram, to whomever: then this one was not tried.
        let error = if is_want_of_room(error) {
            Some(error)
        } else {
            self.hear_errors(place);
            self.send_once(index, bytes).err()
        };
        if let Some(error) = error {
            self.cannot_send(index, bytes.len(), error);
        }
    }

    fn send_once(&mut self, index: PeerIndex, bytes: &[u8]) -> Result<(), Errno> {
        let Some(peer) = self.peers.get(index) else { return Ok(()) };
        let Some(place) = self.places.get(peer.place) else { return Ok(()) };
        loop {
            match place.socket.send(bytes, &peer.address, peer.ours) {
                Ok(sent) => {
                    peer.out_bytes += sent as u64;
                    peer.error_told = None;
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn cannot_send(&mut self, index: PeerIndex, length: usize, error: Errno) {
        let Some(peer) = self.peers.get(index) else { return };
        peer.unsent_bytes += length as u64;
        if is_want_of_room(error) {
            if let Some(place) = self.places.get_mut(peer.place) {
                place.unsent += 1;
            }
            return self.tell_unsent(false);
        }
        if peer.error_told.replace(error) != Some(error) {
            let at = shown(&peer.address).to_string();
            let fault = Fault::errno(End::Us, Doing::Send, at, error.raw_os_error());
            (self.server.tell)(Event::Trouble(fault));
        }
    }

    fn stay_silent(&mut self, index: PeerIndex, silence: Silence, length: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        peer.unsent_bytes += length as u64;
        if std::mem::replace(&mut peer.silence_told, true) {
            return;
        }
        let at = match silence {
            Silence::Unnamed => "an unnamed sender".to_owned(),
            _ => shown(&peer.address).to_string(),
        };
        let cause = Cause::Words(silence.reason().to_owned());
        (self.server.tell)(Event::Trouble(Fault { end: End::Peer, doing: Doing::Send, at, cause }));
    }

    /// Tells how many datagrams found no room: the first at once, later ones together.
    fn tell_unsent(&mut self, at_the_end: bool) {
        for place in self.places.iter_mut().filter(|place| place.unsent > 0) {
            let now = self.now;
            let is_due = |told: Instant| at_the_end || now.saturating_duration_since(told) >= TELL_EVERY;
            if place.unsent_told.is_none_or(is_due) {
                let count = std::mem::take(&mut place.unsent);
                place.unsent_told = Some(now);
                let words = match count {
                    1 => "no room for an answer; it is dropped".to_owned(),
                    _ => format!("no room for {count} answers; they are dropped"),
                };
                let at = place.socket.address.to_string();
                let cause = Cause::Words(words);
                (self.server.tell)(Event::Trouble(Fault { end: End::Us, doing: Doing::Send, at, cause }));
            }
        }
    }

    /// The service has something for a peer whose turn it is not.
    pub(super) fn list(&mut self, index: PeerIndex) {
        if let Some(peer) = self.peers.get(index).filter(|peer| !peer.is_listed) {
            peer.is_listed = true;
            self.listed.push(peer.client);
        }
    }

    /// Those that were listed until now.
    pub(super) fn take_listed(&mut self) -> Vec<Client> {
        let listed = std::mem::take(&mut self.listed);
        for client in &listed {
            if let Some(peer) = self.peers.of_client(*client).and_then(|index| self.peers.get(index)) {
                peer.is_listed = false;
            }
        }
        listed
    }

    /// The service has done with a peer.
    pub(super) fn close(&mut self, client: Client) {
        self.closing.push(client);
    }

    pub(super) fn next_closing(&mut self) -> Option<PeerIndex> {
        loop {
            let client = self.closing.pop()?;
            if let Some(peer) = self.peers.of_client(client) {
                return Some(peer);
            }
        }
    }

    /// From now on what it sends is dropped, until it has been quiet for so long that it is forgotten.
    pub(super) fn shut_out(&mut self, index: PeerIndex) {
        if let Some(peer) = self.peers.get(index) {
            peer.shut_out = true;
            self.tell_limit(index, "it has gone beyond a limit; what more comes is dropped".into());
        }
    }

    /// Forgets a peer; and if that is wanted, tells its account.
    pub(super) fn forget(&mut self, index: PeerIndex, ending: Ending) {
        let Some(peer) = self.peers.remove(index) else { return };
        self.server.places.leave(&shown(&peer.address));
        let Some(place) = self.places.get(peer.place) else { return };
        if self.server.config.tells.closed {
            let account = Account {
                closed_by: ending.closed_by,
                how: ending.how,
                in_bytes: peer.in_bytes,
                out_bytes: peer.out_bytes,
                unsent_bytes: peer.unsent_bytes,
                never_sent_bytes: peer.unsent_bytes,
                unread_bytes: 0,
                open: self.now.saturating_duration_since(peer.opened),
            };
            let (client, remote) = (peer.client.0, shown(&peer.address));
            let transport = place.socket.transport;
            (self.server.tell)(Event::Closed { client, transport, remote, account });
        }
    }

    /// Any peer, as long as there is one.
    pub(super) fn any_peer(&self) -> Option<PeerIndex> {
        self.peers.oldest().map(|(peer, _)| peer)
    }

    /// Closes all sockets. Their peers have been forgotten before.
    pub(super) fn close_all(&mut self, registry: &Registry) {
        self.tell_unsent(true);
        for place in self.places.drain(..) {
            // It fails only for one that is not watched.
            let _ = registry.deregister(&mut SourceFd(&place.socket.socket.as_raw_fd()));
        }
    }
}

impl Silence {
    fn reason(self) -> &'static str {
        match self {
            Silence::Unnamed => "it has no address to answer to",
            Silence::LoopPort => "not answered: the service at its port would answer again, without end",
            Silence::Ourselves => "not answered: it is our own socket",
            Silence::Group => "not answered: it is the address of a group",
        }
    }
}

/// Whether a datagram from that address came from the socket of ours that is bound to `own`.
fn is_same_socket(own: SocketAddr, from: SocketAddr) -> bool {
    own.port() == from.port()
        && (own.ip() == from.ip() || (own.ip().is_unspecified() && is_of_this_machine(from.ip())))
}

/// Only an address of this machine can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn our_own_sockets_are_known() {
        assert!(is_same_socket(at("127.0.0.1:7777"), at("127.0.0.1:7777")));
        assert!(is_same_socket(at("0.0.0.0:7777"), at("127.0.0.9:7777")));
        assert!(is_same_socket(at("[::]:7777"), at("127.0.0.1:7777")), "a socket for both families");
        assert!(!is_same_socket(at("0.0.0.0:7777"), at("127.0.0.1:7778")));
        assert!(!is_same_socket(at("127.0.0.1:7777"), at("127.0.0.2:7777")));
        assert!(!is_same_socket(at("0.0.0.0:7777"), at("192.0.2.1:7777")), "the same port, another machine");
    }
}
