//! The program: command line, exit codes, narration, records. The only crate that prints or exits.
