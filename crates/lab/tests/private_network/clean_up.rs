//! However the tool ends, nothing of the lab stays: no process, and with the last of them no namespace.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use kernel::namespace::{self, Ids, Namespace};
use kernel::process::{self, Forked, Pid, Signal};
use lab::config::{Choice, Family, Program};
use lab::event::{Event, Role};
use lab::link::Schedule;
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

/// How often a tool is killed.
const KILLS: u64 = 100;
/// How many namespaces of each kind there may be at once: far fewer than the killed tools make together, so that none can
/// stay.
const MOST_NAMESPACES: &str = "40";

pub(crate) fn nothing_survives_a_killed_tool() {
    if !fs::exists("/usr/bin/ping").unwrap_or_default() && !fs::exists("/bin/ping").unwrap_or_default() {
        left_out("a killed tool with ping inside", "ping is not installed");
        return;
    }
    for backend in BACKENDS {
        if is_made(backend) {
            kill_while_pinging(backend);
        } else {
            left_out("a killed tool", &format!("{backend:?} is refused"));
        }
    }
}

/// In every mode, from the very start, over every step of the making, to the programs being under way.
pub(crate) fn nothing_is_left_after_a_hundred_kills() {
    if !is_made(Choice::Automatic) {
        left_out("a hundred kills", "a private network is refused");
        return;
    }
    let status = in_child(|| {
        limit_namespaces();
        let (mounts, interfaces) = (mounts(), interfaces());
        let mut random = 1;
        for round in 0..KILLS {
            // Knuth's generator (MMIX); its upper half is the good one.
            random =
                6_364_136_223_846_793_005_u64.wrapping_mul(random).wrapping_add(1_442_695_040_888_963_407);
            let mode = mode(round);
            // Refused, where the namespaces of those before are not gone yet: until one more may be made.
            let tool = fork_tool(move || while lab::run(&mode, &mut |_| ()).is_err() {});
            // Not to wait for anything: the moment itself is what is tested.
            std::thread::sleep(Duration::from_micros((random >> 32) % 30_000));
            kill_and_look(tool);
        }
        assert_eq!(self::mounts(), mounts);
        assert_eq!(self::interfaces(), interfaces);
        // Namespaces go a moment after the last process in them.
        let limit = Instant::now() + PATIENCE;
        while in_child(|| drop(lab::run(&mode(0), &mut |_| ()).map_err(|_| process::exit_now(1)))) != Some(0)
        {
            assert!(Instant::now() < limit, "all of the namespaces are still there");
        }
    });
    assert_eq!(status, Some(0));
}

/// The modes in turn, over what carries packets here.
fn mode(round: u64) -> Config {
    let all = Config { capture_output: true, ..Config::default() };
    let all = if round.is_multiple_of(2) { Config { backend: Choice::Packet, ..all } } else { all };
    let ping = command(&["ping", "-n", "-i", "0.2", "server"]);
    match round / 2 % 6 {
        // A round trip takes longer than any of the moments: it never ends by itself.
        0 => Config { family: Family::V6, link: Schedule::of(&["delay 20ms"]).expect("a rule"), ..all },
        1 => Config { client: ping, link: Schedule::of(&["delay 5ms"]).expect("a rule"), ..all },
        2 => Config { server: Program::Services, client: ping, ..all },
        3 => Config {
            client: Program::Shell(vec!["/bin/sh".into(), "-c".into(), "sleep 100 & wait".into()]),
            ..all
        },
        4 => Config { others: vec![ping, Program::Idle], backend: Choice::Automatic, ..all },
        _ => Config { server: command(&["setsid", "sleep", "100"]), client: ping, ..all },
    }
}

/// Of this process and its children, in a user namespace of its own, which counts them.
fn limit_namespaces() {
    let ids = Ids::own();
    namespace::unshare(Namespace::User).expect("a private network was made before");
    namespace::keep_ids(ids).expect("the same");
    for kind in ["user", "mnt", "pid", "net", "uts"] {
        namespace::set_sysctl(&format!("user.max_{kind}_namespaces"), MOST_NAMESPACES)
            .expect("its own limit");
    }
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("/proc")
}

fn interfaces() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/net/dev").expect("/proc");
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn is_made(backend: Choice) -> bool {
    in_child(|| {
        lab::run(&Config { backend, client: command(&["true"]), ..Config::default() }, &mut |_| ())
            .expect("made");
    }) == Some(0)
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
    let alive = survivors(tool);
    assert!(alive.len() >= 6, "the tool, namespaces, keeper, init, server and ping: {alive:?}");
    kill_and_look(tool);
}

fn ping(backend: Choice, emit: &mut dyn FnMut(Event)) {
    let client = command(&["ping", "-n", "-i", "0.2", "10.0.0.2"]);
    let _ = lab::run(&Config { backend, client, capture_output: true, ..Config::default() }, emit);
}

fn kill_and_look(tool: Pid) {
    // What it leaves becomes ours, so that nothing has to be waited for but its end.
    rustix::process::set_child_subreaper(Some(process::own_pid())).expect("always allowed");
    process::kill(tool, Signal::KILL).expect("it lives");
    let ended = process::wait(tool).expect("a child of ours");
    assert_eq!(ended.signal, Some(9), "it ended by itself: {ended:?}");
    let limit = Instant::now() + PATIENCE;
    while !survivors(tool).is_empty() {
        assert!(Instant::now() < limit, "still there: {:?}", survivors(tool));
        while process::reap().is_some() {}
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
