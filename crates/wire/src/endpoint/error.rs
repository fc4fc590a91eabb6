//! What is wrong with an address, and where.

use std::fmt;

/// What is wrong with an address: a sentence, the place for a caret, and at most one hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    /// How many characters stand before the one that is wrong.
    pub column: usize,
    /// What is wrong: lower case, without a full stop.
    pub sentence: String,
    /// What to write instead, if that can be told.
    pub hint: Option<String>,
}

impl EndpointError {
    /// An error at the byte offset `at` of `text`; an offset inside a character counts as that character.
    pub(super) fn at(text: &str, at: usize, sentence: impl Into<String>) -> EndpointError {
        let column = text.char_indices().take_while(|(start, c)| start + c.len_utf8() <= at).count();
        EndpointError { column, sentence: sentence.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> EndpointError {
        EndpointError { hint: Some(hint.into()), ..self }
    }

    /// An option that the command does not have.
    pub(super) fn unknown_option(written: &str, name: &str, known: &[&str]) -> EndpointError {
        let sentence = format!("there is no option {name} here");
        let hint = match known {
            [] => "no options are known behind this address".to_owned(),
            _ => format!("the options are {}", known.join(", ")),
        };
        EndpointError::at(written, place_of_option(written, name), sentence).hint(hint)
    }
}

/// Where the option of this name begins; 0 when it is not there.
fn place_of_option(written: &str, name: &str) -> usize {
    let mut at = written.find('?').map_or(written.len(), |question| question + 1);
    for part in written[at..].split('&') {
        if part.split('=').next() == Some(name) {
            return at;
        }
        at += part.len() + 1;
    }
    0
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for EndpointError {}
