//! Packets that leave by the same end one after the other and are written as one: what the receiving kernel cuts again
//! costs it and us little more than a single packet. It is what network cards and drivers do (GRO).
//!
//! Nothing waits to be bundled: what is there anyway is. Order, bytes and fates are those of the single packets.

use std::io::IoSlice;

use wire::gso::join::{Joined, Piece};

use super::queue::Waiting;

/// Consecutive packets that are still to be written; none, or those that are joined.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    packets: Vec<Waiting>,
    joined: Option<Joined>,
}

/// How packets lie in what is read and written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Where the packet begins: behind the virtio-net header, if there is one.
    pub(super) packet_at: usize,
    /// Where in the packet the IP header begins: behind the Ethernet header, if there is one.
    pub(super) network: usize,
}

impl Bundle {
    /// Takes a packet that goes on where the last one ended; gives back any other.
    pub(super) fn gather(&mut self, frame: Frame, waiting: Waiting) -> Option<Waiting> {
        let (Some(joined), Some(first)) = (&mut self.joined, self.packets.first()) else {
            return Some(waiting);
        };
        let (Some(first), Some(next)) = (first.packet.piece(frame), waiting.packet.piece(frame)) else {
            return Some(waiting);
        };
        if !joined.join(&first, &next) {
            return Some(waiting);
        }
        self.packets.push(waiting);
        None
    }

    /// Begins with a packet, if others may follow it; gives back one that has to go by itself.
    pub(super) fn begin(&mut self, frame: Frame, waiting: Waiting) -> Option<Waiting> {
        self.joined = waiting.packet.piece(frame).and_then(|piece| Joined::begin(&piece));
        if self.is_closed() {
            return Some(waiting);
        }
        self.packets.push(waiting);
        None
    }

    /// Nothing more can be joined.
    pub(super) fn is_closed(&self) -> bool {
        self.joined.as_ref().is_none_or(Joined::is_closed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many packets it has.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Takes all packets out; it is empty then.
    pub(super) fn drain(&mut self) -> std::vec::IntoIter<Waiting> {
        self.joined = None;
        std::mem::take(&mut self.packets).into_iter()
    }

    /// Hands the bytes of several packets as one, in pieces, to `write`.
    pub(super) fn write<T>(&self, frame: Frame, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> Option<T> {
        let joined = self.joined.as_ref()?;
        let (vnet, headers) = joined.head();
        let vnet = vnet.to_bytes();
        let mut pieces = Vec::with_capacity(2 + 2 * self.packets.len());
        pieces.extend([IoSlice::new(&vnet), IoSlice::new(headers.as_slice())]);
        for packet in &self.packets {
            let Piece { headers, payload, .. } = packet.packet.piece(frame)?;
            let rest = [headers.get(joined.payload_at()..)?, payload];
            pieces.extend(rest.into_iter().filter(|piece| !piece.is_empty()).map(IoSlice::new));
        }
        Some(write(&pieces))
    }
}
