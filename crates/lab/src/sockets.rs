//! Who waits on a host, and what two kernels still have to say to each other once a program has ended: told from their
//! tables of sockets, the text of /proc/net/{tcp,tcp6,udp,udp6} (proc_pid_net(5)).

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;

use wire::address::Address;
use wire::socket_row::{SocketRow, SocketState, rows};

/// A host's tables, through descriptors that were opened inside its network namespace.
pub(crate) type Tables = [Option<File>; 4];

/// What is to be waited for. The greater of two says what to wait for when both are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unfinished {
    /// Nothing: what is open will stay as it is.
    #[default]
    Nothing,
    /// A program: it has something to read, to accept or to close.
    Program,
    /// The kernel: it waits for an acknowledgement, and will send again until it comes.
    Kernel,
}

/// What is left to be done, and how far it is: two that are equal say that nothing has moved on, however much was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    most: Unfinished,
    /// Of each socket that is to be waited for: whose, its state, and the bytes in its two queues.
    sockets: Vec<(Address, Address, SocketState, [u32; 2])>,
}

impl Left {
    /// What is to be waited for.
    pub(crate) fn unfinished(&self) -> Unfinished {
        self.most
    }

    /// Both.
    pub(crate) fn and(mut self, other: Left) -> Left {
        self.most = self.most.max(other.most);
        self.sockets.extend(other.sockets);
        self
    }

    fn note(&mut self, row: SocketRow, kind: Kind) {
        let unfinished = unfinished_by(&row, kind);
        if unfinished > Unfinished::Nothing {
            self.most = self.most.max(unfinished);
            self.sockets.push((row.local, row.remote, row.state, [row.to_send_bytes, row.to_read_bytes]));
        }
    }
}

/// Looks through the tables of a host.
pub(crate) fn left(tables: &Tables) -> Left {
    let of_table = |kind, text: &str| {
        let mut left = Left::default();
        rows(text).for_each(|row| left.note(row, kind));
        Some(left)
    };
    each(tables, of_table).into_iter().flatten().fold(Left::default(), Left::and)
}

/// Where somebody waits: for TCP connections or for UDP datagrams.
pub(crate) fn waiting(tables: &Tables) -> Vec<(Kind, SocketAddr)> {
    each(tables, |kind, text| {
        let waiting = rows(text).filter(|row| kind == Kind::Udp || row.state == SocketState::LISTEN);
        Some(waiting.filter_map(|row| Some((kind, canonical(&row)?))).collect::<Vec<_>>())
    })
    .into_iter()
    .flatten()
    .flatten()
    .collect()
}

/// All TCP sockets of a host.
pub(crate) fn tcp(tables: &Tables) -> Vec<SocketRow> {
    each(tables, |kind, text| (kind == Kind::Tcp).then(|| rows(text).collect::<Vec<_>>()))
        .into_iter()
        .flatten()
        .flatten()
        .collect()
}

/// Where a socket is, an IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2) as what it means.
fn canonical(row: &SocketRow) -> Option<SocketAddr> {
    let local = row.local.internet()?;
    Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
}

fn each<T>(tables: &Tables, judge: impl Fn(Kind, &str) -> Option<T>) -> [Option<T>; 4] {
    let kinds = [Kind::Tcp, Kind::Tcp, Kind::Udp, Kind::Udp];
    let mut place = 0;
    tables.each_ref().map(|table| {
        let kind = kinds[place];
        place += 1;
        table.as_ref().and_then(read).and_then(|text| judge(kind, &text))
    })
}

/// Fewer bytes than this are the end of a table: the kernel writes row by row into a page at least, and gives what there is
/// only when the next row has no room (seq_file). To ask whether there is more would have it look through the table again.
const LAST_BYTES: usize = 2048;

/// Reads a table from its start: the kernel makes it anew then.
fn read(table: &File) -> Option<String> {
    let mut text = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let at = u64::try_from(text.len()).ok()?;
        match table.read_at(&mut chunk, at) {
            Ok(len) => {
                text.extend_from_slice(&chunk[..len]);
                if len < LAST_BYTES {
                    return String::from_utf8(text).ok();
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Udp,
}

fn unfinished_by(row: &SocketRow, kind: Kind) -> Unfinished {
    if kind == Kind::Udp {
        return if row.to_read_bytes > 0 { Unfinished::Program } else { Unfinished::Nothing };
    }
    match row.state {
        SocketState::SYN_SENT
        | SocketState::SYN_RECEIVED
        | SocketState::FIN_WAIT_1
        | SocketState::CLOSING
        | SocketState::LAST_ACK => Unfinished::Kernel,
        SocketState::ESTABLISHED | SocketState::CLOSE_WAIT if row.to_send_bytes > 0 => Unfinished::Kernel,
        SocketState::ESTABLISHED | SocketState::CLOSE_WAIT | SocketState::FIN_WAIT_2 => Unfinished::Program,
        // Its queue to read is that of connections to accept.
        SocketState::LISTEN if row.to_read_bytes > 0 => Unfinished::Program,
        _ => Unfinished::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    fn row(state: u8, to_send: u32, to_read: u32) -> String {
        format!(
            "   0: 0100000A:9C40 0200000A:0007 {state:02X} {to_send:08X}:{to_read:08X} 00:00000000 00000000  1000\n"
        )
    }

    fn left_in(kind: Kind, text: &str) -> Left {
        let mut left = Left::default();
        rows(text).for_each(|row| left.note(row, kind));
        left
    }

    fn judge(kind: Kind, text: &str) -> Option<Unfinished> {
        Some(left_in(kind, text).unfinished())
    }

    #[test]
    fn the_kernels_are_waited_for_until_every_fin_is_acknowledged() {
        let expected = [
            (1, Unfinished::Program),
            (2, Unfinished::Kernel),
            (3, Unfinished::Kernel),
            (4, Unfinished::Kernel),
            (5, Unfinished::Program),
            (6, Unfinished::Nothing),
            (7, Unfinished::Nothing),
            (8, Unfinished::Program),
            (9, Unfinished::Kernel),
            (10, Unfinished::Nothing),
            (11, Unfinished::Kernel),
        ];
        for (state, unfinished) in expected {
            let text = format!("{HEAD}{}", row(state, 0, 0));
            assert_eq!(judge(Kind::Tcp, &text), Some(unfinished), "state {state}");
        }
    }

    #[test]
    fn unacknowledged_data_and_unread_data_count() {
        assert_eq!(judge(Kind::Tcp, &format!("{HEAD}{}", row(1, 5, 0))), Some(Unfinished::Kernel));
        assert_eq!(judge(Kind::Tcp, &format!("{HEAD}{}", row(10, 0, 1))), Some(Unfinished::Program));
        assert_eq!(judge(Kind::Udp, &format!("{HEAD}{}", row(7, 0, 1))), Some(Unfinished::Program));
        assert_eq!(judge(Kind::Udp, &format!("{HEAD}{}", row(7, 0, 0))), Some(Unfinished::Nothing));
        let both = format!("{HEAD}{}{}", row(6, 0, 0), row(9, 1, 0));
        assert_eq!(judge(Kind::Tcp, &both), Some(Unfinished::Kernel));
    }

    #[test]
    fn what_is_left_changes_only_when_a_socket_moves_on() {
        let left = |state, to_send| left_in(Kind::Tcp, &format!("{HEAD}{}", row(state, to_send, 0)));
        assert_eq!(left(4, 1), left(4, 1));
        assert_ne!(left(4, 1), left(4, 2));
        assert_ne!(left(4, 1), left(5, 1));
        // The timer and how often it has run out say nothing new.
        let again = row(4, 1, 0).replace("00:00000000 00000000", "01:00000019 00000003");
        assert_eq!(left_in(Kind::Tcp, &format!("{HEAD}{again}")), left(4, 1));
        assert_eq!(left(10, 0), Left::default());
    }

    #[test]
    fn this_machines_own_table_shows_a_listener() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let tables =
            ["tcp", "tcp6", "udp", "udp6"].map(|name| File::open(format!("/proc/self/net/{name}")).ok());
        let address = listener.local_addr().expect("bound");
        assert!(waiting(&tables).contains(&(Kind::Tcp, address)), "{address}");
        let listener =
            std::net::TcpListener::bind("[::]:0").or_else(|_| std::net::TcpListener::bind("0.0.0.0:0"));
        let address = listener.as_ref().expect("bound").local_addr().expect("bound");
        assert!(waiting(&tables).contains(&(Kind::Tcp, address)), "{address}");
    }
}
