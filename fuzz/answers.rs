//! Bytes taken as answers of the kernel about sockets, read, chosen and drawn as `sockets` does, with everything that can be
//! asked for.

use std::net::IpAddr;

use draw::sockets::{COLUMN_NAMES, Column, Extras, Surroundings, Table};
use draw::{Style, sockets};
use wire::Address;
use wire::sock_diag::{Content, Stored, messages, row};
use wire::socket_filter::{Filter, Names};
use wire::socket_row::{Owner, SocketRow};

/// A system that answers every question, with names that strangers chose.
struct Hostile([Owner; 1], Address);

const NAME: &str = "\u{1b}[2J\"\n\t\u{202e}\u{7}";

impl Surroundings for Hostile {
    fn service(&self, _: &SocketRow, port: u16) -> Option<String> {
        port.is_multiple_of(2).then(|| NAME.to_owned())
    }
    fn interface(&self, _: u32) -> Option<String> {
        Some(NAME.to_owned())
    }
    fn user(&self, uid: u32) -> Option<String> {
        uid.is_multiple_of(2).then(|| NAME.to_owned())
    }
    fn cgroup(&self, _: u64) -> Option<String> {
        Some(NAME.to_owned())
    }
    fn owners(&self, _: u64) -> &[Owner] {
        &self.0
    }
    fn peer_name(&self, _: u64) -> Option<&Address> {
        Some(&self.1)
    }
}

impl Names for Hostile {
    fn port(&self, _: &str) -> Option<u16> {
        Some(80)
    }
    fn hosts(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
    fn interface(&self, _: &str) -> Option<u32> {
        Some(1)
    }
    fn cgroup(&self, _: &str) -> Option<u64> {
        Some(1)
    }
    fn ephemeral_ports(&self) -> (u16, u16) {
        (32_768, 60_999)
    }
}

/// What was read.
pub(crate) struct Read {
    /// Sockets in what was taken as one answer.
    pub(crate) sockets: usize,
    /// Sockets in what was taken as a file.
    pub(crate) stored: usize,
}

/// Reads them; each is drawn, and none may do more than stand in its row.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let hostile = Hostile(
        [Owner { pid: 1, fd: 3, name: NAME.to_owned() }],
        Address::Abstract(NAME.as_bytes().to_vec()),
    );
    let protocol = bytes.last().copied().unwrap_or(6);
    let rows: Vec<SocketRow> = messages(bytes)
        .filter_map(|message| match message.content {
            Content::Socket(body) => row(body, protocol),
            _ => None,
        })
        .collect();
    assert!(rows.len() <= bytes.len() / 16, "no message is shorter than its header");
    let words = "( src 10/8 or dst [::1]:80 or sport gt 7 or autobound ) and not ( dev 2 and fwmark 1/3 or cgroup x )";
    let filter = Filter::parse(&[words], &hostile).expect("a filter");
    let chosen = rows.iter().filter(|row| filter.matches(row)).count();
    assert!(chosen <= rows.len());

    let style = Style::default();
    let mut shown = Table::new(&style, &columns(), everything()).head_and_lines(&rows, &hostile);
    assert_eq!(shown.lines().count(), rows.len() + 1, "a line each:\n{shown}");
    shown.push_str(&sockets::pairs(&rows, true, &style, &hostile));
    shown.push_str(&sockets::tree(&rows, &style, &hostile));
    assert!(shown.chars().all(|char| char == '\n' || char == '\t' || !char.is_control()), "{shown:?}");
    Read { sockets: rows.len(), stored: stored(bytes) }
}

/// In one piece and in two it is the same.
fn stored(bytes: &[u8]) -> usize {
    let count = |pieces: &[&[u8]]| {
        let (mut stored, mut sockets) = (Stored::default(), 0);
        let damage = pieces.iter().find_map(|piece| stored.take(piece, |_| sockets += 1).err());
        (sockets, damage.map_or_else(|| stored.end(), Err))
    };
    let whole = count(&[bytes]);
    let middle = bytes.len() / 2;
    assert_eq!(whole, count(&[&bytes[..middle], &bytes[middle..]]));
    whole.0
}

/// All of them, and one of TCP_INFO's.
fn columns() -> Vec<Column> {
    COLUMN_NAMES.iter().map(|(_, column)| *column).chain(Column::named("rtt_us")).collect()
}

fn everything() -> Extras {
    Extras {
        timer: true,
        extended: true,
        memory: true,
        tcp: true,
        every_field: true,
        service: true,
        cgroup: true,
        options: true,
        one_line: true,
        numeric: false,
    }
}
