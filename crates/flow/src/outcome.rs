//! How a conversation stands at its end, and who ended it.

use crate::State;
use crate::conversation::{ClosedBy, Closing, Side};
use crate::end::End;

/// The turning points of a conversation, noted as they are sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// Who sent the first FIN; both when the second had not heard of the first.
    closed_by: Option<ClosedBy>,
    /// Who gave the connection up by a RST.
    reset_by: Option<Side>,
    /// Who refused it by a RST.
    refused_by: Option<Side>,
}

impl Story {
    /// `side` sends its first FIN. `other_sent` tells that the other end sent one before, `heard` that it is here.
    pub(crate) fn fin(&mut self, side: Side, other_sent: bool, heard: bool) {
        if !other_sent {
            self.closed_by.get_or_insert(by(side));
        } else if !heard {
            self.closed_by = Some(ClosedBy::Both);
        }
    }

    /// `side` sends a RST that brings it from state `before` to `after`. `over` tells that both had closed in order before.
    pub(crate) fn reset(&mut self, side: Side, before: State, after: State, over: bool) {
        let lived = !matches!(before, State::Closed | State::Listen);
        if lived && !over && after == State::Closed {
            self.reset_by.get_or_insert(side);
        }
    }

    /// `side` answers a SYN by a RST.
    pub(crate) fn refuse(&mut self, side: Side) {
        self.refused_by.get_or_insert(side);
    }

    /// A SYN is sent. It starts anew after a refusal: somebody listens by now.
    pub(crate) fn syn(&mut self) {
        self.refused_by = None;
    }

    /// True from the first FIN or RST on.
    pub(crate) fn is_closing(&self) -> bool {
        self.closed_by.is_some() || self.reset_by.is_some() || self.refused_by.is_some()
    }
}

/// True once both have sent a FIN and both have acknowledged the other's.
pub(crate) fn is_over(ends: &[End; 2]) -> bool {
    let acknowledged = |end: &End, by: &End| end.sent.fin.is_some_and(|fin| by.last_ack > Some(fin));
    acknowledged(&ends[0], &ends[1]) && acknowledged(&ends[1], &ends[0])
}

/// Who closed first, and how. Both ends are the same in a connection `to_itself`.
pub(crate) fn judge(ends: &[End; 2], story: &Story, to_itself: bool) -> (ClosedBy, Closing) {
    if let Some(side) = story.refused_by {
        return (by(side), Closing::Refused);
    }
    if let Some(side) = story.reset_by {
        return (by(side), Closing::Reset);
    }
    let closed_by = story.closed_by.unwrap_or(ClosedBy::Unknown);
    let fins = ends.iter().filter(|end| end.sent.fin.is_some()).count();
    let closing = match fins {
        2 if ends.iter().all(End::fin_acked) => Closing::Fin,
        2 => Closing::Unfinished,
        1 => Closing::HalfClosed,
        _ if ends[0].state == State::SynSent && !ends[1].spoke => Closing::Unanswered,
        _ if to_itself && ends[0].only_asks() => Closing::Unanswered,
        _ => Closing::Open,
    };
    (closed_by, closing)
}

fn by(side: Side) -> ClosedBy {
    match side {
        Side::A => ClosedBy::A,
        Side::B => ClosedBy::B,
    }
}
