//! Tells what became of each packet, in order of entering, and never waits for the listener. What is told travels many at
//! once: two threads that take memory from each other packet by packet would wait for each other.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use wire::link_type::LinkType;
use wire::virtio_net::VirtioNetHeader;
use wire::{Fate, Passage, Time};

use super::ring;
use crate::config::Keep;
use crate::event::{LinkFrame, Role};
use crate::link::Rule;

/// How many frames travel at once, at most.
const MOST_AT_ONCE: usize = 256;
/// How long they wait for company.
const MOST_WAITING: Duration = Duration::from_millis(1);
/// Frames of more bytes travel in the memory where they are.
const WORTH_COPYING: usize = 256;

/// What the loop sends to its listener.
#[derive(Debug)]
pub(super) enum Told {
    /// As [`super::Report::Frame`].
    Frames(Batch),
    /// As [`super::Report::Missed`].
    Missed(u64),
    /// As [`super::Report::Idle`].
    Idle,
}

/// Frames in order. The bytes of small ones stand in one piece of memory; whoever takes the frames out gives each its own.
#[derive(Debug, Default)]
pub(super) struct Batch {
    frames: Vec<LinkFrame>,
    /// Of each frame whose own bytes are empty, one behind the other.
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Batch {
    /// An empty one with room for as much as this one has.
    fn like(other: &Batch) -> Batch {
        Batch {
            frames: Vec::with_capacity(other.frames.len()),
            bytes: Vec::with_capacity(other.bytes.len()),
            lens: Vec::with_capacity(other.lens.len()),
        }
    }

    /// Takes a frame; gives back the memory of its bytes where they travel here.
    fn push(&mut self, mut frame: LinkFrame) -> Option<Vec<u8>> {
        let copied = (frame.bytes.len() <= WORTH_COPYING).then(|| std::mem::take(&mut frame.bytes));
        self.bytes.extend_from_slice(copied.as_deref().unwrap_or_default());
        self.lens.push(copied.as_ref().map_or(0, Vec::len));
        self.frames.push(frame);
        copied
    }

    /// The bytes of all.
    fn bytes_len(&self) -> usize {
        self.bytes.len() + self.frames.iter().map(|frame| frame.bytes.len()).sum::<usize>()
    }

    /// The frames, whole again.
    pub(super) fn frames(self) -> impl Iterator<Item = LinkFrame> {
        let Batch { frames, bytes, lens } = self;
        let mut at = 0;
        frames.into_iter().zip(lens).map(move |(mut frame, len)| {
            if let Some(its) = bytes.get(at..at + len).filter(|its| !its.is_empty()) {
                frame.bytes = its.to_vec();
            }
            at += len;
            frame
        })
    }
}

/// How much may be untold or unfetched. Beyond it packets are carried but not told.
#[derive(Debug)]
pub(super) struct Budget {
    frames: usize,
    bytes: usize,
    frames_out: AtomicUsize,
    bytes_out: AtomicUsize,
}

impl Default for Budget {
    /// Enough for some hundred milliseconds of the fastest traffic.
    fn default() -> Budget {
        Budget::new(65_536, 64 << 20)
    }
}

impl Budget {
    pub(super) fn new(frames: usize, bytes: usize) -> Budget {
        Budget { frames, bytes, frames_out: AtomicUsize::new(0), bytes_out: AtomicUsize::new(0) }
    }

    /// Only the loop takes, so looking first and adding then is safe.
    fn take(&self, bytes: usize) -> bool {
        let fits = self.frames_out.load(Ordering::Relaxed) < self.frames
            && self.bytes_out.load(Ordering::Relaxed) + bytes <= self.bytes;
        if fits {
            self.frames_out.fetch_add(1, Ordering::Relaxed);
            self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// The listener has fetched these frames. Once for all of them: two processors that write to the same memory packet by
    /// packet wait for each other.
    pub(super) fn give_back(&self, batch: &Batch) {
        self.frames_out.fetch_sub(batch.frames.len(), Ordering::Relaxed);
        self.bytes_out.fetch_sub(batch.bytes_len(), Ordering::Relaxed);
    }
}

/// A frame whose fate is still to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// A packet as it enters: pieces that together are the IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering<'a> {
    pub(super) time: Time,
    pub(super) from: Role,
    /// It did not enter, but was made by the link.
    pub(super) by_link: bool,
    /// What is left to the device; its offsets count from the first piece's first byte.
    pub(super) vnet: VirtioNetHeader,
    /// Link layer, IP and transport headers at least; where the IP header begins.
    pub(super) headers: &'a [u8],
    pub(super) network: usize,
    pub(super) payload: &'a [u8],
    pub(super) segments: u32,
    /// What happens to it on the way, if it arrives, and by which rule.
    pub(super) fate: Fate,
    pub(super) rule: Option<Rule>,
}

/// Holds frames back until the fates of those before them are final.
#[derive(Debug)]
pub(super) struct Teller {
    reports: Sender<Told>,
    wake: Arc<OwnedFd>,
    budget: Arc<Budget>,
    keep: Keep,
    /// Told, but not sent; since when.
    batch: Batch,
    since: Time,
    /// The number of the last packet that entered.
    entered: u64,
    untold: VecDeque<Untold>,
    /// The ticket of the first of them.
    first: u64,
    /// Memory for the bytes of frames, used again.
    spare: Vec<Vec<u8>>,
    missed: u64,
    rang: bool,
}

#[derive(Debug)]
struct Untold {
    frame: LinkFrame,
    is_final: bool,
}

impl Teller {
    pub(super) fn new(reports: Sender<Told>, wake: Arc<OwnedFd>, budget: Arc<Budget>, keep: Keep) -> Teller {
        let untold = VecDeque::new();
        let (batch, since) = (Batch::default(), Time::ZERO);
        Teller {
            reports,
            wake,
            budget,
            keep,
            batch,
            since,
            entered: 0,
            untold,
            first: 0,
            spare: Vec::new(),
            missed: 0,
            rang: false,
        }
    }

    /// A packet enters; what is not IP is not told.
    pub(super) fn enter(&mut self, entering: &Entering<'_>) -> Option<Ticket> {
        let ip = entering.headers.get(entering.network..)?;
        if !matches!(ip.first().map(|first| first >> 4), Some(4 | 6)) {
            return None;
        }
        self.entered += 1;
        let len = ip.len() + entering.payload.len();
        if !self.budget.take(len.min(self.keep.limit())) {
            self.missed += 1;
            return None;
        }
        let frame = LinkFrame {
            number: self.entered,
            time: entering.time,
            from: entering.from,
            by_link: entering.by_link,
            link_type: LinkType::RAW,
            bytes: kept(entering, ip, self.keep, self.spare.pop().unwrap_or_default()),
            wire_len: u32::try_from(len).unwrap_or(u32::MAX),
            passage: Passage {
                fate: entering.fate,
                rule: entering.rule.map(|rule| rule.to_string()),
                arrived: None,
                segments: entering.segments,
            },
        };
        self.untold.push_back(Untold { frame, is_final: false });
        Some(Ticket(self.first + self.untold.len() as u64 - 1))
    }

    /// It arrived; not before it entered, which is known less exactly.
    pub(super) fn delivered(&mut self, ticket: Option<Ticket>, arrived: Time) {
        self.settle(ticket, |frame| frame.passage.arrived = Some(arrived.max(frame.time)));
    }

    /// It never arrives, and this is why.
    pub(super) fn lost(&mut self, ticket: Option<Ticket>, why: impl FnOnce() -> String) {
        self.settle(ticket, |LinkFrame { passage, .. }| {
            passage.fate = Fate::Lost;
            passage.rule = Some(why());
        });
    }

    /// The lab has ended before it arrived.
    pub(super) fn stopped(&mut self, ticket: Option<Ticket>) {
        self.settle(ticket, |LinkFrame { passage, .. }| (passage.fate, passage.rule) = (Fate::Stopped, None));
    }

    fn settle(&mut self, ticket: Option<Ticket>, how: impl FnOnce(&mut LinkFrame)) {
        let Some(Ticket(number)) = ticket else { return };
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(untold) = place.and_then(|place| self.untold.get_mut(place)) {
            how(&mut untold.frame);
            untold.is_final = true;
        }
        while self.untold.front().is_some_and(|untold| untold.is_final) {
            if let Some(untold) = self.untold.pop_front() {
                self.first += 1;
                let memory = self.batch.push(untold.frame);
                self.keep_spare(memory);
            }
        }
    }

    fn keep_spare(&mut self, memory: Option<Vec<u8>>) {
        if let Some(mut memory) = memory.filter(|_| self.spare.len() < MOST_AT_ONCE) {
            memory.clear();
            self.spare.push(memory);
        }
    }

    /// Told only when all before it is.
    pub(super) fn idle(&mut self) {
        self.send_batch();
        self.send(Told::Idle);
        self.wake_listener();
    }

    /// True when every frame has been told.
    pub(super) fn is_done(&self) -> bool {
        self.untold.is_empty()
    }

    /// Something is told, but not sent.
    pub(super) fn has_to_send(&self) -> bool {
        !self.batch.frames.is_empty() || self.missed > 0
    }

    /// Sends what has waited for company long enough.
    pub(super) fn send_due(&mut self, now: Time) {
        let is_due = match self.batch.frames.len() {
            0 => false,
            MOST_AT_ONCE.. => true,
            _ => self.may_wait(now) == Duration::ZERO,
        };
        if is_due {
            self.send_all();
        }
        if self.batch.frames.is_empty() {
            self.since = now;
        }
    }

    /// How much longer what is told may wait for company.
    pub(super) fn may_wait(&self, now: Time) -> Duration {
        MOST_WAITING.saturating_sub(now.since(self.since))
    }

    /// Sends all that is told, and wakes the listener: nothing more comes for now.
    pub(super) fn send_all(&mut self) {
        self.send_batch();
        self.wake_listener();
    }

    fn send_batch(&mut self) {
        if !self.batch.frames.is_empty() {
            let next = Batch::like(&self.batch);
            let batch = std::mem::replace(&mut self.batch, next);
            self.send(Told::Frames(batch));
        }
        let room = self.budget.frames_out.load(Ordering::Relaxed) < self.budget.frames;
        if self.missed > 0 && room {
            let missed = std::mem::take(&mut self.missed);
            self.send(Told::Missed(missed));
        }
    }

    fn wake_listener(&mut self) {
        if std::mem::take(&mut self.rang) {
            ring(&self.wake);
        }
    }

    /// The last words.
    pub(super) fn finish(mut self) {
        self.send_batch();
        if self.missed > 0 {
            self.send(Told::Missed(self.missed));
        }
        ring(&self.wake);
    }

    /// Nobody listens any more when this fails; the packets go on.
    fn send(&mut self, told: Told) {
        let _ = self.reports.send(told);
        self.rang = true;
    }
}

/// The first bytes of the IP packet; a packet that is kept whole has its checksum completed, as if it had left the
/// device.
fn kept(entering: &Entering<'_>, ip: &[u8], keep: Keep, memory: Vec<u8>) -> Vec<u8> {
    let limit = keep.limit();
    let in_headers = ip.len().min(limit);
    let in_payload = entering.payload.len().min(limit - in_headers);
    let mut bytes = memory;
    bytes.reserve_exact(in_headers + in_payload);
    bytes.extend_from_slice(&ip[..in_headers]);
    bytes.extend_from_slice(&entering.payload[..in_payload]);
    if bytes.len() == ip.len() + entering.payload.len() {
        let network = u16::try_from(entering.network).unwrap_or(u16::MAX);
        let mut vnet = entering.vnet;
        vnet.csum_start = vnet.csum_start.saturating_sub(network);
        vnet.fill_checksum(&mut bytes);
    }
    bytes
}
