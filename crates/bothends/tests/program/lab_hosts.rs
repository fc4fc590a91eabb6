//! `lab`'s hosts through the binary: both families, more than two, a shell on one of them, and what the system allows.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::running::{
    PATIENCE, PublicCopy, bothends, has, is_root, left_out, lines, of_type, records, run, stderr, stdout,
    wait,
};

/// Runs `lab`; none where the system refuses it, which is noted.
fn lab(test: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let mut all = vec!["lab"];
    all.extend(arguments);
    let output = run(&mut bothends(&all), input);
    if output.status.code() == Some(77) {
        left_out(test, "this system refuses a private network");
        return None;
    }
    Some(output)
}

#[test]
fn the_conversation_is_the_same_over_ipv6() {
    let test = "lab: IPv6";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.pcapng");
    let name = file.to_str().unwrap();
    for more in [vec![], vec!["--simulated"]] {
        let mut arguments = vec!["-6", "--json", "--write", name];
        arguments.extend(&more);
        let Some(output) = lab(test, &arguments, b"") else { return };
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = records(&output);
        let flow = &of_type(&told, "flow")[0];
        assert!(flow["a"].as_str().unwrap().starts_with("[fd00::1]:"), "{flow}");
        assert_eq!((flow["b"].as_str(), flow["how"].as_str()), (Some("[fd00::2]:7"), Some("fin")));
        assert_eq!(flow["state_a"], "TIME_WAIT");
        let segments = of_type(&told, "segment");
        assert_eq!((&segments[0]["frame"], &segments[0]["flags_tcp"]), (&1.into(), &"SYN".into()));
        let read = records(&run(&mut bothends(&["trace", "-r", name, "--json"]), b""));
        let numbers = |records: &[Value]| -> Vec<Value> {
            of_type(records, "segment").iter().map(|segment| segment["seq"].clone()).collect()
        };
        assert_eq!(numbers(&read), numbers(&told));
        if has("tshark", "lab: IPv6 checksums") {
            let mut tshark = Command::new("tshark");
            tshark.args(["-n", "-o", "tcp.check_checksum:TRUE", "-r", name]);
            let output = run(tshark.args(["-Y", "!ipv6 || tcp.checksum.status == 0"]), b"");
            assert_eq!(stdout(&output), "", "every packet is IPv6, and every checksum right");
        }
    }
    let ladder = stdout(&lab(test, &["-6"], b"").unwrap());
    assert!(ladder.contains("client :") && ladder.contains("server :7") && ladder.contains("TIME_WAIT"));
}

#[test]
fn names_resolve_to_the_family_that_comes_first_and_both_answer() {
    let test = "lab: ping by name";
    if !has("ping", test) {
        return;
    }
    let script = "ping -nc1 server && ping -4 -nc1 server && ping -6 -nc1 server && getent ahosts server";
    for (flag, first, second) in [("-4", "10.0.0.2", "fd00::2"), ("-6", "fd00::2", "10.0.0.2")] {
        let Some(output) = lab(test, &[flag, "--client-only", "--", "sh", "-c", script], b"") else { return };
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
        let pinged: Vec<&str> = text.lines().filter(|line| line.starts_with("PING")).collect();
        let shows = |line: &str, address: &str| assert!(line.contains(&format!("({address})")), "{text}");
        shows(pinged[0], first);
        shows(pinged[1], "10.0.0.2");
        shows(pinged[2], "fd00::2");
        let at = |address: &str| text.find(&format!("\n{address} ")).expect(address);
        assert!(at(first) < at(second), "{text}");
    }
}

#[test]
fn a_third_host_has_a_command_of_its_own() {
    let test = "lab: three hosts";
    if !has("nc", test) {
        return;
    }
    let arguments = ["--hosts", "3", "--ladder", "--", "nc", "-l", "80", "--", "sh", "-c"];
    let script = "echo to the server | nc -N server 80; echo to the third | nc -N host3 81";
    let arguments = [&arguments[..], &[script, "--", "nc", "-l", "81"]].concat();
    let Some(output) = lab(test, &arguments, b"") else { return };
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for words in ["server | to the server", "host3 | to the third", "host3 :81", "server :80"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn wrong_words_about_hosts_are_refused() {
    for (arguments, said) in [
        (&["lab", "--hosts", "9"][..], "8"),
        (&["lab", "--hosts", "1"], "2"),
        (&["lab", "shell", "host3"], "no host"),
        (&["lab", "shell", "--json"], "records"),
        (&["lab", "client"], "client"),
        (&["lab", "--hosts", "3", "--simulated"], "two hosts"),
        (&["lab", "--simulated", "shell"], "no kernel"),
        (&["lab", "-4", "-6"], "--ipv6"),
    ] {
        let output = run(&mut bothends(arguments), b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_shell_reads_its_commands_on_its_host() {
    let test = "lab: shell in a pipe";
    if !has("nc", test) {
        return;
    }
    for (host, words) in [(&["shell"][..], "client"), (&["shell", "server"], "server")] {
        let script = b"hostname; echo $SHLVL >/dev/null; exit 4\n";
        let Some(output) = lab(test, host, script) else { return };
        assert_eq!((stdout(&output).trim(), output.status.code()), (words, Some(4)), "{}", stderr(&output));
    }
    // The server offers what it offers to a client alone; the words are the other's.
    let output = lab(test, &["shell"], b"echo here | nc -N server 7\n").unwrap();
    assert_eq!(stdout(&output), "here\n", "{}", stderr(&output));
    let arguments = ["shell", "--", "nc", "-l", "80"];
    let output = lab(test, &arguments, b"echo called | nc -N server 80\n").unwrap();
    assert!(stderr(&output).contains("server | called\n"), "{}", stderr(&output));
}

/// At a terminal of its own, which `script` makes.
#[test]
fn a_shell_has_the_terminal_and_gives_it_back() {
    let test = "lab: shell at a terminal";
    if !has("script", test)
        || !has("bash", test)
        || !has("python3", test)
        || lab(test, &["--", "true", "--", "true"], b"").is_none()
    {
        return;
    }
    let binary = env!("CARGO_BIN_EXE_bothends");
    let run_shell = format!("{binary} lab shell; echo gave $?; read word; echo read $word");
    let mut command = Command::new("script");
    command.args(["-qec", &run_shell, "/dev/null"]).env("SHELL", "/bin/bash").env("HOME", "/nonexistent");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Ended(command.spawn().unwrap());
    let mut typed = child.0.stdin.take().unwrap();
    let shown = lines(child.0.stdout.take().unwrap());
    let mut say = |words: &str| typed.write_all(words.as_bytes()).unwrap();
    let shows = |wanted: &str| {
        let mut all = String::new();
        loop {
            let line =
                shown.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted:?} is not in:\n{all}"));
            all.push_str(&line);
            all.push('\n');
            if line.contains(wanted) {
                return all;
            }
        }
    };
    // What is typed is echoed, so what is awaited is not what is typed.
    say("echo on-$(hostname)\n");
    let before = shows("on-client");
    assert!(before.contains("client"), "the prompt tells the host: {before}");
    // Job control: what is stopped and what is interrupted is the command, not the lab.
    let job = "import signal\nsignal.signal(signal.SIGCONT, lambda *_: print('resumed', flush=True))\nprint('started', flush=True)\nwhile True: signal.pause()\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.py");
    std::fs::write(&file, job).unwrap();
    say(&format!("python3 {}\n", file.display()));
    shows("started");
    say("\u{1a}");
    shows("Stopped");
    say("fg\n");
    shows("resumed");
    say("\u{3}");
    say("echo int$((1+1))errupted; exit 3\n");
    shows("int2errupted");
    shows("gave 3");
    say("back\n");
    shows("read back");
    drop(typed);
    assert!(wait(&mut child.0).success());
}

/// Is killed when a test ends early.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_doctor_says_what_the_system_allows() {
    let test = "lab doctor";
    let output = run(&mut bothends(&["lab", "doctor"]), b"");
    let possible = output.status.code() == Some(0);
    assert!(possible || output.status.code() == Some(77), "{}", stderr(&output));
    let first = stdout(&output).lines().next().unwrap().to_owned();
    assert!(first.starts_with("private network  ") && first.contains(if possible { " ok " } else { " no " }));
    let told = records(&run(&mut bothends(&["lab", "doctor", "--json"]), b""));
    let checks = of_type(&told, "check");
    assert_eq!(checks.len(), told.len());
    assert_eq!(checks[0]["holds"], possible);
    let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    for name in ["user namespaces", "AppArmor", "/dev/net/tun", "packet sockets", "IPv6", "capabilities"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    if !is_root(test) {
        return;
    }
    let copy = PublicCopy::new();
    let ordinary = run(&mut copy.as_nobody(&["lab", "doctor"]), b"");
    assert!(matches!(ordinary.status.code(), Some(0 | 77)), "{}", stderr(&ordinary));
    assert!(stdout(&ordinary).contains("none, and none are needed"), "{}", stdout(&ordinary));
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" lab doctor";
    let mut refused = Command::new("unshare");
    refused.args(["-Ur", "sh", "-c", script, env!("CARGO_BIN_EXE_bothends")]).env("LC_ALL", "C.UTF-8");
    let output = run(&mut refused, b"");
    if stderr(&output).contains("unshare") && stdout(&output).is_empty() {
        return left_out(test, "unshare is not allowed here");
    }
    assert_eq!(output.status.code(), Some(77));
    assert!(stdout(&output).contains("sysctl -w user.max_user_namespaces="), "{}", stdout(&output));
}

#[test]
fn a_conversation_of_udp_is_drawn_and_told_as_trace_does() {
    let test = "lab: UDP";
    let folder = tempfile::tempdir().unwrap();
    let [svg, capture] =
        ["u.svg", "u.pcapng"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let this = env!("CARGO_BIN_EXE_bothends");
    let script = format!("exec {this} connect udp://server:7 --send hello -q");
    let commands = ["--", this, "serve", "echo", "udp://:7", "-q", "--", "sh", "-c", script.as_str()];
    let drawn = [["--ladder", "--svg", &svg, "--write", &capture].as_slice(), &commands].concat();
    let Some(output) = lab(test, &drawn, b"") else { return };
    let told = stderr(&output);
    assert!(told.contains("── 5 bytes ─") && told.contains("server :7"), "{told}");
    assert!(told.contains("sent 1 datagram (5 bytes) each"), "{told}");
    let picture = std::fs::read_to_string(&svg).unwrap();
    let again = folder.path().join("again.svg");
    let again = again.to_str().unwrap();
    run(&mut bothends(&["trace", "-r", &capture, "--svg", again]), b"");
    assert_eq!(picture, std::fs::read_to_string(again).unwrap());
    let told = records(&lab(test, &[["--json"].as_slice(), &commands].concat(), b"").unwrap());
    let kinds = |name: &str| of_type(&told, name).len();
    assert_eq!((kinds("datagram"), kinds("flow"), kinds("segment")), (2, 1, 0));
    assert_eq!(of_type(&told, "flow")[0]["transport"], "udp");
}

#[test]
fn with_a_switch_nothing_is_answered_before_it_arrives() {
    let this = env!("CARGO_BIN_EXE_bothends");
    let [client, server] =
        [format!("echo a | {this} connect -q host3:7"), format!("exec {this} serve upper :7 -q")];
    let commands = ["--", "true", "--", "sh", "-c", &client, "--", "sh", "-c", &server];
    for _ in 0..5 {
        let arguments = [["--json", "--hosts", "3"].as_slice(), &commands].concat();
        let Some(output) = lab("lab: times beyond a switch", &arguments, b"") else { return };
        let told = records(&output);
        let segments = of_type(&told, "segment");
        let number = |segment: &Value, field: &str| segment[field].as_f64().unwrap();
        let [syn, answer] = [&segments[0], &segments[1]];
        assert_eq!((syn["flags_tcp"].as_str(), answer["flags_tcp"].as_str()), (Some("SYN"), Some("SYN,ACK")));
        assert!(number(syn, "arrived_s") <= number(answer, "t_s"), "{syn}\n{answer}");
    }
}

/// A line of one bit a second takes minutes for a datagram.
#[test]
fn an_interrupted_lab_does_not_wait_for_a_slow_line() {
    let test = "lab: interrupted";
    let this = env!("CARGO_BIN_EXE_bothends");
    let script = format!("{this} connect udp://server:9 --send-only --send hello -q; echo sent; exec cat");
    let mut command =
        bothends(&["lab", "--json", "--rate", "1bit/s", "--client-only", "--", "sh", "-c", &script]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = piped.spawn().unwrap();
    let (_typing, output) = (child.stdin.take(), lines(child.stdout.take().unwrap()));
    let Ok(first) = output.recv_timeout(PATIENCE) else {
        wait(&mut child);
        return left_out(test, "this system refuses a private network");
    };
    assert!(first.contains("\"sent\""), "{first}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let began = std::time::Instant::now();
    wait(&mut child);
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
    let told: Vec<Value> = output.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert_eq!(of_type(&told, "datagram")[0]["fate"], "stopped");
    let link = &of_type(&told, "link")[0]["up"];
    assert_eq!((&link["stopped"], &link["lost"]), (&1.into(), &serde_json::json!({})));
}
