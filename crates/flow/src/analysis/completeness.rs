//! Which parts of a conversation were captured: Wireshark's `tcp.completeness`.

use wire::tcp::TcpFlags;

use crate::segment::Segment;

/// What was seen, as the sum of 1 SYN, 2 SYN with ACK, 4 ACK without data, 8 data, 16 FIN, 32 RST. 31 is a whole
/// conversation with data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Completeness(pub u8);

impl Completeness {
    /// Takes the next segment; a SYN counts only where the conversation `begins`. Data counts beside an ACK or an opening
    /// SYN (RFC 7413), and not beside both or neither.
    pub(crate) fn take(&mut self, segment: &Segment, begins: bool) {
        let ack = segment.ack.is_some();
        let seen = [
            (1, segment.flags.has(TcpFlags::SYN) && !ack && begins),
            (2, segment.flags.has(TcpFlags::SYN) && ack),
            (4, ack && !segment.flags.has(TcpFlags::SYN) && segment.len == 0),
            (8, segment.len > 0 && ack != segment.flags.has(TcpFlags::SYN)),
            (16, segment.flags.has(TcpFlags::FIN) && ack),
            (32, segment.flags.has(TcpFlags::RST)),
        ];
        for (bit, _) in seen.into_iter().filter(|(_, seen)| *seen) {
            self.0 |= bit;
        }
    }
}
