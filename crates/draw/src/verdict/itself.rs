//! The verdict on a connection of a socket to itself: there is one end, which receives what it sends.

use flow::{Closing, Flow, State};

use super::{amount, lasted};
use crate::number::duration;

/// True where that is what there is to tell: it was opened, as far as was seen.
pub(super) fn is_told(flow: &Flow) -> bool {
    flow.is_to_itself() && !matches!(flow.closing, Closing::Refused | Closing::Unanswered)
}

/// How it began.
pub(super) fn opening(flow: &Flow, name: &str) -> String {
    match flow.saw_opening {
        true => format!("{name} connected to itself: one socket is both ends"),
        false => {
            format!(
                "{name} is connected to itself, one socket at both ends, and was before this capture began"
            )
        }
    }
}

/// What it sent, and so received.
pub(super) fn amounts(flow: &Flow) -> String {
    let since = if flow.saw_opening { "" } else { "from then on " };
    match flow.totals_a.bytes.saturating_add(flow.totals_a.unseen_bytes) {
        0 => format!("{since}it sent no data"),
        _ => format!("{since}it sent {}, and received the same", amount(&flow.totals_a)),
    }
}

/// How it ended: its FIN, or its RST, reached itself.
pub(super) fn ending(flow: &Flow) -> String {
    match flow.closing {
        Closing::Fin if flow.state_a == State::TimeWait => {
            format!("it closed, so its port {} stays in TIME_WAIT (60 s on Linux)", flow.a.port())
        }
        Closing::Fin => "it closed".to_owned(),
        Closing::Reset => {
            let after = flow.totals_a.rst.map_or_else(|| lasted(flow), |rst| rst.since(flow.first));
            format!("it reset the connection after {}", duration(after))
        }
        Closing::HalfClosed | Closing::Unfinished => {
            let state = match flow.state_a {
                State::Unknown => String::new(),
                state => format!(", so it is still in {}", state.name()),
            };
            format!("it closed, but the last acknowledgement was not seen{state}")
        }
        Closing::Refused | Closing::Unanswered | Closing::Open => "at the end it was still open".to_owned(),
    }
}
