//! The gauge's end of the link in the loop, for [`crate::calibration`]: what the program there sends is held and sent
//! back in the way of everybody's packets, and seen by how long it is under way what that costs.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use wire::Time;

use crate::calibration::Costs;
use crate::calibration::datagram::{self, LEN, Message};
use crate::control::{Control, Report};

/// As much as is read of a packet; the program's are shorter.
const MOST_READ: usize = 256;

/// The gauge as the loop has it.
#[derive(Debug)]
pub(super) struct Gauge {
    stands: Stands,
    l2_len: usize,
    costs: Costs,
    /// When the datagram that is held leaves.
    held: Option<(Time, Vec<u8>)>,
}

/// Whether it stands.
#[derive(Debug)]
enum Stands {
    /// The keeper makes it, and will hand over its end of the link.
    NotYet(Control),
    Yes(OwnedFd),
    /// It is gone, or could not be made.
    No,
}

impl Gauge {
    /// The keeper at the other end of this conversation makes it.
    pub(super) fn made_by(keeper: Control, l2_len: usize, costs: Costs) -> Gauge {
        Gauge { stands: Stands::NotYet(keeper), l2_len, costs, held: None }
    }

    /// Whether it stands, or may yet.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.stands, Stands::No)
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        match &self.stands {
            Stands::NotYet(keeper) => Some(PollFd::new(keeper, PollFlags::IN)),
            Stands::Yes(link) => Some(PollFd::new(link, PollFlags::IN)),
            Stands::No => None,
        }
    }

    /// When what it holds leaves.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.held.as_ref().map(|(due, _)| *due)
    }

    /// What is waited for has happened; `is_woken`: the loop was asleep. Tells the time only if it is needed.
    pub(super) fn take(&mut self, is_woken: bool, now: impl Fn() -> Time) {
        match &self.stands {
            Stands::NotYet(keeper) => {
                let link = match keeper.next_report() {
                    Ok(Some((Report::Gauge, descriptors))) => descriptors.into_iter().next(),
                    _ => None,
                };
                self.stands = link.map_or(Stands::No, Stands::Yes);
            }
            Stands::Yes(link) => {
                let mut bytes = vec![0; MOST_READ];
                match rustix::io::read(link, &mut bytes) {
                    Ok(len) => bytes.truncate(len),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
                    Err(_) => return self.stands = Stands::No,
                }
                // What the gauge's kernel says by itself is left alone.
                let Some(message) = datagram::message(&bytes, self.l2_len) else { return };
                self.costs.note(message, is_woken);
                if datagram::turn_around(&mut bytes, self.l2_len).is_some() {
                    self.held = Some((now() + message.hold, bytes));
                }
            }
            Stands::No => {}
        }
    }

    /// Sends what it holds if its time has come; whether it did.
    pub(super) fn release(&mut self, now: impl Fn() -> Time) -> bool {
        let Some((_, mut bytes)) = self.held.take_if(|(due, _)| *due <= now()) else { return false };
        if let (Stands::Yes(link), Some(payload)) = (&self.stands, bytes.last_chunk_mut::<LEN>()) {
            *payload = Message { sent: datagram::now(), ..Message::parse(payload) }.to_bytes();
            // One that is not taken is one measurement less.
            let _ = rustix::io::write(link, &bytes);
        }
        true
    }
}
