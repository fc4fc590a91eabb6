//! What the program of a machine is: a list of calls, each with what it waits for; and how the TCP under it is set.

/// How a machine's TCP is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The socket's receive buffer, in bytes; up to 65,535 of it is the window.
    pub(crate) receive_buffer: usize,
    /// Its send buffer, in bytes.
    pub(crate) send_buffer: usize,
    /// The largest IP packet, in bytes; the MSS that it announces is 40 less.
    pub(crate) mtu: usize,
    /// Its program acts on what arrived before its kernel answers, so that one segment carries both answers.
    pub(crate) answers_together: bool,
    /// 4.4BSD's rule for window updates: one whenever the edge moved by two segments, in any state.
    pub(crate) updates_like_bsd: bool,
    /// Small segments wait for the acknowledgement of what is under way (RFC 9293 §3.7.4).
    pub(crate) nagle: bool,
    /// Acknowledgements wait so many milliseconds for company, unless two segments have come (RFC 9293 §3.8.6.3).
    pub(crate) delays_acks: Option<u64>,
    /// It keeps a congestion window, by Reno's rules (RFC 5681).
    pub(crate) controls_congestion: bool,
    /// Its link is Ethernet, where it has to ask for its neighbour's hardware address first; the other's has to be as well.
    pub(crate) ethernet: bool,
}

impl Settings {
    /// Ethernet's packets, a buffer of 44 full segments, and an acknowledgement for each segment at once.
    pub(crate) const PLAIN: Settings = Settings {
        receive_buffer: 64_240,
        send_buffer: 64 * 1024,
        mtu: 1500,
        answers_together: false,
        updates_like_bsd: false,
        nagle: false,
        delays_acks: None,
        controls_congestion: false,
        ethernet: false,
    };
}

/// What a call waits for before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// This point in time, in milliseconds from the beginning.
    At(u64),
    /// The call before it has returned.
    Next,
    /// The connection is established.
    Established,
    /// So many bytes have come from the peer, read or not.
    Received(usize),
    /// The peer's FIN has come.
    PeerClosed,
}

/// What a program asks of its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// socket(2), bind(2), listen(2), and an accept(2) that waits.
    Listen,
    /// The same without accept(2): nobody takes the connection.
    ListenOnly,
    /// socket(2) and a connect(2) that waits.
    Connect,
    /// write(2) of this text; it waits until there is room in the send buffer.
    Say(&'static str),
    /// write(2) of so many bytes; it waits until there is room in the send buffer.
    Send(usize),
    /// read(2) of at most so many bytes; it waits for the first.
    Read(usize),
    /// read(2) again and again, of all that comes, from now on; nobody waits for it.
    ReadAll,
    /// shutdown(2) of the sending direction.
    ShutDown,
    /// close(2): with unread data the kernel resets (RFC 9293 §3.6.1, RFC 2525 §2.17).
    Close,
    /// SO_KEEPALIVE with this many milliseconds of quiet before each probe.
    KeepAlive(u64),
    /// TCP_NODELAY: small segments wait for nothing.
    NoDelay,
    /// TCP_USER_TIMEOUT: give up after this many milliseconds without an answer.
    GiveUp(u64),
    /// socket(2) of datagrams; a server binds it as well.
    OpenDatagrams,
    /// sendto(2) of this text to the other machine.
    SendTo(&'static str),
    /// recvfrom(2) of a datagram, at most so many bytes of it; it waits for one.
    ReceiveFrom(usize),
    /// The machine starts anew: it remembers no connection, and its next first sequence number is so much below its
    /// first one.
    Restart(u32),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    /// Milliseconds later.
    pub(crate) later: u64,
    pub(crate) call: Call,
}

/// `call` once `when` has come.
pub(crate) const fn on(when: When, call: Call) -> Step {
    Step { when, later: 0, call }
}

/// `call` so many milliseconds after `when` has come.
pub(crate) const fn later(milliseconds: u64, when: When, call: Call) -> Step {
    Step { when, later: milliseconds, call }
}

/// What a program knows at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// All that it read.
    pub read: Vec<u8>,
    /// The errno by which its connection failed, by name.
    pub error: Option<&'static str>,
    /// Bytes that came and that it did not read.
    pub unread_bytes: usize,
}
