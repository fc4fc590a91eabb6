//! The link's rules as programs meet them: on the private network of the real kernel, and on the simulated one.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::running::{bothends, has, left_out, of_type, records, run, stderr, stdout, until};

const BINARY: &str = env!("CARGO_BIN_EXE_bothends");

/// Runs the lab with these rules and commands; none, and a note, where the system refuses.
fn lab(test: &str, rules: &[&str], server: &[&str], client: &[&str]) -> Option<Output> {
    let words = [&["lab"], rules, &["--"], server, &["--"], client].concat();
    let output = run(&mut bothends(&words), b"");
    if output.status.code() == Some(77) {
        left_out(test, "this system refuses a private network");
        return None;
    }
    Some(output)
}

/// What a program printed, of the records of a run with `--json`.
fn printed(records: &[Value], role: &str) -> Vec<String> {
    let of_role = of_type(records, "output").into_iter().filter(|output| output["role"] == role);
    of_role.filter_map(|output| Some(output["text"].as_str()?.to_owned())).collect()
}

fn link(records: &[Value]) -> Value {
    of_type(records, "link").into_iter().next().expect("a link record")
}

/// Says which of the numbered datagrams arrived, whenever the client asks over TCP.
const COUNT: &str = "
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('', 5000))
udp.setblocking(False)
tcp = socket.create_server(('', 5001))
asker, _ = tcp.accept()
seen = set()
while asker.recv(1):
    try:
        while True:
            seen.add(int(udp.recv(100)))
    except BlockingIOError:
        pass
    asker.sendall(b'.')
print(','.join(map(str, sorted(seen))), flush=True)
";

/// Sends 2000 datagrams, no more at once than fit into a socket.
const SEND: &str = "
import socket
tcp = socket.create_connection(('server', 5001))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for batch in range(40):
    for number in range(batch * 50, batch * 50 + 50):
        udp.sendto(b'%d' % number, ('server', 5000))
    tcp.sendall(b'?')
    tcp.recv(1)
";

/// The numbers that arrived under this rule.
fn arrived(test: &str, rules: &[&str]) -> Option<BTreeSet<u32>> {
    let rules = [&["--json"], rules].concat();
    let output = lab(test, &rules, &["python3", "-c", COUNT], &["python3", "-c", SEND])?;
    let records = records(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(link(&records)["up"]["unplanned_drops"], 0);
    let line = printed(&records, "server").pop().expect("the numbers");
    Some(line.trim_end().split(',').map(|number| number.parse().unwrap()).collect())
}

#[test]
fn a_program_counts_exactly_the_share_that_was_to_be_lost_and_the_same_at_every_run() {
    let test = "lab: exact loss of datagrams";
    if !has("python3", test) {
        return;
    }
    let rules = ["--up-loss", "exact:5%", "--seed", "7"];
    let Some(first) = arrived(test, &rules) else { return };
    assert_eq!(first.len(), 1900);
    assert_eq!(arrived(test, &rules), Some(first.clone()));
    let other = arrived(test, &["--up-loss", "exact:5%", "--seed", "8"]).unwrap();
    assert_eq!(other.len(), 1900);
    assert_ne!(other, first);
}

/// The numbers behind `icmp_seq=` of the answers, and how many of them say `DUP!`.
fn answers(records: &[Value]) -> (Vec<u32>, usize) {
    let lines = printed(records, "client");
    let answers: Vec<&String> = lines.iter().filter(|line| line.contains("bytes from")).collect();
    let number = |line: &&&String| {
        let (_, rest) = line.split_once("icmp_seq=")?;
        rest.split(' ').next()?.parse().ok()
    };
    let doubled = answers.iter().filter(|line| line.contains("DUP!")).count();
    let first = answers.iter().filter(|line| !line.contains("DUP!"));
    (first.filter_map(|line| number(&line)).collect(), doubled)
}

fn ping(test: &str, rules: &[&str], arguments: &[&str]) -> Option<Vec<Value>> {
    if !has("ping", test) {
        return None;
    }
    let rules = [&["--json"], rules].concat();
    let client = [&["ping", "-n"], arguments, &["server"]].concat();
    let output = lab(test, &rules, &[BINARY, "serve", "echo", ":7", "-q"], &client)?;
    Some(records(&output))
}

#[test]
fn a_cut_is_one_gap_and_then_all_is_well_again() {
    let rules = ["--at", "400ms for 500ms: cut"];
    let Some(records) = ping("lab: --at cut", &rules, &["-i", "0.1", "-c", "14", "-W", "1"]) else { return };
    let (seen, _) = answers(&records);
    let missing: Vec<u32> = (1..=14).filter(|number| !seen.contains(number)).collect();
    assert!(seen.contains(&1) && seen.contains(&14), "{seen:?}");
    assert!(!missing.is_empty() && missing.windows(2).all(|pair| pair[1] == pair[0] + 1), "{missing:?}");
    let link = link(&records);
    let lost = |way: &str| link[way]["lost"]["cut"].as_u64().unwrap_or(0);
    assert_eq!(lost("up") + lost("down"), missing.len() as u64, "{link}");
}

#[test]
fn what_comes_twice_is_seen_twice() {
    let Some(records) = ping("lab: --duplicate", &["--down-duplicate", "100%"], &["-c", "3", "-i", "0.01"])
    else {
        return;
    };
    // ping leaves with the first answer to its last request.
    assert_eq!(answers(&records), (vec![1, 2, 3], 2));
    assert_eq!(link(&records)["down"]["touched"]["duplicated"], 3);
}

#[test]
fn path_mtu_discovery_finds_the_largest_packet() {
    let test = "lab: --mtu";
    let rules = ["--mtu", "1200"];
    let Some(records) = ping(test, &rules, &["-c", "2", "-i", "0.01", "-W", "1", "-M", "do", "-s", "1400"])
    else {
        return;
    };
    let told = of_type(&records, "output").iter().any(|output| output.to_string().contains("1200"));
    assert!(told, "ping says what the largest packet is: {records:?}");
    assert_eq!(link(&records)["up"]["lost"]["mtu 1200"], 1, "the second was never sent");
    assert_eq!(link(&records)["down"]["touched"]["answered"], 1);

    // TCP finds it too, and all arrives.
    let server = [BINARY, "serve", "source", "--size", "300000", ":9", "-q"];
    let client = ["sh", "-c", &format!("{BINARY} connect -q --recv-only server:9 | wc -c")];
    // IPv6 asks for 1280 at least (RFC 8200 §5).
    for (family, mtu) in [("-4", "1200"), ("-6", "1300")] {
        let Some(output) = lab(test, &["--json", family, "--mtu", mtu], &server, &client) else { return };
        let records = self::records(&output);
        assert_eq!(printed(&records, "client"), ["300000"], "{}", stderr(&output));
        assert!(link(&records)["down"]["lost"][format!("mtu {mtu}")].as_u64() > Some(0));
        assert!(link(&records)["up"]["touched"]["answered"].as_u64() > Some(0));
    }
}

#[test]
fn what_may_be_cut_arrives_in_fragments() {
    // With IP_MTU_DISCOVER as `dont`, the kernel leaves DF out.
    let arguments = ["-c", "3", "-i", "0.01", "-W", "2", "-M", "dont", "-s", "1400"];
    let Some(records) = ping("lab: fragments", &["--up-mtu", "600"], &arguments) else { return };
    assert_eq!(answers(&records).0, [1, 2, 3]);
    assert_eq!(link(&records)["up"]["lost"], serde_json::json!({}));
}

#[test]
fn checksums_keep_damage_out() {
    let test = "lab: --corrupt";
    let client = ["sh", "-c", &format!("{BINARY} connect -q --recv-only server:9 | cksum")];
    let server = [BINARY, "serve", "source", "--size", "200000", ":9", "-q"];
    let run = |rules: &[&str]| {
        let output = lab(test, &[&["--json"], rules].concat(), &server, &client)?;
        let records = records(&output);
        let corrupted = link(&records)["down"]["touched"]["corrupted"].as_u64().unwrap_or(0);
        Some((printed(&records, "client"), corrupted))
    };
    let Some((whole, none)) = run(&[]) else { return };
    let (through_damage, some) = run(&["--down-corrupt", "10%"]).unwrap();
    assert!(none == 0 && some > 0, "{none} {some}");
    assert_eq!(through_damage, whole);
}

/// Rules of every kind, so strong that each has something to do in a short conversation.
const EVERYTHING: [&str; 20] = [
    "--delay",
    "3ms+1ms",
    "--jitter",
    "2ms",
    "--loss",
    "bursts:10%:2",
    "--duplicate",
    "20%",
    "--corrupt",
    "20%",
    "--reorder",
    "20%:9ms",
    "--rate",
    "200kbit/s",
    "--queue",
    "5p",
    "--at",
    "1s for 1s: loss 50%",
    "--seed",
    "5",
];

#[test]
fn every_rule_acts_on_the_simulated_network_and_the_same_to_the_byte() {
    let words = [&["lab", "--simulated", "--json"], &EVERYTHING[..]].concat();
    let first = run(&mut bothends(&words), b"");
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert_eq!(run(&mut bothends(&words), b"").stdout, first.stdout);
    let records = records(&first);
    let fates: BTreeSet<String> = of_type(&records, "segment")
        .iter()
        .map(|segment| segment["fate"].as_str().unwrap().to_owned())
        .collect();
    for fate in ["lost", "duplicated", "corrupted", "reordered", "queued"] {
        assert!(fates.contains(fate), "{fate} is not among {fates:?}");
    }
}

#[test]
fn heavy_what_could_not_be_kept_is_counted() {
    let test = "lab: packets that are missed";
    if !has("python3", test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    let send = format!(
        "import socket
its = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(300000): its.sendto(b'!', ('server', 9))
open({:?}, 'w')",
        done.to_str().unwrap()
    );
    let words = ["lab", "-vv", "--json", "--client-only", "--", "python3", "-c", &send];
    let mut lab = bothends(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads what is told of each packet until all have been sent.
    until("all sent", || done.exists() || lab.try_wait().unwrap().is_some());
    let output = lab.wait_with_output().unwrap();
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    let link = link(&records(&output));
    let missed = link["missed"].as_u64().expect("the number");
    assert!(missed > 0 && missed < link["up"]["offered"].as_u64().unwrap(), "{link}");
    let said = stderr(&output);
    assert!(
        said.contains(&format!("\n{} packets were carried but came too fast", draw::number::grouped(missed)))
    );
}

#[test]
fn the_verdict_tells_what_was_corrupted_from_what_was_lost() {
    let words = ["lab", "--simulated", "--json", "--corrupt", "25%", "--seed", "3"];
    let told = records(&run(&mut bothends(&words), b""));
    let corrupted = of_type(&told, "segment").iter().filter(|segment| segment["fate"] == "corrupted").count();
    assert!(corrupted > 1, "{corrupted}");
    let flow = &of_type(&told, "flow")[0];
    let sum =
        |name: &str| ["a", "b"].iter().filter_map(|end| flow[format!("{name}_{end}")].as_u64()).sum::<u64>();
    assert_eq!((sum("corrupted_segments"), sum("lost_segments")), (corrupted as u64, corrupted as u64));
    assert_eq!(flow["findings"][0]["text"], format!("the link corrupted {corrupted} segments"));
    let said = stdout(&run(&mut bothends(&[&words[..2], &words[3..]].concat()), b""));
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, verdict) = said.rsplit_once("client opened").expect("a verdict");
    assert!(verdict.contains(&format!("; {corrupted} segments")), "{verdict}");
    assert!(verdict.contains(" corrupted on the link"), "{verdict}");
    assert!(!verdict.contains("lost"), "{verdict}");
}

#[test]
fn the_capture_tells_every_fate_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.pcapng");
    let name = file.to_str().unwrap();
    let words = [&["lab", "--simulated", "--json", "--write", name], &EVERYTHING[..]].concat();
    let told = records(&run(&mut bothends(&words), b""));
    let read = records(&run(&mut bothends(&["trace", "-r", name, "--json"]), b""));
    let fates = |records: &[Value]| -> Vec<[Value; 4]> {
        let fields = ["frame", "fate", "fate_rule", "arrived_s"];
        of_type(records, "segment").iter().map(|segment| fields.map(|field| segment[field].clone())).collect()
    };
    assert_eq!(fates(&read), fates(&told));
}

#[test]
fn the_command_that_is_told_repeats_the_run() {
    let words = [&["lab", "--simulated", "-v"], &EVERYTHING[..18]].concat();
    let first = run(&mut bothends(&words), b"");
    let said = stderr(&first);
    let again = said.lines().find_map(|line| line.strip_prefix("again: bothends ")).expect("the command");
    assert!(again.ends_with("--seed 1"), "{again}");
    let shell = format!("{BINARY} {again}");
    let second = run(std::process::Command::new("sh").args(["-c", &shell]).env("LC_ALL", "C.UTF-8"), b"");
    assert_eq!((stdout(&second), stderr(&second)), (stdout(&first), said));
}

#[test]
fn a_wrong_rule_is_told_with_a_caret() {
    let output = run(&mut bothends(&["lab", "--at", "2s for 500ms: lose 5%"]), b"");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "bothends: --at 2s for 500ms: lose 5%: there is no rule \"lose\"");
    assert_eq!(lines[1].find("lose"), lines[2].find('^'), "{said}");
}
