//! `trace --json` beside tshark 4.0, frame by frame: the fifteen analysis flags as exact sets, stream numbers, completeness.
//!
//! The captures are made here: by programs on a private network that loses packets, by plays that meet each rare rule, and
//! by luck, which meets what nobody would think of. `tools/agreement.py` measures the same on captures of others.

#[path = "../../examples/dice/mod.rs"]
mod dice;
mod luck;
mod plays;
mod wrapping;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use flow::AnalysisFlags;
use wire::capture::{Interface, Reader};
use wire::link_type::LinkType;
use wire::pcapng::Writer;

use crate::running::{bothends, has, left_out, of_type, records, run, stderr, stdout};

/// What is compared of a segment: its conversation, and what the analysis says of it.
type Table = BTreeMap<u64, (u64, BTreeSet<String>)>;

/// What one program says of a capture.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    segments: Table,
    /// By stream.
    completeness: BTreeMap<u64, u64>,
    /// The conversations of UDP datagrams, by frame.
    datagrams: BTreeMap<u64, u64>,
}

/// Whether the tshark whose rules these are is here.
fn has_tshark(test: &str) -> bool {
    if !has("tshark", test) {
        return false;
    }
    let version = stdout(&run(Command::new("tshark").arg("--version"), b""));
    let right = version.starts_with("TShark (Wireshark) 4.0.");
    if !right {
        left_out(test, "the rules are those of tshark 4.0, and another is installed");
    }
    right
}

fn tshark(capture: &Path, passes: &[&str], fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-n").args(passes).arg("-r").arg(capture);
    command.args(["-Y", "tcp or udp", "-T", "fields", "-E", "occurrence=l"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = run(&mut command, b"");
    stdout(&output).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What tshark says. A frame belongs to the innermost transport in it; what an ICMP error quotes is left out.
fn theirs(capture: &Path) -> Said {
    let names: Vec<String> =
        AnalysisFlags::NAMES.iter().map(|(_, name)| format!("tcp.analysis.{name}")).collect();
    let mut fields = vec!["frame.number", "frame.protocols", "tcp.stream", "udp.stream"];
    fields.extend(names.iter().map(String::as_str));
    let (marks, whole) = std::thread::scope(|scope| {
        let marks = scope.spawn(|| tshark(capture, &[], &fields));
        let whole = tshark(capture, &["-2"], &["tcp.stream", "tcp.completeness"]);
        (marks.join().unwrap(), whole)
    });
    let mut said = Said { segments: Table::new(), completeness: BTreeMap::new(), datagrams: BTreeMap::new() };
    for row in marks {
        let number = row[0].parse().unwrap();
        let innermost = row[1].split(':').rfind(|layer| ["tcp", "udp", "icmp", "icmpv6"].contains(layer));
        match innermost {
            Some("tcp") => {
                let flags = AnalysisFlags::NAMES.iter().zip(&row[4..]).filter(|(_, mark)| !mark.is_empty());
                let flags = flags.map(|((_, name), _)| (*name).to_owned()).collect();
                said.segments.insert(number, (row[2].parse().unwrap(), flags));
            }
            Some("udp") => drop(said.datagrams.insert(number, row[3].parse().unwrap())),
            _ => {}
        }
    }
    for row in whole.iter().filter(|row| !row[0].is_empty()) {
        said.completeness.insert(row[0].parse().unwrap(), row[1].parse().unwrap());
    }
    forget_the_short(&mut said);
    said
}

/// The first frame of a conversation counts in tshark's completeness only once a second frame is looked at: of one that
/// has no second nothing is said, so nothing is compared.
fn forget_the_short(said: &mut Said) {
    let mut frames: BTreeMap<u64, u64> = BTreeMap::new();
    for (stream, _) in said.segments.values() {
        *frames.entry(*stream).or_default() += 1;
    }
    said.completeness.retain(|stream, _| frames.get(stream).is_some_and(|frames| *frames > 1));
}

fn ours(capture: &Path) -> Said {
    let output = run(&mut bothends(&["trace", "-r", capture.to_str().unwrap(), "--json"]), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = records(&output);
    let number = |record: &serde_json::Value, field: &str| record[field].as_u64().unwrap();
    let segments = of_type(&records, "segment").into_iter().map(|segment| {
        let flags = segment["flags"].as_array().unwrap();
        let flags = flags.iter().map(|flag| flag.as_str().unwrap().to_owned()).collect();
        (number(&segment, "frame"), (number(&segment, "stream"), flags))
    });
    let flows = of_type(&records, "flow");
    let tcp = flows.iter().filter(|flow| flow["transport"] == "tcp");
    let datagrams = of_type(&records, "datagram").into_iter();
    let mut said = Said {
        segments: segments.collect(),
        completeness: tcp.map(|flow| (number(flow, "stream"), number(flow, "completeness"))).collect(),
        datagrams: datagrams.map(|one| (number(&one, "frame"), number(&one, "stream"))).collect(),
    };
    forget_the_short(&mut said);
    said
}

/// Where the two differ: the key, what we say, what tshark says. The first ten.
fn differences(
    ours: &BTreeMap<u64, u64>,
    theirs: &BTreeMap<u64, u64>,
) -> Vec<(u64, Option<u64>, Option<u64>)> {
    let keys: BTreeSet<u64> = ours.keys().chain(theirs.keys()).copied().collect();
    let said = keys.into_iter().map(|key| (key, ours.get(&key).copied(), theirs.get(&key).copied()));
    said.filter(|(_, ours, theirs)| ours != theirs).take(10).collect()
}

/// Both must say the same of every frame; gives how often each flag was set.
fn assert_agreement(capture: &Path) -> BTreeMap<String, u64> {
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| theirs(capture));
        (ours(capture), theirs.join().unwrap())
    });
    assert!(!theirs.segments.is_empty(), "tshark saw no TCP in {}", capture.display());
    let differing: Vec<_> = (theirs.segments.keys().chain(ours.segments.keys()))
        .filter(|frame| theirs.segments.get(frame) != ours.segments.get(frame))
        .map(|frame| {
            format!("{frame}: {:?}, tshark {:?}", ours.segments.get(frame), theirs.segments.get(frame))
        })
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} frames differ: {:#?}",
        differing.len(),
        theirs.segments.len(),
        &differing[..differing.len().min(10)]
    );
    assert_eq!(differences(&ours.completeness, &theirs.completeness), [], "completeness by stream");
    assert_eq!(differences(&ours.datagrams, &theirs.datagrams), [], "streams of datagrams by frame");
    let mut marks = BTreeMap::new();
    for flag in theirs.segments.into_values().flat_map(|(_, flags)| flags) {
        *marks.entry(flag).or_default() += 1;
    }
    marks
}

/// Each of the fifteen flags was set so often at least.
fn assert_marks(marks: &BTreeMap<String, u64>, least: u64) {
    for (_, name) in AnalysisFlags::NAMES {
        assert!(marks.get(name).is_some_and(|count| *count >= least), "too few of {name}: {marks:?}");
    }
}

#[test]
fn random_conversations_get_the_marks_of_tshark() {
    if !has_tshark("trace: random conversations beside tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("luck.pcapng");
    luck::write(fs::File::create(&capture).unwrap(), 1, 30_000);
    assert_marks(&assert_agreement(&capture), 100);
}

#[test]
fn each_rule_marks_what_it_is_for() {
    if !has_tshark("trace: a play for each flag beside tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("plays.pcapng");
    let expected = plays::write(fs::File::create(&capture).unwrap());
    let said: Vec<BTreeSet<String>> = ours(&capture).segments.into_values().map(|(_, flags)| flags).collect();
    assert_eq!(said.len(), expected.len());
    for (place, (said, expected)) in said.iter().zip(&expected).enumerate() {
        assert_eq!(said, &expected.flags, "segment {place}: {}", expected.line);
    }
    assert_agreement(&capture);
}

/// Records the conversation of two programs on a lossy line; false where that is not allowed here.
fn lab(capture: &Path, link: &[&str], commands: &[&str]) -> bool {
    let mut arguments = vec!["lab", "--json", "--write", capture.to_str().unwrap()];
    arguments.extend(link);
    if !commands.is_empty() {
        arguments.push("--");
        arguments.extend(commands);
    }
    let output = run(&mut bothends(&arguments), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    of_type(&records(&output), "link").iter().any(|link| link["world"] == "kernel")
}

/// Where packets are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As they enter the link, lost or not.
    Link,
    /// On the host with this interface: what it sends, and what arrives.
    Host(u32),
}

/// Adds what a capture at one place would have held, with the addresses of a network of its own.
fn add_as_captured_at(place: Place, link: &Path, network: u8, writer: &mut Writer<fs::File>) {
    let mut reader = Reader::new(fs::File::open(link).unwrap()).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let arrived = frame.passage.as_ref().and_then(|passage| passage.arrived);
        let seen = match place {
            Place::Host(host) if frame.interface != host => arrived,
            _ => Some(frame.time),
        };
        assert_eq!((frame.link_type, frame.bytes[0]), (LinkType::RAW, 0x45), "IPv4 without options");
        let mut bytes = frame.bytes.to_vec();
        (bytes[14], bytes[18]) = (network, network);
        frames.extend(seen.map(|time| (time, frame.wire_len, bytes)));
    }
    frames.sort_by_key(|(time, ..)| *time);
    for (time, wire_len, bytes) in frames {
        writer.packet(0, time, wire_len, &bytes, None).unwrap();
    }
}

#[test]
fn conversations_of_real_kernels_get_the_marks_of_tshark() {
    let test = "trace: conversations of real kernels beside tshark";
    if !has_tshark(test) || !has("python3", test) || !has("curl", test) || !has("nc", test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), vec![b'x'; 3 << 20]).unwrap();
    let root = folder.path().to_str().unwrap();
    let serving = ["python3", "-m", "http.server", "80", "--directory", root, "--"];
    let fetching =
        ["curl", "-s", "--retry-connrefused", "--retry", "9", "-o", "/dev/null", "http://server/file"];
    let download = [&serving[..], &fetching].concat();
    let upload = ["nc", "-l", "-p", "9", "--", "sh", "-c", "head -c 500000 /dev/zero | nc -q 1 server 9"];
    let stalled = [
        "sh",
        "-c",
        "nc -l -p 9 | (sleep 1; cat)",
        "--",
        "sh",
        "-c",
        "head -c 6000000 /dev/zero | nc -q 1 server 9",
    ];
    let runs: [(&[&str], &[&str]); 7] = [
        (&["--delay", "5ms", "--loss", "3%", "--seed", "1"], &download),
        (&["--delay", "1ms", "--loss", "10%", "--seed", "2"], &upload),
        (&["--loss", "5%", "--seed", "3"], &download),
        (&["--delay", "20ms", "--loss", "15%", "--seed", "4"], &upload),
        (&["--delay", "1ms"], &stalled),
        // Lines that are echoed one by one.
        (&["--loss", "25%", "--seed", "3"], &[]),
        (&["--loss", "25%", "--seed", "9"], &[]),
    ];
    let link = |number: usize| folder.path().join(format!("{number}.pcapng"));
    let played = std::thread::scope(|scope| {
        let labs = runs.iter().enumerate().map(|(number, (rules, commands))| {
            let file = link(number);
            scope.spawn(move || lab(&file, rules, commands))
        });
        let labs: Vec<_> = labs.collect();
        labs.into_iter().all(|lab| lab.join().unwrap())
    });
    if !played {
        return left_out(test, "this system refuses a private network");
    }
    let capture = folder.path().join("all.pcapng");
    let interface = Interface::new("", LinkType::RAW);
    let mut writer = Writer::new(fs::File::create(&capture).unwrap(), &[interface]).unwrap();
    let mut network = 0;
    for number in 0..runs.len() {
        for place in [Place::Link, Place::Host(0), Place::Host(1)] {
            network += 1;
            add_as_captured_at(place, &link(number), network, &mut writer);
        }
    }
    writer.finish().unwrap();
    let marks = assert_agreement(&capture);
    for flag in [
        "retransmission",
        "fast_retransmission",
        "spurious_retransmission",
        "out_of_order",
        "duplicate_ack",
        "lost_segment",
        "zero_window",
        "window_update",
        "window_full",
    ] {
        assert!(marks.contains_key(flag), "{flag} did not occur: {marks:?}");
    }
}
