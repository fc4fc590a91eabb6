//! The program: command line, exit codes, narration, records. The only crate that prints or exits.
//!
//! [`cli`] is the table of commands and flags, [`command`] has one file for each of them, [`out`] prints, [`record`] names
//! the fields of `--json`, [`narrate`] puts into words what the ends and the lab tell, [`exit`] says what the exit code
//! means.

pub mod cli;
pub mod clock;
pub mod command;
pub mod evidence;
pub mod exit;
pub mod files;
pub mod help;
pub mod looks;
pub mod narrate;
pub mod out;
pub mod picture;
pub mod record;
pub mod sink;
pub mod users;

use std::process::ExitCode;

/// One run of the program.
pub fn run() -> ExitCode {
    out::report_panics();
    let words: Vec<_> = std::env::args_os().collect();
    let namespaces = command::lab::begin(&words);
    match cli::read(&words) {
        Ok(cli) => command::run(cli, namespaces).into(),
        Err(error) => help::told(&error, &words).into(),
    }
}
