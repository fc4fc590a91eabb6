//! Who waits on a host, and what two kernels still have to say to each other once a program has ended: told from their
//! tables of sockets, the text of /proc/net/{tcp,tcp6,udp,udp6} (proc_pid_net(5)).

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;

/// A host's tables, through descriptors that were opened inside its network namespace.
pub(crate) type Tables = [Option<File>; 4];

/// What is to be waited for. The greater of two says what to wait for when both are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unfinished {
    /// Nothing: what is open will stay as it is.
    Nothing,
    /// A program: it has something to read, to accept or to close.
    Program,
    /// The kernel: it waits for an acknowledgement, and will send again until it comes.
    Kernel,
}

/// Looks through the tables of a host.
pub(crate) fn unfinished(tables: &Tables) -> Unfinished {
    each(tables, |kind, text| rows(text).map(|row| row.unfinished(kind)).max())
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(Unfinished::Nothing)
}

/// Where somebody waits: for TCP connections or for UDP datagrams.
pub(crate) fn waiting(tables: &Tables) -> Vec<(Kind, SocketAddr)> {
    each(tables, |kind, text| {
        let waiting = rows(text).filter(|row| kind == Kind::Udp || row.state == State::LISTEN);
        Some(waiting.map(|row| (kind, row.local)).collect::<Vec<_>>())
    })
    .into_iter()
    .flatten()
    .flatten()
    .collect()
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

/// Reads a table from its start: the kernel makes it anew then.
fn read(table: &File) -> Option<String> {
    let mut text = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let at = u64::try_from(text.len()).ok()?;
        match table.read_at(&mut chunk, at) {
            Ok(0) => return String::from_utf8(text).ok(),
            Ok(len) => text.extend_from_slice(&chunk[..len]),
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

/// A socket's state by its number in the kernel (include/net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u8);

impl State {
    const ESTABLISHED: State = State(1);
    const SYN_SENT: State = State(2);
    const SYN_RECEIVED: State = State(3);
    const FIN_WAIT_1: State = State(4);
    const FIN_WAIT_2: State = State(5);
    const CLOSE_WAIT: State = State(8);
    const LAST_ACK: State = State(9);
    const LISTEN: State = State(10);
    const CLOSING: State = State(11);
}

struct Row {
    local: SocketAddr,
    state: State,
    to_send: u32,
    to_read: u32,
}

fn rows(text: &str) -> impl Iterator<Item = Row> {
    text.lines().skip(1).filter_map(|line| {
        // Number, local address, remote address, state, queues (to send : to read), and more.
        let mut fields = line.split_ascii_whitespace();
        let local = address(fields.nth(1)?)?;
        let mut fields = fields.skip(1);
        let state = State(u8::from_str_radix(fields.next()?, 16).ok()?);
        let (to_send, to_read) = fields.next()?.split_once(':')?;
        Some(Row {
            local,
            state,
            to_send: u32::from_str_radix(to_send, 16).ok()?,
            to_read: u32::from_str_radix(to_read, 16).ok()?,
        })
    })
}

/// `0200000A:0007`: the address in words of 32 bits as they lie in memory, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match host.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words: [[u8; 4]; 4] = [word(0)?, word(8)?, word(16)?, word(24)?];
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words.as_flattened()).ok()?)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

impl Row {
    fn unfinished(&self, kind: Kind) -> Unfinished {
        if kind == Kind::Udp {
            return if self.to_read > 0 { Unfinished::Program } else { Unfinished::Nothing };
        }
        match self.state {
            State::SYN_SENT | State::SYN_RECEIVED | State::FIN_WAIT_1 | State::CLOSING | State::LAST_ACK => {
                Unfinished::Kernel
            }
            State::ESTABLISHED | State::CLOSE_WAIT if self.to_send > 0 => Unfinished::Kernel,
            State::ESTABLISHED | State::CLOSE_WAIT | State::FIN_WAIT_2 => Unfinished::Program,
            // Its queue to read is that of connections to accept.
            State::LISTEN if self.to_read > 0 => Unfinished::Program,
            _ => Unfinished::Nothing,
        }
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

    fn judge(kind: Kind, text: &str) -> Option<Unfinished> {
        rows(text).map(|row| row.unfinished(kind)).max()
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
    fn a_table_that_is_no_table_has_no_rows() {
        for text in ["", HEAD, "\n\u{fffd} : ::\n1 2 3 zz 4:5\n", "a\n1 2 3 0A 4\n"] {
            assert_eq!(judge(Kind::Tcp, text), None, "{text:?}");
        }
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

    /// As a little-endian and a big-endian kernel write it.
    #[test]
    fn addresses_are_read_as_they_lie_in_memory() {
        let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let four = word([10, 0, 0, 2]);
        assert_eq!(address(&format!("{four}:0050")), "10.0.0.2:80".parse().ok());
        let (zero, ffff) = (word([0; 4]), word([0, 0, 0xff, 0xff]));
        assert_eq!(address(&format!("{zero}{zero}{ffff}{four}:0007")), "10.0.0.2:7".parse().ok());
        let one = word([0, 0, 0, 1]);
        assert_eq!(address(&format!("{zero}{zero}{zero}{one}:FFFF")), "[::1]:65535".parse().ok());
        for wrong in ["", ":", "0200000A", "0200000:0007", "020000ÄA:0007", "0200000A:10000"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
