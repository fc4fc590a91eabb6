//! The records of `--json`: one JSON object a line. Field names stand here and nowhere else; they end in their unit, new
//! ones may come, and what one means never changes within one `v`.

pub mod address;
mod capture;
mod conversation;
mod lesson;
mod packet;
mod problem;
mod socket;
mod stream;
pub mod talk;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use wire::refusal::Refusal;
use wire::{Cause, End, Fault};

use crate::clock::Clock;
use crate::exit::Exit;

pub use capture::{
    Counts, World, aside, capture, datagram, datagram_flow, flow, link, output, ran, role_word, segment,
};
pub use conversation::{closed, data, message, of_event, opened, said};
pub use lesson::{call, lesson, moment};
pub use packet::packet;
pub use problem::problem;
pub use socket::{Shape, shaped, socket, socket_count, socket_event};
pub use stream::stream_item;

/// The version of all records.
const VERSION: u64 = 1;

/// One record: its fields in the order in which they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(Vec<(&'static str, Value)>);

impl Record {
    /// An empty record of a type.
    pub fn new(name: &'static str) -> Record {
        Record(vec![("v", VERSION.into()), ("type", name.into())])
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Record {
        self.0.push((name, value.into()));
        self
    }

    /// With one more field, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Record {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With bytes: as `text` when they are UTF-8 (without the line end), else as `base64`.
    #[must_use]
    fn with_bytes(self, bytes: &[u8]) -> Record {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.with("text", text.strip_suffix('\n').unwrap_or(text)),
            Err(_) => self.with("base64", BASE64.encode(bytes)),
        }
    }

    /// The record as a line.
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(256);
        for (place, (name, value)) in self.0.iter().enumerate() {
            // Names are ours and need no escaping.
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(line, "{before}\"{name}\":{value}");
        }
        line.push_str("}\n");
        line
    }
}

/// A fault that ends the run.
pub fn error(fault: &Fault, exit: Exit) -> Record {
    let record = of_fault(Record::new("error"), fault).with("exit", exit.code());
    record.with_some("errno", fault.raw_errno().map(explain::errno::name))
}

/// A fault that does not.
fn trouble(clock: &Clock, fault: &Fault) -> Record {
    let record = of_fault(clock.record("trouble"), fault);
    record.with_some("errno", fault.raw_errno().map(explain::errno::name))
}

fn of_fault(record: Record, fault: &Fault) -> Record {
    let cause = match &fault.cause {
        Cause::Errno(errno) => explain::errno::words(*errno),
        Cause::TimedOut => "timed out".to_owned(),
        Cause::Words(words) => words.clone(),
    };
    let record = record.with("end", end_word(fault.end));
    let record = record.with("doing", fault.doing.verb().trim_end_matches(':')).with("at", fault.at.as_str());
    record.with("cause", cause)
}

/// A private network that the system does not allow.
pub fn refusal(refusal: &Refusal) -> Record {
    let record = Record::new("error").with("end", end_word(End::Us)).with("doing", "make a private network");
    let record = record.with("at", refusal.step.words()).with("cause", explain::refusal::sentence(refusal));
    record.with("exit", Exit::Permission.code()).with("errno", explain::errno::name(refusal.errno))
}

/// Which version of this program it is.
pub fn version() -> Record {
    Record::new("version").with("version", env!("CARGO_PKG_VERSION"))
}

/// A mistake on the command line.
pub fn usage_error(doing: &str, at: &str, cause: &str) -> Record {
    let record = Record::new("error").with("end", end_word(End::You)).with("doing", doing).with("at", at);
    record.with("cause", cause).with("exit", Exit::Usage.code())
}

fn end_word(end: End) -> &'static str {
    match end {
        End::Us => "us",
        End::Peer => "peer",
        End::Path => "path",
        End::You => "you",
    }
}

/// An object of a few fields inside a record.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    json!(Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value))))
}
