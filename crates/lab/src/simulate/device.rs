//! The network device of a simulated host: two queues.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetFrame;

use crate::config::MTU;

/// What has arrived and is to be handled, and what is to be sent.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) arrived: VecDeque<Vec<u8>>,
    pub(crate) sent: Vec<Vec<u8>>,
    /// The largest IP packet, in bytes, that it takes.
    pub(crate) mtu: usize,
    /// Whether packets travel in Ethernet frames.
    pub(crate) ethernet: bool,
}

impl Default for Queues {
    fn default() -> Queues {
        Queues { arrived: VecDeque::new(), sent: Vec::new(), mtu: MTU as usize, ethernet: false }
    }
}

/// One packet that has arrived.
pub(crate) struct Arrived(Vec<u8>);

/// Room for one packet to be sent.
pub(crate) struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Queues {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Room<'_>)> {
        let packet = self.arrived.pop_front()?;
        Some((Arrived(packet), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        // smoltcp counts the frame's header as well.
        (capabilities.medium, capabilities.max_transmission_unit) = match self.ethernet {
            true => (Medium::Ethernet, self.mtu + EthernetFrame::<&[u8]>::header_len()),
            false => (Medium::Ip, self.mtu),
        };
        capabilities
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, handle: F) -> R {
        handle(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = vec![0; len];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}
