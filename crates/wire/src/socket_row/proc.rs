//! The tables as text: /proc/net/{tcp,tcp6,udp,udp6,raw,raw6,unix,packet}. Read first: proc_pid_net(5).
//!
//! The text is the kernel's, but a container may show something else there: nothing panics, and a line that is no row is
//! none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::{Kind, SocketRow, SocketState, Timer, TimerKind};
use crate::address::Address;

/// `timeval`s of the kernel's tables count in hundredths of a second: `USER_HZ`, time(7).
const MS_PER_TICK: u32 = 10;
/// `__SO_ACCEPTCON`: the flag of Unix sockets that listen (include/uapi/linux/net.h).
const LISTENS: u32 = 1 << 16;

/// The rows of a table of TCP, which begins with a line of titles.
pub fn rows(table: &str) -> impl Iterator<Item = SocketRow> {
    rows_of(Kind::Tcp, table)
}

/// The rows of a table of TCP, UDP or raw sockets.
pub fn rows_of(kind: Kind, table: &str) -> impl Iterator<Item = SocketRow> {
    table.lines().skip(1).filter_map(move |line| row(kind, line))
}

/// The rows of /proc/net/unix.
pub fn unix_rows(table: &str) -> impl Iterator<Item = SocketRow> {
    table.lines().skip(1).filter_map(unix_row)
}

/// The rows of /proc/net/packet.
pub fn packet_rows(table: &str) -> impl Iterator<Item = SocketRow> {
    table.lines().skip(1).filter_map(packet_row)
}

/// `0: 0100000A:9C40 0200000A:0007 01 00000000:00000000 …`: a number, both addresses, the state, both queues, the timer,
/// timeouts in a row, the user, probes, the inode, and more.
fn row(kind: Kind, line: &str) -> Option<SocketRow> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = SocketState(u8::from_str_radix(fields.next()?, 16).ok()?);
    let (to_send, to_read) = fields.next()?.split_once(':')?;
    let mut row = SocketRow {
        kind,
        local: local.into(),
        remote: remote.into(),
        state,
        to_send_bytes: u32::from_str_radix(to_send, 16).ok()?,
        to_read_bytes: u32::from_str_radix(to_read, 16).ok()?,
        ..SocketRow::default()
    };
    // What follows is told as far as it is there.
    let timer = fields.next().and_then(|timer| timer.split_once(':'));
    let retransmits = fields.next().and_then(|count| u32::from_str_radix(count, 16).ok());
    row.timer = timer.and_then(|(kind, when)| timer_of(kind, when, retransmits.unwrap_or(0)));
    row.uid = fields.next().and_then(|uid| uid.parse().ok());
    row.inode = fields.nth(1).and_then(|inode| inode.parse().ok()).unwrap_or(0);
    if kind != Kind::Tcp {
        // The reference count and the address in the kernel stand between.
        row.drops = fields.nth(2).and_then(|drops| drops.parse().ok());
    }
    Some(row)
}

fn timer_of(kind: &str, when: &str, retransmits: u32) -> Option<Timer> {
    let ticks = u32::from_str_radix(when, 16).ok()?;
    Some(Timer {
        kind: TimerKind::of(u8::from_str_radix(kind, 16).ok()?)?,
        expires_ms: ticks.saturating_mul(MS_PER_TICK),
        retransmits: u8::try_from(retransmits).unwrap_or(u8::MAX),
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
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words.as_flattened()).ok()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `0000000000000000: 00000002 00000000 00010000 0001 01 19286 /run/x`: the address in the kernel, references, protocol,
/// flags, type, state, inode, and the name where there is one.
fn unix_row(line: &str) -> Option<SocketRow> {
    let mut fields = line.splitn(8, ' ').skip(3);
    let hexadecimal = |field: Option<&str>| u32::from_str_radix(field?, 16).ok();
    let flags = hexadecimal(fields.next())?;
    let kind = Kind::of_unix(hexadecimal(fields.next())?)?;
    let state = hexadecimal(fields.next())?;
    // The inode is padded to five columns.
    let rest = line.splitn(7, ' ').nth(6)?.trim_start();
    let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(SocketRow {
        kind,
        state: match state {
            _ if flags & LISTENS != 0 => SocketState::LISTEN,
            // SS_UNCONNECTED 1, SS_CONNECTING 2, SS_CONNECTED 3, SS_DISCONNECTING 4: linux/net.h.
            2 => SocketState::SYN_SENT,
            3 => SocketState::ESTABLISHED,
            4 => SocketState::CLOSING,
            _ => SocketState::CLOSED,
        },
        inode: inode.parse().ok()?,
        local: match name.as_bytes() {
            [] => Address::Unnamed,
            [b'@', name @ ..] => Address::Abstract(name.to_vec()),
            _ => Address::Path(PathBuf::from(name)),
        },
        ..SocketRow::default()
    })
}

/// `ffff8880 3      3    0003   2     1 4096   0      20413`: the address in the kernel, references, type, protocol,
/// interface, running, bytes that wait, the user, the inode.
fn packet_row(line: &str) -> Option<SocketRow> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let field = |at: usize| fields.get(at).copied();
    Some(SocketRow {
        kind: Kind::of_packet(field(2)?.parse().ok()?)?,
        ether_type: u16::from_str_radix(field(3)?, 16).ok()?,
        interface: field(4)?.parse().ok()?,
        to_read_bytes: field(6)?.parse().ok()?,
        uid: field(7)?.parse().ok(),
        inode: field(8)?.parse().ok()?,
        ..SocketRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(bytes: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(bytes))
    }

    fn at(text: &str) -> Address {
        Address::Internet(text.parse().expect("an address"))
    }

    #[test]
    fn a_row_is_read_field_by_field() {
        let (client, server) = (word([10, 0, 0, 1]), word([10, 0, 0, 2]));
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: {server}:0007 00000000:0000 0A 00000000:00000001 00:00000000 00000000  1000        0 17\n   \
             1: {client}:9C40 {server}:0007 04 00000010:00000000 01:00000014 00000003  1000        0 18 2 00 20 4\n"
        );
        let [listener, connection]: [SocketRow; 2] =
            rows(&table).collect::<Vec<_>>().try_into().expect("two rows");
        assert_eq!(listener.local, at("10.0.0.2:7"));
        assert_eq!(listener.remote, at("0.0.0.0:0"));
        assert_eq!((listener.state, listener.to_read_bytes), (SocketState::LISTEN, 1));
        assert_eq!((listener.uid, listener.inode, listener.timer), (Some(1000), 17, None));
        assert_eq!(connection.local, at("10.0.0.1:40000"));
        assert_eq!(connection.remote, at("10.0.0.2:7"));
        assert_eq!((connection.state, connection.to_send_bytes), (SocketState::FIN_WAIT_1, 16));
        let timer = Timer { kind: TimerKind::Retransmit, expires_ms: 200, retransmits: 3 };
        assert_eq!((connection.timer, connection.inode), (Some(timer), 18));
    }

    #[test]
    fn datagrams_that_were_dropped_are_counted() {
        let host = word([127, 0, 0, 1]);
        let table = format!(
            "titles\n  417: {host}:0035 00000000:0000 07 00000000:00001200 00:00000000 00000000   101        0 20 2 00000000 77\n"
        );
        let row = rows_of(Kind::Udp, &table).next().expect("a row");
        assert_eq!((row.drops, row.to_read_bytes, row.uid), (Some(77), 0x1200, Some(101)));
    }

    /// As a little-endian and a big-endian kernel write it.
    #[test]
    fn addresses_are_read_as_they_lie_in_memory() {
        let four = word([10, 0, 0, 2]);
        assert_eq!(address(&format!("{four}:0050")), "10.0.0.2:80".parse().ok());
        let (zero, ffff) = (word([0; 4]), word([0, 0, 0xff, 0xff]));
        assert_eq!(address(&format!("{zero}{zero}{ffff}{four}:0007")), "[::ffff:10.0.0.2]:7".parse().ok());
        let one = word([0, 0, 0, 1]);
        assert_eq!(address(&format!("{zero}{zero}{zero}{one}:FFFF")), "[::1]:65535".parse().ok());
        for wrong in ["", ":", "0200000A", "0200000:0007", "020000ÄA:0007", "0200000A:10000"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unix_sockets_have_names_with_blanks_or_none() {
        let table = "Num RefCount Protocol Flags Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 19286 /run/my socket\n\
            0000000000000000: 00000003 00000000 00000000 0002 03    12 @/tmp/.X11\n\
            0000000000000000: 00000003 00000000 00000000 0005 03 19290\n";
        let [listener, datagrams, unnamed]: [SocketRow; 3] =
            unix_rows(table).collect::<Vec<_>>().try_into().expect("three rows");
        assert_eq!(listener.local, Address::Path("/run/my socket".into()));
        assert_eq!((listener.kind, listener.state), (Kind::UnixStream, SocketState::LISTEN));
        assert_eq!((datagrams.kind, datagrams.inode), (Kind::UnixDgram, 12));
        assert_eq!(datagrams.local, Address::Abstract(b"/tmp/.X11".to_vec()));
        assert_eq!((unnamed.kind, unnamed.local), (Kind::UnixSeqpacket, Address::Unnamed));
    }

    #[test]
    fn packet_sockets_name_protocol_and_interface() {
        let table = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
            0000000000000000 3      3    0003   2     1 4096   1000   20413 \n";
        let row = packet_rows(table).next().expect("a row");
        assert_eq!((row.kind, row.ether_type, row.interface), (Kind::PacketRaw, 3, 2));
        assert_eq!((row.to_read_bytes, row.uid, row.inode), (4096, Some(1000), 20413));
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
            for table in [&text, &line] {
                let _ = (rows(table).count(), unix_rows(table).count(), packet_rows(table).count());
            }
        }

        #[test]
        fn any_words_are_survived(words in prop::collection::vec("[0-9A-F]{0,17}:?", 0..12)) {
            let table = format!("titles\n{}\n", words.join(" "));
            let _ = (rows(&table).count(), unix_rows(&table).count(), packet_rows(&table).count());
        }
    }
}
