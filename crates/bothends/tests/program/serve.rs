//! `serve echo` under every engine, with the clients that people have; below, what other services and places have of
//! their own.

mod collect;
mod limits;
mod piped;
mod places;
mod shortage;
mod telling;
mod trouble;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use rustix::process::Signal;

use crate::running::{PATIENCE, Server, children_of, has, noise, processes, run, stdout, until, wait};

const ENGINES: [&str; 3] = ["event", "thread", "process"];

fn echo(engine: &str, more: &[&str]) -> Server {
    let mut arguments = vec!["echo", "127.0.0.1:0", "--engine", engine, "-v"];
    arguments.extend(more);
    Server::start(&arguments)
}

#[test]
fn real_clients_get_back_what_they_send() {
    let text = "first line\nsecond\0line\nunfinished";
    let clients: [(&str, &[&str]); 4] = [
        ("nc", &["-N", "HOST", "PORT"]),
        ("ncat", &["HOST", "PORT"]),
        ("socat", &["-t5", "-", "TCP:HOST:PORT"]),
        ("python3", &["-c", PYTHON_CLIENT, "HOST", "PORT"]),
    ];
    for engine in ENGINES {
        for ipv in ["127.0.0.1", "::1"] {
            let listen = if ipv == "::1" { "[::1]:0" } else { "127.0.0.1:0" };
            let server = Server::start(&["echo", listen, "--engine", engine]);
            for (program, words) in clients {
                if !has(program, "serve: real clients") {
                    continue;
                }
                let host = if program == "socat" && ipv == "::1" { "[::1]" } else { ipv };
                let port = server.address.port().to_string();
                let words = words.iter().map(|word| word.replace("HOST", host).replace("PORT", &port));
                let output =
                    run(Command::new(program).env("PATH", "/usr/bin:/bin").args(words), text.as_bytes());
                assert!(output.status.success(), "{program} with {engine}: {output:?}");
                assert_eq!(stdout(&output), text, "{program} with {engine} over {ipv}");
            }
        }
    }
}

const PYTHON_CLIENT: &str = "
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as peer:
    peer.sendall(sys.stdin.buffer.read())
    peer.shutdown(socket.SHUT_WR)
    while part := peer.recv(65536):
        sys.stdout.buffer.write(part)
";

#[test]
fn heavy_200_clients_at_once_get_back_every_byte() {
    for engine in ENGINES {
        let server = echo(engine, &[]);
        let address = server.address;
        let clients: Vec<_> = (0..200_u64)
            .map(|number| {
                std::thread::spawn(move || {
                    let length = usize::try_from(number * 7_919 % 101).unwrap() * 10_485;
                    let sent = noise(number, length);
                    let mut stream = TcpStream::connect(address).unwrap();
                    let mut writing = stream.try_clone().unwrap();
                    let copy = sent.clone();
                    let writer = std::thread::spawn(move || {
                        writing.write_all(&copy).unwrap();
                        writing.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut got = Vec::new();
                    stream.set_read_timeout(Some(3 * PATIENCE)).unwrap();
                    stream.read_to_end(&mut got).unwrap();
                    writer.join().unwrap();
                    assert!(
                        got == sent,
                        "client {number}: {} bytes sent, {} came back",
                        sent.len(),
                        got.len()
                    );
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap_or_else(|_| panic!("a client failed with engine {engine}"));
        }
    }
}

#[test]
fn a_half_closed_client_still_gets_its_answer_and_then_the_end() {
    for engine in ENGINES {
        let server = echo(engine, &[]);
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"last words").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert_eq!(got, "last words", "{engine}");
    }
}

#[test]
fn the_first_term_lets_sessions_finish_and_the_second_does_not() {
    for engine in ENGINES {
        // Nobody is there: it ends at once, with 0.
        let (status, _) = echo(engine, &[]).stop();
        assert_eq!(status.code(), Some(0), "{engine}");

        // A session may finish within the grace.
        let mut server = echo(engine, &["--grace", "20s"]);
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"before").unwrap();
        stream.read_exact(&mut [0; 6]).unwrap();
        server.signal(Signal::INT);
        until("the port is closed to newcomers", || TcpStream::connect(server.address).is_err());
        stream.write_all(b"after").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap_or_else(|error| panic!("{engine}: {error}"));
        drop(stream);
        assert_eq!(wait(&mut server.child).code(), Some(0), "{engine}");

        // The second signal does not wait.
        let mut server = echo(engine, &["--grace", "1h"]);
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        server.signal(Signal::INT);
        until("the port is closed to newcomers", || TcpStream::connect(server.address).is_err());
        server.signal(Signal::INT);
        wait(&mut server.child);
        until("no session process is left", || children_of(server.pid()).is_empty());
    }
}

#[test]
fn a_killed_session_process_costs_one_client() {
    let mut server = echo("process", &[]);
    let mut victim = TcpStream::connect(server.address).unwrap();
    victim.write_all(b"v").unwrap();
    victim.read_exact(&mut [0; 1]).unwrap();
    let [(pid, _)] = server.children()[..] else { panic!("one session process: {:?}", server.children()) };
    let mut other = TcpStream::connect(server.address).unwrap();
    other.write_all(b"o").unwrap();
    other.read_exact(&mut [0; 1]).unwrap();

    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(victim.read(&mut [0; 1]).unwrap_or(0), 0, "the victim's connection is over");
    let line = server.says("kill");
    assert!(line.contains(&pid.as_raw_nonzero().to_string()), "the pid is told: {line}");
    other.write_all(b"still").unwrap();
    other.read_exact(&mut [0; 5]).unwrap();
}

#[test]
fn a_killed_server_frees_the_port_and_ends_its_children() {
    let mut server = echo("process", &[]);
    let mut streams: Vec<_> = (0..5).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    let children = server.children();
    assert_eq!(children.len(), 5);
    server.child.kill().unwrap();
    wait(&mut server.child);
    until("the children end", || {
        let alive = processes();
        !children
            .iter()
            .any(|(pid, _)| alive.iter().any(|process| process.pid == *pid && process.state != 'Z'))
    });
    let again = Server::start(&["echo", &server.address.to_string()]);
    assert_eq!(again.address, server.address);
}

#[test]
fn reset_clients_are_told_and_cost_nothing() {
    for engine in ENGINES {
        let mut server = echo(engine, &[]);
        let stream = TcpStream::connect(server.address).unwrap();
        rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
        (&stream).write_all(b"bye").unwrap();
        (&stream).read_exact(&mut [0; 3]).unwrap();
        drop(stream);
        let line = server.says("reset");
        assert!(line.contains("client"), "{engine}: {line}");
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
}
