//! Cuts and mutates captures by the million and follows each one, in this process: nothing may panic, take longer than
//! 5 seconds or make the process larger than 256 MiB. The same words and files give the same mutations.
//!
//! ```text
//! cargo run --release -p bothends --example mutate_captures -- FOLDER… --count 1000000
//! ```
//!
//! Every other mutation changes bytes anywhere in the file, which mostly damages it; the others change frames, their order
//! and their times in a file that stays whole, so that what follows them is reached too.
//!
//! What fails is written into the folder of `--keep`, named after the number of its mutation, and told; the exit code is
//! 1 then. With `--kinds` one capture of each kind of outcome is kept too, for a corpus.

mod dice;
#[path = "../../../fuzz/follow.rs"]
mod follow;
mod shuffled;

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use dice::Dice;
use follow::{Followed, follow};
use shuffled::Frames;

/// The longest that one capture may take.
const LONGEST: Duration = Duration::from_secs(5);

/// The largest that the process may be beside the captures it mutates, in KiB.
const LARGEST_KIB: u64 = 256 << 10;

#[derive(Debug, Parser)]
struct Flags {
    /// Folders of captures, looked through to the bottom; single files too.
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// How many mutations.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// The first of them, to repeat one: with `--count 1` only that.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What all luck follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longer captures are cut to about this, in bytes.
    #[arg(long, default_value_t = 64 << 10)]
    longest: usize,
    /// Where what fails is written.
    #[arg(long, default_value = "failed")]
    keep: PathBuf,
    /// Where one capture of each kind of outcome is written.
    #[arg(long)]
    kinds: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let flags = Flags::parse();
    let captures = captures(&flags)?;
    let all: usize = captures.iter().map(Vec::len).sum();
    writeln!(io::stderr(), "{} captures, {} KiB", captures.len(), all >> 10)?;
    let frames: Vec<Frames> = captures.iter().map(|bytes| Frames::of(bytes)).collect();
    let watch = Watch::start(flags.keep.clone());
    let mut tally = Tally { base_kib: largest_kib(), ..Tally::default() };
    let started = Instant::now();
    for number in flags.first..flags.first + flags.count {
        let dice = &mut Dice::new(flags.seed ^ number.wrapping_mul(0x9e37_79b9));
        let bytes = match number % 2 {
            0 => mutated(&captures, flags.longest, dice),
            _ => shuffled::mutated(&frames, flags.longest, dice),
        };
        let (followed, took) = watch.over(number, &bytes);
        tally.take(number, &bytes, followed.as_ref(), took, &flags)?;
        if number % 100_000 == 99_999 {
            tally.tell(started.elapsed())?;
        }
    }
    tally.tell(started.elapsed())?;
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All captures, cut to what is mutated of each. Sorted, so that numbers mean the same everywhere.
fn captures(flags: &Flags) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut paths = Vec::new();
    let mut folders = flags.from.clone();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(
                fs::read_dir(&path)?
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        } else {
            paths.push(path);
        }
    }
    paths.sort();
    let mut captures = Vec::new();
    for path in &paths {
        let mut bytes = fs::read(path)?;
        // Half as much again, so that cutting still has a choice.
        bytes.truncate(flags.longest * 3 / 2);
        if is_capture(&bytes) {
            captures.push(bytes);
        }
    }
    if captures.is_empty() { Err("there is no capture".into()) } else { Ok(captures) }
}

fn is_capture(bytes: &[u8]) -> bool {
    wire::capture::Reader::new(bytes).is_ok()
}

/// One mutation: a capture, cut somewhere perhaps, with a few changes.
fn mutated(captures: &[Vec<u8>], longest: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = captures[dice.below(captures.len())].clone();
    if dice.below(4) == 0 {
        bytes.truncate(dice.below(bytes.len() + 1));
    }
    for _ in 0..dice.below(8) {
        change(&mut bytes, captures, dice);
    }
    bytes.truncate(longest);
    bytes
}

/// Numbers at which lengths and counters turn.
const TURNING: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

fn change(bytes: &mut Vec<u8>, captures: &[Vec<u8>], dice: &mut Dice) {
    let at = place(bytes.len(), dice);
    match dice.below(9) {
        0..3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = dice.next() as u8;
            }
        }
        4 | 5 => {
            let number = TURNING[dice.below(TURNING.len())];
            let width = [1, 2, 4, 8][dice.below(4)];
            let whole = if dice.below(2) == 0 {
                number.to_le_bytes()
            } else {
                (number << (64 - 8 * width)).to_be_bytes()
            };
            for (byte, new) in bytes.iter_mut().skip(at).zip(&whole[..width]) {
                *byte = *new;
            }
        }
        6 => {
            let end = (at + dice.below(200)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        7 => {
            let end = (at + dice.below(2000)).min(bytes.len());
            let piece = bytes[at.min(end)..end].to_vec();
            let to = place(bytes.len(), dice);
            bytes.splice(to..to, piece);
        }
        _ => {
            let other = &captures[dice.below(captures.len())];
            let from = place(other.len(), dice);
            let end = (from + dice.below(4000)).min(other.len());
            bytes.splice(at..at, other[from.min(end)..end].iter().copied());
        }
    }
}

/// A place in a capture; every other time near its beginning, where the headers are.
fn place(len: usize, dice: &mut Dice) -> usize {
    if dice.below(2) == 0 { dice.below(len.min(400) + 1) } else { dice.below(len + 1) }
}

/// Ends the process when one capture takes too long, for nothing else could.
struct Watch {
    current: Arc<Mutex<Option<Current>>>,
}

/// The capture that is being followed: its number, since when, its bytes.
type Current = (u64, Instant, Vec<u8>);

impl Watch {
    fn start(keep: PathBuf) -> Watch {
        let current: Arc<Mutex<Option<Current>>> = Arc::default();
        let watched = Arc::clone(&current);
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(500));
                let Ok(current) = watched.lock() else { return };
                if let Some((number, since, bytes)) = current.as_ref()
                    && since.elapsed() > LONGEST
                {
                    let _ = keep_failed(&keep, *number, bytes);
                    let _ = writeln!(io::stderr(), "mutation {number}: still not done after {LONGEST:?}");
                    std::process::exit(1);
                }
            }
        });
        Watch { current }
    }

    /// Follows a capture; none when that panicked. And how long it took.
    fn over(&self, number: u64, bytes: &[u8]) -> (Option<Followed>, Duration) {
        let since = Instant::now();
        self.set(Some((number, since, bytes.to_vec())));
        let followed = catch_unwind(AssertUnwindSafe(|| follow(bytes))).ok();
        self.set(None);
        (followed, since.elapsed())
    }

    fn set(&self, to: Option<Current>) {
        if let Ok(mut current) = self.current.lock() {
            *current = to;
        }
    }
}

/// What came of all.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    failed: u64,
    frames: u64,
    segments: u64,
    damaged: u64,
    slowest: Duration,
    /// The process's largest size before the first.
    base_kib: u64,
    largest_kib: u64,
    kinds: HashSet<String>,
}

impl Tally {
    fn take(
        &mut self,
        number: u64,
        bytes: &[u8],
        followed: Option<&Followed>,
        took: Duration,
        flags: &Flags,
    ) -> io::Result<()> {
        self.done += 1;
        self.slowest = self.slowest.max(took);
        let size = largest_kib().saturating_sub(self.base_kib);
        let grew = size > self.largest_kib;
        self.largest_kib = self.largest_kib.max(size);
        let complaint = match followed {
            None => Some("it panicked".to_owned()),
            Some(_) if took > LONGEST => Some(format!("it took {took:?}")),
            Some(_) if grew && size > LARGEST_KIB => Some(format!("{} MiB in all", size >> 10)),
            Some(_) => None,
        };
        if let Some(complaint) = complaint {
            self.failed += 1;
            keep_failed(&flags.keep, number, bytes)?;
            writeln!(io::stderr(), "mutation {number}: {complaint}")?;
        }
        if let Some(followed) = followed {
            self.frames += followed.counters.frames;
            self.segments += followed.counters.tcp;
            self.damaged += u64::from(followed.damage.is_some());
            self.keep_kind(number, bytes, followed, flags)?;
        }
        Ok(())
    }

    /// Keeps the first capture of a kind: how it ended, and which kinds of frames and conversations were in it.
    fn keep_kind(&mut self, number: u64, bytes: &[u8], followed: &Followed, flags: &Flags) -> io::Result<()> {
        let Some(folder) = &flags.kinds else { return Ok(()) };
        let counters = followed.counters;
        let damage = followed.damage.as_ref().map(|damage| format!("{damage:?}"));
        let word = damage.as_deref().and_then(|text| text.split(['(', ' ']).next()).unwrap_or("whole");
        let some = [
            counters.tcp,
            counters.udp,
            counters.icmp,
            counters.fragments,
            counters.other,
            counters.unreadable,
        ]
        .map(|count| u8::from(count > 0));
        if self.kinds.insert(format!("{word} {some:?} {}", followed.flows.min(3))) {
            fs::create_dir_all(folder)?;
            fs::write(folder.join(format!("{number}.pcap")), bytes)?;
        }
        Ok(())
    }

    fn tell(&self, elapsed: Duration) -> io::Result<()> {
        writeln!(
            io::stderr(),
            "{} mutations in {} s: {} failed; {} frames, {} segments, {} damaged; the slowest {:?}, {} MiB at most",
            self.done,
            elapsed.as_secs(),
            self.failed,
            self.frames,
            self.segments,
            self.damaged,
            self.slowest,
            self.largest_kib >> 10,
        )
    }
}

fn keep_failed(folder: &Path, number: u64, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("mutation-{number}.pcap")), bytes)
}

/// The largest that this process has ever been, in KiB (proc_pid_status(5): VmHWM); 0 where the system does not tell.
fn largest_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
