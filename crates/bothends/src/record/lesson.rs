//! The records of a lesson: the calls of its programs, the sockets at its moments, and its claims.

use flow::Side;
use flow::calls::Call;
use flow::moments::Moment;
use lab::lesson::{Lesson, Seen, Text};
use serde_json::Value;
use wire::Time;

use super::{Record, object, socket};
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

/// A moment of a play on the real kernel: its name, when it was, and the TCP sockets of the hosts then.
pub fn moment(moment: &Moment, start: Time) -> Record {
    let sockets = moment.sockets.iter().map(|(host, row)| socket::at_a_moment(host, row));
    let record = Record::new("moment").with("name", moment.name.as_str());
    record.with("t_s", seconds(moment.time.since(start))).with("sockets", sockets.collect::<Value>())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use wire::socket_row::{SocketRow, SocketState};

    use super::*;

    #[test]
    fn at_a_moment_each_socket_has_its_host_its_ends_and_its_queues() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap().into();
        let row = |state, local, remote| SocketRow {
            state,
            local: at(local),
            remote: at(remote),
            to_read_bytes: 3,
            to_send_bytes: 128,
            ..SocketRow::default()
        };
        let sockets = vec![
            ("server", row(SocketState::LISTEN, "0.0.0.0:7", "0.0.0.0:0")),
            ("client", row(SocketState::ESTABLISHED, "10.0.0.1:40712", "10.0.0.2:7")),
        ];
        let told = moment(&Moment { name: "all".to_owned(), time: Time(1_500_000_000), sockets }, Time::ZERO);
        let told: Value = serde_json::from_str(&told.line()).unwrap();
        assert_eq!(
            (&told["type"], &told["name"], &told["t_s"]),
            (&"moment".into(), &"all".into(), &1.5.into())
        );
        let expected = serde_json::json!([
            {
                "host": "server", "transport": "tcp", "state": "LISTEN", "local": "0.0.0.0:7", "remote": "0.0.0.0:0",
                "recv_q_bytes": 0, "send_q_bytes": 0, "accept_queue": 3,
            },
            {
                "host": "client", "transport": "tcp", "state": "ESTABLISHED", "local": "10.0.0.1:40712",
                "remote": "10.0.0.2:7", "recv_q_bytes": 3, "send_q_bytes": 128,
            },
        ]);
        assert_eq!(told["sockets"], expected);
    }
}
