//! The only place that prints. Results and records go to standard output, everything told beside them to standard error.
//!
//! A reader that went away (EPIPE) is no error for a listing: what is printed after that is dropped, and the run ends
//! with 0. A disk that is full is one: exit 23.

mod queue;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use draw::Style;
use draw::columns::width;
use explain::{Evidence, Found, Problem};
use lab::link::grammar::Misread;
use wire::endpoint::EndpointError;
use wire::refusal::Refusal;
use wire::socket_filter::FilterError;
use wire::visible;
use wire::{Doing, End, Fault};

use crate::exit::Exit;
use crate::looks::{When, style_of};
use crate::record::{self, Record};

pub use queue::Narrator;

/// Standard output is written in blocks of this size, or when something must be seen at once.
const BLOCK: usize = 64 * 1024;

/// Where and how this run prints.
pub struct Out {
    /// Records instead of text on standard output.
    pub json: bool,
    /// How much is told: 0, or the number of `-v`.
    pub verbosity: u8,
    /// Errors only.
    pub quiet: bool,
    /// How drawings on standard output may look.
    pub stdout: Style,
    /// How drawings on standard error may look.
    pub stderr: Style,
    /// Whether somebody looks at standard error.
    pub stderr_is_terminal: bool,
    buffer: Mutex<Buffer>,
}

/// What is not written yet, and what happened to what was.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    closed: bool,
    fault: Option<Fault>,
}

impl Out {
    /// Decides the looks of both streams.
    pub fn new(json: bool, verbosity: u8, quiet: bool, color: When, width: Option<usize>) -> Out {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        Out {
            json,
            verbosity,
            quiet,
            stdout: style_of(&stdout, color, width),
            stderr: style_of(&stderr, color, width),
            stderr_is_terminal: stderr.is_terminal(),
            buffer: Mutex::default(),
        }
    }

    /// Prints a result on standard output.
    pub fn print(&self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    /// Prints bytes as they are; never what strangers said where a terminal would obey it.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let mut buffer = self.lock();
        if buffer.closed {
            return;
        }
        buffer.bytes.extend_from_slice(bytes);
        if buffer.bytes.len() >= BLOCK {
            buffer.write();
        }
    }

    /// Prints a record on standard output; does nothing without `--json`.
    pub fn record(&self, record: &Record) {
        if self.json {
            self.print(&record.line());
        }
    }

    /// Writes out what was printed so far: live commands do so after each record.
    pub fn flush(&self) {
        self.lock().write();
    }

    /// True when nobody reads standard output any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Tells something on standard error, unless it was asked to be quiet.
    pub fn tell(&self, text: &str) {
        if !self.quiet {
            self.stderr(text);
        }
    }

    /// Tells on standard error that something has failed, however quiet it is to be.
    pub fn tell_failure(&self, text: &str) {
        self.stderr(text);
    }

    /// Whether this much was asked for by `-v`.
    pub fn narrates(&self, verbosity: u8) -> bool {
        self.verbosity >= verbosity
    }

    /// Tells something on standard error if this much was asked for by `-v`.
    pub fn narrate(&self, verbosity: u8, text: &str) {
        if self.narrates(verbosity) {
            self.tell(text);
        }
    }

    /// Tells of a fault: the sentence, at most one hint, with `--json` records too. Gives its exit.
    pub fn fault(&self, fault: &Fault) -> Exit {
        self.fault_amid(fault, &Found::default())
    }

    /// The same, with what was found beside it.
    pub fn fault_amid(&self, fault: &Fault, found: &Found) -> Exit {
        let exit = Exit::of(fault);
        let problem = explain::problem_in(&Evidence { fault, found });
        let hint = problem.as_ref().map(Problem::hint);
        self.stderr(&self::problem(&explain::sentence(fault), hint));
        // The last record of a run that failed is the error.
        if let Some(problem) = &problem {
            self.record(&record::problem(problem));
        }
        self.record(&record::error(fault, exit));
        exit
    }

    /// Tells that the command line is wrong.
    pub fn usage(&self, sentence: &str, hint: Option<String>) -> Exit {
        self.problem(sentence, hint);
        self.record(&record::usage_error("read", "command line", sentence));
        Exit::Usage
    }

    /// Tells what is wrong with an address, with a caret under the place.
    pub fn bad_address(&self, text: &str, error: &EndpointError) -> Exit {
        self.bad_text("address", text, error.column, &error.sentence, error.hint.as_deref())
    }

    /// Tells what is wrong with a filter, with a caret under the place.
    pub fn bad_filter(&self, error: &FilterError) -> Exit {
        self.bad_text("filter", &error.text, error.column, &error.sentence, error.hint.as_deref())
    }

    /// Tells what is wrong with a rule of the link, with a caret under the place; `what` names the flag.
    pub fn misread(&self, what: &str, text: &str, misread: &Misread) -> Exit {
        let column = text.char_indices().take_while(|(at, _)| *at < misread.at).count();
        self.bad_text(what, text, column, &misread.sentence, misread.hint.as_deref())
    }

    /// A text in which something is wrong, with a caret behind its first `column` characters.
    fn bad_text(&self, what: &str, text: &str, column: usize, why: &str, hint: Option<&str>) -> Exit {
        let ascii = self.stderr.ascii;
        let before: String = text.chars().take(column).collect();
        let sentence = visible(why, ascii);
        let mut told = format!("bothends: {what} {}: {sentence}\n", quoted(text, ascii));
        // A caret under a very long text would only confuse.
        let indent = width(&visible(&before, ascii));
        if !text.is_empty() && width(text) <= 100 {
            told.push_str(&format!("    {}\n    {:indent$}^\n", visible(text, ascii), ""));
        }
        if let Some(hint) = hint {
            told.push_str(&format!("  hint: {}\n", visible(hint, ascii)));
        }
        self.stderr(&told);
        self.record(&record::usage_error(&format!("read the {what}"), text, why));
        Exit::Usage
    }

    /// Tells that the system allows no private network, and how to change that.
    pub fn refusal(&self, refusal: &Refusal) -> Exit {
        self.stderr(&format!("bothends: {}", explain::refusal::screen(refusal)));
        self.record(&record::refusal(refusal));
        Exit::Permission
    }

    fn problem(&self, sentence: &str, hint: Option<String>) {
        self.stderr(&problem(sentence, hint));
    }

    fn stderr(&self, text: &str) {
        // What was printed before is shown before.
        self.flush();
        let ascii = if self.stderr.ascii { asciified(text) } else { text.to_owned() };
        // Nobody can be told when standard error is gone.
        let _ = std::io::stderr().lock().write_all(ascii.as_bytes());
    }

    /// Writes the rest; gives the exit, which a failed write changes.
    pub fn finish(&self, exit: Exit) -> Exit {
        let fault = {
            let mut buffer = self.lock();
            buffer.write();
            buffer.fault.take()
        };
        match fault {
            Some(fault) if exit == Exit::Ok => self.fault(&fault),
            _ => exit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn write(&mut self) {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&self.bytes).and_then(|()| stdout.flush());
        self.bytes.clear();
        if let Err(error) = written {
            self.closed = true;
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                let fault = Fault::io(End::You, Doing::Write, "standard output", &error);
                self.fault.get_or_insert(fault);
            }
        }
    }
}

/// A fault as it is told on standard error: the sentence, and at most one hint.
pub fn told(fault: &Fault) -> String {
    problem(&explain::sentence(fault), explain::problem(fault).map(|problem| problem.hint()))
}

fn problem(sentence: &str, hint: Option<String>) -> String {
    // Both may hold words of strangers.
    let mut told = format!("bothends: {}\n", visible(sentence, false));
    if let Some(hint) = hint {
        told.push_str(&format!("  hint: {}\n", visible(&hint, false)));
    }
    told
}

/// What a person typed, made visible; an empty text is shown as one.
fn quoted(text: &str, ascii: bool) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { visible(text, ascii).into_owned() }
}

/// Our own sentences hold a few characters that ASCII has not.
fn asciified(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'µ' => shown.push('u'),
            '–' => shown.push('-'),
            '…' => shown.push_str("..."),
            _ if character.is_ascii() => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    shown
}

/// Prints text for people who asked for it (help, version) on standard output. A reader who has gone wants no more of it.
pub fn print_help(text: &str) -> Exit {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let fault = Fault::io(End::You, Doing::Write, "standard output", &error);
            print_usage_error(&format!("bothends: {}\n", explain::sentence(&fault)));
            Exit::Write
        }
        _ => Exit::Ok,
    }
}

/// Prints an error of the command line, before anything about this run is known.
pub fn print_usage_error(told: &str) {
    let _ = std::io::stderr().lock().write_all(told.as_bytes());
}

/// From now on a panic, which is always a bug, says how to report it and ends the process with its own code.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let said = panic.payload_as_str().unwrap_or("no message");
        let told = format!(
            "bothends: a bug in bothends {}{place}: {said}\n  hint: please report it with the command line you used\n",
            env!("CARGO_PKG_VERSION")
        );
        let _ = std::io::stderr().write_all(told.as_bytes());
        std::process::exit(i32::from(Exit::Bug.code()));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_words_have_a_form_in_ascii() {
        assert_eq!(asciified("31 µs, 1–16 …"), "31 us, 1-16 ...");
        assert!(asciified("client │ grüß").is_ascii());
    }

    #[test]
    fn an_empty_address_is_seen_to_be_empty() {
        assert_eq!(quoted("", false), "\"\"");
        assert_eq!(quoted("a\u{1b}", false), "a\\u{1b}");
    }
}
