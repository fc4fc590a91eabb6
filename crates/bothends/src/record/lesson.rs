//! The records of a lesson: the calls of its programs, and its claims.

use flow::Side;
use flow::calls::Call;
use lab::lesson::{Lesson, Seen, Text};
use serde_json::Value;
use wire::Time;

use super::{Record, object};
use crate::clock::seconds;

/// A lesson, and where it was played whether each claim held.
pub fn lesson(lesson: &Lesson, text: &Text, seen: Option<&Seen>) -> Record {
    let words = text.claims.iter().map(|(_, words)| words.as_str());
    let claims = words.zip(lesson.claims).map(|(words, claim)| match seen {
        Some(seen) => object([("text", Value::from(words)), ("holds", Value::from(claim.holds(seen)))]),
        None => object([("text", Value::from(words))]),
    });
    let record = Record::new("lesson").with("id", lesson.id).with("chapter", lesson.chapter.title());
    let record = record
        .with("title", text.title.as_str())
        .with("world", if lesson.is_simulated() { "simulated" } else { "kernel" });
    let record = record.with("claims", Value::Array(claims.collect()));
    match seen.filter(|seen| !seen.facts.is_empty()) {
        Some(seen) => {
            let facts = seen.facts.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            record.with("facts", Value::Object(facts.collect()))
        }
        None => record,
    }
}

/// A call of one of the programs; `ended_by` is the frame whose arrival it waited for.
pub fn call(call: &Call, ended_by: Option<u64>, start: Time) -> Record {
    let from = match call.side {
        Side::A => "a",
        Side::B => "b",
    };
    let record = Record::new("call").with("from", from).with("text", call.text.as_str());
    let record = record.with_some("result", call.result.clone());
    let record = record.with("began_s", seconds(call.began.since(start)));
    let record = record.with_some("ended_s", call.ended.map(|ended| seconds(ended.since(start))));
    record.with("waited", call.waited()).with_some("ended_by", ended_by)
}
