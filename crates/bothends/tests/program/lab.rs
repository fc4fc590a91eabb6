//! `lab`: only through the binary, as root and as an ordinary user.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{
    PATIENCE, PublicCopy, bothends, has, is_root, left_out, lines, of_type, processes, records, run, stderr,
    stdout, until, wait,
};

/// Whether the real kernel was used; if not, the test is noted as left out.
fn on_the_kernel(records: &[Value], test: &str) -> bool {
    let link = of_type(records, "link");
    let real = link.iter().any(|link| link["world"] == "kernel");
    if !real {
        left_out(test, "this system refuses a private network");
    }
    real
}

fn lab(arguments: &[&str]) -> Output {
    let mut all = vec!["lab"];
    all.extend(arguments);
    let output = run(&mut bothends(&all), b"");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    output
}

/// The facts of a conversation that every world must show: handshake, echo, close.
fn assert_whole_conversation(records: &[Value]) {
    let flows = of_type(records, "flow");
    let [flow] = flows.as_slice() else { panic!("one flow: {flows:?}") };
    assert_eq!((flow["state_a"].as_str(), flow["state_b"].as_str()), (Some("TIME_WAIT"), Some("CLOSED")));
    assert_eq!((flow["closed_by"].as_str(), flow["how"].as_str()), (Some("a"), Some("fin")));
    let segments = of_type(records, "segment");
    assert_eq!(segments[0]["flags_tcp"], "SYN", "no noise before the first SYN");
    assert_eq!(segments[0]["frame"].as_u64(), Some(1));
    let bytes = |side: &str| -> u64 {
        let number = |segment: &Value, field: &str| segment[field].as_u64().unwrap();
        let sent =
            segments.iter().filter(|segment| segment["from"] == side && number(segment, "len_bytes") > 0);
        sent.map(|segment| number(segment, "seq") + number(segment, "len_bytes")).max().unwrap()
    };
    assert_eq!(bytes("a"), bytes("b"), "what was sent came back");
    assert!(
        segments.windows(2).all(|pair| pair[0]["t_s"].as_f64() <= pair[1]["t_s"].as_f64()),
        "ordered by sending"
    );
    // FIN_WAIT_2 only when the server's ACK and FIN are two segments; the kernel often joins them.
    let edges = BTreeSet::from(["SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "TIME_WAIT"]);
    let seen: BTreeSet<&str> = segments.iter().filter_map(|segment| segment["state_a"].as_str()).collect();
    assert!(edges.is_subset(&seen), "{seen:?}");
}

#[test]
fn the_first_command_shows_a_whole_conversation_in_under_a_second() {
    let start = Instant::now();
    let output = lab(&[]);
    let took = start.elapsed();
    let text = stdout(&output);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["SYN", "ESTABLISHED", "FIN", "TIME_WAIT", "CLOSED", "client", "server", "closed first"] {
        assert!(words.contains(word), "{word} in:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "80 columns:\n{text}");
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_whole_conversation(&records(&lab(&["--json"])));
}

#[test]
fn an_ordinary_user_gets_the_same_on_the_real_kernel() {
    let test = "lab as nobody";
    if !is_root(test) {
        return;
    }
    let copy = PublicCopy::new();
    let output = run(&mut copy.as_nobody(&["lab", "--json"]), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = records(&output);
    if on_the_kernel(&records, test) {
        assert_whole_conversation(&records);
    }
}

/// What the link did to SYN, FIN and payload segments: sender, numbers, fate.
fn fates(records: &[Value]) -> Vec<String> {
    let segments = of_type(records, "segment");
    let carries = |segment: &Value| {
        let flags = segment["flags_tcp"].as_str().unwrap();
        segment["len_bytes"].as_u64().unwrap() > 0 || flags.contains("SYN") || flags.contains("FIN")
    };
    let mut all: Vec<String> = segments
        .iter()
        .filter(|segment| carries(segment) && segment["fate"] == "lost")
        .map(|segment| {
            format!("{} {} {} {}", segment["from"], segment["seq"], segment["len_bytes"], segment["fate"])
        })
        .collect();
    all.sort();
    all
}

#[test]
fn one_seed_loses_the_same_segments_at_every_run() {
    let first = records(&lab(&["--loss", "20%", "--seed", "7", "--json"]));
    if !on_the_kernel(&first, "lab: same losses at every run") {
        return;
    }
    let lost = fates(&first);
    assert!(!lost.is_empty(), "seed 7 loses something at 20%");
    for _ in 0..3 {
        assert_eq!(fates(&records(&lab(&["--loss", "20%", "--seed", "7", "--json"]))), lost);
    }
    let flow = &of_type(&first, "flow")[0];
    assert_eq!(flow["how"], "fin", "TCP repaired it: {flow}");
}

#[test]
fn the_simulated_network_is_the_same_to_the_byte() {
    for arguments in
        [vec!["--simulated", "--json"], vec!["--simulated", "--json", "--loss", "20%", "--seed", "7"]]
    {
        let first = lab(&arguments).stdout;
        assert_eq!(lab(&arguments).stdout, first, "{arguments:?}");
    }
    assert_whole_conversation(&records(&lab(&["--simulated", "--json"])));
}

#[test]
fn delay_is_one_way_and_each_way() {
    let records = records(&lab(&["--delay", "20ms", "--json"]));
    if !on_the_kernel(&records, "lab: delay") {
        return;
    }
    // On the link it is shorter by what getting in and out of it costs.
    let link = &of_type(&records, "link")[0];
    let cost = |way: &str| -> f64 {
        let calibrated = &link[way]["calibrated_us"];
        let part = |name: &str| calibrated[name].as_f64().unwrap();
        part("entering").max(part("answering")) + part("leaving")
    };
    let flow = &of_type(&records, "flow")[0];
    let rtt = flow["rtt_us"].as_f64().unwrap();
    let least = 40_000.0 - cost("up") - cost("down");
    assert!(least > 30_000.0 && rtt >= least, "a round trip is two delays: {rtt} us, {link}");
    for segment in of_type(&records, "segment") {
        let way = segment["arrived_s"].as_f64().unwrap() - segment["t_s"].as_f64().unwrap();
        let cost = cost(if segment["from"] == "a" { "up" } else { "down" });
        assert!(way * 1e6 >= 19_999.0 - cost, "{segment}");
    }
}

#[test]
fn what_lab_writes_trace_and_tshark_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.pcapng");
    let name = file.to_str().unwrap();
    for arguments in [vec![], vec!["--loss", "20%", "--seed", "7"], vec!["--simulated"]] {
        let mut all = vec!["--json", "--write", name];
        all.extend(&arguments);
        let told = records(&lab(&all));
        let read = records(&run(&mut bothends(&["trace", "-r", name, "--json"]), b""));
        let fields =
            ["from", "seq", "ack", "flags_tcp", "len_bytes", "window_bytes", "state_a", "state_b", "fate"];
        let brief = |records: &[Value]| -> Vec<Vec<Value>> {
            let segments = of_type(records, "segment");
            segments
                .iter()
                .map(|segment| fields.iter().map(|field| segment[field].clone()).collect())
                .collect()
        };
        // In the lab it is known that the server listens before it ever spoke; a capture cannot know.
        let known = |rows: Vec<Vec<Value>>| -> Vec<Vec<Value>> {
            rows.into_iter()
                .filter(|row| !row.iter().any(|field| field == "unknown" || field == "LISTEN"))
                .collect()
        };
        assert_eq!(known(brief(&read)), known(brief(&told)), "{arguments:?}");
        assert!(known(brief(&read)).len() + 4 >= brief(&told).len());
        if arguments.is_empty() && has("tshark", "lab: tshark flags nothing") {
            let output = run(
                Command::new("tshark").args(["-n", "-r", name, "-Y", "tcp.analysis.flags || _ws.malformed"]),
                b"",
            );
            assert!(output.status.success());
            assert_eq!(stdout(&output), "", "tshark flags nothing");
            let output = run(
                Command::new("tshark")
                    .args(["-n", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r", name])
                    .args(["-Y", "tcp.checksum.status == 0 || ip.checksum.status == 0"]),
                b"",
            );
            assert_eq!(stdout(&output), "", "every checksum is right");
        }
    }
}

#[test]
fn the_picture_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("talk.svg");
    lab(&["--simulated", "--svg", svg.to_str().unwrap()]);
    let text = fs::read_to_string(&svg).unwrap();
    assert!(text.contains("<svg") && text.contains("ESTABLISHED") && text.contains("TIME_WAIT"));
    if has("rsvg-convert", "lab: the SVG renders") {
        let png = folder.path().join("talk.png");
        let output = run(Command::new("rsvg-convert").arg(&svg).arg("-o").arg(&png), b"");
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(fs::metadata(&png).unwrap().len() > 10_000);
    }
}

#[test]
fn looks_follow_the_terminal_the_locale_and_the_flags() {
    let plain = stdout(&lab(&["--simulated"]));
    let mut c_locale = bothends(&["lab", "--simulated"]);
    let ascii = stdout(&run(c_locale.env("LC_ALL", "C"), b""));
    assert!(plain.contains('│') && !ascii.contains('│') && ascii.is_ascii(), "{ascii}");
    let coloured = stdout(&lab(&["--simulated", "--color", "always"]));
    assert!(coloured.contains("\u{1b}["));
    let wide = stdout(&run(bothends(&["lab", "--simulated"]).env("COLUMNS", "160"), b""));
    assert!(wide.contains("mss") && !plain.lines().any(|line| line.chars().count() > 80));
}

#[test]
fn two_commands_talk_without_being_changed() {
    let test = "lab: two commands";
    if !has("socat", test) {
        return;
    }
    let client = "socat - TCP:server:80,retry=200,interval=0.05; exit 3";
    let arguments = ["lab", "--", "socat", "TCP-LISTEN:80,reuseaddr", "EXEC:cat", "--", "sh", "-c", client];
    let output = run(&mut bothends(&arguments), b"over the link\n");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!(stdout(&output), "over the link\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3), "the client's own code: {}", stderr(&output));
}

/// What a killed lab could leave behind: processes of its tree, by the environment that all of them have from it.
fn with_temporary(folder: &Path) -> BTreeSet<u32> {
    let wanted = format!("TMPDIR={}", folder.display());
    let has_it = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    processes().into_iter().map(|process| process.pid).filter(|pid| has_it(*pid)).collect()
}

fn interfaces() -> BTreeSet<String> {
    let entries = fs::read_dir("/sys/class/net").unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn heavy_kill_9_leaves_nothing_behind_ping_included() {
    let test = "lab: kill -9 leaves nothing";
    if !is_root(test) || !has("ping", test) {
        return;
    }
    let copy = PublicCopy::new();
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let links = interfaces();
    for round in 0..10 {
        let arguments = ["lab", "--", "sleep", "1000", "--", "ping", "-i", "0.2", "server"];
        let variable = format!("TMPDIR={}", temporary.path().display());
        let mut command = match round % 2 {
            0 => copy.as_nobody_with(&variable, &arguments),
            _ => bothends(&arguments),
        };
        command.env("TMPDIR", temporary.path());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = lines(child.stdout.take().unwrap());
        let first = said.recv_timeout(PATIENCE);
        if first.is_err() && wait(&mut child).code() == Some(77) {
            return left_out(test, "this system refuses a private network");
        }
        assert!(said.recv_timeout(PATIENCE).is_ok_and(|line| line.contains("ttl=")), "ping is answered");
        // The tool, keeper, init, server and client.
        assert!(with_temporary(temporary.path()).len() >= 5);
        child.kill().unwrap();
        wait(&mut child);
        until("no process is left", || with_temporary(temporary.path()).is_empty());
        assert_eq!(interfaces(), links);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "no file is left");
    }
}

#[test]
fn where_namespaces_are_refused_the_simulation_plays_and_says_why() {
    let test = "lab: refused namespaces";
    let binary = Path::new(env!("CARGO_BIN_EXE_bothends"));
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" lab";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", script]).arg(binary).env("LC_ALL", "C.UTF-8");
    let output = run(&mut command, b"");
    if !output.status.success() && stderr(&output).contains("unshare") && stdout(&output).is_empty() {
        return left_out(test, "unshare is not allowed here");
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("max_user_namespaces"), "why and what to do: {}", stderr(&output));
    assert!(stdout(&output).contains("TIME_WAIT"));
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" lab -- true -- true";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", script]).arg(binary);
    assert_eq!(run(&mut command, b"").status.code(), Some(77), "with commands there is no simulation");
}

#[test]
fn a_client_alone_finds_the_services_of_old() {
    let test = "lab: --client-only";
    if !has("nc", test) {
        return;
    }
    let script =
        "nc -q1 server 13; printf 'said\\n' | nc -N server 7; nc -z server 9 && nc -z server 19; exit 5";
    let output = run(&mut bothends(&["lab", "--client-only", "--", "sh", "-c", script]), b"");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    let [day, said] = lines.as_slice() else { panic!("two lines: {text:?} {}", stderr(&output)) };
    assert!(day.trim_end().ends_with("-UTC"), "{day}");
    assert_eq!((*said, output.status.code()), ("said", Some(5)));
    let output = run(&mut bothends(&["lab", "--client-only"]), b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn flags_of_a_lab_are_refused_where_none_is_made() {
    let wrong = [
        (&["--loss", "5%", "lesson", "handshake"][..], "--loss"),
        (&["lesson", "handshake", "--up-delay", "5ms"], "--up-delay"),
        (&["--at", "1s: cut", "lessons"], "--at"),
        (&["--cut", "show", "wifi"], "--cut"),
        (&["show", "--seed", "3"], "--seed"),
        (&["--rate", "1Mbit/s", "doctor"], "--rate"),
        (&["doctor", "--hosts", "3"], "--hosts"),
        (&["doctor", "--", "true"], "--"),
        (&["--step"], "--step"),
    ];
    for (words, flag) in wrong {
        let output = run(&mut bothends(&[&["lab"], words].concat()), b"");
        let said = stderr(&output);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{words:?}");
        assert!(said.starts_with(&format!("bothends: {flag} is for a")), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 2, "a hint: {said}");
    }
}
