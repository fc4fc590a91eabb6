//! Frames in, conversations out: finds the conversation that each frame belongs to, within the limits on memory.

use std::collections::HashSet;
use std::net::SocketAddr;

use wire::ethernet::ether_type;
use wire::icmp::{IcmpMessage, Quoted};
use wire::packet::{self, Packet, TcpSegment, Transport, UdpDatagram, Undecoded};
use wire::reassembly::Reassembler;
use wire::tcp::{self, TcpFlags};
use wire::udp;

use crate::choice::{Choice, Protocol};
use crate::conversation::{Flow, Limits, Rows};
use crate::datagrams::DatagramFlow;
use crate::following::{Following, Room};
use crate::frame::{Belongs, DatagramPlacement, Frame, Placement, Sighting};
use crate::handout::{Departed, HandOut, HandedRow, Turn};
use crate::path_error::PathError;
use crate::segment::Segment;
use crate::sent::Bounds;
use crate::sequence::Seq;
use crate::slots::Slots;

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All frames.
    pub frames: u64,
    /// Those with a TCP segment.
    pub tcp: u64,
    /// Those with a UDP datagram.
    pub udp: u64,
    /// Those with an ICMP message.
    pub icmp: u64,
    /// Those with an ARP packet.
    pub arp: u64,
    /// Those with an IGMP message.
    pub igmp: u64,
    /// Pieces of packets of which the rest was missing when they came; the last piece counts as what they make together.
    pub fragments: u64,
    /// Packets that came in pieces and never became whole: some are missing, or contradict each other.
    pub incomplete: u64,
    /// Other protocols, over IP or over the link.
    pub other: u64,
    /// Those that could not be read: cut or malformed.
    pub unreadable: u64,
    /// Those of a link type that is not understood.
    pub unsupported_links: u64,
    /// Conversations that had to make room because of [`Limits::flows`].
    pub evicted: u64,
}

/// Follows all conversations of a capture.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    choice: Choice,
    listening: HashSet<SocketAddr>,
    reassembler: Reassembler,
    tcp: Slots<Following>,
    udp: Slots<Datagrams>,
    hand_out: HandOut,
    /// Rows kept of all conversations.
    rows: usize,
    tcp_streams: u64,
    udp_streams: u64,
    counters: Counters,
}

impl Tracker {
    /// A tracker that remembers no more than `limits`.
    pub fn new(limits: Limits) -> Tracker {
        Tracker {
            limits,
            choice: Choice::default(),
            listening: HashSet::new(),
            reassembler: Reassembler::default(),
            tcp: Slots::new(limits.flows),
            udp: Slots::new(limits.flows),
            hand_out: HandOut::default(),
            rows: 0,
            tcp_streams: 0,
            udp_streams: 0,
            counters: Counters::default(),
        }
    }

    /// It is known that a socket listens at `address`: its end of a conversation begins in LISTEN.
    pub fn listening(&mut self, address: SocketAddr) {
        self.listening.insert(address);
    }

    /// From now on rows are kept, or handed out, of these conversations only, and the others depart in silence. All are
    /// followed and numbered, chosen or not.
    pub fn choose(&mut self, choice: Choice) {
        self.choice = choice;
    }

    /// Takes the next frame; frames come in the order of sending. Tells where it belongs.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Belongs {
        self.frame_showing(frame, &mut |_, _| {})
    }

    /// The same, and shows the packet that the frame carries, or completes, with where it belongs.
    pub fn frame_showing(
        &mut self,
        frame: &Frame<'_>,
        show: &mut dyn FnMut(&Packet<'_>, Belongs),
    ) -> Belongs {
        self.counters.frames += 1;
        match packet::dissect_captured(frame.link_type, frame.bytes, frame.wire_len) {
            Ok(packet) => self.packet(&packet, frame, show),
            Err(undecoded) => self.count_undecoded(undecoded),
        }
    }

    /// The capture ends here, at least for now: what is still underway arrives, and every conversation is judged. Frames
    /// may follow, if anything comes after all.
    pub fn finish(&mut self) {
        let gaps = self.limits.gaps;
        self.tcp.iter_mut().for_each(|following| following.settle(gaps));
        while !self.hand_out.order.is_empty() {
            self.hand_out_first();
        }
    }

    /// The conversations of TCP in order of appearance. States, how they ended and findings are complete after
    /// [`Tracker::finish`].
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        let mut flows: Vec<&Flow> = self.tcp.iter().map(|following| &following.flow).collect();
        flows.sort_unstable_by_key(|flow| flow.stream);
        flows.into_iter()
    }

    /// The conversations of UDP in order of appearance.
    pub fn datagram_flows(&self) -> impl Iterator<Item = &DatagramFlow> {
        let mut flows: Vec<&DatagramFlow> = self.udp.iter().map(|datagrams| &datagrams.flow).collect();
        flows.sort_unstable_by_key(|flow| flow.stream);
        flows.into_iter()
    }

    /// The next row that is handed out ([`Rows::HandedOut`]), in the order of frames.
    pub fn next_row(&mut self) -> Option<HandedRow> {
        while self.hand_out.rows.is_empty() {
            let pressed = self.hand_out.order.len() > self.limits.waiting;
            match self.hand_out.order.front()? {
                Turn::Segment(slot) if !pressed && !self.tcp.get(*slot).waiting.is_first_settled() => {
                    return None;
                }
                _ => self.hand_out_first(),
            }
        }
        self.hand_out.rows.pop_front()
    }

    /// The next conversation that had to make room, where [`Limits::departed`] asks for them. It is judged.
    pub fn next_departed(&mut self) -> Option<Departed> {
        self.hand_out.departed.pop_front()
    }

    /// How many conversations there were so far, of TCP and of UDP: each numbered from 0.
    pub fn streams(&self) -> [u64; 2] {
        [self.tcp_streams, self.udp_streams]
    }

    /// What became of the frames.
    pub fn counters(&self) -> Counters {
        let pieces = self.reassembler.counters();
        let given_up = pieces.expired + pieces.evicted + pieces.refused;
        Counters { incomplete: given_up + self.reassembler.waiting() as u64, ..self.counters }
    }

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        show: &mut dyn FnMut(&Packet<'_>, Belongs),
    ) -> Belongs {
        let belongs = match &packet.transport {
            Transport::Tcp(segment) if segment.is_misfit => self.misfit(segment, frame),
            Transport::Tcp(segment) => {
                Belongs::Tcp(self.segment(segment, frame, packet.shorter_in_wireshark))
            }
            Transport::Udp(datagram) => Belongs::Udp(self.datagram(datagram, frame)),
            Transport::Icmp(message) => self.message(message, packet, frame),
            Transport::Fragment(_) => return self.fragment(packet, frame, show),
            Transport::Igmp(_) => {
                self.counters.igmp += 1;
                Belongs::Nowhere
            }
            Transport::Other(_) => {
                self.counters.other += 1;
                Belongs::Nowhere
            }
        };
        show(packet, belongs);
        belongs
    }

    /// The piece that completes a packet stands for the whole.
    fn fragment(
        &mut self,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        show: &mut dyn FnMut(&Packet<'_>, Belongs),
    ) -> Belongs {
        let mut reassembler = std::mem::take(&mut self.reassembler);
        let belongs = match reassembler.take(*packet, frame.time) {
            Ok(Some(whole)) => self.packet(&whole, frame, show),
            Ok(None) => {
                self.counters.fragments += 1;
                Belongs::Nowhere
            }
            Err(undecoded) => self.count_undecoded(undecoded),
        };
        self.reassembler = reassembler;
        belongs
    }

    fn count_undecoded(&mut self, undecoded: Undecoded) -> Belongs {
        match undecoded {
            Undecoded::EtherType(ether_type::ARP | ether_type::RARP) => self.counters.arp += 1,
            reason if reason.is_not_ip() => self.counters.other += 1,
            Undecoded::LinkType(_) => self.counters.unsupported_links += 1,
            _ => self.counters.unreadable += 1,
        }
        Belongs::Nowhere
    }

    /// A segment that nobody takes in belongs to the conversation nevertheless; if it opens one, that has begun.
    fn misfit(&mut self, tcp: &TcpSegment<'_>, frame: &Frame<'_>) -> Belongs {
        self.counters.unreadable += 1;
        let (slot, _) = self.slot_for(tcp, &Segment::of(tcp), frame);
        let following = self.tcp.touch(slot);
        let (stream, chosen) = (following.flow.stream, following.chosen);
        Belongs::About { protocol: Protocol::Tcp, stream, chosen }
    }

    fn segment(&mut self, tcp: &TcpSegment<'_>, frame: &Frame<'_>, shorter_in_wireshark: u32) -> Placement {
        self.counters.tcp += 1;
        let segment = Segment { shorter_in_wireshark, ..Segment::of(tcp) };
        let (slot, reuses) = self.slot_for(tcp, &segment, frame);
        let room = self.room(slot);
        let following = self.tcp.touch(slot);
        let rows = following.flow.rows.len();
        let from = following.side_of(tcp.source);
        let placement = following.take(from, &segment, Sighting::of(frame), reuses, room);
        self.rows += following.flow.rows.len() - rows;
        if room.rows == Rows::HandedOut {
            self.hand_out.order.push_back(Turn::Segment(slot));
        }
        placement
    }

    fn datagram(&mut self, udp: &UdpDatagram<'_>, frame: &Frame<'_>) -> DatagramPlacement {
        self.counters.udp += 1;
        let ends = [udp.source, udp.destination];
        let slot = self.udp.between(ends).unwrap_or_else(|| {
            let chosen = self.choice.takes(Protocol::Udp, self.udp_streams, ends);
            let flow = DatagramFlow::begin(self.udp_streams, ends, frame.time);
            self.udp_streams += 1;
            let (slot, gone) = self.udp.begin(ends, Datagrams { flow, chosen });
            if let Some(gone) = gone {
                self.counters.evicted += 1;
                self.rows -= gone.flow.rows.len();
                if gone.chosen && self.limits.departed {
                    self.hand_out.departed.push_back(Departed::Udp(Box::new(gone.flow)));
                }
            }
            slot
        });
        let room_in_all = self.rows < self.limits.rows_in_all;
        let Datagrams { flow, chosen } = self.udp.touch(slot);
        let room = matches!(self.limits.rows, Rows::Kept(most) if flow.rows.len() < most);
        let keep = *chosen && room && room_in_all;
        let from = flow.side_of(udp.source);
        let row = flow.take(from, udp.payload_len, Sighting::of(frame));
        match self.limits.rows {
            Rows::HandedOut if *chosen => self.hand_out.order.push_back(Turn::Datagram(flow.stream, row)),
            _ if keep => {
                self.rows += 1;
                flow.rows.push(row);
            }
            _ => flow.rows_left_out += 1,
        }
        DatagramPlacement { stream: flow.stream, from, len_bytes: udp.payload_len, chosen: *chosen }
    }

    /// An ICMP message belongs to the conversation that it is about, if that is followed.
    fn message(&mut self, message: &IcmpMessage<'_>, packet: &Packet<'_>, frame: &Frame<'_>) -> Belongs {
        self.counters.icmp += 1;
        let Some(quoted) = message.quoted() else { return Belongs::Nowhere };
        let ends = [quoted.source, quoted.destination];
        let error = |about| PathError {
            frame: frame.number,
            time: frame.time,
            by: packet.source,
            about,
            meaning: message.meaning().unwrap_or("an error of a rare kind"),
            next_hop_mtu: message.next_hop_mtu(),
        };
        match quoted.protocol {
            tcp::PROTOCOL => self.quoted_slot(&quoted, message, frame).map_or(Belongs::Nowhere, |slot| {
                let following = self.tcp.get_mut(slot);
                let about = following.side_of(quoted.source);
                following.flow.path_errors.push(error(about));
                let (stream, chosen) = (following.flow.stream, following.chosen);
                Belongs::About { protocol: Protocol::Tcp, stream, chosen }
            }),
            udp::PROTOCOL => self.udp.between(ends).map_or(Belongs::Nowhere, |slot| {
                let Datagrams { flow, chosen } = self.udp.get_mut(slot);
                flow.trouble(error(flow.side_of(quoted.source)));
                Belongs::About { protocol: Protocol::Udp, stream: flow.stream, chosen: *chosen }
            }),
            _ => Belongs::Nowhere,
        }
    }

    /// The conversation that an error is about. Where none of its segments was captured, the error may be all that is known
    /// of it: if it quotes a SYN that did not get through, that somebody tried to open it.
    fn quoted_slot(
        &mut self,
        quoted: &Quoted,
        message: &IcmpMessage<'_>,
        frame: &Frame<'_>,
    ) -> Option<usize> {
        let ends = [quoted.source, quoted.destination];
        let known = self.tcp.between(ends);
        let Some(flags) = quoted.tcp_flags.filter(|_| known.is_none()) else { return known };
        let opens = flags.has(TcpFlags::SYN) && !flags.has_any(TcpFlags::ACK | TcpFlags::RST);
        let following = match quoted.seq.filter(|_| opens && message.tells_of_a_loss()) {
            Some(seq) => Following::attempted(self.tcp_streams, ends, frame.time, Seq(seq)),
            None => Following::unseen(self.tcp_streams, ends, frame.time),
        };
        Some(self.begin(following, ends))
    }

    /// The slot of the conversation that this segment belongs to, a new one if it opens another; true if that takes the
    /// place of one between the same addresses.
    fn slot_for(&mut self, tcp: &TcpSegment<'_>, segment: &Segment, frame: &Frame<'_>) -> (usize, bool) {
        let ends = [tcp.source, tcp.destination];
        let mut reuses = false;
        if let Some(slot) = self.tcp.between(ends) {
            let following = self.tcp.get_mut(slot);
            if !following.is_succeeded_by(following.side_of(tcp.source), segment) {
                return (slot, false);
            }
            following.settle(self.limits.gaps);
            reuses = true;
        }
        let listens = self.listening.contains(&tcp.destination);
        let following = Following::begin(self.tcp_streams, segment, ends, frame.time, listens);
        (self.begin(following, ends), reuses)
    }

    /// Gives another conversation a slot, and the next number.
    fn begin(&mut self, mut following: Following, ends: [SocketAddr; 2]) -> usize {
        following.chosen = self.choice.takes(Protocol::Tcp, self.tcp_streams, ends);
        self.tcp_streams += 1;
        self.make_room();
        let (slot, gone) = self.tcp.begin(ends, following);
        if let Some(gone) = gone {
            self.depart(gone);
        }
        slot
    }

    /// Hands out the rows of the conversation that must go next, and those before them.
    fn make_room(&mut self) {
        let Some(slot) = self.tcp.next_to_go() else { return };
        self.tcp.get_mut(slot).settle(self.limits.gaps);
        while self.tcp.get(slot).waiting.len() > 0 {
            self.hand_out_first();
        }
    }

    fn depart(&mut self, gone: Following) {
        self.counters.evicted += 1;
        self.rows -= gone.flow.rows.len();
        if gone.chosen && self.limits.departed {
            self.hand_out.departed.push_back(Departed::Tcp(Box::new(gone.flow)));
        }
    }

    fn hand_out_first(&mut self) {
        let handed = match self.hand_out.order.pop_front() {
            Some(Turn::Segment(slot)) => {
                let following = self.tcp.get_mut(slot);
                let stream = following.flow.stream;
                following.waiting.pop().map(|row| HandedRow::Segment(stream, row))
            }
            Some(Turn::Datagram(stream, row)) => Some(HandedRow::Datagram(stream, row)),
            None => None,
        };
        self.hand_out.rows.extend(handed);
    }

    fn room(&self, slot: usize) -> Room {
        let following = self.tcp.get(slot);
        let kept = following.flow.rows.len();
        let rows = match self.limits.rows {
            _ if !following.chosen => Rows::LeftOut,
            Rows::Kept(most) if kept >= most || self.rows >= self.limits.rows_in_all => Rows::LeftOut,
            rows => rows,
        };
        Room {
            rows,
            bounds: Bounds { gaps: self.limits.gaps, segments: self.limits.segments },
            underway: self.limits.underway,
        }
    }
}

/// A conversation of datagrams, and whether it is among those that are wanted.
#[derive(Debug)]
struct Datagrams {
    flow: DatagramFlow,
    chosen: bool,
}

#[cfg(test)]
mod tests;
