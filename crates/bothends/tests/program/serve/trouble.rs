//! What can befall accepting: told once, survived. The errors are made by strace, which answers instead of the kernel.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::running::{PATIENCE, Server, has, left_out, run};

const TEST: &str = "serve: errors of accept";

/// A server whose calls of accept fail so, from the first to the last of these.
fn failing(engine: &str, error: &str, when: &str) -> Server {
    let inject = format!("inject=accept4:error={error}:when={when}");
    let words = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=accept4", "-e", &inject];
    let mut command = Command::new("strace");
    command.args(words).arg(env!("CARGO_BIN_EXE_bothends")).env("LC_ALL", "C.UTF-8");
    Server::of(command.args(["serve", "echo", "127.0.0.1:0", "--engine", engine]))
}

fn can_inject() -> bool {
    if !has("strace", TEST) {
        return false;
    }
    let works = run(Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]), b"").status.success();
    if !works {
        left_out(TEST, "strace may trace nothing here");
    }
    works
}

fn is_served(server: &Server) {
    let mut client = TcpStream::connect(server.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"hi").unwrap();
    let mut echo = [0; 2];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hi");
}

#[test]
fn want_of_anything_is_told_once_and_goes_by() {
    if !can_inject() {
        return;
    }
    let table = [
        ("ENOBUFS", "no buffer space"),
        ("ENOMEM", "cannot allocate memory"),
        ("ENFILE", "no descriptor"),
        ("EMFILE", "no descriptor"),
    ];
    for engine in super::ENGINES {
        for (error, words) in table {
            let server = failing(engine, error, "1..2");
            is_served(&server);
            let (status, said) = server.stop();
            assert_eq!(status.code(), Some(0), "{engine}, {error}: {said}");
            let told = said.to_lowercase().matches(words).count();
            assert_eq!(told, 1, "{engine}, {error}: {said}");
        }
    }
}

#[test]
fn clients_that_are_gone_and_networks_that_are_down_stop_nothing() {
    if !can_inject() {
        return;
    }
    for engine in super::ENGINES {
        for error in ["ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPERM", "EINTR"] {
            let server = failing(engine, error, "1..5");
            is_served(&server);
            let (status, said) = server.stop();
            assert_eq!(status.code(), Some(0), "{engine}, {error}: {said}");
            assert_eq!(said.lines().filter(|line| line.contains("accept")).count(), 0, "{engine}: {said}");
        }
    }
}

/// What never goes by is told, and the server can be stopped.
#[test]
fn an_error_that_stays_is_told_once() {
    if !can_inject() {
        return;
    }
    for engine in super::ENGINES {
        let mut server = failing(engine, "ENETDOWN", "1+");
        let _waiting = TcpStream::connect(server.address).unwrap();
        server.says("network is down");
        let (status, said) = server.stop();
        assert_eq!(status.code(), Some(0), "{engine}: {said}");
        assert_eq!(said.to_lowercase().matches("network is down").count(), 1, "{engine}: {said}");
    }
}
