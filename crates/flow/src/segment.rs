//! One TCP segment as the machine takes it: first with the numbers of its header, then placed on the positions of its
//! conversation.

use wire::packet::TcpSegment;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::Side;
use crate::sequence::Seq;

/// A segment as its header has it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) seq: Seq,
    /// The acknowledgement field, if the ACK flag is set.
    pub(crate) ack: Option<Seq>,
    /// The acknowledgement field, whether or not it is significant.
    pub(crate) ack_field: u32,
    pub(crate) flags: TcpFlags,
    /// The window field, not scaled.
    pub(crate) window: u16,
    /// Payload bytes on the wire.
    pub(crate) len: u32,
    /// By how many of them it is shorter in Wireshark.
    pub(crate) shorter_in_wireshark: u32,
    pub(crate) options: TcpOptions,
}

impl Segment {
    pub(crate) fn of(segment: &TcpSegment<'_>) -> Segment {
        let header = &segment.header;
        let flags = header.flags();
        Segment {
            seq: Seq(header.seq()),
            ack: flags.has(TcpFlags::ACK).then_some(Seq(header.ack())),
            ack_field: header.ack(),
            flags,
            window: header.window(),
            len: segment.payload_len,
            shorter_in_wireshark: 0,
            options: header.options(),
        }
    }

    /// A SYN that opens: without ACK and RST.
    pub(crate) fn opens(&self) -> bool {
        self.flags.has(TcpFlags::SYN) && !self.flags.has_any(TcpFlags::ACK | TcpFlags::RST)
    }
}

/// A segment placed in its conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Who sent it.
    pub(crate) from: Side,
    /// SYN, and no RST that would overrule it.
    pub(crate) syn: bool,
    /// FIN, without SYN or RST.
    pub(crate) fin: bool,
    /// RST.
    pub(crate) rst: bool,
    /// The position of its sequence number.
    pub(crate) start: i64,
    /// Payload bytes.
    pub(crate) len: u32,
    /// What it acknowledges, as a position of the other side.
    pub(crate) ack: Option<i64>,
    /// The highest edge of its SACK blocks.
    pub(crate) sacked_to: Option<i64>,
    /// Bytes behind what it acknowledges that its SACK blocks say have come.
    pub(crate) sacked_bytes: u32,
    /// Its SACK blocks tell of something that came twice.
    pub(crate) duplicate_sack: bool,
    /// Its timestamps: its own, and the one that it echoes.
    pub(crate) stamps: Option<(u32, u32)>,
    /// The window field, not scaled.
    pub(crate) window: u16,
}

impl Placed {
    /// The first position behind all that it takes: SYN, payload, FIN. A RST takes nothing.
    pub(crate) fn end(&self) -> i64 {
        self.payload().1 + i64::from(self.fin)
    }

    /// Where its payload lies. What an RST carries is a text for people, no part of the stream (RFC 9293 §3.5.3).
    pub(crate) fn payload(&self) -> (i64, i64) {
        let start = self.start + i64::from(self.syn);
        let len = if self.rst { 0 } else { i64::from(self.len) };
        (start, start + len)
    }

    /// True when it takes sequence numbers: it must be acknowledged.
    pub(crate) fn has_content(&self) -> bool {
        self.end() > self.start
    }

    /// What must be acknowledged to prove that it arrived. Data beside a SYN may be ignored by the receiver (RFC 7413),
    /// so there the SYN alone.
    pub(crate) fn proved_by(&self) -> i64 {
        if self.syn { self.start + 1 } else { self.end() }
    }

    /// SYN without ACK.
    pub(crate) fn opens(&self) -> bool {
        self.syn && self.ack.is_none()
    }

    /// SYN with ACK.
    pub(crate) fn answers_syn(&self) -> bool {
        self.syn && self.ack.is_some()
    }

    /// An acknowledgement that carries nothing else.
    pub(crate) fn is_pure_ack(&self) -> bool {
        self.ack.is_some() && !self.rst && !self.has_content()
    }
}
