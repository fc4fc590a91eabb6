//! Texts from the command line or, one a line, from standard input; and those of them that were wrong.

use std::io::{BufRead, IsTerminal, Read};

use wire::endpoint::EndpointError;
use wire::{Doing, End, Fault};

use super::told;
use crate::exit::Exit;
use crate::out::Out;

/// A longer line is no address; what is behind is passed over.
const LONGEST_LINE: u64 = 64 * 1024;

/// What was wrong so far.
#[derive(Default)]
pub(super) struct Wrongs {
    exit: Option<Exit>,
}

impl Wrongs {
    pub(super) fn tell(&mut self, out: &Out, text: &str, error: EndpointError) {
        let exit = told(out, text, error);
        self.exit.get_or_insert(exit);
    }

    /// The exit of the first one; ok when there was none.
    pub(super) fn exit(&self) -> Exit {
        self.exit.unwrap_or(Exit::Ok)
    }
}

/// Hands over each word; for `-`, or without any, each line of standard input, with true. Stops when nobody reads the
/// output any more.
///
/// # Errors
/// The exit, where there is nothing to read, or it cannot be read.
pub(super) fn each(words: &[String], out: &Out, mut hand: impl FnMut(&str, bool)) -> Result<(), Exit> {
    if words.is_empty() {
        if std::io::stdin().is_terminal() {
            let hint = "`bothends addr 192.0.2.1`, or addresses on standard input, one a line";
            return Err(out.usage("there is no address to show", Some(hint.to_owned())));
        }
        return lines(out, &mut hand);
    }
    for word in words {
        match word.as_str() {
            "-" => lines(out, &mut hand)?,
            word => hand(word, false),
        }
        if out.is_closed() {
            break;
        }
    }
    Ok(())
}

/// The lines of standard input without what stands behind a `#`; empty ones are passed over.
fn lines(out: &Out, hand: &mut impl FnMut(&str, bool)) -> Result<(), Exit> {
    let mut stdin = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stdin).take(LONGEST_LINE).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let text = text.split('#').next().unwrap_or_default().trim();
                if !text.is_empty() {
                    hand(text, true);
                }
            }
            Err(error) => {
                let fault = Fault::io(End::You, Doing::Read, "standard input", &error);
                return Err(out.fault(&fault));
            }
        }
        if out.is_closed() {
            return Ok(());
        }
    }
}
