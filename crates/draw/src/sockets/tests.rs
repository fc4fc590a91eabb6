//! The table as people and scripts see it, and hostile names in it.

use proptest::prelude::*;
use wire::Address;
use wire::socket_row::{Kind, Timer, TimerKind};

use super::*;

/// A machine with one process and one interface.
struct Machine {
    owners: Vec<Owner>,
    name: Address,
}

impl Machine {
    fn of(name: &str) -> Machine {
        let owner = |pid| Owner { pid, fd: 3, name: name.to_owned() };
        Machine { owners: vec![owner(17), owner(18)], name: Address::Path("/run/x".into()) }
    }
}

impl Surroundings for Machine {
    fn service(&self, _: &SocketRow, port: u16) -> Option<String> {
        (port == 22).then(|| "ssh".to_owned())
    }

    fn interface(&self, index: u32) -> Option<String> {
        (index == 2).then(|| "eth0".to_owned())
    }

    fn user(&self, uid: u32) -> Option<String> {
        (uid == 1000).then(|| "ada".to_owned())
    }

    fn cgroup(&self, number: u64) -> Option<String> {
        (number == 1).then(|| "/a".to_owned())
    }

    fn owners(&self, inode: u64) -> &[Owner] {
        if inode == 7 { &self.owners } else { &[] }
    }

    fn peer_name(&self, inode: u64) -> Option<&Address> {
        (inode == 30).then_some(&self.name)
    }
}

fn tcp(state: SocketState, local: &str, remote: &str) -> SocketRow {
    let at = |text: &str| Address::Internet(text.parse().expect("an address"));
    SocketRow { state, local: at(local), remote: at(remote), ..SocketRow::default() }
}

fn some() -> Vec<SocketRow> {
    let timer = Timer { kind: TimerKind::KeepAlive, expires_ms: 119_000, retransmits: 0 };
    let unix = |name: Address, inode, peer| SocketRow {
        kind: Kind::UnixStream,
        state: SocketState::ESTABLISHED,
        local: name,
        inode,
        peer_inode: Some(peer),
        ..SocketRow::default()
    };
    vec![
        SocketRow {
            to_send_bytes: 128,
            inode: 7,
            uid: Some(1000),
            ..tcp(SocketState::LISTEN, "[::]:22", "[::]:0")
        },
        SocketRow { timer: Some(timer), ..tcp(SocketState::ESTABLISHED, "127.0.0.1:40000", "127.0.0.1:22") },
        SocketRow {
            to_read_bytes: 12,
            inode: 7,
            ..tcp(SocketState::CLOSE_WAIT, "127.0.0.1:22", "127.0.0.1:40000")
        },
        tcp(SocketState::TIME_WAIT, "[fe80::1]:8080", "[fe80::2]:50000"),
        SocketRow { kind: Kind::PacketRaw, ether_type: 3, interface: 2, ..SocketRow::default() },
        unix(Address::Unnamed, 29, 30),
        unix(Address::Path("/run/x".into()), 30, 29),
    ]
}

const COLUMNS: [Column; 7] = [
    Column::Netid,
    Column::State,
    Column::RecvQ,
    Column::SendQ,
    Column::Local,
    Column::Peer,
    Column::Process,
];

#[test]
fn rows_stand_in_columns() {
    let extras = Extras { timer: true, ..Extras::default() };
    let drawn = Table::new(&Style::default(), &COLUMNS, extras).head_and_lines(&some(), &Machine::of("sshd"));
    insta::assert_snapshot!(drawn);
}

#[test]
fn both_ends_stand_in_one_row() {
    insta::assert_snapshot!(pairs(&some(), true, &Style::default(), &Machine::of("sshd")));
}

#[test]
fn under_a_pair_stands_whose_turn_it_is_at_both_ends() {
    let turn = |place: usize| format!("row {place} waits");
    let drawn = pairs_explained(&some(), false, &Style::default(), &Machine::of("sshd"), &turn);
    insta::assert_snapshot!(drawn);
}

#[test]
fn sockets_hang_under_their_processes() {
    insta::assert_snapshot!(tree(&some(), &Style::default(), &Machine::of("sshd")));
}

#[test]
fn later_batches_keep_to_the_columns() {
    let machine = Machine::of("sshd");
    let mut table = Table::new(&Style::default(), &COLUMNS, Extras::default());
    let head = table.head_and_lines(&some()[..1], &machine);
    let more = table.lines(&some()[1..3], &machine);
    let place = |line: &str, word: &str| line.find(word).expect("the word");
    let first = head.lines().nth(1).expect("a row");
    assert_eq!(place(first, "*:ssh"), place(head.lines().next().expect("heads"), "Local"));
    assert!(more.lines().all(|line| place(line, "127.0.0.1") == place(first, "*:ssh")), "{more}");
}

#[test]
fn every_column_has_a_name_and_draws() {
    for (name, column) in COLUMN_NAMES {
        assert_eq!(Column::named(name), Some(column));
    }
    assert_eq!(Column::named("rtt_us").map(Column::head), Some("rtt_us"));
    assert_eq!(Column::named("nothing"), None);
    let all: Vec<Column> = COLUMN_NAMES.iter().map(|(_, column)| *column).collect();
    let drawn =
        Table::new(&Style::default(), &all, Extras::default()).head_and_lines(&some(), &Machine::of("x"));
    let words = drawn.lines().nth(1).expect("a row").split_whitespace().count();
    assert_eq!(words, all.len(), "no cell is empty: {drawn}");
}

proptest! {
    /// Names of processes and sockets are strangers' words.
    #[test]
    fn nothing_that_a_terminal_obeys_is_drawn(name in any::<String>(), path in "\\PC*|.*", ascii: bool) {
        let machine = Machine { name: Address::Path(path.clone().into()), ..Machine::of(&name) };
        let mut rows = some();
        rows[5].local = Address::Abstract(path.into_bytes());
        let style = Style { ascii, ..Style::default() };
        let mut drawn = Table::new(&style, &COLUMNS, Extras { extended: true, ..Extras::default() }).head_and_lines(&rows, &machine);
        drawn += &pairs(&rows, true, &style, &machine);
        drawn += &pairs_explained(&rows, false, &style, &machine, &|_| "waits".to_owned()).replace('\t', "");
        drawn += &tree(&rows, &style, &machine);
        let harmless = |character: char| character == '\n' || !character.is_control();
        prop_assert!(drawn.chars().all(harmless));
        prop_assert!(!ascii || drawn.is_ascii());
        // A name begins no row of its own.
        prop_assert_eq!(drawn.lines().filter(|line| line.starts_with("tcp")).count(), 4 + 3 + 3);
    }
}
