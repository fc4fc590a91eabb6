//! A packet socket's ring: memory that the kernel writes what comes in to and we read, without a call for each. Read first:
//! Documentation/networking/packet_mmap.rst (TPACKET_V2, which hands over each packet at once; V3 waits for more of them).
//!
//! The slots are small, so that there are many: a socket's own queue is bounded by net.core.rmem_max for ordinary users,
//! which at half a million small packets a second is a millisecond in most systems. What is too large for a slot waits
//! in the socket's queue, and its slot says so: the order is that of the slots.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use wire::virtio_net;

use crate::packet_socket::set_option;
use crate::{last_errno, sockopt};

/// Bytes of a slot, the kernel's words about the packet (76 with Ethernet) included.
const SLOT: usize = 256;
/// Bytes that the kernel has to find in one piece of its memory.
const BLOCK: usize = 64 << 10;

/// The ring of one socket, from [`crate::packet_socket::open`].
#[derive(Debug)]
pub struct Ring {
    start: NonNull<u8>,
    slots: usize,
    /// Where the next packet will be.
    next: usize,
}

// SAFETY: the value owns its mapping, which has nothing to do with the thread that made it.
unsafe impl Send for Ring {}

/// What the next slot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Nothing,
    /// A packet of so many bytes, virtio-net header included, which now stands in the buffer.
    Packet(usize),
    /// The packet is the next to be read from the socket.
    InSocket,
    /// A packet came that neither ring nor socket had room for.
    Lost,
}

impl Ring {
    /// Gives the socket a ring of so many slots of 256 bytes, or a few more; what waits in its queue is gone. From now on
    /// packets are taken with [`Ring::take`], while poll says as before whether any are there.
    ///
    /// # Errors
    /// The kernel's errno; the socket has its queue as before then.
    pub fn new(socket: BorrowedFd<'_>, slots: usize) -> Result<Ring, i32> {
        let blocks = slots.div_ceil(BLOCK / SLOT).max(1);
        let (len, slots) = (blocks * BLOCK, blocks * BLOCK / SLOT);
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        set_option(socket, libc::PACKET_VERSION, version)?;
        set_option(socket, libc::PACKET_COPY_THRESH, 1)?;
        set_ring(socket, blocks, slots)?;
        let (protection, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping at a place of the kernel's choice touches nothing of ours; the length is that of the ring.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, protection, shared, socket.as_raw_fd(), 0) };
        let start = if start == libc::MAP_FAILED { Err(last_errno()) } else { Ok(start.cast::<u8>()) };
        match start.and_then(|start| NonNull::new(start).ok_or(libc::ENOMEM)) {
            Ok(start) => Ok(Ring { start, slots, next: 0 }),
            Err(errno) => {
                let _ = set_ring(socket, 0, 0);
                Err(errno)
            }
        }
    }

    /// Takes the next packet out.
    pub fn take(&mut self, buffer: &mut [u8]) -> Next {
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return Next::Nothing;
        }
        let next = match self.packet() {
            _ if status & libc::TP_STATUS_COPY != 0 => Next::InSocket,
            Some(packet) => match buffer.get_mut(..packet.len()) {
                Some(buffer) => {
                    buffer.copy_from_slice(packet);
                    Next::Packet(packet.len())
                }
                None => Next::Lost,
            },
            None => Next::Lost,
        };
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.slots;
        next
    }

    /// The word of the next slot that says whose it is, its first.
    fn status(&self) -> &AtomicU32 {
        // SAFETY: a slot begins with a word, is aligned to more than that, and lives as long as the mapping; the kernel too
        // writes this word as a whole.
        unsafe { self.slot().cast::<AtomicU32>().as_ref() }
    }

    /// The packet in the next slot, which has to be ours, with its virtio-net header; none if not all of it is there.
    fn packet(&self) -> Option<&[u8]> {
        let slot = self.slot().as_ptr();
        // SAFETY: a whole slot is mapped as long as the value lives, and the kernel writes to none that is ours.
        let slot = unsafe { std::slice::from_raw_parts(slot, SLOT) };
        let word = |at: usize| slot.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
        let half = |at: usize| slot.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half));
        // struct tpacket2_hdr: status, length, length here, where the packet begins.
        let (len, here, begins) = (word(4)?, word(8)?, usize::from(half(12)?));
        let whole = usize::try_from(here).ok().filter(|_| here == len)?;
        slot.get(begins.checked_sub(virtio_net::LEN)?..begins.checked_add(whole)?)
    }

    fn slot(&self) -> NonNull<u8> {
        // SAFETY: `next` is below `slots`, so the slot lies within the mapping.
        unsafe { self.start.add(self.next * SLOT) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; no reference outlives the value.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.slots * SLOT) };
    }
}

/// Gives the socket a ring of so many blocks, which hold so many slots; with none of either, takes the ring away.
fn set_ring(socket: BorrowedFd<'_>, blocks: usize, slots: usize) -> Result<(), i32> {
    // struct tpacket_req: four numbers, in this order.
    let mut request = [0; 4 * size_of::<u32>()];
    for (place, number) in request.chunks_exact_mut(4).zip([BLOCK, blocks, SLOT, slots]) {
        place.copy_from_slice(&u32::try_from(number).map_err(|_| libc::EINVAL)?.to_ne_bytes());
    }
    sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)
}
