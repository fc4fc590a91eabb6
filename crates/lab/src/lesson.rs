//! Lessons: short plays about TCP whose claims are checked as they run.
//!
//! A lesson is one file in `plays` (its script and what must be so) and one in `texts/en` (its words). The play runs on two
//! simulated machines in virtual time (`stage`, `machine`, `program`, `kernel`), so it gives the same packets everywhere. What is claimed is looked up in
//! the [`Flow`](flow::Flow) values that every picture is drawn from, or in what the programs were told. Each claim names a
//! [`Disturbance`] of the play that makes it fail: a claim that nothing can break would say nothing.

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
}

impl Chapter {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Chapter::Sockets => "Sockets",
            Chapter::Opening => "Opening",
            Chapter::Data => "Moving data",
            Chapter::Closing => "Closing",
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

/// A lesson.
pub struct Lesson {
    /// What it is called on the command line.
    pub id: &'static str,
    /// Where it belongs.
    pub chapter: Chapter,
    script: fn() -> Script,
    /// What is claimed, in the order of the text.
    pub claims: &'static [Claim],
    /// What is shown.
    pub scenes: &'static [Scene],
    words: &'static str,
}

impl Lesson {
    /// Plays it.
    pub fn play(&self) -> Seen {
        stage::play((self.script)(), None)
    }

    /// Plays it with something gone wrong.
    pub fn play_disturbed(&self, disturbance: Disturbance) -> Seen {
        stage::play((self.script)(), Some(disturbance))
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
