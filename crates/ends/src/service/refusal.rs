//! What runs where.

use super::Shape;
use crate::serve::Engine;

/// Why a service is not run so, as a sentence; none: it is. `workers` is how many loops the event engine has.
///
/// Datagrams have no connection for a thread or a process to live as long as. A chat's clients reach each other, which
/// takes one memory. A source of datagrams would flood whomever a forged sender names.
pub fn refusal(service: &str, shape: Shape, engine: Engine, workers: usize) -> Option<String> {
    let sentence = match (service, shape, engine) {
        ("source", Shape::Datagrams, _) => {
            "source is not served over datagrams: anybody could aim it at others by a forged address"
        }
        (_, Shape::Datagrams, Engine::Thread | Engine::Process) => {
            return Some(format!(
                "{service} over datagrams runs under --engine event only: there is no connection to give a {} to",
                if engine == Engine::Thread { "thread" } else { "process" }
            ));
        }
        ("chat", _, Engine::Process) => {
            "chat does not run under --engine process: its clients could not reach each other"
        }
        ("chat", _, Engine::Event { .. }) if workers > 1 => {
            "chat runs with one worker: its clients could not reach those of another"
        }
        _ => return None,
    };
    Some(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: [&str; 9] =
        ["echo", "upper", "reply", "discard", "source", "daytime", "time", "collect", "chat"];
    const ONE: Engine = Engine::Event { workers: 1 };
    const TWO: Engine = Engine::Event { workers: 2 };

    /// The rows are shapes, the columns event, event with two workers, thread, process.
    #[test]
    fn what_runs_where() {
        let table = [
            ("chat", Shape::Stream, [true, false, true, false]),
            ("chat", Shape::Messages, [true, false, true, false]),
            ("chat", Shape::Datagrams, [true, false, false, false]),
            ("source", Shape::Stream, [true; 4]),
            ("source", Shape::Messages, [true; 4]),
            ("source", Shape::Datagrams, [false; 4]),
        ];
        for service in SERVICES {
            for shape in [Shape::Stream, Shape::Messages, Shape::Datagrams] {
                let datagrams = shape == Shape::Datagrams;
                let others = [true, true, !datagrams, !datagrams];
                let row = table.iter().find(|row| (row.0, row.1) == (service, shape));
                let expected = row.map_or(others, |row| row.2);
                let engines = [(ONE, 1), (TWO, 2), (Engine::Thread, 1), (Engine::Process, 1)];
                let runs = engines.map(|(engine, n)| refusal(service, shape, engine, n).is_none());
                assert_eq!(runs, expected, "{service}, {shape:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_service_and_says_why() {
        for (service, shape, engine) in
            [("echo", Shape::Datagrams, Engine::Thread), ("chat", Shape::Stream, Engine::Process)]
        {
            let sentence = refusal(service, shape, engine, 1).expect("a refusal");
            assert!(sentence.starts_with(service) && sentence.contains(": "), "{sentence}");
        }
    }
}
