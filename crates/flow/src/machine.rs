//! The TCP state machine as pure steps: what a state becomes by sending a segment, and by receiving one.
//!
//! Read first: RFC 9293 §3.3.2 (figure 5) and §3.10.7. One thing differs, because only segments can be seen: a server
//! stays in LISTEN when a SYN arrives and becomes SYN_RECEIVED by sending its SYN ACK.

use crate::State;

/// What an end does by sending a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    /// FIN.
    Fin,
    /// RST that gives the connection up.
    Reset,
    /// RST that only refuses a segment that does not belong here (RFC 9293 §3.10.7.2 to §3.10.7.4: SEQ=SEG.ACK).
    RefusesStray,
    /// Anything else.
    Other,
}

/// What a segment tells the end that receives it; already held against its numbers and window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// An acceptable RST.
    pub(crate) reset: bool,
    /// A SYN.
    pub(crate) syn: bool,
    /// The ACK flag.
    pub(crate) ack: bool,
    /// It acknowledges the SYN of this end.
    pub(crate) acks_syn: bool,
    /// It acknowledges the FIN of this end.
    pub(crate) acks_fin: bool,
    /// With it, everything up to the other end's FIN, and the FIN, is here.
    pub(crate) fin: bool,
}

/// The state of an end after it has sent a segment.
pub(crate) fn after_sending(state: State, sends: Sends) -> State {
    match (sends, state) {
        (Sends::Syn, State::Unknown | State::Closed | State::Listen) => State::SynSent,
        (Sends::SynAck, State::Unknown | State::Listen | State::SynSent) => State::SynReceived,
        (Sends::Fin, State::SynReceived | State::Established) => State::FinWait1,
        (Sends::Fin, State::CloseWait) => State::LastAck,
        (Sends::Reset, _) => State::Closed,
        _ => state,
    }
}

/// The state of an end after it has received a segment. `opened` tells that it opened actively: it sent the first SYN
/// itself.
pub(crate) fn after_receiving(state: State, heard: Heard, opened: bool) -> State {
    if heard.reset {
        return after_reset(state, opened);
    }
    if heard.syn {
        return after_syn(state, heard);
    }
    let state = if heard.ack { after_ack(state, heard) } else { state };
    if heard.fin { after_fin(state) } else { state }
}

/// RFC 9293 §3.10.7.4, second step.
fn after_reset(state: State, opened: bool) -> State {
    match state {
        State::Listen => State::Listen,
        State::SynReceived if !opened => State::Listen,
        _ => State::Closed,
    }
}

/// RFC 9293 §3.10.7.3, fourth step; in the later states a SYN changes nothing (RFC 5961 §4).
fn after_syn(state: State, heard: Heard) -> State {
    match state {
        State::SynSent | State::SynReceived if heard.acks_syn => State::Established,
        State::SynSent if !heard.ack => State::SynReceived,
        // Only an end that sent a SYN gets it acknowledged together with another one.
        State::Unknown if heard.ack => State::Established,
        _ => state,
    }
}

/// RFC 9293 §3.10.7.4, fifth step.
fn after_ack(state: State, heard: Heard) -> State {
    match state {
        State::SynReceived if heard.acks_syn => State::Established,
        State::FinWait1 if heard.acks_fin => State::FinWait2,
        State::Closing if heard.acks_fin => State::TimeWait,
        State::LastAck if heard.acks_fin => State::Closed,
        _ => state,
    }
}

/// RFC 9293 §3.10.7.4, eighth step.
pub(crate) fn after_fin(state: State) -> State {
    match state {
        State::SynReceived | State::Established => State::CloseWait,
        State::FinWait1 => State::Closing,
        State::FinWait2 => State::TimeWait,
        _ => state,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent,
        TimeWait, Unknown,
    };

    /// The edges of RFC 9293 figure 5, with its notes: each a state and what it may become.
    pub(crate) const EDGES: [(State, State); 28] = [
        (Closed, Listen),           // passive OPEN
        (Closed, SynSent),          // active OPEN
        (Listen, SynReceived),      // rcv SYN, snd SYN ACK
        (Listen, SynSent),          // SEND
        (Listen, Closed),           // CLOSE
        (SynSent, SynReceived),     // rcv SYN
        (SynSent, Established),     // rcv SYN ACK
        (SynSent, Closed),          // CLOSE or rcv RST
        (SynReceived, Established), // rcv ACK of SYN
        (SynReceived, FinWait1),    // CLOSE
        (SynReceived, Listen),      // note 1: rcv RST
        (SynReceived, Closed),      // rcv RST after an active OPEN, or ABORT
        (Established, FinWait1),    // CLOSE
        (Established, CloseWait),   // rcv FIN
        (Established, Closed),      // RST
        (FinWait1, FinWait2),       // rcv ACK of FIN
        (FinWait1, Closing),        // rcv FIN
        (FinWait1, TimeWait),       // note 2: rcv FIN with ACK of FIN
        (FinWait1, Closed),         // RST
        (FinWait2, TimeWait),       // rcv FIN
        (FinWait2, Closed),         // RST
        (CloseWait, LastAck),       // CLOSE
        (CloseWait, Closed),        // RST
        (Closing, TimeWait),        // rcv ACK of FIN
        (Closing, Closed),          // RST
        (LastAck, Closed),          // rcv ACK of FIN
        (TimeWait, Closed),         // 2 MSL, or RST
        (SynReceived, CloseWait),   // one segment: ACK of SYN (Established), then FIN
    ];

    const STATES: [State; 12] = [
        Unknown,
        Closed,
        Listen,
        SynSent,
        SynReceived,
        Established,
        FinWait1,
        FinWait2,
        CloseWait,
        Closing,
        LastAck,
        TimeWait,
    ];

    /// True when RFC 9293 has this step; or it says what had not been known; or a listener turns out to have been in
    /// the middle of an older conversation.
    pub(crate) fn is_edge(from: State, to: State) -> bool {
        from == to || from == Unknown || (from, to) == (Listen, Unknown) || EDGES.contains(&(from, to))
    }

    #[test]
    fn every_step_is_an_edge_of_the_rfc() {
        let mut steps = 0;
        for state in STATES {
            for sends in
                [Sends::Syn, Sends::SynAck, Sends::Fin, Sends::Reset, Sends::RefusesStray, Sends::Other]
            {
                let to = after_sending(state, sends);
                assert!(is_edge(state, to), "{state:?} -- {sends:?} -> {to:?}");
                steps += usize::from(to != state);
            }
            for bits in 0..128u8 {
                let bit = |at: u8| bits >> at & 1 == 1;
                let heard = Heard {
                    reset: bit(0),
                    syn: bit(1),
                    ack: bit(2),
                    acks_syn: bit(2) && bit(3),
                    acks_fin: bit(2) && bit(4),
                    fin: bit(5),
                };
                let to = after_receiving(state, heard, bit(6));
                assert!(is_edge(state, to), "{state:?} -- {heard:?} -> {to:?}");
                steps += usize::from(to != state);
            }
        }
        assert!(steps > 200, "the machine moves at all: {steps}");
    }

    #[test]
    fn nothing_leaves_unknown_without_proof() {
        let fin = Heard { ack: true, acks_fin: true, fin: true, ..Heard::default() };
        assert_eq!(after_receiving(Unknown, fin, false), Unknown);
        assert_eq!(after_sending(Unknown, Sends::Fin), Unknown);
        assert_eq!(after_sending(Unknown, Sends::Other), Unknown);
    }

    #[test]
    fn a_reset_returns_a_passive_opener_to_listen() {
        let reset = Heard { reset: true, ..Heard::default() };
        assert_eq!(after_receiving(SynReceived, reset, false), Listen);
        assert_eq!(after_receiving(SynReceived, reset, true), Closed);
        for state in
            [SynSent, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait, Unknown]
        {
            assert_eq!(after_receiving(state, reset, false), Closed);
        }
    }
}
