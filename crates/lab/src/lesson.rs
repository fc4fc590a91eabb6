//! Lessons: short plays about TCP whose claims are checked as they run.
//!
//! A lesson is one file in `plays` (its script and what must be so) and one in `texts/en` (its words). Most plays run on two
//! simulated machines in virtual time (`stage`, `machine`, `program`, `kernel`), so they give the same packets
//! everywhere. Where the point is the kernel, the play runs on the real one (`director`): each program is a function of
//! the lesson's file, an `actor` in a process of its own, on hosts of a private network or just on this machine. What
//! is claimed is looked up in the [`Flow`](flow::Flow) values that every picture is drawn from, in the programs' calls,
//! in the kernel's tables of sockets, or in what the programs found out. Each claim names a [`Disturbance`] of the play
//! that makes it fail: a claim that nothing can break would say nothing.

mod actor;
mod cue;
mod director;
mod kernel;
mod machine;
mod plays;
mod program;
mod recorder;
mod stage;
#[cfg(test)]
mod tests;
mod text;

pub use flow::Scene;
pub use program::Told;
pub use stage::{CLIENT, Disturbance, SERVER, Seen};
pub use text::{Erratum, Text};

pub(crate) use actor::Part;

use crate::outcome::NotMade;
use director::{Place, Staging};
use stage::Script;

/// A part of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chapter {
    /// What programs ask their kernels for.
    Sockets,
    /// How a connection begins.
    Opening,
    /// How bytes get across.
    Data,
    /// How it ends.
    Closing,
    /// How one program serves many.
    Servers,
}

impl Chapter {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Chapter::Sockets => "Sockets",
            Chapter::Opening => "Opening",
            Chapter::Data => "Moving data",
            Chapter::Closing => "Closing",
            Chapter::Servers => "Servers",
        }
    }
}

/// One thing that a lesson says is so.
#[derive(Clone, Copy)]
pub struct Claim {
    /// Its name, under which its words stand in the text.
    pub name: &'static str,
    /// Whether the play shows it; none where what it is about did not happen.
    holds: fn(&Seen) -> Option<bool>,
    /// What makes it fail.
    pub broken_by: Disturbance,
}

impl Claim {
    /// Whether the play shows it.
    pub fn holds(&self, seen: &Seen) -> bool {
        (self.holds)(seen).unwrap_or(false)
    }
}

/// Where a lesson is played, and what.
pub enum Play {
    /// On the simulated network.
    Simulated(Simulated),
    /// On the real kernel.
    OnKernel(OnKernel),
    /// On the simulated network, which is what is claimed of; and then the same on the real kernel, to be looked at.
    Beside(Simulated, OnKernel),
}

/// Two simulated machines and their link.
#[derive(Clone, Copy)]
pub struct Simulated(fn() -> Script);

/// Programs on the real kernel.
#[derive(Clone, Copy)]
pub struct OnKernel(Staging);

impl Play {
    const fn simulated(script: fn() -> Script) -> Play {
        Play::Simulated(Simulated(script))
    }

    const fn beside(script: fn() -> Script, staging: Staging) -> Play {
        Play::Beside(Simulated(script), OnKernel(staging))
    }

    const fn on_kernel(staging: Staging) -> Play {
        Play::OnKernel(OnKernel(staging))
    }
}

/// A lesson.
pub struct Lesson {
    /// What it is called on the command line.
    pub id: &'static str,
    /// Where it belongs.
    pub chapter: Chapter,
    /// What is played.
    play: Play,
    /// What is claimed, in the order of the text.
    pub claims: &'static [Claim],
    /// What is shown.
    pub scenes: &'static [Scene],
    words: &'static str,
}

impl Lesson {
    /// Plays it. What is not simulated needs a process with one thread, as every lab does.
    ///
    /// # Errors
    /// On the real kernel: where the system does not allow a private network, or something that has nothing to do with the
    /// lesson fails.
    pub fn play(&self) -> Result<Seen, NotMade> {
        self.play_with(None)
    }

    /// Plays it with something gone wrong.
    ///
    /// # Errors
    /// As [`Lesson::play`].
    pub fn play_disturbed(&self, disturbance: Disturbance) -> Result<Seen, NotMade> {
        self.play_with(Some(disturbance))
    }

    /// Plays what stands beside it on the real kernel, where anything does.
    ///
    /// # Errors
    /// As [`Lesson::play`].
    pub fn play_beside(&self) -> Option<Result<Seen, NotMade>> {
        match &self.play {
            Play::Beside(_, OnKernel(staging)) => Some(director::play(staging, None)),
            Play::Simulated(_) | Play::OnKernel(_) => None,
        }
    }

    /// Whether it gives the same packets at the same times everywhere.
    pub fn is_simulated(&self) -> bool {
        !matches!(self.play, Play::OnKernel(_))
    }

    /// Whether it needs a private network.
    pub fn needs_network(&self) -> bool {
        matches!(&self.play, Play::OnKernel(OnKernel(Staging { place: Place::Network(_), .. })))
    }

    fn play_with(&self, disturbance: Option<Disturbance>) -> Result<Seen, NotMade> {
        match &self.play {
            Play::Simulated(Simulated(script)) | Play::Beside(Simulated(script), _) => {
                Ok(stage::play(script(), disturbance))
            }
            Play::OnKernel(OnKernel(staging)) => director::play(staging, disturbance),
        }
    }

    /// Its words.
    pub fn text(&self) -> Text {
        Text::parse(self.words)
    }
}

/// All lessons, chapter by chapter.
pub fn all() -> &'static [&'static Lesson] {
    plays::ALL
}

/// The lesson of this name.
pub fn find(id: &str) -> Option<&'static Lesson> {
    all().iter().copied().find(|lesson| lesson.id == id)
}
