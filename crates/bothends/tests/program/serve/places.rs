//! Where `serve` listens, and who may come.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::running::{PATIENCE, Server, bothends, has, lines, run, stderr, stdout, until, wait};

fn echoes(mut stream: impl Read + Write) -> bool {
    let mut got = [0; 2];
    stream.write_all(b"hi").is_ok() && stream.read_exact(&mut got).is_ok() && got == *b"hi"
}

#[test]
fn one_server_serves_every_transport_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (stream, datagrams, ports) = (at("stream"), at("datagrams"), at("ports"));
    let unix_datagrams = format!("unix-dgram:{datagrams}");
    let stream_mode = format!("unix:{stream}?mode=600");
    let places = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", &stream_mode, &unix_datagrams];
    let server = Server::start(&[&["echo", "--port-file", &ports], &places[..]].concat());
    until("all are listened on", || fs::exists(&ports).unwrap());
    let written = fs::read_to_string(&ports).unwrap();
    let written: Vec<&str> = written.lines().collect();
    assert_eq!(written[2..], [&stream, &datagrams]);
    assert_eq!(fs::metadata(&stream).unwrap().permissions().mode() & 0o777, 0o600);

    let port = |line: &str| line.parse::<u16>().unwrap();
    assert!(echoes(TcpStream::connect(("127.0.0.1", port(written[0]))).unwrap()));
    assert!(echoes(UnixStream::connect(&stream).unwrap()));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.send_to(b"hi", ("127.0.0.1", port(written[1]))).unwrap();
    assert_eq!(udp.recv(&mut [0; 9]).unwrap(), 2);
    let own = UnixDatagram::bind(at("own")).unwrap();
    own.set_read_timeout(Some(PATIENCE)).unwrap();
    own.send_to(b"hi", &datagrams).unwrap();
    assert_eq!(own.recv(&mut [0; 9]).unwrap(), 2);

    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(!fs::exists(&stream).unwrap() && !fs::exists(&datagrams).unwrap(), "our socket files are gone");
}

/// As systemd does it: sd_listen_fds(3), sd_notify(3).
const SUPERVISOR: &str = r#"
import os, socket, subprocess, sys
binary, engine = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3, inheritable=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind("\0bothends-notify-%d" % os.getpid())
notify.settimeout(20)
os.environ["NOTIFY_SOCKET"] = "@bothends-notify-%d" % os.getpid()
start = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\""
server = subprocess.Popen(["sh", "-c", start, "sh", binary, "serve", "echo", "-q", "--engine", engine], pass_fds=[3])
try:
    print(notify.recv(1000).decode().split("\n")[0])
    with socket.create_connection(listener.getsockname(), 20) as client:
        client.sendall(b"hi")
        print(client.recv(2).decode())
        with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as children:
            for child in children.read().split():
                sockets = [os.readlink("/proc/%s/fd/%s" % (child, fd)) for fd in os.listdir("/proc/%s/fd" % child)]
                print("a child has", sum(name.startswith("socket:") for name in sockets))
        server.terminate()
        print(notify.recv(1000).decode().split("\n")[0])
        # Told at once, while the client is still there.
        client.sendall(b"ho")
        print(client.recv(2).decode())
    print(server.wait(20))
finally:
    server.kill()
"#;

#[test]
fn sockets_from_a_supervisor_are_served_and_it_is_told() {
    if !has("python3", "LISTEN_FDS and NOTIFY_SOCKET") {
        return;
    }
    for engine in super::ENGINES {
        let arguments = ["-c", SUPERVISOR, env!("CARGO_BIN_EXE_bothends"), engine];
        let output = run(Command::new("python3").args(arguments), b"");
        // Its client's and the way to its parent; not the listener.
        let child = if engine == "process" { "a child has 2\n" } else { "" };
        let expected = format!("READY=1\nhi\n{child}STOPPING=1\nho\n0\n");
        assert_eq!(stdout(&output), expected, "{engine}: {}", stderr(&output));
    }
}

#[test]
fn systemd_starts_it_with_a_socket() {
    if !has("systemd-socket-activate", "serve by socket activation") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(&path).args([env!("CARGO_BIN_EXE_bothends"), "serve", "upper"]);
    let mut systemd = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let told = lines(systemd.stderr.take().unwrap());
    until("it listens", || UnixStream::connect(&path).is_ok());
    let listening = told.iter().find(|line| line.starts_with("listening on")).unwrap();
    assert_eq!(listening, format!("listening on unix:{} (upper, engine event)", path.display()));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"hi").unwrap();
    let mut got = [0; 2];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"HI");
    drop(client);
    rustix::process::kill_process(rustix::process::Pid::from_child(&systemd), Signal::TERM).unwrap();
    assert_eq!(wait(&mut systemd).code(), Some(0));
    assert!(fs::exists(&path).unwrap(), "the file is the supervisor's, and stays");
}

/// What came by `exec` is no place to listen, or not there at all.
#[test]
fn descriptors_that_cannot_be_served_are_refused() {
    let (one, _other) = UnixStream::pair().unwrap();
    let serve = |socket: Option<UnixStream>, place: &str| {
        let script = "exec timeout 20 \"$@\" 3<&0 4</dev/null </dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_bothends"), "serve", "echo", place]);
        command.stdin(socket.map_or_else(Stdio::null, |socket| Stdio::from(OwnedFd::from(socket))));
        let output = command.output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for (told, sentence) in [
        (serve(Some(one), "fd:3"), "listen on fd:3: it is a connection already: nobody else can come by it"),
        (serve(None, "fd:4"), "listen on fd:4: it is no socket"),
        (serve(None, "fd:9"), "listen on fd:9: no descriptor of this number was handed to this program"),
    ] {
        assert_eq!(told, (Some(45), format!("bothends: {sentence}\n")));
    }
}

#[test]
fn lists_are_read_again_at_hangup_and_nobody_there_loses_a_session() {
    for engine in super::ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let denied = folder.path().join("denied");
        fs::write(&denied, "# nobody\n").unwrap();
        let file = denied.to_str().unwrap();
        let mut server =
            Server::start(&["echo", "127.0.0.1:0", "--engine", engine, "--deny-file", file, "-v"]);
        let before = TcpStream::connect(server.address).unwrap();
        assert!(echoes(&before), "{engine}");
        fs::write(&denied, "127.0.0.0/8\n").unwrap();
        server.signal(Signal::HUP);
        server.says("lists were read again: 1 network");
        assert!(!TcpStream::connect(server.address).is_ok_and(echoes), "{engine}: it is denied now");
        let line = server.says("turned away");
        assert!(line.contains("127.0.0.0/8"), "{engine}: {line}");
        assert!(echoes(&before), "{engine}: it was there before");
        fs::write(&denied, "no network\n").unwrap();
        server.signal(Signal::HUP);
        server.says("denied");
        assert!(!TcpStream::connect(server.address).is_ok_and(echoes), "{engine}: the old list stays");
    }
}

#[test]
fn what_cannot_be_served_is_refused_before_listening() {
    for (words, part) in [
        (&["reply"][..], "needs a text"),
        (&["echo", "--size", "1M"], "--size belongs to source"),
        (&["source", "udp://127.0.0.1:0"], "source"),
        (&["chat", "127.0.0.1:0", "--engine", "process"], "process"),
        (&["echo", "127.0.0.1:0?nonsense"], "there is no option nonsense here"),
        (&["echo", "127.0.0.1:0", "--sockopt", "SO_NONSENSE=1"], "SO_NONSENSE"),
        (&["echo", "127.0.0.1:0", "--deny", "nonsense/99"], "nonsense"),
    ] {
        let output = run(bothends(&["serve"]).args(words), b"");
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        assert!(told.contains(part) && !told.contains("listening"), "{words:?}: {told}");
    }
}

/// The kernel doubles what is asked for (socket(7)), and clients inherit it from the listener.
#[test]
fn an_option_of_a_socket_is_set_read_back_and_told() {
    let server = Server::start(&["echo", "127.0.0.1:0?sockopt=SO_RCVBUF%3D4096", "-v"]);
    assert!(echoes(TcpStream::connect(server.address).unwrap()));
    let (_, said) = server.stop();
    assert!(said.starts_with("127.0.0.1:0: SO_RCVBUF was set to 4096 and is 8192\n"), "{said}");
}
