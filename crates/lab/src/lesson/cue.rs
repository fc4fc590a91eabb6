//! What the actors of a play tell its director, and its answer. Each actor has a SOCK_SEQPACKET pair with the director,
//! which its own children get no part of; the end of it is the end of the actor.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use wire::Time;
use wire::socket_row::SocketState;

use crate::event::Role;

/// The most bytes of a message; longer words are cut.
const MOST_BYTES: usize = 8 * 1024;
/// The most bytes of one word in it.
const MOST_WORD: usize = 2 * 1024;
/// Stands between the words.
const BETWEEN: char = '\0';

/// What an actor has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    /// It makes this call.
    Calls { text: String, at: Time },
    /// Its latest call has returned.
    Returned { result: String, at: Time },
    /// It listens there.
    Listens(SocketAddr),
    /// It has come to this moment, and goes on when it is told to.
    Reached(String),
    /// It goes on when it is told to, which is then.
    Awaits(Awaited),
    /// What it has found out, by name.
    Fact(String, String),
    /// It has a child, with which the director talks through the descriptor that comes along.
    Joins,
    /// It could not go on.
    Fails { doing: String, errno: i32 },
    /// It has done all that it had to do.
    Leaves,
}

/// What an actor waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Somebody's coming to this moment.
    Moment(String),
    /// So many TCP sockets, at least, of this host in this state.
    Sockets { role: Role, state: SocketState, count: usize },
    /// So many calls, at least, of this host's programs that begin with these words.
    Calls { role: Role, call: String, count: usize },
    /// So many packets, at least, that this host has sent.
    Packets { role: Role, count: usize },
}

/// One end of the talk.
#[derive(Debug)]
pub(crate) struct Line(OwnedFd);

impl Line {
    /// Both ends: the director's, then the actor's.
    pub(crate) fn pair() -> Result<(Line, Line), i32> {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map(|(director, actor)| (Line(director), Line(actor)))
            .map_err(Errno::raw_os_error)
    }

    /// The same end under a high number, so that the actor's own descriptors are numbered as any program's are.
    pub(crate) fn out_of_the_way(&self) -> Result<Line, i32> {
        rustix::io::fcntl_dupfd_cloexec(&self.0, HIGH).map(Line).map_err(Errno::raw_os_error)
    }

    pub(crate) fn say(&self, cue: &Cue, along: Option<BorrowedFd<'_>>) -> Result<(), i32> {
        let bytes = cue.to_words().join(&BETWEEN.to_string()).into_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let along: Vec<BorrowedFd<'_>> = along.into_iter().collect();
        if !along.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&along)) {
            return Err(Errno::TOOBIG.raw_os_error());
        }
        again(|| sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL).map(drop))
    }

    /// What is there to be heard; none when nothing is, never waiting.
    pub(crate) fn hear(&self) -> Result<Heard, i32> {
        let mut bytes = vec![0; MOST_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = again(|| recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags));
        let len = match received {
            Ok(message) => message.bytes,
            Err(errno) if errno == Errno::AGAIN.raw_os_error() => return Ok(Heard::Nothing),
            Err(errno) if errno == Errno::CONNRESET.raw_os_error() => 0,
            Err(errno) => return Err(errno),
        };
        let mut along = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut received) = message {
                along = received.next().map(Line);
            }
        }
        if len == 0 {
            return Ok(Heard::End);
        }
        let words = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default()).into_owned();
        let words: Vec<&str> = words.split(BETWEEN).collect();
        Cue::of_words(&words).map(|cue| Heard::Cue(cue, along)).ok_or(Errno::PROTO.raw_os_error())
    }

    /// Tells an actor to go on. One that is gone needs no word.
    pub(crate) fn go(&self) {
        let _ = again(|| rustix::net::send(&self.0, &[1], SendFlags::NOSIGNAL));
    }

    /// Waits until the director says so; false when it is gone.
    pub(crate) fn wait_for_go(&self) -> bool {
        again(|| rustix::net::recv(&self.0, &mut [0; 1][..], RecvFlags::empty()))
            .is_ok_and(|(len, _)| len == 1)
    }
}

/// Where the numbers begin that no program of a lesson comes to.
const HIGH: i32 = 200;

/// What was to be heard of an actor.
#[derive(Debug)]
pub(crate) enum Heard {
    Cue(Cue, Option<Line>),
    Nothing,
    /// Nothing will come any more.
    End,
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A signal that comes meanwhile, as in a lesson about signals, is no reason to stop.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, i32> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done.map_err(Errno::raw_os_error),
        }
    }
}

impl Cue {
    fn to_words(&self) -> Vec<String> {
        let words = match self {
            Cue::Calls { text, at } => vec!["calls".to_owned(), at.0.to_string(), text.clone()],
            Cue::Returned { result, at } => vec!["returned".to_owned(), at.0.to_string(), result.clone()],
            Cue::Listens(address) => vec!["listens".to_owned(), address.to_string()],
            Cue::Reached(moment) => vec!["reached".to_owned(), moment.clone()],
            Cue::Awaits(Awaited::Moment(moment)) => vec!["awaits".to_owned(), moment.clone()],
            Cue::Awaits(Awaited::Sockets { role, state, count }) => {
                ["sockets", &role.number().to_string(), &state.0.to_string(), &count.to_string()]
                    .map(str::to_owned)
                    .to_vec()
            }
            Cue::Awaits(Awaited::Calls { role, call, count }) => {
                ["awaits calls", &role.number().to_string(), call, &count.to_string()]
                    .map(str::to_owned)
                    .to_vec()
            }
            Cue::Awaits(Awaited::Packets { role, count }) => {
                ["packets", &role.number().to_string(), &count.to_string()].map(str::to_owned).to_vec()
            }
            Cue::Fact(name, value) => vec!["fact".to_owned(), name.clone(), value.clone()],
            Cue::Joins => vec!["joins".to_owned()],
            Cue::Fails { doing, errno } => vec!["fails".to_owned(), errno.to_string(), doing.clone()],
            Cue::Leaves => vec!["leaves".to_owned()],
        };
        words.into_iter().map(|word| cut(&word)).collect()
    }

    fn of_words(words: &[&str]) -> Option<Cue> {
        let time = |word: &str| word.parse().ok().map(Time);
        let role = |word: &str| word.parse().ok().map(Role::numbered);
        Some(match words {
            ["calls", at, text] => Cue::Calls { text: (*text).to_owned(), at: time(at)? },
            ["returned", at, result] => Cue::Returned { result: (*result).to_owned(), at: time(at)? },
            ["listens", address] => Cue::Listens(address.parse().ok()?),
            ["reached", moment] => Cue::Reached((*moment).to_owned()),
            ["awaits", moment] => Cue::Awaits(Awaited::Moment((*moment).to_owned())),
            ["sockets", of, state, count] => Cue::Awaits(Awaited::Sockets {
                role: role(of)?,
                state: SocketState(state.parse().ok()?),
                count: count.parse().ok()?,
            }),
            ["awaits calls", of, call, count] => Cue::Awaits(Awaited::Calls {
                role: role(of)?,
                call: (*call).to_owned(),
                count: count.parse().ok()?,
            }),
            ["packets", of, count] => {
                Cue::Awaits(Awaited::Packets { role: role(of)?, count: count.parse().ok()? })
            }
            ["fact", name, value] => Cue::Fact((*name).to_owned(), (*value).to_owned()),
            ["joins"] => Cue::Joins,
            ["fails", errno, doing] => Cue::Fails { doing: (*doing).to_owned(), errno: errno.parse().ok()? },
            ["leaves"] => Cue::Leaves,
            _ => return None,
        })
    }
}

/// A word that fits into a message and does not end there early.
fn cut(word: &str) -> String {
    let word: String = word.chars().filter(|letter| *letter != BETWEEN).collect();
    let end = (0..=MOST_WORD.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
    word.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cue_arrives_as_it_was_said() {
        let (director, actor) = Line::pair().unwrap();
        let cues = [
            Cue::Calls { text: "read(3, 4096)".to_owned(), at: Time(5) },
            Cue::Returned { result: "-1 EAGAIN".to_owned(), at: Time(u64::MAX) },
            Cue::Listens("[fd00::2]:7777".parse().unwrap()),
            Cue::Reached("two wait".to_owned()),
            Cue::Awaits(Awaited::Moment("listening".to_owned())),
            Cue::Awaits(Awaited::Sockets { role: Role::Server, state: SocketState::SYN_RECEIVED, count: 3 }),
            Cue::Awaits(Awaited::Calls { role: Role::Server, call: "accept".to_owned(), count: 2 }),
            Cue::Awaits(Awaited::Packets { role: Role::Client, count: 7 }),
            Cue::Fact("processes".to_owned(), "4".to_owned()),
            Cue::Joins,
            Cue::Fails { doing: "bind".to_owned(), errno: 98 },
            Cue::Leaves,
        ];
        for cue in cues {
            actor.say(&cue, None).unwrap();
            assert!(matches!(director.hear(), Ok(Heard::Cue(heard, None)) if heard == cue), "{cue:?}");
        }
        assert!(matches!(director.hear(), Ok(Heard::Nothing)));
        drop(actor);
        assert!(matches!(director.hear(), Ok(Heard::End)));
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_would_end_it_left_out() {
        assert_eq!(cut(&"§".repeat(MOST_WORD)).len(), MOST_WORD);
        assert_eq!(cut("a\0b"), "ab");
    }

    #[test]
    fn a_childs_line_comes_along_and_the_director_answers() {
        let (director, actor) = Line::pair().unwrap();
        let (to_child, child) = Line::pair().unwrap();
        actor.say(&Cue::Joins, Some(to_child.as_fd())).unwrap();
        drop(to_child);
        let Ok(Heard::Cue(Cue::Joins, Some(to_child))) = director.hear() else { panic!("a line") };
        to_child.go();
        assert!(child.wait_for_go());
        drop(to_child);
        assert!(!child.wait_for_go());
    }
}
