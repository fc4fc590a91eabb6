//! A file that lines are appended to, one JSON object each: what is in it is whole, whatever happens in between.
//!
//! A batch is one write. A write that fails half-way (a full disk) is cut back off, the batch counts as unrecorded, and
//! the next one is tried like any other. A process killed while it writes leaves at most an unfinished last line, which
//! was shown to nobody: the next run cuts it off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use wire::{Cause, Doing, End, Fault};

use crate::files::write_fault;
use crate::record::Record;

/// How much of the end of a file is searched for the beginning of its last line.
const TAIL: u64 = 16 << 20;
/// How every record of ours begins.
const BEGINNING: &[u8] = b"{\"v\":1,\"type\":\"";

/// When what was written has to be on the disk itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Each batch before it is shown.
    #[default]
    Batch,
    /// After this time at the latest.
    Every(Duration),
    /// When the kernel sees fit.
    Never,
}

impl Fsync {
    /// `batch`, `never`, or a time.
    ///
    /// # Errors
    /// What it has to be, a sentence, where it is none of the three.
    pub fn parse(text: &str) -> Result<Fsync, String> {
        match text {
            "batch" => Ok(Fsync::Batch),
            "never" => Ok(Fsync::Never),
            _ => wire::quantity::duration(text)
                .map(Fsync::Every)
                .map_err(|_| "it has to be batch, never, or a time: 1s".to_owned()),
        }
    }
}

/// What was found, or what changed, and has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An earlier run had left its last line unfinished: so many bytes of it were cut off.
    CutOff(u64),
    /// The last line had no end: it got one.
    Ended,
    /// Lines cannot be recorded, from now on.
    Failing(Fault),
    /// They can again; so many are missing.
    Again(u64),
}

/// The file.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    file: File,
    fsync: Fsync,
    /// The length up to which it is whole; none where it has no length (a pipe, a device).
    whole: Option<u64>,
    /// Something half-written could not be cut off.
    has_a_stump: bool,
    unsynced_since: Option<Instant>,
    is_failing: bool,
    unrecorded: u64,
    lost: u64,
}

impl Recording {
    /// Opens the file, or makes it, and mends its end.
    ///
    /// # Errors
    /// When it cannot be opened for writing, or another program records into it.
    pub fn open(path: &Path, fsync: Fsync) -> Result<(Recording, Option<News>), Fault> {
        let failed = |error: io::Error| write_fault(path, &error);
        // Reading is for the end of an earlier run's; what can only be written has none.
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        // Why it could not be opened at first says more: it may be missing only because it may not be made.
        let file = opened
            .or_else(|error| OpenOptions::new().append(true).open(path).map_err(|_| error))
            .map_err(failed)?;
        let mut recording = Recording {
            path: path.to_owned(),
            file,
            fsync,
            whole: None,
            has_a_stump: false,
            unsynced_since: None,
            is_failing: false,
            unrecorded: 0,
            lost: 0,
        };
        let news = match recording.file.metadata().map_err(failed)?.is_file() {
            true => {
                recording.claim()?;
                recording.mend().map_err(failed)?
            }
            false => None,
        };
        Ok((recording, news))
    }

    /// Two that record into one file would cut off each other's lines.
    fn claim(&self) -> Result<(), Fault> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                let cause = Cause::Words("another program records into it".to_owned());
                let at = self.path.display().to_string();
                Err(Fault { end: End::You, doing: Doing::Write, at, cause })
            }
            // Where there are no locks (some network file systems) there is nothing to claim.
            _ => Ok(()),
        }
    }

    fn mend(&mut self) -> io::Result<Option<News>> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let start = length.saturating_sub(TAIL);
        self.file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&self.file).take(TAIL).read_to_end(&mut tail)?;
        let line = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let last = &tail[line..];
        self.whole = Some(length);
        if last.is_empty() {
            return Ok(None);
        }
        if is_unfinished(last) {
            let cut = last.len() as u64;
            self.file.set_len(length - cut)?;
            self.whole = Some(length - cut);
            return Ok(Some(News::CutOff(cut)));
        }
        self.file.write_all(b"\n")?;
        self.whole = Some(length + 1);
        Ok(Some(News::Ended))
    }

    /// Appends whole lines, as one write, and puts them on the disk as asked for.
    pub fn append(&mut self, lines: &[u8], count: u64) -> Option<News> {
        match self.written(lines) {
            Ok(()) => self.goes_on(),
            Err(error) => {
                self.unrecorded += count;
                self.lost += count;
                let was_failing = std::mem::replace(&mut self.is_failing, true);
                (!was_failing).then(|| News::Failing(write_fault(&self.path, &error)))
            }
        }
    }

    fn written(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut before = Vec::new();
        if self.has_a_stump {
            before.push(b'\n');
        }
        if self.unrecorded > 0 {
            before.extend_from_slice(Record::new("missed").with("missed", self.unrecorded).line().as_bytes());
        }
        let all = if before.is_empty() { lines } else { &[&before, lines].concat() };
        let result = (&self.file).write_all(all).and_then(|()| match self.fsync {
            Fsync::Batch => self.synced(),
            Fsync::Every(_) | Fsync::Never => Ok(()),
        });
        match result {
            Ok(()) => {
                self.has_a_stump = false;
                self.whole = self.whole.map(|whole| whole + all.len() as u64);
                self.unsynced_since = self.unsynced_since.or_else(|| Some(Instant::now()));
            }
            // What is on the disk of it, if anything, goes: a line that counts as unrecorded must not be there.
            Err(_) => self.has_a_stump |= self.whole.is_none_or(|whole| self.file.set_len(whole).is_err()),
        }
        result
    }

    fn goes_on(&mut self) -> Option<News> {
        let missing = std::mem::take(&mut self.unrecorded);
        std::mem::take(&mut self.is_failing).then_some(News::Again(missing))
    }

    fn synced(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // What is no file on a disk has nothing to put there: fsync(2), EINVAL.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            result => result,
        }
    }

    /// When what was written has to be put on the disk, if the time of [`Fsync::Every`] runs.
    pub fn sync_at(&self) -> Option<Instant> {
        match self.fsync {
            Fsync::Every(time) => Some(self.unsynced_since? + time),
            Fsync::Batch | Fsync::Never => None,
        }
    }

    /// Puts it there.
    pub fn sync(&mut self) -> Option<News> {
        self.unsynced_since = None;
        let error = self.synced().err()?;
        Some(News::Failing(write_fault(&self.path, &error)))
    }

    /// The last time, as [`Fsync`] asks for it; the fault when lines are missing from the file.
    pub fn finish(&mut self) -> Option<Fault> {
        let synced = match self.fsync {
            Fsync::Every(_) if self.unsynced_since.is_some() => self.synced(),
            _ => Ok(()),
        };
        let at = self.path.display().to_string();
        match (synced, self.lost) {
            (Err(error), _) => Some(write_fault(&self.path, &error)),
            (Ok(()), 0) => None,
            (Ok(()), lost) => {
                let lines = draw::number::count(lost, "line");
                let were = if lost == 1 { "was" } else { "were" };
                let cause = Cause::Words(format!("{lines} {were} shown but could not be recorded"));
                Some(Fault { end: End::You, doing: Doing::Write, at, cause })
            }
        }
    }
}

/// Whether a line without its end is a record of ours that was being written: its beginning, but no whole object.
fn is_unfinished(line: &[u8]) -> bool {
    let known = line.len().min(BEGINNING.len());
    line[..known] == BEGINNING[..known] && serde_json::from_slice::<serde_json::Value>(line).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn after(before: &[u8]) -> (Option<News>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, before).unwrap();
        let (mut recording, news) = Recording::open(&path, Fsync::Batch).unwrap();
        assert_eq!(recording.append(b"{\"v\":1,\"new\":1}\n", 1), None);
        assert_eq!(recording.finish(), None);
        (news, fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn the_end_of_an_earlier_run_is_mended() {
        let new = "{\"v\":1,\"new\":1}\n";
        let whole = "{\"v\":1,\"type\":\"data\",\"text\":\"a\"}";
        assert_eq!(after(b""), (None, new.to_owned()));
        assert_eq!(after(format!("{whole}\n").as_bytes()), (None, format!("{whole}\n{new}")));
        assert_eq!(after(whole.as_bytes()), (Some(News::Ended), format!("{whole}\n{new}")));
        for length in 1..whole.len() {
            let text = format!("{whole}\n{}", &whole[..length]);
            let news = Some(News::CutOff(length as u64));
            assert_eq!(after(text.as_bytes()), (news, format!("{whole}\n{new}")), "{length}");
        }
        assert_eq!(after(b"my notes"), (Some(News::Ended), format!("my notes\n{new}")), "nobody's lines go");
    }

    #[test]
    fn two_do_not_record_into_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let first = Recording::open(&path, Fsync::Never).unwrap();
        let fault = Recording::open(&path, Fsync::Never).map(drop).unwrap_err();
        assert!(explain::sentence(&fault).ends_with(": another program records into it"));
        drop(first);
        Recording::open(&path, Fsync::Never).unwrap();
    }

    #[test]
    fn a_full_disk_is_told_once_and_what_is_missing_when_it_goes_by() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (mut recording, _) = Recording::open(&path, Fsync::Batch).unwrap();
        assert_eq!(recording.append(b"one\n", 1), None);
        let disk = std::mem::replace(
            &mut recording.file,
            OpenOptions::new().append(true).open("/dev/full").unwrap(),
        );
        let Some(News::Failing(fault)) = recording.append(b"two\nthree\n", 2) else { panic!("it is full") };
        assert!(explain::sentence(&fault).ends_with("no space left on device"));
        assert_eq!(recording.append(b"four\n", 1), None, "told once");
        recording.file = disk;
        // The device could not be cut back, so a line end comes first.
        assert_eq!(recording.append(b"five\n", 1), Some(News::Again(3)));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "one\n\n{\"v\":1,\"type\":\"missed\",\"missed\":3}\nfive\n");
        let told = explain::sentence(&recording.finish().unwrap());
        assert!(told.ends_with(": 3 lines were shown but could not be recorded"), "{told}");
    }

    #[test]
    fn policies_are_read() {
        assert_eq!(Fsync::parse("batch"), Ok(Fsync::Batch));
        assert_eq!(Fsync::parse("never"), Ok(Fsync::Never));
        assert_eq!(Fsync::parse("500ms"), Ok(Fsync::Every(Duration::from_millis(500))));
        assert!(Fsync::parse("always").unwrap_err().contains("batch, never"));
    }
}
