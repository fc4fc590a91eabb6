//! `completions`: a script that completes commands and flags in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::out;

/// What `completions` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Print a script that completes commands and flags in your shell.",
    long_about = "Print a script that completes commands and flags in your shell.

Examples:
  bothends completions bash > ~/.bash_completion
  bothends completions zsh > ~/.zfunc/_bothends
  bothends completions fish > ~/.config/fish/completions/bothends.fish"
)]
pub struct Flags {
    /// The shell.
    #[arg(value_name = "SHELL", help = "Your shell.")]
    shell: Shell,
}

pub(super) fn run(flags: &Flags) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "bothends", &mut script);
    out::print_help(&String::from_utf8_lossy(&script))
}
