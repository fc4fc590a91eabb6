//! A packet on its way to the other end, without a copy of its payload.

use std::io::IoSlice;
use std::rc::Rc;

use wire::gso;

/// The longest read: virtio-net header, Ethernet header and an IPv6 packet of 40 + 65,535 bytes, with some room.
pub(super) const READ_LEN: usize = 66 * 1024;
/// Packets up to this length are copied when they have to wait, so that they do not hold a whole buffer.
const WORTH_COPYING: usize = 4096;
/// How many buffers are kept for reuse.
const SPARE_BUFFERS: usize = 64;

/// What is written at once: a packet as it was read, or a run of its segments with headers of its own.
#[derive(Debug)]
pub(super) struct Outgoing {
    buffer: Rc<Vec<u8>>,
    part: Part,
}

#[derive(Debug)]
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

    /// Makes a small packet independent of its large buffer.
    pub(super) fn compact(&mut self, buffers: &mut Buffers) {
        if let Part::Whole { len } = self.part
            && len <= WORTH_COPYING
        {
            let small = Rc::new(self.buffer[..len].to_vec());
            buffers.give_back(std::mem::replace(&mut self.buffer, small));
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
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    /// A buffer of [`READ_LEN`] bytes.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| vec![0; READ_LEN])
    }

    /// Takes a buffer back if nobody else holds it.
    pub(super) fn give_back(&mut self, buffer: Rc<Vec<u8>>) {
        if let Ok(buffer) = Rc::try_unwrap(buffer) {
            self.put(buffer);
        }
    }

    /// Takes a buffer back.
    pub(super) fn put(&mut self, buffer: Vec<u8>) {
        if buffer.len() == READ_LEN && self.spare.len() < SPARE_BUFFERS {
            self.spare.push(buffer);
        }
    }
}
