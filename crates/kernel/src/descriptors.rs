//! The table of open files: what a forked child keeps, and writing without waiting to descriptors that others share.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FileType, Mode, OFlags};

/// Closes every descriptor from 3 on but these, in a forked child that ends by [`crate::process::exit_now`]: what else
/// it inherited (listeners, files, the ends of other sessions) must not live as long as it does.
///
/// Whoever owned the closed ones in the parent owns them there still; in the child these values must not be used or
/// dropped any more, which `exit_now` makes sure of.
pub fn keep_only(kept: &[BorrowedFd<'_>]) {
    let mut first = 3;
    // Without a sorted copy: memory that a child touches is memory that it costs.
    let next_kept = |from: RawFd| kept.iter().map(AsRawFd::as_raw_fd).filter(|fd| *fd >= from).min();
    while let Some(fd) = next_kept(first) {
        close_from_to(first, fd - 1);
        first = fd + 1;
    }
    close_from_to(first, RawFd::MAX);
}

/// An own open file description of the same terminal or pipe, for writing without waiting: `O_NONBLOCK` on the
/// descriptor itself would change it for everybody who shares it, such as the shell. None for other kinds of files, and
/// where it may not be opened again.
pub fn reopened_for_writing(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd).ok()?.st_mode);
    let waits = kind == FileType::Fifo || rustix::termios::isatty(fd);
    if !waits {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

/// What the descriptors of this process are, by sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Sockets.
    pub sockets: u32,
    /// Pipes.
    pub pipes: u32,
    /// Files and devices.
    pub files: u32,
    /// What has no file: epoll(7), signalfd(2), timerfd_create(2) and their like.
    pub others: u32,
    /// Descriptors of higher numbers were not looked at.
    pub looked_at: u32,
}

/// Counts the descriptors of this process whose numbers are below `most`. It needs no descriptor for that itself, so it
/// can be asked when there is none. None where there is no /proc.
pub fn held(most: u32) -> Option<Held> {
    let mut held = Held { looked_at: most, ..Held::default() };
    // proc_pid_fd(5): `socket:[4711]`, `pipe:[4711]`, `anon_inode:[eventpoll]`, or a path.
    let mut room = [std::mem::MaybeUninit::<u8>::uninit(); 16];
    rustix::fs::stat("/proc/self/fd").ok()?;
    for number in 0..most {
        let path = format!("/proc/self/fd/{number}");
        let Ok((link, _)) = rustix::fs::readlinkat_raw(rustix::fs::CWD, path, &mut room) else { continue };
        let count = match &*link {
            link if link.starts_with(b"socket:") => &mut held.sockets,
            link if link.starts_with(b"pipe:") => &mut held.pipes,
            link if link.starts_with(b"anon_inode:") => &mut held.others,
            _ => &mut held.files,
        };
        *count += 1;
    }
    Some(held)
}

fn close_from_to(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: the call takes numbers; that nobody uses what is closed is the contract of `keep_only`. Kernels before
    // 5.9 do not have it, and they are not supported.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_full_pipe_refuses_only_the_reopened_writer() {
        let (reader, writer) = std::io::pipe().expect("pipe");
        let own = reopened_for_writing(writer.as_fd()).expect("our own pipe");
        let mut own = std::fs::File::from(own);
        let error = loop {
            if let Err(error) = own.write(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let flags = rustix::fs::fcntl_getfl(&writer).expect("flags");
        assert!(!flags.contains(OFlags::NONBLOCK), "the shared one waits as before");
        drop(reader);
    }

    /// Others of this process come and go; these stay while it counts.
    #[test]
    fn descriptors_are_counted_by_sort() {
        let kept = (
            [(); 5].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket")),
            [(); 3].map(|()| std::io::pipe().expect("a pipe")),
            [(); 2].map(|()| tempfile::tempfile().expect("a file")),
        );
        let held = held(4096).expect("/proc");
        assert!(held.sockets >= 5 && held.pipes >= 6 && held.files >= 2, "{held:?}");
        assert_eq!(super::held(0), Some(Held::default()));
        drop(kept);
    }

    #[test]
    fn a_file_is_not_reopened() {
        let file = tempfile::tempfile().expect("a file");
        assert!(reopened_for_writing(file.as_fd()).is_none());
    }
}
