//! Which parts of a conversation were captured: Wireshark's `tcp.completeness`.

use wire::tcp::TcpFlags;

use crate::segment::Segment;

/// What was seen, as the sum of 1 SYN, 2 SYN with ACK, 4 ACK without data, 8 data, 16 FIN, 32 RST. 31 is a whole
/// conversation with data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Completeness(pub u8);

impl Completeness {
    /// Takes the next segment, `first` of its conversation or not, which may begin on ports that were used before. A SYN
    /// counts where a conversation begins. Data counts beside an ACK, and beside the SYN of a conversation (RFC 7413) whose
    /// ports are new: so Wireshark counts.
    pub(crate) fn take(&mut self, segment: &Segment, first: bool, reuses: bool) {
        let ack = segment.ack.is_some();
        let syn = segment.flags.has(TcpFlags::SYN);
        let opens = syn && !ack && (first || reuses);
        let with_data = segment.len > 0;
        let seen = [
            (1, opens),
            (2, syn && ack),
            (4, ack && !syn && !with_data),
            (8, with_data && (ack && !syn || opens && !reuses)),
            (16, segment.flags.has(TcpFlags::FIN) && ack),
            (32, segment.flags.has(TcpFlags::RST)),
        ];
        for (bit, _) in seen.into_iter().filter(|(_, seen)| *seen) {
            self.0 |= bit;
        }
    }
}
