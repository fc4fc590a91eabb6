//! The record of a lesson.

use lab::lesson::{Lesson, Seen, Text};
use serde_json::Value;

use super::{Record, object};

/// A lesson that was played, and whether each claim held.
pub fn lesson(lesson: &Lesson, text: &Text, seen: &Seen) -> Record {
    let words = text.claims.iter().map(|(_, words)| words.as_str());
    let claims = words.zip(lesson.claims).map(|(words, claim)| {
        object([("text", Value::from(words)), ("holds", Value::from(claim.holds(seen)))])
    });
    let record = Record::new("lesson").with("id", lesson.id).with("chapter", lesson.chapter.title());
    let record = record.with("title", text.title.as_str()).with("world", "simulated");
    record.with("claims", Value::Array(claims.collect()))
}
