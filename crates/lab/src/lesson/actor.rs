//! An actor: a program of a lesson on the real kernel, in a process of its own and, where the lesson has a network, on
//! a host of its own. It is a function in the lesson's file. Every call that it makes through here is told to the
//! director with what it returned and how long it took; with the others it meets at moments that have names, never by
//! waiting a while.

mod calls;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kernel::process::{self, Forked, NeverBack, Pid};
use kernel::signal::Mask;
use kernel::{descriptors, namespace, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketType};
use rustix::process::geteuid;
use wire::Time;
use wire::errno;
use wire::socket_row::SocketState;
use wire::sockopt::Setting;

pub(crate) use calls::returned;

use super::cue::{Awaited, Cue, Line};
use crate::event::Role;

/// What an actor does. An error is one of the lesson itself: calls that are to fail in it are looked at.
pub(crate) type Act = fn(&mut Actor) -> io::Result<()>;

/// How long an actor looks for something before it gives up.
const LIMIT: Duration = Duration::from_secs(5);
/// How long it pauses between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// What an actor begins with.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) act: Act,
    pub(crate) line: Line,
    /// What is to be otherwise than in the lesson.
    pub(crate) change: Option<&'static str>,
    /// Whether the host is its own, so that it may be set otherwise.
    pub(crate) has_network: bool,
}

/// An actor at work.
#[derive(Debug)]
pub(crate) struct Actor {
    line: Line,
    change: Option<&'static str>,
    has_network: bool,
}

impl Part {
    /// Acts it in this process, which was forked for it and ends with it.
    pub(crate) fn act(&self) -> ! {
        let _never_back = NeverBack;
        let Ok(line) = self.line.out_of_the_way() else { process::exit_now(1) };
        descriptors::keep_only(&[line.as_fd()]);
        Mask::none().restore();
        if quiet().is_err() {
            process::exit_now(1);
        }
        Actor { line, change: self.change, has_network: self.has_network }.perform(self.act)
    }
}

/// Nobody reads what an actor prints, and it reads nothing.
fn quiet() -> rustix::io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let nothing = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)
}

/// What every lesson needs.
impl Actor {
    fn perform(&mut self, act: impl FnOnce(&mut Actor) -> io::Result<()>) -> ! {
        match act(self) {
            Ok(()) => self.tell(&Cue::Leaves),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
                self.tell(&Cue::Fails { doing: error.to_string(), errno });
            }
        }
        process::exit_now(0)
    }

    /// Whether this change is to be made to the play, to see whether a claim notices.
    pub(crate) fn is_changed(&self, change: &str) -> bool {
        self.change == Some(change)
    }

    /// Makes a call that the lesson shows: as in C, and what came back in words.
    pub(crate) fn call<T, E: Into<io::Error>>(
        &mut self,
        text: impl Into<String>,
        call: impl FnOnce() -> Result<T, E>,
        result: impl FnOnce(&T) -> String,
    ) -> io::Result<T> {
        self.tell(&Cue::Calls { text: text.into(), at: now() });
        let done = call().map_err(Into::into);
        let at = now();
        let result = match &done {
            Ok(value) => result(value),
            Err(error) => format!("-1 {}", errno::name(error.raw_os_error().unwrap_or_default())),
        };
        self.tell(&Cue::Returned { result, at });
        done
    }

    /// Tells something that was found out; looked up by its name in the claims, and told to the reader in the words
    /// that the text has for it.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and words are handed over as they are")]
    pub(crate) fn fact(&mut self, name: &str, value: impl ToString) {
        self.tell(&Cue::Fact(name.to_owned(), value.to_string()));
    }

    /// Has come to a moment. The director waits until nothing is under way, looks at the sockets of all hosts, and lets this
    /// actor and all who wait for this moment go on.
    pub(crate) fn reach(&mut self, moment: &str) {
        self.tell(&Cue::Reached(moment.to_owned()));
        self.wait_for_go();
    }

    /// Goes on when somebody has come to this moment.
    pub(crate) fn wait_for(&mut self, moment: &str) {
        self.wait_for_it(Awaited::Moment(moment.to_owned()));
    }

    /// Goes on when a host has so many TCP sockets, or more, in a state: how to wait for what no program sees.
    pub(crate) fn wait_for_sockets(&mut self, role: Role, state: SocketState, count: usize) {
        self.wait_for_it(Awaited::Sockets { role, state, count });
    }

    /// Goes on when a host's programs have made so many calls that begin with these words; the last of them may wait still.
    pub(crate) fn wait_for_call(&mut self, role: Role, call: &str, count: usize) {
        self.wait_for_it(Awaited::Calls { role, call: call.to_owned(), count });
    }

    /// Goes on when a host has sent so many packets, or more.
    pub(crate) fn wait_for_packets(&mut self, role: Role, count: usize) {
        self.wait_for_it(Awaited::Packets { role, count });
    }

    /// Goes on when this is so, which is looked at again and again.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it does not become so; what looking fails with.
    pub(crate) fn wait_until(&mut self, mut is_so: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
        let limit = Instant::now() + LIMIT;
        while !is_so()? {
            if Instant::now() >= limit {
                return Err(Errno::TIMEDOUT.into());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Starts a child that acts this, is told of as its parent is, and dies with it. It has its parent's descriptors, as
    /// every forked process has.
    pub(crate) fn fork(&mut self, act: impl FnOnce(&mut Actor) -> io::Result<()>) -> io::Result<Pid> {
        let (director, line) = Line::pair().map_err(os)?;
        let line = line.out_of_the_way().map_err(os)?;
        self.tell_with(&Cue::Joins, Some(director.as_fd()));
        drop(director);
        self.tell(&Cue::Calls { text: "fork()".to_owned(), at: now() });
        let forked = process::fork();
        if forked == Ok(Forked::Child) {
            let _never_back = NeverBack;
            process::die_with_parent();
            self.line = line;
            self.perform(act)
        }
        let result = match &forked {
            Ok(Forked::Parent(pid)) => pid.as_raw_nonzero().to_string(),
            Ok(Forked::Child) => String::new(),
            Err(number) => format!("-1 {}", errno::name(*number)),
        };
        self.tell(&Cue::Returned { result, at: now() });
        match forked {
            Ok(Forked::Parent(pid)) => Ok(pid),
            Ok(Forked::Child) => Err(Errno::CHILD.into()),
            Err(errno) => Err(os(errno)),
        }
    }

    /// Sets something of this host, by the name that sysctl(8) has for it.
    ///
    /// # Errors
    /// `EPERM` where the host is the reader's own machine; otherwise the kernel's.
    pub(crate) fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()> {
        match self.has_network {
            true => namespace::set_sysctl(name, value).map_err(os),
            false => Err(Errno::PERM.into()),
        }
    }

    /// From now on it is an ordinary program.
    pub(crate) fn give_up_privileges(&mut self) -> io::Result<()> {
        match namespace::drop_capabilities() {
            // An ordinary user's program is one already.
            Err(errno) if errno == Errno::PERM.raw_os_error() && !geteuid().is_root() => Ok(()),
            dropped => dropped.map_err(os),
        }
    }

    fn wait_for_it(&mut self, awaited: Awaited) {
        self.tell(&Cue::Awaits(awaited));
        self.wait_for_go();
    }

    fn wait_for_go(&self) {
        if !self.line.wait_for_go() {
            process::exit_now(1);
        }
    }

    fn tell(&self, cue: &Cue) {
        self.tell_with(cue, None);
    }

    /// Without a director there is no play.
    fn tell_with(&self, cue: &Cue, along: Option<BorrowedFd<'_>>) {
        if self.line.say(cue, along).is_err() {
            process::exit_now(1);
        }
    }
}

/// The calls of most lessons, shown as in C. Addresses are shown without the structure around them.
impl Actor {
    /// socket(2): a TCP socket of IPv4.
    pub(crate) fn tcp_socket(&mut self) -> io::Result<OwnedFd> {
        self.call(
            "socket(AF_INET, SOCK_STREAM, 0)",
            || rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None),
            number,
        )
    }

    /// setsockopt(2), written `SO_RCVBUF=4096`.
    pub(crate) fn set_option(&mut self, socket: &OwnedFd, setting: &str) -> io::Result<()> {
        let setting = Setting::parse(setting).map_err(|error| io::Error::other(error.sentence))?;
        let option = setting.option();
        self.call(
            format!("setsockopt({}, {}, {})", number(socket), option.name, setting.asked()),
            || {
                sockopt::set(socket.as_fd(), option.level.number(), option.number, &setting.encode())
                    .map_err(os)
            },
            |()| "0".to_owned(),
        )
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
        self.call(
            format!("bind({}, {address})", number(socket)),
            || rustix::net::bind(socket, &address),
            |()| "0".to_owned(),
        )
    }

    /// listen(2).
    pub(crate) fn listen(&mut self, socket: &OwnedFd, backlog: i32) -> io::Result<()> {
        self.call(
            format!("listen({}, {backlog})", number(socket)),
            || rustix::net::listen(socket, backlog),
            |()| "0".to_owned(),
        )?;
        if let Ok(address) = rustix::net::getsockname(socket)
            && let Ok(address) = SocketAddr::try_from(address)
        {
            self.tell(&Cue::Listens(address));
        }
        Ok(())
    }

    /// accept(2).
    pub(crate) fn accept(&mut self, socket: &OwnedFd) -> io::Result<OwnedFd> {
        self.call(format!("accept({})", number(socket)), || rustix::net::accept(socket), number)
    }

    /// connect(2).
    pub(crate) fn connect(&mut self, socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
        self.call(
            format!("connect({}, {address})", number(socket)),
            || rustix::net::connect(socket, &address),
            |()| "0".to_owned(),
        )
    }

    /// fcntl(2): calls that would wait fail instead.
    pub(crate) fn set_nonblocking(&mut self, file: &OwnedFd) -> io::Result<()> {
        self.call(
            format!("fcntl({}, F_SETFL, O_NONBLOCK)", number(file)),
            || rustix::io::ioctl_fionbio(file, true),
            |()| "0".to_owned(),
        )
    }

    /// poll(2): whether it becomes readable or writable within so many milliseconds.
    pub(crate) fn poll(&mut self, file: &OwnedFd, events: PollFlags, limit_ms: u32) -> io::Result<bool> {
        let word = if events.contains(PollFlags::OUT) { "POLLOUT" } else { "POLLIN" };
        let limit =
            Timespec { tv_sec: (limit_ms / 1000).into(), tv_nsec: i64::from(limit_ms % 1000) * 1_000_000 };
        let ready = self.call(
            format!("poll({} {word}, {limit_ms})", number(file)),
            || poll(&mut [PollFd::new(file, events)], Some(&limit)),
            ToString::to_string,
        )?;
        Ok(ready > 0)
    }

    /// read(2) of at most so many bytes.
    pub(crate) fn read(&mut self, file: &OwnedFd, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let len = self.call(
            format!("read({}, {most})", number(file)),
            || rustix::io::read(file, &mut bytes),
            ToString::to_string,
        )?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// write(2). What is short is shown as it is.
    pub(crate) fn write(&mut self, file: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
        let shown = match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= 16 => format!("{text:?}"),
            _ => format!("{} bytes", bytes.len()),
        };
        self.call(
            format!("write({}, {shown})", number(file)),
            || rustix::io::write(file, bytes),
            ToString::to_string,
        )
    }

    /// shutdown(2).
    pub(crate) fn shutdown(&mut self, socket: &OwnedFd, how: Shutdown) -> io::Result<()> {
        let word = match how {
            Shutdown::Read => "SHUT_RD",
            Shutdown::Write => "SHUT_WR",
            Shutdown::Both => "SHUT_RDWR",
        };
        self.call(
            format!("shutdown({}, {word})", number(socket)),
            || rustix::net::shutdown(socket, how),
            |()| "0".to_owned(),
        )
    }

    /// close(2).
    pub(crate) fn close(&mut self, file: OwnedFd) {
        let text = format!("close({})", number(&file));
        // What close itself could say is of no interest to a program any more (close(2), NOTES).
        let close = || {
            drop(file);
            Ok::<(), io::Error>(())
        };
        let _ = self.call(text, close, |()| "0".to_owned());
    }
}

/// A descriptor as C has it.
pub(crate) fn number(fd: &OwnedFd) -> String {
    fd.as_raw_fd().to_string()
}

fn os(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// On the clock of captures, which the links keep too.
pub(crate) fn now() -> Time {
    Time::ZERO + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
