//! What runs the sessions, and how long they may go on when the server is asked to stop.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ends::serve::Engine;
use wire::quantity;

/// What runs the sessions, and how long they may go on at the end.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(super) struct EngineFlags {
    #[arg(
        long,
        value_name = "ENGINE",
        default_value = "event",
        hide_default_value = true,
        help = "Choose what runs the sessions; event by itself.",
        long_help = "Choose what runs the sessions; event by itself. The event engine runs everything, thread and process \
                     what has connections; chat is not for process, for its clients could not reach each other."
    )]
    engine: EngineWord,
    #[arg(long, value_name = "N", help = "Run this many event loops on the same addresses; one by itself.")]
    workers: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "D",
        default_value = "2s",
        hide_default_value = true,
        value_parser = quantity::duration,
        help = "Let clients finish for this long after the first signal; 2s by itself."
    )]
    pub(super) grace: Duration,
}

/// The engines by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineWord {
    #[value(help = "One loop waits for all clients at once.")]
    Event,
    #[value(help = "A thread waits for each client.")]
    Thread,
    #[value(help = "A process is forked for each client.")]
    Process,
}

impl EngineFlags {
    pub(super) fn engine(&self) -> Engine {
        match self.engine {
            EngineWord::Event => Engine::Event { workers: self.workers() },
            EngineWord::Thread => Engine::Thread,
            EngineWord::Process => Engine::Process,
        }
    }

    /// How many event loops.
    pub(super) fn workers(&self) -> usize {
        self.workers.map_or(1, NonZeroUsize::get)
    }

    /// What does not go together, as a sentence.
    pub(super) fn wrong(&self) -> Option<String> {
        (self.workers.is_some() && self.engine != EngineWord::Event)
            .then(|| "--workers are event loops, and another engine was chosen".to_owned())
    }
}
