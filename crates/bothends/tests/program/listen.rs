//! `listen`: one peer at the other end, whoever wrote it; and who leaves when.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;

use crate::running::{PATIENCE, bothends, has, lines, of_type, stderr, wait};

/// A `bothends listen` that waits for its peer, with its keyboard held open.
pub struct Listening {
    child: Child,
    pub keyboard: Option<ChildStdin>,
    pub place: String,
    said: Receiver<String>,
}

/// What it came to.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Listening {
    pub fn start(arguments: &[&str]) -> Listening {
        let mut command = bothends(&["listen"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = lines(child.stderr.take().unwrap());
        let line = said.recv_timeout(PATIENCE).expect("a listening line");
        let place = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        let keyboard = child.stdin.take();
        Listening { child, keyboard, place, said }
    }

    pub fn address(&self) -> SocketAddr {
        self.place.split("://").nth(1).unwrap().parse().unwrap()
    }

    pub fn types(&mut self, text: &[u8]) {
        self.keyboard.as_mut().unwrap().write_all(text).unwrap();
    }

    /// The next so many bytes of its output.
    pub fn shows(&mut self, length: usize) -> String {
        let mut shown = vec![0; length];
        self.child.stdout.as_mut().unwrap().read_exact(&mut shown).unwrap();
        String::from_utf8(shown).unwrap()
    }

    /// Waits for a line on stderr that contains `word`.
    pub fn says(&self, word: &str) -> String {
        let mut said = String::new();
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            if line.contains(word) {
                return line;
            }
            said = said + &line + "\n";
        }
        panic!("it never said {word:?}; it said:\n{said}");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ends(mut self) -> Ended {
        let code = wait(&mut self.child).code();
        drop(self.keyboard.take());
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let stderr: Vec<String> = self.said.iter().collect();
        Ended { code, stdout, stderr: stderr.join("\n") }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn programs_of_others_are_talked_with() {
    // nc 1.219 needs -N to end; socat waits half a second by itself, which is enough for what is here already.
    let clients = [
        ("nc", "nc -N 127.0.0.1 PORT"),
        ("ncat", "ncat 127.0.0.1 PORT"),
        ("socat", "socat -t5 - TCP:127.0.0.1:PORT"),
        (
            "python3",
            "python3 -c 'import socket,sys\ns=socket.create_connection((\"127.0.0.1\",PORT))\ns.sendall(sys.stdin.buffer.read())\ns.shutdown(1)\nwhile d:=s.recv(9): sys.stdout.buffer.write(d)'",
        ),
    ];
    for (program, command) in clients {
        if !has(program, "listen: clients of others") {
            continue;
        }
        let mut listening = Listening::start(&["127.0.0.1:0"]);
        listening.types(b"hello from here\n");
        listening.keyboard = None;
        let command = command.replace("PORT", &listening.address().port().to_string());
        let output = crate::running::run(Command::new("sh").args(["-c", &command]), b"hello from there\n");
        let ended = listening.ends();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "hello from there\n"),
            "{program}: {}",
            ended.stderr
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "hello from here\n",
            "{program}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn curl_is_talked_with_as_telnet() {
    if !has("curl", "listen: curl telnet://") {
        return;
    }
    let mut listening = Listening::start(&["127.0.0.1:0"]);
    let mut curl = Command::new("curl")
        .args(["-sN", &format!("telnet://{}", listening.address())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = curl.stdin.take().unwrap();
    keyboard.write_all(b"hello from there\n").unwrap();
    assert_eq!(listening.shows(17), "hello from there\n");
    listening.types(b"hello from here\n");
    let mut got = [0; 16];
    curl.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello from here\n");
    listening.keyboard = None;
    // curl heeds our FIN no sooner than its own input ends.
    drop(keyboard);
    let ended = listening.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    wait(&mut curl);
}

#[test]
fn what_comes_from_a_pipe_is_sent_to_its_end_although_the_peer_has_closed() {
    let mut listening = Listening::start(&["127.0.0.1:0", "-v"]);
    let mut peer = TcpStream::connect(listening.address()).unwrap();
    peer.write_all(b"request").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(listening.shows(7), "request");
    listening.types(b"first ");
    let mut first = [0; 6];
    peer.read_exact(&mut first).unwrap();
    listening.types(b"second");
    listening.keyboard = None;
    let mut rest = String::new();
    peer.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"first ", "second"));
    let ended = listening.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("it closed first, with FIN"), "{}", ended.stderr);
}

#[test]
fn it_leaves_with_its_peer_when_its_input_has_ended() {
    let mut listening = Listening::start(&["127.0.0.1:0"]);
    listening.keyboard = None;
    let mut peer = TcpStream::connect(listening.address()).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "our FIN");
    peer.write_all(b"late").unwrap();
    drop(peer);
    let ended = listening.ends();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "late"), "{}", ended.stderr);
}

#[test]
fn it_takes_one_peer_and_the_next_is_refused() {
    let listening = Listening::start(&["127.0.0.1:0", "-v"]);
    let first = TcpStream::connect(listening.address()).unwrap();
    listening.says("connected");
    let refused = TcpStream::connect(listening.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    drop(first);
}

#[test]
fn once_is_one_message() {
    let listening = Listening::start(&["--once", "127.0.0.1:0"]);
    let mut peer = TcpStream::connect(listening.address()).unwrap();
    peer.write_all(b"the message").unwrap();
    let ended = listening.ends();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "the message"), "{}", ended.stderr);
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn a_reset_is_never_success_here_either() {
    let listening = Listening::start(&["127.0.0.1:0"]);
    let peer = TcpStream::connect(listening.address()).unwrap();
    rustix::net::sockopt::set_socket_linger(&peer, Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let ended = listening.ends();
    assert_eq!(ended.code, Some(56), "{}", ended.stderr);
    assert!(ended.stderr.contains("reset"), "{}", ended.stderr);
}

#[test]
fn nobody_comes() {
    let listening = Listening::start(&["127.0.0.1:0", "--timeout", "100ms"]);
    assert_eq!(listening.ends().code, Some(28));
    let listening = Listening::start(&["127.0.0.1:0"]);
    listening.signal(rustix::process::Signal::INT);
    assert_eq!(listening.ends().code, Some(130));
}

#[test]
fn who_is_denied_is_turned_away_and_the_wait_goes_on() {
    let listening = Listening::start(&["127.0.0.1:0", "-v", "--deny", "127.0.0.2"]);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&listening.address().into()).unwrap();
    assert!(listening.says("turned away").contains("127.0.0.2"));
    let mut welcome = TcpStream::connect(listening.address()).unwrap();
    welcome.write_all(b"me").unwrap();
    welcome.shutdown(Shutdown::Write).unwrap();
    let mut listening = listening;
    listening.keyboard = None;
    let ended = listening.ends();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "me"), "{}", ended.stderr);
}

#[test]
fn the_port_is_in_the_file_and_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let listening = Listening::start(&["0", "--json", "--once", "--port-file", file.to_str().unwrap()]);
    let port = std::fs::read_to_string(&file).unwrap();
    assert_eq!(port, format!("{}\n", listening.address().port()));
    let place = listening.place.clone();
    let mut peer = TcpStream::connect(listening.address()).unwrap();
    peer.write_all("grüß\n".as_bytes()).unwrap();
    let ended = listening.ends();
    let records: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["listening", "opened", "data", "closed"]);
    assert_eq!(of_type(&records, "listening")[0]["address"].as_str(), Some(place.as_str()));
    assert_eq!(of_type(&records, "data")[0]["text"].as_str(), Some("grüß"));
    assert_eq!(of_type(&records, "closed")[0]["in_bytes"].as_u64(), Some(7));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn both_ends_of_every_connection_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let places = [
        format!("unix:{}", path("stream")),
        format!("unix:@bothends-listen-{}", std::process::id()),
        format!("unix-seqpacket:{}", path("packets")),
        "tcp://127.0.0.1:0".to_owned(),
    ];
    for place in places {
        let mut listening = Listening::start(&[&place]);
        listening.types(b"from here\n");
        let peer = listening.place.clone();
        let connect = std::thread::spawn(move || {
            crate::running::run(&mut bothends(&["connect", &peer]), b"from there\n")
        });
        // Not before: connect leaves at our FIN, also with something unsaid.
        assert_eq!(listening.shows("from there\n".len()), "from there\n", "{place}");
        listening.keyboard = None;
        let ended = listening.ends();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{place}: {}", ended.stderr);
        let output = connect.join().unwrap();
        let got = crate::running::stdout(&output);
        assert_eq!(
            (output.status.code(), got.as_str()),
            (Some(0), "from here\n"),
            "{place}: {}",
            stderr(&output)
        );
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "socket files are removed");
}

#[test]
fn socat_over_unix_sockets() {
    if !has("socat", "listen: socat over unix sockets") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cases = [("unix", "UNIX-CONNECT"), ("unix-seqpacket", "UNIX-CONNECT:TYPE")];
    for (scheme, address) in cases {
        let path = folder.path().join(scheme);
        let mut listening = Listening::start(&[&format!("{scheme}:{}", path.display()), "--mode", "600"]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        listening.types(b"from here\n");
        listening.keyboard = None;
        let address = match address {
            "UNIX-CONNECT" => format!("UNIX-CONNECT:{}", path.display()),
            _ => format!("UNIX-CONNECT:{},type=5", path.display()),
        };
        let output = crate::running::run(Command::new("socat").args(["-t5", "-", &address]), b"from there\n");
        let ended = listening.ends();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "from there\n"),
            "{scheme}: {}",
            ended.stderr
        );
        assert_eq!(crate::running::stdout(&output), "from here\n", "{scheme}: {}", stderr(&output));
    }
}

#[test]
fn an_address_in_use_is_told_with_its_own_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = crate::running::run(&mut bothends(&["listen", &address]), b"");
    assert_eq!(output.status.code(), Some(45), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("tcp://{address}")), "{}", stderr(&output));
}

#[test]
fn options_behind_the_address_are_flags() {
    let listening = Listening::start(&["tcp://127.0.0.1:0?timeout=50ms"]);
    assert_eq!(listening.ends().code, Some(28));
    let output = crate::running::run(&mut bothends(&["listen", ":0?tiemout=1"]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no option tiemout"), "{}", stderr(&output));
}

/// A packet is whole without a line's end, however long it is; `cut` is for what did not fit.
#[test]
fn whole_packets_are_not_called_cut() {
    if !has("python3", "listen: whole packets") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packets");
    let mut command = bothends(&["listen", &format!("unix-seqpacket:{}", path.display()), "--json"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let told = lines(child.stdout.take().unwrap());
    assert!(told.recv_timeout(PATIENCE).is_ok_and(|line| line.contains("\"listening\"")));
    let script = "import socket, sys
peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
peer.connect(sys.argv[1])
for length in (1, 3, 65537):
    peer.send(b'x' * length)";
    let peer = Command::new("python3").args(["-c", script, path.to_str().unwrap()]).status().unwrap();
    assert!(peer.success());
    let told: Vec<serde_json::Value> = told.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert!(wait(&mut child).success());
    let data = of_type(&told, "data");
    let lengths: Vec<_> = data.iter().map(|one| (one["len_bytes"].as_u64(), one.get("cut"))).collect();
    assert_eq!(lengths, [1, 3, 65537].map(|length| (Some(length), None)));
}
