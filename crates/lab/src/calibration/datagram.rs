//! What the program on the gauge and the link say to each other.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wire::virtio_net;

/// The bytes of a datagram's payload.
pub(crate) const LEN: usize = 5 * size_of::<u64>();

/// A datagram's payload. Times are those of the monotonic clock, which all processes share, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// When it was sent, by whoever sent it.
    pub(crate) sent: u64,
    /// How long the link is to hold it before it sends it back.
    pub(crate) hold: Duration,
    /// How long the last one was under way to the program, if it came back.
    pub(crate) took: Option<(Duration, Under)>,
    /// This one is under way under these conditions.
    pub(crate) under: Under,
}

/// What a measurement was made under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Under {
    /// Others than those of programs that wait for a round trip: it is better than nothing.
    #[default]
    OtherConditions,
    UsualConditions,
}

impl Message {
    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        let (took, took_under) = self.took.unwrap_or_default();
        let words = [self.sent, nanos(self.hold), nanos(took), took_under.word(), self.under.word()];
        let mut bytes = [0; LEN];
        for (place, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; LEN]) -> Message {
        let (words, _) = bytes.as_chunks();
        let word = |place: usize| words.get(place).map_or(0, |word| u64::from_ne_bytes(*word));
        let took = (Duration::from_nanos(word(2)), Under::of_word(word(3)));
        Message {
            sent: word(0),
            hold: Duration::from_nanos(word(1)),
            took: (took.0 > Duration::ZERO).then_some(took),
            under: Under::of_word(word(4)),
        }
    }

    /// How long it has been under way.
    pub(crate) fn age(self) -> Duration {
        Duration::from_nanos(now().saturating_sub(self.sent))
    }
}

impl Under {
    fn word(self) -> u64 {
        u64::from(self == Under::UsualConditions)
    }

    fn of_word(word: u64) -> Under {
        if word == 1 { Under::UsualConditions } else { Under::OtherConditions }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The monotonic clock.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// An IPv4 datagram as the link's end gives it, with the virtio-net header and `l2_len` bytes of Ethernet header before.
/// None where it is no such datagram with a [`Message`] in it.
pub(crate) fn message(read: &[u8], l2_len: usize) -> Option<Message> {
    let header = read.get(virtio_net::LEN + l2_len..)?.first_chunk::<28>()?;
    let is_one = header[0] == 0x45 && header[9] == 17 && read.len() == virtio_net::LEN + l2_len + 28 + LEN;
    is_one.then(|| read.last_chunk().map(Message::parse)).flatten()
}

/// Makes it one that goes back: addresses of Ethernet and IP and ports change places, which leaves the IP header's
/// checksum as it was, and it says that it has no other (RFC 768).
pub(crate) fn turn_around(read: &mut [u8], l2_len: usize) -> Option<()> {
    let (before, packet) = read.split_at_mut_checked(virtio_net::LEN + l2_len)?;
    let (vnet, ethernet) = before.split_at_mut_checked(virtio_net::LEN)?;
    vnet.fill(0);
    if let Some((destination, source)) = ethernet.get_mut(..12).and_then(|both| both.split_at_mut_checked(6))
    {
        destination.swap_with_slice(source);
    }
    let header = packet.first_chunk_mut::<28>()?;
    for (first, second, len) in [(12, 16, 4), (20, 22, 2)] {
        let (first, second) = header[first..second + len].split_at_mut(len);
        first.swap_with_slice(second);
    }
    header[26..28].fill(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = Message {
            sent: 7,
            hold: Duration::from_millis(10),
            took: Some((Duration::from_micros(40), Under::UsualConditions)),
            under: Under::OtherConditions,
        };
        for message in [message, Message { took: None, under: Under::UsualConditions, ..message }] {
            assert_eq!(Message::parse(&message.to_bytes()), message);
        }
    }

    fn datagram(payload: &[u8]) -> Vec<u8> {
        let mut datagram = vec![1; virtio_net::LEN];
        datagram.extend([2; 6]);
        datagram.extend([3; 6]);
        datagram.extend([8, 0]);
        datagram.extend([0x45, 0, 0, 68, 0, 0, 0x40, 0, 64, 17, 9, 9, 10, 0, 0, 2, 10, 0, 0, 1]);
        datagram.extend([0x9c, 0x40, 0, 9, 0, 48, 7, 7]);
        datagram.extend(payload);
        datagram
    }

    #[test]
    fn a_datagram_is_turned_around() {
        let mut datagram = datagram(&[5; LEN]);
        assert_eq!(turn_around(&mut datagram, 14), Some(()));
        assert_eq!(datagram[..virtio_net::LEN], [0; virtio_net::LEN]);
        assert_eq!(datagram[10..22], [3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2]);
        assert_eq!(datagram[36..44], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(datagram[44..52], [0, 9, 0x9c, 0x40, 0, 48, 0, 0]);
        assert_eq!(datagram[52..], [5; LEN]);
    }

    #[test]
    fn only_a_datagram_with_a_message_is_one() {
        let said = Message { sent: 7, ..Message::default() };
        let right = datagram(&said.to_bytes());
        assert_eq!(message(&right, 14), Some(said));
        assert_eq!(message(&right, 0), None);
        for len in 0..right.len() {
            assert_eq!(message(&right[..len], 14), None, "{len} bytes");
        }
        for place in [virtio_net::LEN + 14, virtio_net::LEN + 14 + 9] {
            let mut other = right.clone();
            other[place] = 6;
            assert_eq!(message(&other, 14), None, "byte {place}");
        }
    }
}
