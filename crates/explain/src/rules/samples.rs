//! Evidence made up for the tests of rules.

use std::net::SocketAddr;

use wire::socket_row::{Kind, Owner, SocketRow, SocketState, Timer, TimerKind};
use wire::{Address, Doing, End, Fault};

use super::problem_in;
use crate::evidence::{Evidence, Found, Sight, Sockets};
use crate::problem::Problem;

pub(super) fn internet(text: &str) -> Address {
    Address::Internet(text.parse::<SocketAddr>().unwrap())
}

/// A socket of process 812 (python3) of user 1000, who is called ann.
pub(super) fn row(kind: Kind, state: SocketState, local: Address) -> SocketRow {
    let remote = match (&local, state) {
        (Address::Internet(_), SocketState::LISTEN | SocketState::CLOSED | SocketState::BOUND_INACTIVE) => {
            internet("0.0.0.0:0")
        }
        (Address::Internet(_), _) => internet("127.0.0.1:40712"),
        _ => Address::Unnamed,
    };
    SocketRow { kind, state, local, remote, inode: 4711, uid: Some(1000), ..SocketRow::default() }
}

pub(super) fn listener(local: &str) -> SocketRow {
    row(Kind::Tcp, SocketState::LISTEN, internet(local))
}

pub(super) fn datagrams(local: &str) -> SocketRow {
    row(Kind::Udp, SocketState::CLOSED, internet(local))
}

pub(super) fn time_wait(local: &str, expires_ms: u32) -> SocketRow {
    let timer = Timer { kind: TimerKind::TimeWait, expires_ms, retransmits: 0 };
    SocketRow { timer: Some(timer), inode: 0, ..row(Kind::Tcp, SocketState::TIME_WAIT, internet(local)) }
}

/// These, the first as the nearest, as ann sees them.
pub(super) fn sockets(rows: impl IntoIterator<Item = SocketRow>) -> Sockets {
    let mut sockets = Sockets { sight: Sight::Partial, own_uid: Some(1000), ..Sockets::default() };
    rows.into_iter().for_each(|row| sockets.see(row, false));
    let owner = Owner { pid: 812, fd: 3, name: "python3".to_owned() };
    sockets.name(
        |inode| if inode == 4711 { vec![owner.clone()] } else { Vec::new() },
        |uid| (uid == 1000).then(|| "ann".to_owned()),
    );
    sockets
}

pub(super) fn found(rows: impl IntoIterator<Item = SocketRow>) -> Found {
    Found { sockets: Some(sockets(rows)), ..Found::default() }
}

/// What is said of such a fault amid this; every text keeps to the form of all of them.
pub(super) fn problem_of(doing: Doing, at: &str, errno: i32, found: &Found) -> Problem {
    let fault = Fault::errno(End::Us, doing, at, errno);
    let problem = problem_in(&Evidence { fault: &fault, found }).expect("a rule knows it");
    let facts = problem.evidence.iter().map(|fact| &fact.text);
    for text in facts.chain([&problem.cause, &problem.advice]) {
        let is_phrase = !text.is_empty() && !text.ends_with('.') && !text.contains('\n');
        // SO_REUSEADDR may stand at the beginning.
        let is_sentence = text.starts_with(char::is_uppercase) && text[1..].starts_with(char::is_lowercase);
        assert!(is_phrase && !is_sentence, "{text:?}");
        assert!(!text.contains("ss -"), "our own command stands there: {text:?}");
    }
    problem
}
