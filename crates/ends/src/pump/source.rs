//! Where the bytes to be sent come from, and when.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::fs::FileType;

/// What is sent.
#[derive(Clone, Debug, Default)]
pub enum Input<'a> {
    /// Nothing.
    #[default]
    None,
    /// What is read from here. Its flags are never changed: others may share it.
    Fd(BorrowedFd<'a>),
    /// These texts.
    Script(Script),
}

/// Texts to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The texts, in order.
    pub texts: Vec<Vec<u8>>,
    /// One of them each time, again and again; none: all of them at once, and then the input has ended.
    pub every: Option<Duration>,
}

/// An input, and how far it has got.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Ended,
    Fd(BorrowedFd<'a>),
    Script { script: Script, next: usize, due: Instant },
}

impl<'a> Source<'a> {
    pub(crate) fn of(input: Input<'a>) -> Source<'a> {
        match input {
            Input::None => Source::Ended,
            Input::Script(script) if script.texts.is_empty() => Source::Ended,
            Input::Fd(fd) => Source::Fd(fd),
            Input::Script(script) => Source::Script { script, next: 0, due: Instant::now() },
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Source::Ended)
    }

    /// The descriptor to be asked whether there is something to read.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'a>> {
        match self {
            Source::Fd(fd) => Some(*fd),
            Source::Ended | Source::Script { .. } => None,
        }
    }

    pub(crate) fn kind(&self) -> Option<FileType> {
        let stat = rustix::fs::fstat(self.fd()?).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// How much is there to read, as far as that can be seen: of a file all to its end, of a pipe or socket what waits
    /// in it. What somebody types counts once it is read.
    pub(crate) fn left_bytes(&self) -> u64 {
        let Some(fd) = self.fd() else { return 0 };
        let Ok(stat) = rustix::fs::fstat(fd) else { return 0 };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                size.saturating_sub(rustix::fs::tell(fd).unwrap_or(size))
            }
            FileType::Fifo | FileType::Socket => rustix::io::ioctl_fionread(fd).unwrap_or(0),
            _ => 0,
        }
    }

    /// When the next text of a script is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Source::Script { due, .. } => Some(*due),
            Source::Ended | Source::Fd(_) => None,
        }
    }

    /// The next text of a script, if one is due. Behind the last one it has ended.
    pub(crate) fn text(&mut self, now: Instant) -> Option<Vec<u8>> {
        let Source::Script { script, next, due } = self else { return None };
        if *due > now {
            return None;
        }
        let text = script.texts.get(*next).cloned();
        *next += 1;
        match script.every {
            // By the clock, not by when we got round to it; but what was missed is not made up for.
            Some(every) => {
                *next %= script.texts.len();
                *due = (*due + every).max(now);
            }
            None if *next >= script.texts.len() => *self = Source::Ended,
            None => {}
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn script(every: Option<Duration>) -> Source<'static> {
        Source::of(Input::Script(Script { texts: vec![b"a".to_vec(), b"b".to_vec()], every }))
    }

    #[test]
    fn a_script_is_said_once_and_at_once() {
        let mut source = script(None);
        let now = Instant::now();
        assert_eq!(source.text(now).as_deref(), Some(&b"a"[..]));
        assert!(!source.has_ended());
        assert_eq!(source.text(now).as_deref(), Some(&b"b"[..]));
        assert!(source.has_ended() && source.text(now).is_none());
    }

    #[test]
    fn what_is_left_of_a_file_and_of_a_pipe_is_seen() {
        use std::io::{Read, Seek, Write};
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"some bytes").and_then(|()| file.rewind()).expect("a file");
        file.read_exact(&mut [0; 4]).expect("ten bytes");
        assert_eq!(Source::of(Input::Fd(file.as_fd())).left_bytes(), 6);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(b"waits").expect("room");
        assert_eq!(Source::of(Input::Fd(reader.as_fd())).left_bytes(), 5);
        assert_eq!((Source::of(Input::None).left_bytes(), script(None).left_bytes()), (0, 0));
    }

    #[test]
    fn a_script_with_a_beat_goes_round_in_time() {
        let beat = Duration::from_secs(10);
        let mut source = script(Some(beat));
        let begin = source.due().expect("a script");
        for (time, text) in [(0, Some("a")), (9, None), (10, Some("b")), (20, Some("a")), (55, Some("b"))] {
            let said = source.text(begin + Duration::from_secs(time));
            assert_eq!(said.as_deref(), text.map(str::as_bytes), "at {time} s");
        }
        assert_eq!(
            source.due(),
            Some(begin + Duration::from_secs(55)),
            "the four missed are not made up for"
        );
    }
}
