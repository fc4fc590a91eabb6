//! A row of the kernel's tables of sockets, from the text of /proc/net/{tcp,tcp6,udp,udp6}. Read first:
//! proc_pid_net(5).
//!
//! The text is the kernel's, but a container may show something else there: nothing panics, and a line that is no row is
//! none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket as its table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRow {
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's; port 0 where there is none.
    pub remote: SocketAddr,
    /// Its state.
    pub state: SocketState,
    /// Bytes that wait to be sent or acknowledged.
    pub to_send_bytes: u32,
    /// Bytes that wait to be read; of a TCP listener, connections that wait to be accepted.
    pub to_read_bytes: u32,
}

/// A socket's state by its number in the kernel (include/net/tcp_states.h); UDP sockets use a few of them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
}

/// The rows of a table, which begins with a line of titles.
pub fn rows(table: &str) -> impl Iterator<Item = SocketRow> {
    table.lines().skip(1).filter_map(row)
}

/// `0: 0100000A:9C40 0200000A:0007 01 00000000:00000000 …`: a number, both addresses, the state, both queues, and more.
fn row(line: &str) -> Option<SocketRow> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = SocketState(u8::from_str_radix(fields.next()?, 16).ok()?);
    let (to_send, to_read) = fields.next()?.split_once(':')?;
    Some(SocketRow {
        local,
        remote,
        state,
        to_send_bytes: u32::from_str_radix(to_send, 16).ok()?,
        to_read_bytes: u32::from_str_radix(to_read, 16).ok()?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(bytes: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(bytes))
    }

    #[test]
    fn a_row_is_read_field_by_field() {
        let (client, server) = (word([10, 0, 0, 1]), word([10, 0, 0, 2]));
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: {server}:0007 00000000:0000 0A 00000000:00000001 00:00000000 00000000  1000        0 17\n   \
             1: {client}:9C40 {server}:0007 04 00000010:00000000 01:00000014 00000000  1000        0 18\n"
        );
        let [listener, connection]: [SocketRow; 2] =
            rows(&table).collect::<Vec<_>>().try_into().expect("two rows");
        assert_eq!(listener.local, "10.0.0.2:7".parse().unwrap());
        assert_eq!(listener.remote, "0.0.0.0:0".parse().unwrap());
        assert_eq!((listener.state, listener.to_read_bytes), (SocketState::LISTEN, 1));
        assert_eq!(connection.local, "10.0.0.1:40000".parse().unwrap());
        assert_eq!(connection.remote, "10.0.0.2:7".parse().unwrap());
        assert_eq!((connection.state, connection.to_send_bytes), (SocketState::FIN_WAIT_1, 16));
    }

    /// As a little-endian and a big-endian kernel write it.
    #[test]
    fn addresses_are_read_as_they_lie_in_memory() {
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

    #[test]
    fn a_table_that_is_no_table_has_no_rows() {
        for text in ["", "titles\n", "\n\u{fffd} : ::\n1 2 3 zz 4:5\n", "a\n1 2 3 0A 4\n"] {
            assert_eq!(rows(text).next(), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", line in "\n( *[0-9A-F]{1,3}:?){0,9}( [0-9A-F]{8,32}:[0-9A-F]{4}){0,3}") {
            let _ = rows(&text).count();
            let _ = rows(&line).count();
        }
    }
}
