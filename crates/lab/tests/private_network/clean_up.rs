//! However the tool ends, nothing of the lab stays: no process, and with the last of them no namespace.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use kernel::process::{self, Forked, Pid, Signal};
use lab::config::Choice;
use lab::event::{Event, Role};
use lab::{Config, NotMade};

use crate::left_out::left_out;
use crate::seen::{BACKENDS, command};
use crate::users::in_child;

/// The longest that a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn signal_ends_the_lab_in_order() {
    for backend in BACKENDS {
        let (mut from_tool, to_test) = std::io::pipe().expect("pipe");
        let tool = fork_tool(move || {
            let config = Config { backend, client: command(&["sleep", "100"]), ..Config::default() };
            let mut told = &to_test;
            let outcome = lab::run(&config, &mut |event| {
                if matches!(event, Event::Ready { .. }) {
                    told.write_all(b"!").expect("the test reads");
                }
            });
            match outcome {
                Err(NotMade::Refused(_)) => told.write_all(b"?").expect("the test reads"),
                Err(NotMade::Failed(fault)) => panic!("{fault}"),
                Ok(outcome) => {
                    assert_eq!(outcome.interrupted, Some(15));
                    // It came before or after the client was started.
                    assert!(matches!(outcome.client.signal, None | Some(15)), "{outcome:?}");
                }
            }
        });
        let mut answer = [0];
        from_tool.read_exact(&mut answer).expect("the tool answers");
        if answer == *b"?" {
            left_out("ending by a signal", &format!("{backend:?} is refused"));
        } else {
            process::kill(tool, Signal::TERM).expect("it lives");
        }
        assert_eq!(process::wait(tool).expect("a child of ours").exit, Some(0));
        assert_eq!(survivors(tool), BTreeSet::new());
    }
}

pub(crate) fn nothing_survives_a_killed_tool() {
    if !fs::exists("/usr/bin/ping").unwrap_or_default() && !fs::exists("/bin/ping").unwrap_or_default() {
        left_out("a killed tool with ping inside", "ping is not installed");
        return;
    }
    for backend in BACKENDS {
        if !is_made(backend) {
            left_out("a killed tool", &format!("{backend:?} is refused"));
            continue;
        }
        // From the very start, over every step of the making, to ping being under way.
        for round in 0..10 {
            kill_after(backend, Duration::from_micros(3400 * round));
        }
        kill_while_pinging(backend);
    }
}

fn is_made(backend: Choice) -> bool {
    in_child(|| {
        lab::run(&Config { backend, client: command(&["true"]), ..Config::default() }, &mut |_| ())
            .expect("made");
    }) == Some(0)
}

fn kill_after(backend: Choice, moment: Duration) {
    let tool = fork_tool(|| ping(backend, &mut |_| ()));
    // Not to wait for anything: the moment itself is what is tested.
    std::thread::sleep(moment);
    kill_and_look(tool);
}

/// At a moment when ping, which has file capabilities on many systems, certainly runs.
fn kill_while_pinging(backend: Choice) {
    let (mut from_tool, to_test) = std::io::pipe().expect("pipe");
    let tool = fork_tool(move || {
        let mut told = &to_test;
        ping(backend, &mut |event| {
            if matches!(event, Event::Frame(frame) if frame.from == Role::Server) {
                let _ = told.write_all(b"!");
            }
        });
    });
    from_tool.read_exact(&mut [0]).expect("an answer to ping");
    assert!(survivors(tool).len() >= 5, "the tool, keeper, init, server and ping");
    kill_and_look(tool);
}

fn ping(backend: Choice, emit: &mut dyn FnMut(Event)) {
    let client = command(&["ping", "-n", "-i", "0.2", "10.0.0.2"]);
    let _ = lab::run(&Config { backend, client, capture_output: true, ..Config::default() }, emit);
}

fn kill_and_look(tool: Pid) {
    process::kill(tool, Signal::KILL).expect("it lives");
    assert_eq!(process::wait(tool).expect("a child of ours").signal, Some(9));
    let limit = Instant::now() + PATIENCE;
    while !survivors(tool).is_empty() {
        assert!(Instant::now() < limit, "still there: {:?}", survivors(tool));
        std::thread::yield_now();
    }
}

/// Forks a process with a session of its own, which all it starts stay in.
fn fork_tool(life: impl FnOnce()) -> Pid {
    match process::fork().expect("one thread") {
        Forked::Child => {
            rustix::process::setsid().expect("no group leader");
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life)).is_err();
            process::exit_now(if failed { 101 } else { 0 })
        }
        Forked::Parent(pid) => pid,
    }
}

/// The processes of a session, by id and name.
fn survivors(leader: Pid) -> BTreeSet<(i32, String)> {
    let session = leader.as_raw_nonzero().get();
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|id| {
        // Number, (name), state, parent, group, session: proc_pid_stat(5).
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let its: i32 = tail.split(' ').nth(3)?.parse().ok()?;
        (its == session).then(|| (id, head.rsplit_once(" (").map_or("", |(_, name)| name).to_owned()))
    })
    .collect()
}
