//! A client that leaves while the link is cut and its kernel still has something to send.

use std::time::{Duration, Instant};

use lab::Config;
use lab::config::Program;
use lab::event::{Event, Role};
use lab::link::Schedule;
use wire::Fate;
use wire::tcp::TcpFlags;

use crate::commands::has_python;
use crate::seen::{self, Seen, command};

/// Writes until what it has written is not acknowledged any more, and leaves.
const LEAVE: &str = "import array, fcntl, socket, termios, time
s = socket.create_connection(('server', 9))
waiting = array.array('i', [0])
while waiting[0] < 20:
    s.send(b'!')
    time.sleep(0.01)
    fcntl.ioctl(s, termios.TIOCOUTQ, waiting)";

/// The run, and how long it went on behind the client's end.
fn leave(rule: &str) -> Option<(Seen, Duration)> {
    if !has_python("a client that is cut off") {
        return None;
    }
    let mut link = Schedule::default();
    link.add(lab::link::schedule::Change::read(rule).expect("a change"));
    let config = Config {
        link,
        server: Program::Services,
        client: command(&["python3", "-c", LEAVE]),
        ..Config::default()
    };
    let (mut events, mut left) = (Vec::new(), None);
    let outcome = lab::run(&config, &mut |event| {
        if matches!(event, Event::Ran { role: Role::Client, .. }) {
            left = Some(Instant::now());
        }
        events.push(event);
    });
    let outcome = seen::made(&config, outcome)?;
    assert_eq!(outcome.client.exit, Some(0), "{outcome:?}");
    Some((Seen { outcome, events }, left.expect("it has ended").elapsed()))
}

/// Each kernel sends its FIN again and again, one of them even gets through: nothing comes of it.
pub(crate) fn for_good_is_not_waited_for() {
    for rule in ["50ms: cut", "50ms: up-cut", "50ms: down-cut"] {
        let Some((seen, took)) = leave(rule) else { return };
        assert!(took < Duration::from_secs(15), "{rule}: {took:?}");
        assert!(seen.segments().iter().any(|segment| segment.flags.has(TcpFlags::FIN)));
    }
}

/// What it has written arrives when the link is there again, though that takes the kernel's next try.
pub(crate) fn for_a_time_is_waited_for() {
    let Some((seen, _)) = leave("50ms for 3500ms: cut") else { return };
    for role in [Role::Client, Role::Server] {
        let arrived = seen.frames().any(|frame| {
            let is_fin = seen::segment(frame).flags.has(TcpFlags::FIN);
            frame.from == role && is_fin && frame.passage.fate == Fate::Delivered
        });
        assert!(arrived, "the FIN of {role:?}: {:?}", seen.segments());
    }
}
