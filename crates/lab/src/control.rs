//! What is said between the tool and the processes inside: orders in, reports out, descriptors with some of them.
//!
//! One SOCK_SEQPACKET pair carries it all, but for what concerns one program alone (`lines`), the namespaces and the
//! gauge, which have pairs of their own. Each message is written at once and whole, so several processes inside may
//! share their end of it; when the last of them is gone, the tool reads the end.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use wire::refusal::Step;
use wire::{Doing, End};

use crate::config::MOST_HOSTS;
use crate::event::{Backend, Role};

/// The most descriptors in one message.
pub(crate) const MAX_DESCRIPTORS: usize = 7 * MOST_HOSTS;

/// What the tool wants of init: that a signal is sent to a host's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) role: Role,
    pub(crate) signal: i32,
}

/// What the processes inside have to tell the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The keeper, or init: the system does not allow a private network.
    Refused(Step, i32),
    /// Init: it has all that programs need but for their networks.
    Ready,
    /// The keeper: the network stands; its descriptors come with this. The bits tell which of each host's socket tables
    /// are among them, four for each host.
    Made {
        backend: Backend,
        tables: u32,
    },
    /// To whoever waits for one: a namespace, which comes with this.
    Namespace,
    /// The keeper, to the loop: the gauge stands; its end of the link comes with this.
    Gauge,
    /// A program: it waits for connections.
    Listening(Role),
    /// A program: it could not be started.
    NotStarted(Role, i32),
    /// Our own program: what it ran into.
    Trouble(Role, End, Doing, i32),
    /// Init: a program, whose end it tells next, has left processes behind that live on.
    LeftSome(Role),
    /// Init: a program has ended, with an exit status or by a signal.
    Exited(Role, i32),
    Killed(Role, i32),
}

/// One end of the conversation.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

type Words = [i32; 4];
const LEN: usize = size_of::<Words>();

impl Control {
    /// Both ends: the tool's, then that of the processes inside.
    pub(crate) fn pair() -> Result<(Control, Control), i32> {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map(|(outside, inside)| (Control(outside), Control(inside)))
            .map_err(Errno::raw_os_error)
    }

    /// Another handle of this end.
    pub(crate) fn try_clone(&self) -> io::Result<Control> {
        self.0.try_clone().map(Control)
    }

    pub(crate) fn order(&self, order: Order) -> Result<(), i32> {
        self.send(order.words(), &[])
    }

    pub(crate) fn report(&self, report: Report) -> Result<(), i32> {
        self.send(report.words(), &[])
    }

    /// A report, and descriptors with it.
    pub(crate) fn hand_over(&self, report: Report, descriptors: &[BorrowedFd<'_>]) -> Result<(), i32> {
        self.send(report.words(), descriptors)
    }

    /// Ends the conversation for both sides, however many handles of this end there are.
    pub(crate) fn hang_up(&self) {
        // It fails only when the other side has gone already.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }

    /// Waits for the next order; none when everybody who could give one is gone.
    pub(crate) fn next_order(&self) -> Result<Option<Order>, i32> {
        Ok(self.next(Order::from_words)?.map(|(order, _)| order))
    }

    /// Waits for the next report; none when every process inside is gone.
    pub(crate) fn next_report(&self) -> Result<Option<(Report, Vec<OwnedFd>)>, i32> {
        self.next(Report::from_words)
    }

    /// Waits for a namespace; what was refused instead, if it was.
    pub(crate) fn next_namespace(&self) -> Result<Result<OwnedFd, (Step, i32)>, i32> {
        match self.next_report()? {
            Some((Report::Namespace, descriptors)) => {
                descriptors.into_iter().next().map(Ok).ok_or(Errno::PROTO.raw_os_error())
            }
            Some((Report::Refused(step, errno), _)) => Ok(Err((step, errno))),
            Some(_) => Err(Errno::PROTO.raw_os_error()),
            None => Err(Errno::PIPE.raw_os_error()),
        }
    }

    fn next<T>(&self, read: fn(Words) -> Option<T>) -> Result<Option<(T, Vec<OwnedFd>)>, i32> {
        let Some((words, descriptors)) = self.receive()? else { return Ok(None) };
        read(words).map(|message| Some((message, descriptors))).ok_or(Errno::PROTO.raw_os_error())
    }

    fn send(&self, words: Words, descriptors: &[BorrowedFd<'_>]) -> Result<(), i32> {
        let bytes = to_bytes(words);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::TOOBIG.raw_os_error());
        }
        loop {
            match sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                other => return other.map(drop).map_err(Errno::raw_os_error),
            }
        }
    }

    fn receive(&self) -> Result<Option<(Words, Vec<OwnedFd>)>, i32> {
        let mut bytes = [0; LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let len = loop {
            match recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                // Those for which this process had no room are gone.
                Ok(message) if message.flags.contains(ReturnFlags::CTRUNC) => {
                    return Err(Errno::MFILE.raw_os_error());
                }
                Ok(message) => break message.bytes,
                Err(Errno::INTR) => {}
                // What a socket says when its other end closed with messages unread.
                Err(Errno::CONNRESET) => break 0,
                Err(error) => return Err(error.raw_os_error()),
            }
        };
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        match len {
            0 => Ok(None),
            LEN => Ok(Some((from_bytes(bytes), descriptors))),
            _ => Err(Errno::PROTO.raw_os_error()),
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn to_bytes(words: Words) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn from_bytes(bytes: [u8; LEN]) -> Words {
    let mut words = [0; 4];
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = i32::from_ne_bytes([place[0], place[1], place[2], place[3]]);
    }
    words
}

impl Order {
    fn words(self) -> Words {
        [role_word(self.role), self.signal, 0, 0]
    }

    fn from_words(words: Words) -> Option<Order> {
        match words {
            [role, signal, 0, 0] => Some(Order { role: role_of(role)?, signal }),
            _ => None,
        }
    }
}

impl Report {
    fn words(self) -> Words {
        match self {
            Report::Refused(step, errno) => [1, i32::try_from(step.index()).unwrap_or_default(), errno, 0],
            Report::Made { backend, tables } => {
                [2, i32::from(backend == Backend::Tun), tables.cast_signed(), 0]
            }
            Report::Listening(role) => [3, role_word(role), 0, 0],
            Report::NotStarted(role, errno) => [4, role_word(role), errno, 0],
            Report::Trouble(role, end, doing, errno) => {
                [5, role_word(role) | place_in(&ENDS, end) << 8, place_in(&DOING, doing), errno]
            }
            Report::Exited(role, status) => [6, role_word(role), status, 0],
            Report::Killed(role, signal) => [7, role_word(role), signal, 0],
            Report::Gauge => [8, 0, 0, 0],
            Report::Ready => [9, 0, 0, 0],
            Report::Namespace => [10, 0, 0, 0],
            Report::LeftSome(role) => [11, role_word(role), 0, 0],
        }
    }

    fn from_words(words: Words) -> Option<Report> {
        Some(match words {
            [1, step, errno, 0] => Report::Refused(*Step::ALL.get(usize::try_from(step).ok()?)?, errno),
            [2, tun @ 0..=1, tables, 0] => Report::Made {
                backend: if tun == 1 { Backend::Tun } else { Backend::Packet },
                tables: tables.cast_unsigned(),
            },
            [3, role, 0, 0] => Report::Listening(role_of(role)?),
            [4, role, errno, 0] => Report::NotStarted(role_of(role)?, errno),
            [5, role, doing, errno] => {
                Report::Trouble(role_of(role & 0xff)?, at(&ENDS, role >> 8)?, at(&DOING, doing)?, errno)
            }
            [6, role, status, 0] => Report::Exited(role_of(role)?, status),
            [7, role, signal, 0] => Report::Killed(role_of(role)?, signal),
            [8, 0, 0, 0] => Report::Gauge,
            [9, 0, 0, 0] => Report::Ready,
            [10, 0, 0, 0] => Report::Namespace,
            [11, role, 0, 0] => Report::LeftSome(role_of(role)?),
            _ => return None,
        })
    }
}

fn role_word(role: Role) -> i32 {
    role.number().into()
}

fn role_of(word: i32) -> Option<Role> {
    let number = u8::try_from(word).ok()?;
    (1..=MOST_HOSTS).contains(&usize::from(number)).then(|| Role::numbered(number))
}

const ENDS: [End; 4] = [End::Us, End::Peer, End::Path, End::You];

/// What our own programs do that can fail.
const DOING: [Doing; 10] = [
    Doing::Start,
    Doing::Open,
    Doing::Socket,
    Doing::SetOption,
    Doing::Bind,
    Doing::Listen,
    Doing::Accept,
    Doing::Connect,
    Doing::Send,
    Doing::Receive,
];

/// Anything else is told as the first of them.
fn place_in<T: PartialEq + Copy>(known: &[T], value: T) -> i32 {
    known.iter().position(|one| *one == value).and_then(|place| i32::try_from(place).ok()).unwrap_or_default()
}

fn at<T: Copy>(known: &[T], place: i32) -> Option<T> {
    known.get(usize::try_from(place).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> Vec<Report> {
        let mut all = vec![
            Report::Made { backend: Backend::Tun, tables: 0xffff_ffff },
            Report::Made { backend: Backend::Packet, tables: 5 },
            Report::Gauge,
            Report::Ready,
            Report::Namespace,
        ];
        all.extend(Step::ALL.map(|step| Report::Refused(step, 28)));
        for role in Role::all(MOST_HOSTS) {
            all.extend([Report::Listening(role), Report::NotStarted(role, 2), Report::LeftSome(role)]);
            all.extend([Report::Exited(role, 255), Report::Killed(role, 9)]);
            for end in ENDS {
                all.extend(DOING.map(|doing| Report::Trouble(role, end, doing, 111)));
            }
        }
        all
    }

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        let (outside, inside) = Control::pair().expect("pair");
        for report in reports() {
            inside.report(report).expect("sent");
            assert_eq!(outside.next_report().expect("received").expect("a report").0, report);
        }
        for role in Role::all(MOST_HOSTS) {
            let order = Order { role, signal: 15 };
            outside.order(order).expect("sent");
            assert_eq!(inside.next_order(), Ok(Some(order)));
        }
    }

    #[test]
    fn descriptors_travel_with_a_report() {
        use std::io::{Read, Write};
        let (outside, inside) = Control::pair().expect("pair");
        let (mut read, write) = std::io::pipe().expect("pipe");
        inside.hand_over(Report::Gauge, &[write.as_fd()]).expect("sent");
        drop(write);
        let (_, descriptors) = outside.next_report().expect("received").expect("a report");
        assert_eq!(descriptors.len(), 1);
        let mut received = std::fs::File::from(descriptors.into_iter().next().expect("one"));
        received.write_all(b"through").expect("written");
        drop(received);
        let mut text = String::new();
        read.read_to_string(&mut text).expect("read");
        assert_eq!(text, "through");
    }

    #[test]
    fn the_end_is_told_and_nonsense_refused() {
        let (outside, inside) = Control::pair().expect("pair");
        inside.send([99, 0, 0, 0], &[]).expect("sent");
        assert_eq!(outside.next_report().map(|_| ()), Err(Errno::PROTO.raw_os_error()));
        drop(inside);
        assert!(matches!(outside.next_report(), Ok(None)));
    }
}
