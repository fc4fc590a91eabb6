//! The states of a TCP end. Read first: RFC 9293 §3.3.2 and figure 5.

/// A state by its RFC 9293 name; `Unknown` where the capture cannot tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing seen yet that would tell.
    #[default]
    Unknown,
    /// No connection at all.
    Closed,
    /// Waiting for a SYN from anybody.
    Listen,
    /// Sent a SYN, waits for the answer.
    SynSent,
    /// Received a SYN and sent one, waits for the last acknowledgement.
    SynReceived,
    /// Open: data may flow both ways.
    Established,
    /// Sent a FIN that is not acknowledged yet.
    FinWait1,
    /// Our FIN is acknowledged; the other end may go on sending.
    FinWait2,
    /// The other end sent its FIN; this end may go on sending.
    CloseWait,
    /// Both sent a FIN at once; ours is not acknowledged yet.
    Closing,
    /// Sent a FIN after the other end's; waits for its acknowledgement.
    LastAck,
    /// Closed first: keeps the port for 2 MSL.
    TimeWait,
}

impl State {
    /// The name as RFC 9293 has it, with underscores; `unknown` in lower case because it is ours.
    pub fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN_WAIT_1",
            State::FinWait2 => "FIN_WAIT_2",
            State::CloseWait => "CLOSE_WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST_ACK",
            State::TimeWait => "TIME_WAIT",
        }
    }
}
