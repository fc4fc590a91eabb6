//! What children have to tell, passed to the parent: only the parent tells and writes.
//!
//! All children share one end of a pair of sockets that keep packets whole (`SOCK_SEQPACKET`). A full one makes the child
//! wait, and with it its client. A packet: the client's number (u64), then records, each a kind (u8), whether more of the
//! same follows in a later record (u8), a number that the kind explains (u64), the length of the bytes (u32), the bytes; in
//! this machine's order. What one arrival gave goes into as few packets as hold it; what is longer than a packet is put
//! together again by the parent, who knows whose it is and needs no address.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown, socketpair,
};
use wire::Doing;

use crate::engine::timespec_until;
use crate::service::Client;
use crate::shortage::{PAUSE, is_short_of_memory};

/// The longest packet in bytes.
const PACKET: usize = 32 * 1024;
/// What stands before the bytes of a record.
const HEAD: usize = 1 + 1 + 8 + 4;
/// The client's number.
const SENDER: usize = 8;

/// How long a child waits at once for room in the channel.
const ROOM_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How many packets are taken between two looks at everything else: more than the socket holds
/// (`net.core.wmem_default`, of which each packet costs 512 or more), so that all that was there before is among them.
pub(super) const PACKETS_AT_ONCE: usize = 512;

/// Something that a child told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Bytes arrived; how long the message was, where there is less of it.
    Data(Vec<u8>, Option<u64>),
    /// The service shows a line; whether it is cut.
    Line(Vec<u8>, bool),
    /// Sending or receiving failed with this errno, and the session goes on.
    Trouble(Doing, i32),
}

/// What is told; the numbers stand in the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data = 0,
    Line = 1,
    CannotSend = 2,
    CannotReceive = 3,
}

/// The children's end.
#[derive(Debug)]
pub(super) struct Teller {
    socket: OwnedFd,
    about: RefCell<About>,
    packet: RefCell<Vec<u8>>,
}

/// Of whom a child tells.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The client's number.
    pub(super) client: u64,
    /// When its session is over, and its socket: while nobody listens to its child the client is let go all the same.
    pub(super) ends: Option<(Instant, OwnedFd)>,
}

/// What has come of things that have not come whole.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    packet: Vec<u8>,
    parts: HashMap<Client, Part>,
    /// How many bytes were taken from the channel, so far.
    taken: u64,
}

/// The first part of something long.
#[derive(Debug)]
struct Part {
    kind: Kind,
    bytes: Vec<u8>,
}

/// The parent's end and the children's; the error is the kernel's errno.
pub(super) fn channel() -> Result<(OwnedFd, Teller), i32> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Errno::raw_os_error)?;
    Ok((ours, Teller { socket: theirs, about: RefCell::default(), packet: RefCell::default() }))
}

impl Teller {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// From now on what is told is told of this client.
    pub(super) fn speak_of(&self, about: About) {
        self.about.replace(about);
    }

    /// Waits until more may be told, but not for long. Whether it may.
    pub(super) fn wait_for_room(&self) -> bool {
        let mut watched = [PollFd::new(&self.socket, PollFlags::OUT)];
        poll(&mut watched, Some(&ROOM_AGAIN)).is_ok_and(|ready| ready > 0)
    }

    pub(super) fn data(&self, bytes: &[u8], whole: Option<u64>) {
        self.tell(Kind::Data, whole.unwrap_or_default(), bytes);
    }

    pub(super) fn line(&self, bytes: &[u8], is_cut: bool) {
        self.tell(Kind::Line, is_cut.into(), bytes);
    }

    pub(super) fn trouble(&self, doing: Doing, errno: i32) {
        let kind = if doing == Doing::Send { Kind::CannotSend } else { Kind::CannotReceive };
        self.tell(kind, u64::from(errno.unsigned_abs()), b"");
    }

    /// Sends what was told since the last time. Ends quietly when the parent is gone: so is the child, soon.
    pub(super) fn flush(&self) {
        let mut packet = self.packet.borrow_mut();
        while !packet.is_empty() {
            match send(&self.socket, &packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::AGAIN) => self.wait(),
                Err(Errno::INTR) => {}
                Err(error) if is_short_of_memory(error) => std::thread::sleep(PAUSE),
                _ => packet.clear(),
            }
        }
    }

    /// Waits for room in the channel, or until the session is over: then the client is let go, and what it said waits on.
    fn wait(&self) {
        let mut about = self.about.borrow_mut();
        let until = about.ends.as_ref().map(|(at, _)| timespec_until(*at));
        let mut watched = [PollFd::new(&self.socket, PollFlags::OUT)];
        // An error is a wake-up like any.
        let _ = poll(&mut watched, until.as_ref());
        if let Some((_, socket)) = about.ends.take_if(|(at, _)| *at <= Instant::now()) {
            let _ = shutdown(socket, Shutdown::Both);
        }
    }

    fn tell(&self, kind: Kind, number: u64, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            if self.packet.borrow().len() + HEAD >= PACKET {
                self.flush();
            }
            let mut packet = self.packet.borrow_mut();
            if packet.is_empty() {
                packet.extend_from_slice(&self.about.borrow().client.to_ne_bytes());
            }
            let (now, later) = rest.split_at(rest.len().min(PACKET - HEAD - packet.len()));
            packet.extend_from_slice(&[kind as u8, u8::from(!later.is_empty())]);
            packet.extend_from_slice(&number.to_ne_bytes());
            packet.extend_from_slice(&(now.len() as u32).to_ne_bytes());
            packet.extend_from_slice(now);
            drop(packet);
            if later.is_empty() {
                return;
            }
            rest = later;
            self.flush();
        }
    }
}

impl Hearsay {
    /// Hands on what is in the next packet; whether there was one. Never waits.
    pub(super) fn hear(&mut self, channel: BorrowedFd<'_>, mut each: impl FnMut(Client, Heard)) -> bool {
        self.packet.resize(PACKET, 0);
        let length = loop {
            match recv(channel, &mut self.packet[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::AGAIN) => return false,
                Ok((length, _)) => break length.min(PACKET),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        };
        self.taken += length as u64;
        let Some((sender, mut rest)) = self.packet[..length].split_first_chunk::<SENDER>() else {
            return true;
        };
        let sender = Client(u64::from_ne_bytes(*sender));
        while let Some((record, more)) = first_record(rest) {
            rest = more;
            if let Some(heard) = put_together(&mut self.parts, sender, &record) {
                each(sender, heard);
            }
        }
        true
    }

    /// How many bytes were taken from the channel, so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many will have been taken once everything is heard that has been told until now.
    pub(super) fn taken_with_all_of(&self, channel: BorrowedFd<'_>) -> u64 {
        self.taken + kernel::socket::unread(channel)
    }

    /// A child has ended; gives the beginning of a line of which no more will come.
    pub(super) fn forget(&mut self, client: Client) -> Option<Heard> {
        let part = self.parts.remove(&client)?;
        (part.kind == Kind::Line).then_some(Heard::Line(part.bytes, true))
    }
}

/// One record of a packet.
struct Record<'p> {
    kind: Kind,
    is_part: bool,
    number: u64,
    bytes: &'p [u8],
}

/// The first record, and what follows it.
fn first_record(packet: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let ([kind, is_part], rest) = packet.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_ne_bytes(*length)).ok()?)?;
    let kind = match kind {
        0 => Kind::Data,
        1 => Kind::Line,
        2 => Kind::CannotSend,
        _ => Kind::CannotReceive,
    };
    Some((Record { kind, is_part: *is_part != 0, number: u64::from_ne_bytes(*number), bytes }, rest))
}

/// Gives what is whole with this record, and keeps what is not.
fn put_together(parts: &mut HashMap<Client, Part>, sender: Client, record: &Record<'_>) -> Option<Heard> {
    let &Record { kind, is_part, number, bytes } = record;
    if is_part {
        let part = parts.entry(sender).or_insert(Part { kind, bytes: Vec::new() });
        part.bytes.extend_from_slice(bytes);
        return None;
    }
    let mut whole = parts.remove(&sender).map(|part| part.bytes).unwrap_or_default();
    whole.extend_from_slice(bytes);
    Some(match kind {
        Kind::Data => Heard::Data(whole, (number > 0).then_some(number)),
        Kind::Line => Heard::Line(whole, number != 0),
        Kind::CannotSend => Heard::Trouble(Doing::Send, i32::try_from(number).unwrap_or_default()),
        Kind::CannotReceive => Heard::Trouble(Doing::Receive, i32::try_from(number).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(hearsay: &mut Hearsay, channel: &OwnedFd) -> Vec<Heard> {
        let mut all = Vec::new();
        while hearsay.hear(channel.as_fd(), |client, heard| {
            assert_eq!(client, Client(7));
            all.push(heard);
        }) {}
        all
    }

    #[test]
    fn what_is_told_is_heard_whole_and_in_order() {
        let (ours, teller) = channel().expect("a pair");
        teller.speak_of(About { client: 7, ends: None });
        let mut hearsay = Hearsay::default();
        let long: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        teller.line(b"first", false);
        teller.line(&long, true);
        teller.line(b"", false);
        teller.data(&long[..PACKET], None);
        teller.data(b"short", Some(1 << 40));
        teller.trouble(Doing::Send, 105);
        teller.trouble(Doing::Receive, 12);
        teller.flush();
        let expected = [
            Heard::Line(b"first".to_vec(), false),
            Heard::Line(long.clone(), true),
            Heard::Line(Vec::new(), false),
            Heard::Data(long[..PACKET].to_vec(), None),
            Heard::Data(b"short".to_vec(), Some(1 << 40)),
            Heard::Trouble(Doing::Send, 105),
            Heard::Trouble(Doing::Receive, 12),
        ];
        assert_eq!(heard(&mut hearsay, &ours), expected);
        assert_eq!(heard(&mut hearsay, &ours), []);
        assert_eq!(hearsay.forget(Client(7)), None);
    }

    #[test]
    fn every_length_comes_whole() {
        let (ours, teller) = channel().expect("a pair");
        teller.speak_of(About { client: 7, ends: None });
        let mut hearsay = Hearsay::default();
        for length in (PACKET - 3 * HEAD)..(PACKET + 2) {
            let line = vec![7; length];
            teller.line(b"before", false);
            teller.line(&line, false);
            teller.flush();
            let expected = [Heard::Line(b"before".to_vec(), false), Heard::Line(line, false)];
            assert_eq!(heard(&mut hearsay, &ours), expected, "{length}");
        }
    }

    #[test]
    fn many_short_lines_go_in_few_packets() {
        let (ours, teller) = channel().expect("a pair");
        teller.speak_of(About { client: 7, ends: None });
        let mut hearsay = Hearsay::default();
        // So many packets the socket would never hold.
        for _ in 0..1000 {
            teller.line(b"a line", false);
        }
        teller.flush();
        assert_eq!(heard(&mut hearsay, &ours).len(), 1000);
    }

    #[test]
    fn the_beginning_of_a_line_is_not_lost_with_its_child() {
        let (ours, teller) = channel().expect("a pair");
        teller.speak_of(About { client: 7, ends: None });
        let mut hearsay = Hearsay::default();
        teller.line(&[b'x'; PACKET + 100], false);
        // Killed before the rest is sent.
        teller.packet.borrow_mut().clear();
        assert_eq!(heard(&mut hearsay, &ours), []);
        let Some(Heard::Line(line, is_cut)) = hearsay.forget(Client(7)) else { panic!("a line began") };
        assert!(is_cut && line.len() > PACKET / 2 && line.len() < PACKET);
        assert_eq!(hearsay.forget(Client(7)), None);
    }

    #[test]
    fn more_packets_are_taken_than_the_socket_holds() {
        let (ours, teller) = channel().expect("a pair");
        teller.speak_of(About { client: 7, ends: None });
        let mut hearsay = Hearsay::default();
        rustix::io::ioctl_fionbio(&teller.socket, true).expect("a socket");
        let mut sent = 0;
        while send(
            &teller.socket,
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            SendFlags::empty(),
        )
        .is_ok()
        {
            sent += 1;
        }
        let all = hearsay.taken_with_all_of(ours.as_fd());
        assert_eq!(all, sent as u64 * 22, "what waits is known to the byte");
        let heard = (0..PACKETS_AT_ONCE).take_while(|_| hearsay.hear(ours.as_fd(), |_, _| ())).count();
        assert_eq!((heard, hearsay.hear(ours.as_fd(), |_, _| ())), (sent, false));
        assert_eq!(hearsay.taken(), all);
    }

    #[test]
    fn any_bytes_are_no_danger() {
        let whole = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c'];
        for length in 0..whole.len() {
            assert!(first_record(&whole[..length]).is_none(), "{length}");
        }
        let (record, rest) = first_record(&whole).expect("it is whole");
        assert_eq!((record.kind, record.bytes, rest.len()), (Kind::Line, &b"abc"[..], 0));
        assert!(first_record(&[255; 40]).is_none(), "longer than the packet");
    }
}
