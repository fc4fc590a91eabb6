//! `trace --bytes`: every field beside tshark's, frame by frame, for headers with every option and for what the lab wrote.

use std::fs::{self, File};
use std::process::Command;

use serde_json::Value;
use wire::Time;
use wire::link_type::LinkType;
use wire::pcap::Writer;

use crate::running::{bothends, has, of_type, records, run, stderr, stdout};

/// Frames with their headers' options, in hexadecimal.
const FRAMES: &str = include_str!("packet_bytes/frames.txt");

/// A field of tshark's, and ours: layer, field, and what tshark multiplies it by.
const FIELDS: [(&str, &str, &str, u64); 76] = [
    ("vlan.priority", "VLAN tag", "PCP", 1),
    ("vlan.dei", "VLAN tag", "DEI", 1),
    ("vlan.id", "VLAN tag", "VID", 1),
    ("arp.opcode", "ARP", "Opcode", 1),
    ("arp.hw.size", "ARP", "Hardware Address Length", 1),
    ("ip.hdr_len", "IPv4", "IHL", 4),
    ("ip.dsfield.dscp", "IPv4", "DSCP", 1),
    ("ip.dsfield.ecn", "IPv4", "ECN", 1),
    ("ip.len", "IPv4", "Total Length", 1),
    ("ip.id", "IPv4", "Identification", 1),
    ("ip.flags.rb", "IPv4", "Reserved flag", 1),
    ("ip.flags.df", "IPv4", "DF", 1),
    ("ip.flags.mf", "IPv4", "MF", 1),
    ("ip.ttl", "IPv4", "Time to Live", 1),
    ("ip.proto", "IPv4", "Protocol", 1),
    ("ip.checksum", "IPv4", "Header Checksum", 1),
    ("ip.opt.type", "IPv4", "Type", 1),
    ("ip.opt.len", "IPv4", "Length", 1),
    ("ip.opt.ptr", "IPv4", "Pointer", 1),
    ("ip.opt.overflow", "IPv4", "oflw", 1),
    ("ip.opt.flag", "IPv4", "flg", 1),
    ("ip.opt.ra", "IPv4", "Value", 1),
    ("ipv6.flow", "IPv6", "Flow Label", 1),
    ("ipv6.plen", "IPv6", "Payload Length", 1),
    ("ipv6.nxt", "IPv6", "Next Header", 1),
    ("ipv6.hlim", "IPv6", "Hop Limit", 1),
    ("ipv6.opt.router_alert", "Hop-by-Hop Options", "Value", 1),
    ("tcp.srcport", "TCP", "Source Port", 1),
    ("tcp.dstport", "TCP", "Destination Port", 1),
    ("tcp.seq", "TCP", "Sequence Number", 1),
    ("tcp.ack", "TCP", "Acknowledgment Number", 1),
    ("tcp.hdr_len", "TCP", "Data Offset", 4),
    ("tcp.flags.cwr", "TCP", "CWR", 1),
    ("tcp.flags.urg", "TCP", "URG", 1),
    ("tcp.flags.ack", "TCP", "ACK", 1),
    ("tcp.flags.push", "TCP", "PSH", 1),
    ("tcp.flags.reset", "TCP", "RST", 1),
    ("tcp.flags.syn", "TCP", "SYN", 1),
    ("tcp.flags.fin", "TCP", "FIN", 1),
    ("tcp.window_size_value", "TCP", "Window", 1),
    ("tcp.checksum", "TCP", "Checksum", 1),
    ("tcp.urgent_pointer", "TCP", "Urgent Pointer", 1),
    ("tcp.option_kind", "TCP", "Kind", 1),
    ("tcp.option_len", "TCP", "Length", 1),
    ("tcp.options.mss_val", "TCP", "Maximum Segment Size (MSS)", 1),
    ("tcp.options.wscale.shift", "TCP", "shift.cnt", 1),
    ("tcp.options.timestamp.tsval", "TCP", "TS Value (TSval)", 1),
    ("tcp.options.timestamp.tsecr", "TCP", "TS Echo Reply (TSecr)", 1),
    ("tcp.options.sack_le", "TCP", "Left Edge of Block", 1),
    ("tcp.options.sack_re", "TCP", "Right Edge of Block", 1),
    ("tcp.options.user_to_granularity", "TCP", "G", 1),
    ("tcp.options.user_to_val", "TCP", "User Timeout", 1),
    ("tcp.options.mptcp.subtype", "TCP", "Subtype", 1),
    ("tcp.options.mptcp.sendkey", "TCP", "Sender's Key", 1),
    ("tcp.options.mptcp.rawdataack", "TCP", "Data ACK", 1),
    ("tcp.options.mptcp.rawdataseqno", "TCP", "Data Sequence Number", 1),
    ("tcp.options.mptcp.subflowseqno", "TCP", "Subflow Sequence Number", 1),
    ("tcp.options.mptcp.datalvllen", "TCP", "Data-Level Length", 1),
    ("udp.srcport", "UDP", "Source Port", 1),
    ("udp.dstport", "UDP", "Destination Port", 1),
    ("udp.length", "UDP", "Length", 1),
    ("udp.checksum", "UDP", "Checksum", 1),
    ("icmp.type", "ICMP", "Type", 1),
    ("icmp.code", "ICMP", "Code", 1),
    ("icmp.checksum", "ICMP", "Checksum", 1),
    ("icmp.ident", "ICMP", "Identifier", 1),
    ("icmpv6.type", "ICMPv6", "Type", 1),
    ("icmpv6.code", "ICMPv6", "Code", 1),
    ("icmpv6.checksum", "ICMPv6", "Checksum", 1),
    ("icmpv6.mtu", "ICMPv6", "MTU", 1),
    ("igmp.type", "IGMP", "Type", 1),
    ("igmp.checksum", "IGMP", "Checksum", 1),
    ("igmp.num_grp_recs", "IGMP", "Number of Group Records", 1),
    ("igmp.record_type", "IGMP", "Record Type", 1),
    ("vxlan.vni", "VXLAN", "VNI", 1),
    ("gre.key", "GRE", "Key", 1),
];

/// Fields that have addresses, as text.
const ADDRESSES: [(&str, &str, &str); 9] = [
    ("eth.dst", "Ethernet", "Destination Address"),
    ("eth.src", "Ethernet", "Source Address"),
    ("arp.src.hw_mac", "ARP", "Sender Hardware Address"),
    ("arp.dst.proto_ipv4", "ARP", "Target Protocol Address"),
    ("ip.src", "IPv4", "Source Address"),
    ("ip.dst", "IPv4", "Destination Address"),
    ("ipv6.src", "IPv6", "Source Address"),
    ("ipv6.dst", "IPv6", "Destination Address"),
    ("igmp.maddr", "IGMP", "Multicast Address"),
];

/// Verdicts on checksums: tshark's 0 is bad, 1 good, 2 unverified, 3 not present.
const CHECKSUMS: [(&str, &str); 4] = [
    ("ip.checksum.status", "IPv4"),
    ("tcp.checksum.status", "TCP"),
    ("icmp.checksum.status", "ICMP"),
    ("icmpv6.checksum.status", "ICMPv6"),
];

fn frames() -> Vec<Vec<u8>> {
    let lines = FRAMES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let bytes = |line: &str| -> Vec<u8> {
        let pairs = line.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    lines.map(bytes).collect()
}

fn capture_of_all_options(folder: &tempfile::TempDir) -> String {
    let name = folder.path().join("all.pcap").to_str().unwrap().to_owned();
    let mut writer = Writer::new(File::create(&name).unwrap(), LinkType::ETHERNET, 65_535).unwrap();
    for frame in frames() {
        writer.packet(Time(1), u32::try_from(frame.len()).unwrap(), &frame).unwrap();
    }
    name
}

/// What tshark says of every frame: for each wanted field its values.
fn tshark(file: &str, fields: &[&str]) -> Vec<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
    for preference in [
        "ip.check_checksum:TRUE",
        "tcp.check_checksum:TRUE",
        "tcp.relative_sequence_numbers:FALSE",
        "tcp.analyze_sequence_numbers:FALSE",
        "mptcp.relative_sequence_numbers:FALSE",
        "ip.defragment:FALSE",
    ] {
        command.args(["-o", preference]);
    }
    for field in fields {
        command.args(["-e", field]);
    }
    let output = run(&mut command, b"");
    assert!(output.status.success(), "{}", stderr(&output));
    let values = |text: &str| text.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect();
    stdout(&output).lines().map(|line| line.split('\t').map(values).collect()).collect()
}

/// Our record of a frame.
fn packet(file: &str, number: usize) -> Value {
    let output = run(&mut bothends(&["trace", "-r", file, "--bytes", &number.to_string(), "--json"]), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let packets = of_type(&records(&output), "packet");
    let [packet] = packets.as_slice() else { panic!("{packets:?}") };
    packet.clone()
}

/// The fields of that name in all layers of that name.
fn ours<'a>(packet: &'a Value, layer: &str, field: &str) -> Vec<&'a Value> {
    let layers = packet["layers"].as_array().unwrap().iter().filter(|one| one["name"] == layer);
    let fields = layers.flat_map(|layer| layer["fields"].as_array().unwrap());
    // MPTCP's option has a checksum too, and neighbour discovery's have types.
    let outside = field == "Checksum" || layer == "ICMPv6";
    let is_meant = |one: &&Value| one["name"] == field && !(outside && one["option"].is_string());
    fields.filter(is_meant).collect()
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => match text {
            "True" => 1,
            "False" => 0,
            text => text.parse().unwrap_or_else(|_| panic!("{text}")),
        },
    }
}

/// Every field of every frame; returns how many values were compared, and the fields that were never there.
fn compare(file: &str) -> (usize, Vec<&'static str>) {
    let mut wanted: Vec<&str> = FIELDS.iter().map(|field| field.0).collect();
    wanted.extend(ADDRESSES.iter().map(|field| field.0));
    wanted.extend(CHECKSUMS.iter().map(|field| field.0));
    let theirs = tshark(file, &wanted);
    let mut compared = 0;
    let mut unseen = wanted;
    for (at, values) in theirs.iter().enumerate() {
        let packet = packet(file, at + 1);
        let mut values = values.iter();
        let mut next = |name: &str| {
            let values = values.next().unwrap_or_else(|| panic!("{name}"));
            if !values.is_empty() {
                unseen.retain(|unseen| *unseen != name);
            }
            compared += values.len();
            values
        };
        for (theirs, layer, field, times) in FIELDS {
            let theirs_: Vec<u64> = next(theirs).iter().map(|value| number(value)).collect();
            let ours = ours(&packet, layer, field);
            let ours: Vec<u64> = ours.iter().map(|one| one["number"].as_u64().unwrap() * times).collect();
            assert_eq!(ours, theirs_, "frame {}: {theirs}", at + 1);
        }
        for (theirs, layer, field) in ADDRESSES {
            let theirs_ = next(theirs);
            let ours: Vec<&str> =
                ours(&packet, layer, field).iter().map(|one| one["value"].as_str().unwrap()).collect();
            assert_eq!(ours, *theirs_, "frame {}: {theirs}", at + 1);
        }
        for (theirs, layer) in CHECKSUMS {
            let theirs_: Vec<u64> = next(theirs).iter().map(|value| number(value)).collect();
            let layers = packet["layers"].as_array().unwrap().iter().filter(|one| one["name"] == layer);
            let verdicts = layers.filter_map(|layer| layer["checksum"]["verdict"].as_str());
            let verdicts: Vec<u64> = verdicts
                .map(|verdict| match verdict {
                    "right" => 1,
                    // tshark has no word of its own for what was left to the device.
                    "wrong" | "left_to_device" => 0,
                    "unused" => 3,
                    _ => 2,
                })
                .collect();
            assert_eq!(verdicts, theirs_, "frame {}: {theirs}", at + 1);
        }
    }
    (compared, unseen)
}

#[test]
fn every_field_is_what_tshark_reads() {
    if !has("tshark", "trace --bytes: beside tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (compared, unseen) = compare(&capture_of_all_options(&folder));
    assert!(compared > 500, "{compared}");
    assert_eq!(unseen, Vec::<&str>::new(), "in no frame");
}

#[test]
fn what_the_lab_wrote_is_what_tshark_reads() {
    if !has("tshark", "trace --bytes: the lab's packets beside tshark") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("talk.pcapng").to_str().unwrap().to_owned();
    let output = run(&mut bothends(&["lab", "--json", "--write", &name]), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (compared, unseen) = compare(&name);
    assert!(compared > 200, "{compared}");
    for option in ["tcp.options.mss_val", "tcp.options.wscale.shift"] {
        assert!(!unseen.contains(&option), "{option}");
    }
}

#[test]
fn one_packet_is_drawn_and_a_frame_that_is_not_there_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let name = capture_of_all_options(&folder);
    let show = |arguments: &[&str]| {
        let all = [&["trace", "-r", &name, "--width", "80"], arguments].concat();
        run(&mut bothends(&all), b"")
    };
    let drawn = stdout(&show(&["--bytes", "1"]));
    for part in
        ["frame 1: 74 bytes", "── TCP ── bytes 34–73 ── RFC 9293", "Checksum 0xe073: right (RFC 9293 §3.1)."]
    {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    let count = frames().len();
    let output = show(&["--bytes", "1000"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("no frame 1000") && told.contains(&format!("{count} frames")), "{told}");
    assert_eq!(show(&["--bytes", "0"]).status.code(), Some(2));
    assert_eq!(show(&["--bytes", "1", "--ladder"]).status.code(), Some(2));
    let piped =
        run(&mut bothends(&["trace", "-r", "-", "--bytes", "1", "--width", "80"]), &fs::read(&name).unwrap());
    assert_eq!(stdout(&piped), drawn, "standard input is read the same");
}

#[test]
fn a_capture_that_ends_early_shows_what_is_before() {
    let folder = tempfile::tempdir().unwrap();
    let name = capture_of_all_options(&folder);
    let bytes = fs::read(&name).unwrap();
    let cut = folder.path().join("cut.pcap").to_str().unwrap().to_owned();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let show =
        |number: &str| run(&mut bothends(&["trace", "-r", &cut, "--bytes", number]), b"").status.code();
    assert_eq!(show("1"), Some(0));
    assert_eq!(show(&frames().len().to_string()), Some(26));
}
