//! The record of a problem: what was found, why it is so, and what helps.

use explain::Problem;
use explain::evidence::Holder;
use explain::problem::Fact;
use serde_json::{Value, json};

use super::socket::owner;
use super::{Record, object};

/// A problem with its evidence, each fact in words, and the socket that it is about with the fields of its own record.
pub fn problem(problem: &Problem) -> Record {
    Record::new("problem")
        .with("id", problem.id)
        .with("title", problem.title)
        .with("evidence", problem.evidence.iter().map(fact).collect::<Value>())
        .with("cause", problem.cause.as_str())
        .with("seen", problem.cause_is_seen)
        .with("advice", problem.advice.as_str())
}

fn fact(fact: &Fact) -> Value {
    match &fact.socket {
        Some(holder) => json!({ "text": fact.text, "socket": socket(holder) }),
        None => json!({ "text": fact.text }),
    }
}

fn socket(holder: &Holder) -> Value {
    let row = &holder.row;
    let mut socket = object([
        ("transport", row.kind.transport().into()),
        ("state", row.state.name(row.kind).into()),
        ("local", row.local.to_string().into()),
        ("remote", row.remote.to_string().into()),
        ("uid", row.uid.into()),
        ("user", holder.user.as_deref().into()),
        ("inode", row.inode.into()),
        ("processes", holder.owners.iter().map(owner).collect()),
        ("expires_ms", row.timer.map(|timer| timer.expires_ms).into()),
    ]);
    // What is not known is not there.
    if let Value::Object(fields) = &mut socket {
        fields.retain(|_, value| !value.is_null());
    }
    socket
}
