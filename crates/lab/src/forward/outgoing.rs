//! A packet on its way to the other end, without a copy of its payload.

use std::io::IoSlice;
use std::rc::Rc;

use wire::gso::join::Piece;
use wire::virtio_net::VirtioNetHeader;
use wire::{gso, virtio_net};

use super::bundle::Frame;

/// The longest read: virtio-net header, Ethernet header and an IPv6 packet of 40 + 65,535 bytes, with some room.
pub(super) const READ_LEN: usize = 66 * 1024;
/// Packets up to this length are copied when they have to wait, so that they do not hold a whole buffer.
const WORTH_COPYING: usize = 4096;
/// How many buffers are kept for reuse.
const SPARE_BUFFERS: usize = 64;

/// What is written at once: a packet as it was read, or a run of its segments with headers of its own.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    buffer: Rc<Vec<u8>>,
    part: Part,
}

#[derive(Clone, Debug)]
enum Part {
    /// The first bytes of the buffer, virtio-net header included if there is one.
    Whole { len: usize },
    /// A run; its payload counts from `packet`, where the packet begins in the buffer.
    Run { run: Box<gso::Run>, packet: usize },
}

impl Outgoing {
    /// A packet as it was read, the first `len` bytes of the buffer.
    pub(super) fn whole(buffer: Rc<Vec<u8>>, len: usize) -> Outgoing {
        Outgoing { buffer, part: Part::Whole { len } }
    }

    /// A packet that was made here, virtio-net header included if there is one.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Outgoing {
        let len = bytes.len();
        Outgoing::whole(Rc::new(bytes), len)
    }

    /// A run of the segments of the packet that begins at `packet` in the buffer.
    pub(super) fn run(buffer: Rc<Vec<u8>>, run: gso::Run, packet: usize) -> Outgoing {
        Outgoing { buffer, part: Part::Run { run: Box::new(run), packet } }
    }

    /// Hands the bytes, in up to three pieces, to `write`.
    pub(super) fn write<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        match &self.part {
            Part::Whole { len } => write(&[IoSlice::new(&self.buffer[..*len])]),
            Part::Run { run, packet } => {
                let payload = &self.buffer[packet + run.payload.start..packet + run.payload.end];
                let pieces = [&run.vnet.to_bytes(), run.headers.as_slice(), payload];
                write(&pieces.map(IoSlice::new))
            }
        }
    }

    /// The packet as one that may be joined with others; none without a virtio-net header.
    pub(super) fn piece(&self, frame: Frame) -> Option<Piece<'_>> {
        if frame.packet_at != virtio_net::LEN {
            return None;
        }
        let network = frame.network;
        match &self.part {
            Part::Whole { len } => {
                let bytes = self.buffer.get(..*len)?;
                let vnet = VirtioNetHeader::parse(bytes)?;
                Some(Piece { vnet, headers: bytes.get(virtio_net::LEN..)?, payload: &[], network })
            }
            Part::Run { run, packet } => {
                let payload = self.buffer.get(packet + run.payload.start..packet + run.payload.end)?;
                Some(Piece { vnet: run.vnet, headers: run.headers.as_slice(), payload, network })
            }
        }
    }

    /// The same bytes in one piece of their own.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.write(|pieces| pieces.iter().for_each(|piece| bytes.extend_from_slice(piece)));
        bytes
    }

    fn len(&self) -> usize {
        match &self.part {
            Part::Whole { len } => *len,
            Part::Run { run, .. } => virtio_net::LEN + run.headers.as_slice().len() + run.payload.len(),
        }
    }

    /// Makes a small packet independent of its large buffer: segments that leave one by one would keep it until the last
    /// has left.
    pub(super) fn compact(&mut self, buffers: &mut Buffers) {
        let len = self.len();
        if len <= WORTH_COPYING && len < self.buffer.len() {
            let small = Outgoing::of_bytes(self.bytes());
            std::mem::replace(self, small).recycle(buffers);
        }
    }

    /// How much memory it keeps from others.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Gives its buffer back.
    pub(super) fn recycle(self, buffers: &mut Buffers) {
        buffers.give_back(self.buffer);
    }
}

/// Buffers to read into, used again.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    spare: Vec<Rc<Vec<u8>>>,
}

impl Buffers {
    /// A buffer of [`READ_LEN`] bytes, which nobody else holds.
    pub(super) fn take(&mut self) -> Rc<Vec<u8>> {
        self.spare.pop().unwrap_or_else(|| Rc::new(vec![0; READ_LEN]))
    }

    /// Takes a buffer back if nobody else holds it.
    pub(super) fn give_back(&mut self, mut buffer: Rc<Vec<u8>>) {
        let is_free = buffer.len() == READ_LEN && Rc::get_mut(&mut buffer).is_some();
        if is_free && self.spare.len() < SPARE_BUFFERS {
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::gso::Uncut;
    use wire::virtio_net::{GsoType, VirtioNetHeader};

    use super::*;

    #[test]
    fn a_segment_that_waits_keeps_no_buffer() {
        let vnet = VirtioNetHeader {
            flags: 1,
            gso_type: GsoType::TcpV4,
            gso_size: 1000,
            csum_start: 20,
            csum_offset: 16,
            ..VirtioNetHeader::default()
        };
        let mut packet = vec![0; 40 + 3000];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&3040u16.to_be_bytes());
        packet[9] = 6;
        packet[32] = 0x50;
        packet[1040..2040].fill(7);
        let run = Uncut::new(vnet, &packet, 0).unwrap().run(1..2);
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take();
        let bytes = Rc::get_mut(&mut buffer).expect("nobody else holds it");
        bytes[virtio_net::LEN..][..packet.len()].copy_from_slice(&packet);
        let mut segment = Outgoing::run(buffer, run, virtio_net::LEN);
        let before = segment.bytes();
        assert!(segment.held() >= READ_LEN);
        segment.compact(&mut buffers);
        assert_eq!((segment.held(), segment.bytes()), (virtio_net::LEN + 40 + 1000, before.clone()));
        assert_eq!(before[before.len() - 1000..], [7; 1000]);
        assert_eq!(buffers.spare.len(), 1, "the buffer is free again");
    }
}
