//! `serve` and `connect` with readers that stop, readers that go away, and the limits of a shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

#[path = "program/running.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod running;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use running::{PATIENCE, Server, bothends, has, run, stdout, until, wait};
use rustix::process::{Pid, Signal, kill_process};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// How many bytes wait in a pipe.
fn waiting(pipe: &impl std::os::fd::AsFd) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap()
}

/// Says the same again and again, each time when it has come back: each is an arrival of its own.
fn talk_in_turns(address: SocketAddr, bytes: &[u8], times: usize) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut back = vec![0; bytes.len()];
    for _ in 0..times {
        socket.write_all(bytes).unwrap();
        socket.read_exact(&mut back).unwrap();
    }
}

/// A client of the server at this address that says something and hears it back.
fn talk(address: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = socket.try_clone().unwrap();
    let mut back = vec![0; bytes.len()];
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sender.write_all(bytes).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        socket.read_exact(&mut back).unwrap();
    });
    assert!(back == bytes);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_reader_of_records_who_stops_does_not_keep_connect_from_being_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for more in [&[][..], &["-vv"]] {
        let mut command = bothends(&["connect", "--json", &address]);
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        let stdout = child.stdout.take().unwrap();
        until("nobody takes anything any more", || {
            let is_stuck = peer.write(&[b'x'; 10_000]).is_err();
            is_stuck && waiting(&stdout) > 60_000
        });
        signal(&child, Signal::TERM);
        assert_eq!(wait(&mut child).code(), Some(143), "{more:?}");
        let records: Vec<String> = BufReader::new(stdout).lines().map(Result::unwrap).collect();
        assert!(records[0].contains("\"type\":\"opened\""));
        // A record that was cut is the last thing: nothing stands in the middle of it.
        let whole = |line: &String| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(records[..records.len() - 1].iter().all(whole));
    }
}

#[test]
fn a_reader_who_goes_away_ends_the_conversation_although_the_peer_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for more in [&[][..], &["--json"]] {
        let mut command = bothends(&["connect", &address]);
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"one line\n").unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("one line") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0);
        }
        drop(stdout);
        assert_eq!(wait(&mut child).code(), Some(0), "{more:?}");
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "a FIN: everything was read");
    }
}

#[test]
fn the_process_engine_tells_what_had_to_wait_without_a_new_client_and_counts_the_rest() {
    let mut command = bothends(&["serve", "echo", "0", "-vv", "--engine", "process"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.split("tcp://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    // Nobody reads; each arrival of zeros is a long line, and there are more of them than the queue holds.
    talk_in_turns(address, &[0; 256], 2000);
    for _ in 0..3 {
        talk(address, b"short\n");
    }
    let mut read = 0;
    while read < 1_000_000 {
        let length = stderr.fill_buf().unwrap().len();
        assert!(length > 0);
        read += length;
        stderr.consume(length);
    }
    signal(&child, Signal::TERM);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(rest.contains(" missing here"), "{rest}");
    assert!(rest.ends_with("served 4 clients\n"), "{rest}");
}

#[test]
fn a_reader_of_narration_who_stops_does_not_stop_the_records() {
    for engine in ["event", "thread", "process"] {
        let mut command = bothends(&["serve", "echo", "0", "-vv", "--json", "--engine", engine]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let records = running::lines(child.stdout.take().unwrap());
        let first: serde_json::Value = serde_json::from_str(&records.recv().unwrap()).unwrap();
        let address = first["address"].as_str().unwrap().trim_start_matches("tcp://").parse().unwrap();
        // Standard error is a pipe of 64 KiB that nobody reads.
        talk(address, &vec![0; 1_000_000]);
        talk(address, b"the last\n");
        let mut told = std::iter::from_fn(|| records.recv_timeout(PATIENCE).ok());
        let last = told.find(|line| line.contains("the last"));
        assert!(last.is_some(), "engine {engine}");
        child.kill().unwrap();
        wait(&mut child);
    }
}

#[test]
fn more_clients_are_served_than_a_shell_allows_by_itself() {
    for engine in ["event", "thread", "process"] {
        let mut command = Command::new("sh");
        let script = format!("ulimit -Sn 20 && exec \"$0\" serve echo 0 --engine {engine}");
        let server = Server::of(command.args(["-c", &script, env!("CARGO_BIN_EXE_bothends")]));
        let mut clients: Vec<TcpStream> =
            (0..50).map(|_| TcpStream::connect(server.address).unwrap()).collect();
        for client in &mut clients {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"?").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        drop(clients);
        let (status, said) = server.stop();
        assert!(status.success() && !said.contains("no descriptor"), "{said}");
    }
}

#[test]
fn the_account_has_a_line_of_its_own_on_a_terminal() {
    let test = "connect: the account on a terminal";
    if !has("script", test) {
        return;
    }
    for (said, shown) in [("no end", "no end\r\ntcp://"), ("end\n", "end\r\ntcp://")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect =
            format!("{} connect {}", env!("CARGO_BIN_EXE_bothends"), listener.local_addr().unwrap());
        let peer = std::thread::spawn(move || listener.accept().unwrap().0.write_all(said.as_bytes()));
        // script(1) runs the command on a terminal of its own.
        let mut command = Command::new("script");
        let output = run(command.args(["-qec", &connect, "/dev/null"]).env("LC_ALL", "C.UTF-8"), b"");
        peer.join().unwrap().unwrap();
        let told = stdout(&output);
        assert!(told.contains(shown), "{told:?}");
        assert!(output.status.success(), "{told:?}");
    }
}
