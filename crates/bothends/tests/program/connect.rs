//! `connect`: how a conversation ends, and the exit codes that tell.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use crate::running::{
    PATIENCE, Server, bothends, can_inject, failing, has, left_out, lines, noise, of_type, records, run,
    stderr, stdout, wait,
};

/// A server of one connection, run by the test itself.
fn peer<T: Send + 'static>(talk: impl FnOnce(TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || talk(listener.accept().unwrap().0)))
}

fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO)).unwrap();
}

#[test]
fn what_is_typed_comes_back_binary_and_whole() {
    let server = Server::start(&["echo", "127.0.0.1:0"]);
    let address = server.address.to_string();
    let output = run(&mut bothends(&["connect", &address]), b"a\0b\n");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"a\0b\n".as_slice()));

    let (host, port) = address.split_once(':').unwrap();
    let output = run(&mut bothends(&["connect", host, port]), b"two words");
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "two words".into()));
}

#[test]
fn a_big_file_goes_both_ways_at_once() {
    let server = Server::start(&["echo", "127.0.0.1:0"]);
    let sent = noise(1, 20 << 20);
    let output = run(&mut bothends(&["connect", &server.address.to_string()]), &sent);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout == sent, "{} bytes of {}", output.stdout.len(), sent.len());
}

#[test]
fn fin_at_the_end_of_input_and_the_late_reply_is_received() {
    let (address, server) = peer(|mut stream| {
        let mut asked = String::new();
        stream.read_to_string(&mut asked).unwrap();
        stream.write_all(b"late reply").unwrap();
        asked
    });
    let output = run(&mut bothends(&["connect", &address, "-v"]), b"question");
    assert_eq!(server.join().unwrap(), "question", "the peer saw the end of input");
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "late reply".into()));
    assert!(stderr(&output).contains("8 bytes"), "the account: {}", stderr(&output));
}

#[test]
fn it_leaves_when_the_peer_closes_although_the_keyboard_is_open() {
    let (address, server) = peer(|mut stream| stream.write_all(b"goodbye").unwrap());
    let mut child =
        bothends(&["connect", &address]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let held_open = child.stdin.take();
    let status = wait(&mut child);
    drop(held_open);
    server.join().unwrap();
    let mut got = String::new();
    child.stdout.take().unwrap().read_to_string(&mut got).unwrap();
    assert_eq!((status.code(), got.as_str()), (Some(0), "goodbye"));
}

#[test]
fn a_reset_is_never_success() {
    let (address, server) = peer(|mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        reset(&stream);
    });
    let output = run(&mut bothends(&["connect", &address]), b"ping");
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(56), "{}", stderr(&output));
    assert!(stderr(&output).contains("reset"), "{}", stderr(&output));

    let (address, server) = peer(|mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        reset(&stream);
    });
    let output = run(&mut bothends(&["connect", &address, "--json"]), b"ping");
    server.join().unwrap();
    let closed = &of_type(&records(&output), "closed")[0];
    assert_eq!((closed["closed_by"].as_str(), closed["how"].as_str()), (Some("peer"), Some("reset")));
}

#[test]
fn what_never_left_has_a_code_of_its_own() {
    let (has_typed, heard) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Inherited by the accepted socket: it hardly takes anything, so most of the input cannot leave.
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        heard.recv().unwrap();
        reset(&stream);
    });
    let mut child = bothends(&["connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let said = lines(child.stderr.take().unwrap());
    let typist = std::thread::spawn(move || {
        let mut typed = 0;
        while input.write_all(&[b'x'; 65_536]).is_ok() {
            typed += 65_536;
            if typed == 1 << 20 {
                has_typed.send(()).unwrap();
            }
        }
    });
    assert_eq!(wait(&mut child).code(), Some(55));
    let told: Vec<String> = said.iter().collect();
    assert!(told.iter().any(|line| line.contains("reset")), "{told:?}");
    typist.join().unwrap();
    server.join().unwrap();
}

#[test]
fn a_closed_stdout_closes_both_directions_and_is_success() {
    let (address, server) = peer(|mut stream| {
        let block = vec![b'x'; 65_536];
        while stream.write_all(&block).is_ok() {}
    });
    let mut child =
        bothends(&["connect", &address]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    assert_eq!(wait(&mut child).code(), Some(0));
    server.join().unwrap();
}

#[test]
fn refused_unknown_and_timed_out_have_their_own_codes() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&mut bothends(&["connect", &free]), b"");
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stderr(&output).contains(&format!("connect to tcp://{free}: connection refused")),
        "{}",
        stderr(&output)
    );

    let output = run(&mut bothends(&["connect", "no-such-host.invalid:80"]), b"");
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));

    // A full accept queue drops SYNs: the one reliable local way to no answer at all.
    let deaf = listener_with_a_full_queue();
    let output = run(&mut bothends(&["connect", &deaf.0, "--timeout", "300ms"]), b"");
    assert_eq!(output.status.code(), Some(28), "{}", stderr(&output));
}

fn listener_with_a_full_queue() -> (String, Vec<TcpStream>, rustix::fd::OwnedFd) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &"127.0.0.1:0".parse::<std::net::SocketAddrV4>().unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address = std::net::SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap();
    let queued = vec![TcpStream::connect(address).unwrap()];
    (address.to_string(), queued, listener)
}

#[test]
fn interrupted_is_130_and_terminated_143() {
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let (address, server) = peer(|mut stream| {
            stream.write_all(b"ready").unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        });
        let mut child =
            bothends(&["connect", &address]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let held_open = child.stdin.take();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(wait(&mut child).code(), Some(code));
        drop(held_open);
        server.join().unwrap();
    }
}

#[test]
fn servers_that_others_wrote_are_understood() {
    let servers =
        [("socat", "TCP-LISTEN:PORT,bind=127.0.0.1,reuseaddr,fork EXEC:cat"), ("python3", "-c PYTHON PORT")];
    for (program, words) in servers {
        if !has(program, "connect: servers of others") {
            continue;
        }
        // These programs cannot tell which port the kernel chose, so a free one is chosen for them.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let words = words.split(' ').map(|word| match word {
            "PYTHON" => PYTHON_SERVER.to_owned(),
            word => word.replace("PORT", &port),
        });
        let mut server =
            Command::new(format!("/usr/bin/{program}")).args(words).stdin(Stdio::null()).spawn().unwrap();
        crate::running::until("the server listens", || {
            TcpStream::connect(("127.0.0.1", port.parse().unwrap())).is_ok()
        });
        let sent = noise(3, 300_000);
        let output = run(&mut bothends(&["connect", "127.0.0.1", &port]), &sent);
        let _ = server.kill();
        server.wait().unwrap();
        assert_eq!(output.status.code(), Some(0), "{program}: {}", stderr(&output));
        assert!(output.stdout == sent, "{program}: {} bytes of {}", output.stdout.len(), sent.len());
    }
}

/// Again and again in the middle of a conversation, which goes on whole.
#[test]
fn trouble_of_the_kernel_with_its_memory_ends_nothing() {
    if !can_inject("connect: want of memory") {
        return;
    }
    let server = Server::start(&["echo", "127.0.0.1:0"]);
    let address = server.address.to_string();
    for (call, doing) in [("sendto", "send to"), ("recvfrom", "receive from")] {
        for (error, words) in [("ENOBUFS", "no buffer space"), ("ENOMEM", "cannot allocate memory")] {
            let talk = ["connect", &address, "--send", "hello ", "--send", "world", "--json"];
            let output = run(&mut failing(call, error, "1+2", &talk), b"");
            let (said, records) = (stderr(&output), records(&output));
            assert_eq!(output.status.code(), Some(0), "{call}, {error}: {said}");
            let texts = records.iter().filter_map(|record| record["text"].as_str());
            assert_eq!(texts.collect::<String>(), "hello world", "{call}, {error}: {records:?}");
            let told = said.lines().filter(|line| line.starts_with(doing) && line.contains(words));
            assert_eq!((told.count(), said.matches(words).count()), (1, 1), "{call}, {error}: {said}");
        }
    }
    // Where pages are moved instead of bytes.
    let sent = noise(7, 1 << 20);
    for when in ["1+2", "2+3", "2+5", "3+4"] {
        let output = run(&mut failing("splice", "ENOMEM", when, &["connect", &address]), &sent);
        assert_eq!(output.status.code(), Some(0), "{when}: {}", stderr(&output));
        assert!(output.stdout == sent, "{when}: {} bytes of {}", output.stdout.len(), sent.len());
        assert!(stderr(&output).lines().count() <= 1, "{when}: {}", stderr(&output));
    }
}

const PYTHON_SERVER: &str = "
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(65536):
            self.request.sendall(part)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(('127.0.0.1', int(sys.argv[1])), Echo).serve_forever()
";

#[test]
fn listeners_that_others_wrote_talk_both_ways_and_end_first() {
    // (ncat's exec mode is not used: it drops the answer when its client half-closes, with ncat's own client as well.)
    for (program, words) in [("nc", vec!["-v", "-N", "-l"]), ("ncat", vec!["-v", "-l"])] {
        if has(program, "connect: listeners of others") {
            talk_with_a_listener(program, &words);
        }
    }
}

fn talk_with_a_listener(program: &str, words: &[&str]) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut server = Command::new(format!("/usr/bin/{program}"))
        .args(words)
        .args(["127.0.0.1", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines(server.stderr.take().unwrap());
    while !said.recv_timeout(PATIENCE).expect("it says that it listens").contains("istening") {}
    let mut keyboard = server.stdin.take().unwrap();
    keyboard.write_all(b"greeting").unwrap();
    let mut client = bothends(&["connect", "127.0.0.1", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(b"reply").unwrap();
    let mut got = [0; 5];
    server.stdout.take().unwrap().read_exact(&mut got).unwrap();
    drop(keyboard); // the end of its input: it sends its FIN
    let status = wait(&mut client);
    let mut received = String::new();
    client.stdout.take().unwrap().read_to_string(&mut received).unwrap();
    wait(&mut server);
    assert_eq!((status.code(), received.as_str(), &got), (Some(0), "greeting", b"reply"), "{program}");
}

#[test]
fn the_peers_tools_end_as_the_documentation_says_they_do() {
    // The difference that we document: nc and socat call a reset success.
    for (program, arguments) in [("nc", vec![]), ("socat", vec!["-"])] {
        if !has(program, "peers: a reset is success") {
            continue;
        }
        let (address, server) = peer(|mut stream| {
            stream.read_exact(&mut [0; 4]).unwrap();
            reset(&stream);
        });
        let (host, port) = address.split_once(':').unwrap();
        let mut command = Command::new(format!("/usr/bin/{program}"));
        command.args(&arguments);
        if program == "nc" {
            command.args([host, port]);
        } else {
            command.arg(format!("TCP:{address}"));
        }
        let output = run(&mut command, b"ping");
        server.join().unwrap();
        if output.status.code() != Some(0) {
            left_out("peers: a reset is success", &format!("this {program} tells of a reset: {output:?}"));
        }
    }
}

#[test]
fn records_tell_the_same_conversation() {
    let server = Server::start(&["echo", "127.0.0.1:0"]);
    let output =
        run(&mut bothends(&["connect", &server.address.to_string(), "--json"]), "grüß dich\n".as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let records = records(&output);
    let opened = &of_type(&records, "opened")[0];
    assert_eq!((opened["v"].as_u64(), opened["transport"].as_str()), (Some(1), Some("tcp")));
    assert_eq!(opened["remote"].as_str(), Some(server.address.to_string().as_str()));
    let text: String =
        of_type(&records, "data").iter().map(|data| data["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(text.trim_end(), "grüß dich");
    let closed = &of_type(&records, "closed")[0];
    assert_eq!((closed["in_bytes"].as_u64(), closed["out_bytes"].as_u64()), (Some(12), Some(12)));
    assert_eq!(closed["how"].as_str(), Some("fin"));
    assert_eq!(closed["unsent_bytes"].as_u64(), Some(0));
}

#[test]
fn half_close_is_seen_by_the_peer_before_the_end() {
    let (address, server) = peer(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        all.len()
    });
    let output = run(&mut bothends(&["connect", &address]), &noise(9, 1_000_000));
    assert_eq!((output.status.code(), server.join().unwrap()), (Some(0), 1_000_000));
}

#[test]
fn what_is_expected_decides() {
    let says = |text: &'static str| {
        peer(move |mut stream| {
            stream.write_all(text.as_bytes()).unwrap();
            // Until the client has closed: what it waits for does not depend on our end.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        })
    };
    for (text, code) in [("220 mail ready\r\n", 0), ("421 busy\r\n", 1), ("", 52)] {
        let (address, server) = says(text);
        let output = run(&mut bothends(&["connect", &address, "--expect", "^220 .*ready"]), b"");
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), text),
            "{}",
            stderr(&output)
        );
        server.join().unwrap();
    }
}

#[test]
fn what_is_expected_ends_it_at_once() {
    let (address, server) = peer(|mut stream| {
        for part in ["rea", "dy", "\nand more"] {
            let _ = stream.write_all(part.as_bytes());
        }
        // The client does not wait for our end.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut child = bothends(&["connect", &address, "--expect", "ready"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let held_open = child.stdin.take();
    assert_eq!(wait(&mut child).code(), Some(0));
    drop(held_open);
    server.join().unwrap();
}

#[test]
fn a_word_ends_the_input_and_is_not_sent() {
    for word in ["quit", "QUIT"] {
        let (address, server) = peer(|mut stream| {
            let mut all = String::new();
            stream.read_to_string(&mut all).unwrap();
            all
        });
        let mut child = bothends(&["connect", &address, "--until", "quit", "--until", "QUIT"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        keyboard.write_all(format!("quitting is hard\nno {word}\n{word}\nnever sent\n").as_bytes()).unwrap();
        assert_eq!(server.join().unwrap(), format!("quitting is hard\nno {word}\n"));
        assert_eq!(wait(&mut child).code(), Some(0));
        drop(keyboard);
    }
}

#[test]
fn one_side_says_hello_again_and_again_and_leaves_with_the_other() {
    let (address, server) = peer(|mut stream| {
        let hello = "hello, i am client";
        for _ in 0..3 {
            let mut said = vec![0; hello.len()];
            stream.read_exact(&mut said).unwrap();
            assert_eq!(String::from_utf8_lossy(&said), hello);
            stream.write_all(b"hello, i am server").unwrap();
        }
    });
    let words = ["connect", &address, "--send", "hello, i am client", "--every", "20ms"];
    let mut child = bothends(&words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    server.join().unwrap();
    // It may say a fourth hello into the closed connection: then it is reset, and tells so.
    let code = wait(&mut child).code();
    assert!(code == Some(0) || code == Some(56), "{code:?}");
    let mut got = String::new();
    child.stdout.take().unwrap().read_to_string(&mut got).unwrap();
    assert_eq!(got, "hello, i am server".repeat(3));
}

#[test]
fn texts_are_sent_in_place_of_the_input() {
    let heard = |flags: &[&str]| {
        let (address, server) = peer(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        });
        let words = [&["connect", &address, "--send", "one", "--send", "two"], flags].concat();
        let output = run(&mut bothends(&words), b"not this");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        server.join().unwrap()
    };
    assert_eq!(heard(&[]), b"onetwo");
    assert_eq!(heard(&["--frame", "line"]), b"one\ntwo\n");
    assert_eq!(heard(&["--frame", "line", "-C"]), b"one\r\ntwo\r\n");
    assert_eq!(heard(&["--frame", "len32"]), b"\0\0\0\x03one\0\0\0\x03two");
}

#[test]
fn typed_line_ends_become_cr_lf() {
    let (address, server) = peer(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    });
    let output = run(&mut bothends(&["connect", &address, "-C"]), b"GET / HTTP/1.0\n\n");
    assert_eq!(
        (output.status.code(), server.join().unwrap().as_slice()),
        (Some(0), b"GET / HTTP/1.0\r\n\r\n".as_slice())
    );
}

#[test]
fn times_that_were_set_run_out() {
    for (flags, how) in [(["--idle", "100ms"], "--idle"), (["--max-time", "100ms"], "--max-time")] {
        let (address, server) = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
        let mut child = bothends(&["connect", &address])
            .args(flags)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let held_open = child.stdin.take();
        let said = lines(child.stderr.take().unwrap());
        assert_eq!(wait(&mut child).code(), Some(28), "{flags:?}");
        drop(held_open);
        server.join().unwrap();
        assert!(said.iter().any(|line| line.contains(how)), "{flags:?}");
    }
}

#[test]
fn what_it_took_is_told() {
    let server = Server::start(&["echo", "127.0.0.1:0"]);
    let address = server.address.to_string();
    let port = server.address.port().to_string();
    let output = run(&mut bothends(&["connect", "localhost", &port, "-4", "--timing"]), b"hello\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    for word in ["looked up in", "connected in", "first byte", "in all"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let output = run(&mut bothends(&["connect", &address, "--timing", "--json"]), b"hello\n");
    let closed = &of_type(&records(&output), "closed")[0];
    let seconds = |name: &str| closed["timing"][name].as_f64();
    assert!(seconds("resolve_s").is_none(), "nothing was looked up: {closed}");
    assert!(seconds("connect_s").unwrap() + seconds("first_byte_s").unwrap() <= seconds("total_s").unwrap());
}

#[test]
fn source_address_and_port_are_ours_to_choose() {
    let (address, server) = peer(|stream| stream.peer_addr().unwrap());
    let free = TcpListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let output = run(&mut bothends(&["connect", &address, "-s", "127.0.0.9", "-p", &port]), b"");
    assert_eq!((output.status.code(), server.join().unwrap()), (Some(0), free), "{}", stderr(&output));

    let (address, _server) = peer(|_| ());
    let output = run(&mut bothends(&["connect", &address, "-s", "192.0.2.77"]), b"");
    assert_eq!(output.status.code(), Some(45), "not an address of this machine: {}", stderr(&output));
}

#[test]
fn it_calls_again_until_somebody_is_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = bothends(&["connect", &free.to_string(), "--retry", "20", "-v"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines(child.stderr.take().unwrap());
    let first = said.recv_timeout(PATIENCE).unwrap();
    assert!(first.contains("refused"), "{first}");
    let listener = TcpListener::bind(free).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"here").unwrap();
    drop(stream);
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut got = String::new();
    child.stdout.take().unwrap().read_to_string(&mut got).unwrap();
    assert_eq!(got, "here");
}

#[test]
fn a_socket_option_is_read_back_and_told() {
    let (address, server) = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let output = run(&mut bothends(&["connect", &address, "-v", "--sockopt", "SO_KEEPALIVE=1"]), b"");
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("SO_KEEPALIVE was set to 1 and is 1"), "{told}");
    let output = run(&mut bothends(&["connect", &address, "--sockopt", "SO_NONSENSE=1"]), b"");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn once_is_one_arrival() {
    let (address, server) = peer(|mut stream| {
        stream.write_all(b"daytime").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut child = bothends(&["connect", &address, "--once"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let held_open = child.stdin.take();
    assert_eq!(wait(&mut child).code(), Some(0));
    drop(held_open);
    server.join().unwrap();
    let mut got = String::new();
    child.stdout.take().unwrap().read_to_string(&mut got).unwrap();
    assert_eq!(got, "daytime");
}

#[test]
fn flags_that_exclude_each_other_are_told() {
    for (flags, sentence) in [
        (vec!["--send-only", "--recv-only"], "send-only and recv-only exclude each other"),
        (vec!["--every", "1s"], "--send TEXT"),
        (vec!["--expect", "a(b"], "unclosed group"),
        (vec!["--frame", "packet"], "none, line or len32"),
    ] {
        let output = run(bothends(&["connect", "127.0.0.1:1"]).args(&flags), b"");
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{flags:?}: {}", stderr(&output));
    }
}

#[test]
fn how_long_the_other_half_stayed_open_is_told() {
    let (address, server) = peer(|mut stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        // The answer comes late: that is the case.
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        stream.write_all(b"late\n").unwrap();
    });
    let output = run(&mut bothends(&["connect", &address, "-v"]), b"hi");
    server.join().unwrap();
    let told = stderr(&output);
    assert!(told.contains("we closed first") && told.contains("(the other half stayed open for "), "{told}");
}

#[test]
fn a_time_that_ran_out_is_told_by_the_name_of_its_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let output = run(&mut bothends(&["connect", &at, "--linger", "50ms"]), b"");
    assert_eq!(output.status.code(), Some(28));
    assert!(stderr(&output).contains("--linger"), "{}", stderr(&output));
}
