//! Commands on the hosts: whose they are, what they see, and whose end ends what.

use std::net::SocketAddr;

use lab::Config;
use lab::config::Program;
use lab::event::{Event, Role};

use wire::Fault;

use crate::seen::{self, BACKENDS, command};

/// The conversation's server, so that nothing has to be waited for.
fn with_client(words: &[&str]) -> Config {
    Config { client: command(words), capture_output: true, ..Config::default() }
}

pub(crate) fn have_no_privilege() {
    let script = "id -u; grep CapEff /proc/self/status; echo /proc/self/fd/*; getent ahosts server; getent ahosts client; echo end >&2";
    for backend in BACKENDS {
        let Some(seen) = seen::run(&Config { backend, ..with_client(&["sh", "-c", script]) }) else {
            continue;
        };
        let output = seen.output(Role::Client, 1);
        let mut lines = output.lines();
        let user = rustix::process::geteuid().as_raw().to_string();
        assert_eq!(lines.next(), Some(user.as_str()));
        assert_eq!(lines.next(), Some("CapEff:\t0000000000000000"));
        // What is inherited here is inherited there, and nothing of ours.
        let outside = std::process::Command::new("sh").args(["-c", "echo /proc/self/fd/*"]).output();
        let outside = outside.expect("a shell").stdout;
        assert_eq!(lines.next(), Some(String::from_utf8_lossy(&outside).trim_end()), "{output}");
        // Each once for every kind of socket, of which the first carries the name: IPv4 comes first.
        let names: Vec<&str> = lines.filter(|line| line.contains("STREAM")).collect();
        let addresses: Vec<&str> = names.iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(addresses, ["10.0.0.2", "fd00::2", "10.0.0.1", "fd00::1"], "{output}");
        assert_eq!(seen.output(Role::Client, 2), "end\n");
        assert_eq!(seen.outcome.client.exit, Some(0));
    }
}

pub(crate) fn client_decides() {
    // The server ends first, and is not what ends the lab.
    let config = Config { server: command(&["true"]), ..with_client(&["sh", "-c", "exit 3"]) };
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.outcome.server.exit, Some(0));
    assert_eq!(seen.outcome.client.exit, Some(3));
    let ran: Vec<Role> = seen
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Ran { role, .. } => Some(*role),
            _ => None,
        })
        .collect();
    assert_eq!(ran, [Role::Server, Role::Client]);

    let killed = seen::run(&with_client(&["sh", "-c", "kill -9 $$"])).expect("it was made before");
    assert_eq!((killed.outcome.client.exit, killed.outcome.client.signal), (None, Some(9)));
}

pub(crate) fn server_is_waited_for_and_ended() {
    // It prints, listens only after a while, and echoes one line.
    let listen = "import socket, sys, time
print('not yet', flush=True)
time.sleep(0.1)
l = socket.create_server(('', 80))
c, _ = l.accept()
c.sendall(c.recv(100))
time.sleep(100)";
    let ask = "import socket
c = socket.create_connection(('server', 80))
c.sendall(b'question')
print(c.recv(100).decode(), end='')";
    if !has_python("a command as the server") {
        return;
    }
    let config =
        Config { server: command(&["python3", "-c", listen]), ..with_client(&["python3", "-c", ask]) };
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.output(Role::Server, 1), "not yet\n");
    assert_eq!(seen.output(Role::Client, 1), "question", "{:?}", seen.outcome);
    assert_eq!(seen.outcome.client.exit, Some(0));
    assert_eq!(seen.outcome.server.signal, Some(15), "told to end when the client had ended");
    assert_eq!(listening(&seen), Some(vec!["0.0.0.0:80".parse().expect("an address")]));
}

fn listening(seen: &seen::Seen) -> Option<Vec<SocketAddr>> {
    seen.events.iter().find_map(|event| match event {
        Event::Listening { addresses, .. } => Some(addresses.clone()),
        _ => None,
    })
}

/// Not every server opens a socket: the client is started after a while, which is told.
pub(crate) fn server_that_never_listens_is_not_waited_for_for_ever() {
    let config = Config { server: command(&["sleep", "100"]), ..with_client(&["true"]) };
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.outcome.client.exit, Some(0));
    assert_eq!(listening(&seen), None);
    assert!(seen.events.iter().any(|event| matches!(event, Event::NotListening { .. })));
}

pub(crate) fn has_python(test: &str) -> bool {
    let has = std::process::Command::new("python3").arg("-V").output().is_ok();
    if !has {
        crate::left_out::left_out(test, "python3 is not installed");
    }
    has
}

/// The client's end is the lab's, even when it leaves something behind that never stops talking.
pub(crate) fn left_behind_talker_is_not_waited_for() {
    let talk = "import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if os.fork(): os._exit(0)
while True:
    s.sendto(b'and another thing', ('10.0.0.2', 9))";
    if !has_python("a client that leaves a talker behind") {
        return;
    }
    let config = Config { client: command(&["python3", "-c", talk]), ..Config::default() };
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.outcome.client.exit, Some(0));
}

pub(crate) fn stubborn_server_is_killed() {
    let config =
        Config { server: command(&["sh", "-c", "trap '' TERM; sleep 100"]), ..with_client(&["true"]) };
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.outcome.client.exit, Some(0));
    assert_eq!((seen.outcome.server.exit, seen.outcome.server.signal), (None, Some(9)));
}

pub(crate) fn what_cannot_be_started_is_told() {
    const ENOENT: i32 = 2;
    const EACCES: i32 = 13;
    let Some(seen) = seen::run(&with_client(&["no-such-program"])) else { return };
    let client = seen.outcome.client;
    assert_eq!(client.exit, Some(127));
    let fault = client.fault.expect("a reason");
    assert_eq!((fault.at.as_str(), fault.raw_errno()), ("no-such-program", Some(ENOENT)));

    let seen = seen::run(&with_client(&["/etc/hosts"])).expect("it was made before");
    assert_eq!(seen.outcome.client.exit, Some(126));
    assert_eq!(seen.outcome.client.fault.and_then(|fault| fault.raw_errno()), Some(EACCES));

    // Without a server there is nobody to call.
    let config =
        Config { server: command(&["no-such-server"]), client: Program::Conversation, ..Config::default() };
    let seen = seen::run(&config).expect("it was made before");
    assert_eq!(seen.outcome.server.fault.as_ref().and_then(Fault::raw_errno), Some(ENOENT));
    assert_eq!(seen.outcome.client, lab::Ending::default());
    assert_eq!(seen.frames().count(), 0);
}

/// A server of old: each service by TCP and UDP, as far as it may be had by both.
pub(crate) fn client_alone_has_services() {
    let ask = "import socket
def tcp(port, said=b''):
    c = socket.create_connection(('server', port), 10)
    c.sendall(said)
    if port != 19: c.shutdown(socket.SHUT_WR)
    return c.makefile('rb').read(74 if port == 19 else -1)
def udp(port, said):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect(('server', port))
    s.send(said)
    return s.recv(100)
print(tcp(7, b'hello'), tcp(9, b'away'), tcp(13)[-6:], tcp(19)[:10])
print(udp(7, b'hello'), udp(13, b'')[-6:])
socket.create_connection(('server', 9), 10).close()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('server', 9))
s.send(b'x'); s.send(b'not refused')";
    if !has_python("the services") {
        return;
    }
    for backend in BACKENDS {
        let client = with_client(&["python3", "-c", ask]);
        let Some(seen) = seen::run(&Config { backend, server: Program::Services, ..client }) else {
            continue;
        };
        let expected = "b'hello' b'' b'-UTC\\r\\n' b'!\"#$%&\\'()*'\nb'hello' b'-UTC\\r\\n'\n";
        assert_eq!(seen.output(Role::Client, 1), expected, "{}", seen.output(Role::Client, 2));
        assert_eq!(seen.outcome.server.exit, Some(0), "it stops in order: {:?}", seen.outcome.server);
        let ports: Vec<u16> = listening(&seen).expect("told").iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [7, 9, 13, 19]);
    }
}
