//! How far a long file has been read: a bar on standard error, where somebody looks at it.

use std::fs::File;
use std::io::Seek;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::source::Source;
use crate::out::Out;

/// Files shorter than this are read before a bar could be seen, in bytes.
const LONG: u64 = 64 << 20;

/// Frames between two looks at where the file stands.
const STEP: u64 = 1 << 16;

/// A bar, where there is one.
pub(super) struct Progress(Option<(ProgressBar, File)>);

impl Progress {
    /// Begins to tell how far `source` is read, if it is long and somebody sees it.
    pub(super) fn begin(source: &Source<'_>, out: &Out) -> Progress {
        let seen = out.stderr_is_terminal && !out.quiet && !out.json;
        Progress(source.file().filter(|_| seen).and_then(bar))
    }

    /// So many frames were read.
    pub(super) fn tell(&mut self, frames: u64) {
        if !frames.is_multiple_of(STEP) {
            return;
        }
        if let Some((bar, file)) = &mut self.0 {
            // The same open file: its place is where the reader is, whatever lies between the two.
            bar.set_position(file.stream_position().unwrap_or_default());
            bar.set_message(format!("{frames} frames"));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some((bar, _)) = self.0 {
            bar.finish_and_clear();
        }
    }
}

fn bar(file: &File) -> Option<(ProgressBar, File)> {
    let len = file.metadata().ok()?.len();
    let file = file.try_clone().ok().filter(|_| len >= LONG)?;
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {binary_bytes_per_sec}  {msg}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    Some((bar, file))
}
