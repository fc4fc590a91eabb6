//! The state diagram of TCP as a table. Read first: RFC 9293 §3.3.2, figure 5 and its three notes.

use crate::State;

/// One arrow of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Where it begins.
    pub from: State,
    /// Where it leads.
    pub to: State,
    /// What brings it about: a call of the program, a segment that arrives, a timer.
    pub event: &'static str,
    /// What the end does then; `x` for nothing.
    pub action: &'static str,
}

/// The arrows of figure 5 from top to bottom; the last is its note 2.
///
/// Note 3 is no arrow: a RST, sent or received, leads from any state to CLOSED (or back to LISTEN, which is drawn).
pub const TRANSITIONS: [Transition; 21] = [
    arrow(State::Closed, State::SynSent, "active OPEN", "snd SYN"),
    arrow(State::Closed, State::Listen, "passive OPEN", "create TCB"),
    arrow(State::Listen, State::Closed, "CLOSE", "delete TCB"),
    arrow(State::SynSent, State::Closed, "CLOSE", "delete TCB"),
    arrow(State::SynReceived, State::Listen, "rcv RST (passive)", "x"),
    arrow(State::Listen, State::SynReceived, "rcv SYN", "snd SYN,ACK"),
    arrow(State::Listen, State::SynSent, "SEND", "snd SYN"),
    arrow(State::SynSent, State::SynReceived, "rcv SYN", "snd SYN,ACK"),
    arrow(State::SynReceived, State::Established, "rcv ACK of SYN", "x"),
    arrow(State::SynSent, State::Established, "rcv SYN,ACK", "snd ACK"),
    arrow(State::SynReceived, State::FinWait1, "CLOSE", "snd FIN"),
    arrow(State::Established, State::FinWait1, "CLOSE", "snd FIN"),
    arrow(State::Established, State::CloseWait, "rcv FIN", "snd ACK"),
    arrow(State::FinWait1, State::FinWait2, "rcv ACK of FIN", "x"),
    arrow(State::FinWait1, State::Closing, "rcv FIN", "snd ACK"),
    arrow(State::CloseWait, State::LastAck, "CLOSE", "snd FIN"),
    arrow(State::FinWait2, State::TimeWait, "rcv FIN", "snd ACK"),
    arrow(State::Closing, State::TimeWait, "rcv ACK of FIN", "x"),
    arrow(State::LastAck, State::Closed, "rcv ACK of FIN", "x"),
    arrow(State::TimeWait, State::Closed, "Timeout=2MSL", "delete TCB"),
    arrow(State::FinWait1, State::TimeWait, "rcv FIN,ACK of FIN", "snd ACK"),
];

const fn arrow(from: State, to: State, event: &'static str, action: &'static str) -> Transition {
    Transition { from, to, event, action }
}

/// The place in [`TRANSITIONS`] of the arrow between two states.
pub fn transition(from: State, to: State) -> Option<usize> {
    TRANSITIONS.iter().position(|arrow| (arrow.from, arrow.to) == (from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::EDGES;

    #[test]
    fn the_arrows_are_those_that_the_machine_knows_but_for_resets() {
        for arrow in TRANSITIONS {
            assert!(EDGES.contains(&(arrow.from, arrow.to)), "{arrow:?}");
        }
        let drawn = |(from, to): &(State, State)| transition(*from, *to).is_some();
        let left: Vec<_> = EDGES.iter().filter(|edge| !drawn(edge)).collect();
        // Resets, and one segment that goes along two arrows at once.
        assert!(left.iter().all(|(_, to)| *to == State::Closed || *to == State::CloseWait), "{left:?}");
        assert_eq!(left.len(), 7);
    }

    #[test]
    fn no_arrow_stands_there_twice() {
        for (place, arrow) in TRANSITIONS.iter().enumerate() {
            assert_eq!(transition(arrow.from, arrow.to), Some(place));
        }
    }
}
