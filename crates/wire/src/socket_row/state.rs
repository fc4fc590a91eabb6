//! The states of sockets, as the kernel numbers them, and sets of them, as ss(8) names them.

use super::Kind;

/// A socket's state by its number in the kernel (include/net/tcp_states.h); UDP sockets use a few of them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketState(pub u8);

impl SocketState {
    /// ESTABLISHED; of UDP: connected.
    pub const ESTABLISHED: SocketState = SocketState(1);
    /// SYN-SENT.
    pub const SYN_SENT: SocketState = SocketState(2);
    /// SYN-RECEIVED.
    pub const SYN_RECEIVED: SocketState = SocketState(3);
    /// FIN-WAIT-1.
    pub const FIN_WAIT_1: SocketState = SocketState(4);
    /// FIN-WAIT-2.
    pub const FIN_WAIT_2: SocketState = SocketState(5);
    /// TIME-WAIT.
    pub const TIME_WAIT: SocketState = SocketState(6);
    /// CLOSED; of UDP: not connected.
    pub const CLOSED: SocketState = SocketState(7);
    /// CLOSE-WAIT.
    pub const CLOSE_WAIT: SocketState = SocketState(8);
    /// LAST-ACK.
    pub const LAST_ACK: SocketState = SocketState(9);
    /// LISTEN.
    pub const LISTEN: SocketState = SocketState(10);
    /// CLOSING.
    pub const CLOSING: SocketState = SocketState(11);
    /// SYN-RECEIVED, of a request that no listener has taken over yet.
    pub const NEW_SYN_RECEIVED: SocketState = SocketState(12);
    /// Bound and neither listening nor connected; told since Linux 6.8.
    pub const BOUND_INACTIVE: SocketState = SocketState(13);

    /// ss(8)'s word, as it stands in its column.
    pub fn short(self) -> &'static str {
        match self.0 {
            1 => "ESTAB",
            2 => "SYN-SENT",
            3 | 12 => "SYN-RECV",
            4 => "FIN-WAIT-1",
            5 => "FIN-WAIT-2",
            6 => "TIME-WAIT",
            7 | 13 => "UNCONN",
            8 => "CLOSE-WAIT",
            9 => "LAST-ACK",
            10 => "LISTEN",
            11 => "CLOSING",
            _ => "UNKNOWN",
        }
    }

    /// The name in records: RFC 9293's with underscores for TCP; for what has no such states, what it amounts to.
    pub fn name(self, kind: Kind) -> &'static str {
        match (self.0, kind) {
            (7, Kind::Tcp) => "CLOSED",
            (7, _) => "UNCONNECTED",
            (1, Kind::Tcp) => "ESTABLISHED",
            (1, _) => "CONNECTED",
            (2, Kind::Tcp) => "SYN_SENT",
            (2, _) => "CONNECTING",
            (3 | 12, _) => "SYN_RECEIVED",
            (4, _) => "FIN_WAIT_1",
            (5, _) => "FIN_WAIT_2",
            (6, _) => "TIME_WAIT",
            (8, _) => "CLOSE_WAIT",
            (9, _) => "LAST_ACK",
            (10, _) => "LISTEN",
            (11, _) => "CLOSING",
            (13, _) => "BOUND",
            _ => "UNKNOWN",
        }
    }
}

/// A set of states: bit N is the state of number N, as sock_diag(7) has it in its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States(pub u32);

impl States {
    /// Everything but bound sockets, which ss(8) does not mean by it either.
    pub const ALL: States = States(0xfff);
    /// What is shown where nothing is said: connections, but not those that are over or not made yet.
    pub const CONNECTIONS: States = States(States::ALL.0 & !(States::WAITING.0 | 1 << 6 | 1 << 3));
    /// Those that wait for somebody: listeners, and sockets that are not connected.
    pub const WAITING: States = States(1 << 10 | 1 << 7);

    /// The set of one state.
    pub const fn of(state: SocketState) -> States {
        States(1 << state.0)
    }

    /// Whether the state is in it.
    pub fn has(self, state: SocketState) -> bool {
        let bit = 1u32.checked_shl(u32::from(state.0)).unwrap_or(0);
        let told_as =
            if state == SocketState::NEW_SYN_RECEIVED { States::of(SocketState::SYN_RECEIVED).0 } else { 0 };
        self.0 & (bit | told_as) != 0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: States) -> States {
        States(self.0 | other.0)
    }

    /// This without the other.
    #[must_use]
    pub fn without(self, other: States) -> States {
        States(self.0 & !other.0)
    }

    /// Whether it is exactly one state: then its column says nothing.
    pub fn is_one(self) -> bool {
        self.0.count_ones() == 1
    }

    /// Whether it is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The words for states and sets of them: ss(8)'s, RFC 9293's, both in any case.
    pub fn named(word: &str) -> Option<States> {
        let word = word.to_ascii_lowercase().replace('_', "-");
        NAMES.iter().find(|(name, _)| *name == word).map(|(_, states)| *states)
    }
}

/// Every word for a state or a set of states.
const NAMES: [(&str, States); 27] = [
    ("all", States::ALL),
    ("connected", States(States::ALL.0 & !(1 << 7 | 1 << 10))),
    ("synchronized", States(States::ALL.0 & !(1 << 7 | 1 << 10 | 1 << 2))),
    ("bucket", States(1 << 3 | 1 << 6)),
    ("big", States(States::ALL.0 & !(1 << 3 | 1 << 6))),
    ("established", States(1 << 1)),
    ("estab", States(1 << 1)),
    ("syn-sent", States(1 << 2)),
    ("syn-recv", States(1 << 3)),
    ("syn-rcv", States(1 << 3)),
    ("syn-received", States(1 << 3)),
    ("fin-wait-1", States(1 << 4)),
    ("fin-wait1", States(1 << 4)),
    ("fin-wait-2", States(1 << 5)),
    ("fin-wait2", States(1 << 5)),
    ("time-wait", States(1 << 6)),
    ("unconnected", States(1 << 7)),
    ("unconn", States(1 << 7)),
    ("close", States(1 << 7)),
    ("closed", States(1 << 7)),
    ("close-wait", States(1 << 8)),
    ("last-ack", States(1 << 9)),
    ("listening", States(1 << 10)),
    ("listen", States(1 << 10)),
    ("closing", States(1 << 11)),
    ("bound-inactive", States(1 << 13)),
    ("bound", States(1 << 13)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_as_ss_names_them() {
        let has = |word: &str, state| States::named(word).expect(word).has(state);
        assert!(has("connected", SocketState::SYN_SENT) && !has("synchronized", SocketState::SYN_SENT));
        assert!(has("bucket", SocketState::TIME_WAIT) && !has("big", SocketState::TIME_WAIT));
        assert!(has("FIN_WAIT_1", SocketState::FIN_WAIT_1) && has("Estab", SocketState::ESTABLISHED));
        assert!(!has("connected", SocketState::LISTEN) && !has("all", SocketState::BOUND_INACTIVE));
        assert_eq!(States::named("open"), None);
    }

    #[test]
    fn what_is_shown_by_itself_are_connections() {
        for state in
            [SocketState::LISTEN, SocketState::CLOSED, SocketState::TIME_WAIT, SocketState::SYN_RECEIVED]
        {
            assert!(!States::CONNECTIONS.has(state), "{state:?}");
        }
        assert!(States::CONNECTIONS.has(SocketState::CLOSE_WAIT));
        assert!(!States::ALL.has(SocketState(200)) && States::of(SocketState::LISTEN).is_one());
    }
}
