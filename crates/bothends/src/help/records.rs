//! The topic `records`: every type of record that `--json` writes, and what its fields mean.

use draw::columns::wrap;

/// A type of record.
struct Kind {
    name: &'static str,
    /// Who writes it, and when.
    from: &'static str,
    /// Fields that belong together, with what they are.
    fields: &'static [(&'static str, &'static str)],
}

const fn kind(
    name: &'static str,
    from: &'static str,
    fields: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind { name, from, fields }
}

/// What stands in front of all types.
const INTRODUCTION: &str = "With --json each line on standard output is one object. `v` is 1 and `type` says what it is. Names end in \
their unit (_s, _us, _ms, _bytes). More types and fields may come; what one means stays. What is not known or does not apply is absent, or null. \
`t_s` counts from the start of the run, or in lab and trace from the first packet, and may be negative where a capture's clock ran backwards; \
`wall` is the wall clock's time at 0. Addresses are written without a scheme, with `transport` beside them. `a` is the end that opened, `b` the other; \
fields of theirs end in _a and _b. Bytes are `text` where they are UTF-8, without the line end, else `base64`; `len_bytes` counts them all.";

/// How far the fields are indented, and what they are.
const FIELDS: usize = 2;
const MEANINGS: usize = 30;
const COLUMNS: usize = 96;

const KINDS: &[Kind] = &[
    kind("version", "--version: which version of this program it is", &[("version", "its number")]),
    kind("error", "all: a fault that ends the run", FAULT),
    kind("trouble", "serve: a fault that does not", FAULT),
    kind(
        "missed",
        "serve, collect: records that were not written, for nobody read them",
        &[("missed", "how many")],
    ),
    kind(
        "listening",
        "serve, listen: it waits for clients",
        &[
            ("address", "where, in full, with the real port: tcp://127.0.0.1:7777"),
            ("service engine", "serve: what it does, and how it runs its sessions: event, thread, process"),
            ("pid", "the process"),
        ],
    ),
    kind(
        "opened",
        "serve, listen, connect: a conversation is open",
        &[
            ("client", "1, 2, … in the order of arrival"),
            ("transport", "tcp, udp, unix, unix-dgram, unix-seqpacket"),
            ("local remote", "our address and theirs"),
        ],
    ),
    kind(
        "data",
        "serve, listen, connect: bytes came; trace --streams: what an end said",
        &[
            ("client remote", "who said it"),
            ("text base64 len_bytes", "what was said"),
            ("cut", "true where no line end is behind it, or a datagram was longer than there was room"),
            ("whole_bytes", "the length of a datagram that was cut"),
            ("room name", "serve chat: where, and by whom"),
            ("stream from offset_bytes", "trace: which conversation and end, and where in what it said"),
            ("frame late", "trace: the frame that brought it; true where it comes behind what follows it"),
        ],
    ),
    kind(
        "closed",
        "serve, listen, connect: a conversation is over",
        &[
            ("closed_by", "who ended it: us, peer, both, path, kernel"),
            (
                "how",
                "fin: both said that they were done. reset: cut off. timeout: no answer. refused, unreachable: never open. killed: by \
          the kernel, or its process was. limit: one of ours (--max-time, --max-bytes, …). stopped: we were told to stop. idle: nothing more came \
          for as long as was to be waited (--idle, --linger); so every ordinary conversation by UDP ends, for datagrams say no goodbye",
            ),
            (
                "client transport remote",
                "serve: which client's, over what, and where it came from; listen: which peer's",
            ),
            ("in_bytes out_bytes", "payload received and sent"),
            (
                "unsent_bytes never_sent_bytes unread_bytes",
                "ours that they have not acknowledged, as far as the kernel tells; those of them that never left; theirs that we did not read",
            ),
            (
                "open_s half_open_s",
                "how long it was open; and how long one half of it after the other had ended",
            ),
            ("timing", "--timing: resolve_s, connect_s, first_byte_s, total_s"),
            ("resolve_s connect_s", "looking up the name; opening the connection"),
            ("first_byte_s total_s", "from then to the first byte; all of it"),
            ("tcp", "--info: TCP_INFO, by the kernel's names"),
        ],
    ),
    kind(
        "option",
        "serve, listen, connect: what the kernel made of a socket option",
        &[
            ("at name", "which socket, and the option"),
            ("asked is", "the value asked for, and what it is now"),
        ],
    ),
    kind(
        "lists_read",
        "serve: files of --allow and --deny were read again",
        &[("networks", "how many there are")],
    ),
    kind(
        "turned_away",
        "serve: a client was not let in",
        &[
            ("why", "full, full_for_source, denied"),
            ("limit network", "how many there may be; the network of --deny that has it"),
        ],
    ),
    kind(
        "child_ended",
        "serve --engine process: a child ended",
        &[("pid exit signal", "the process, its exit status or the signal that ended it")],
    ),
    kind("paused", "serve: no descriptor is free, so nobody is accepted for now", &[]),
    kind("stopping", "serve: it was told to stop", &[("sessions", "how many are still open")]),
    kind(
        "segment",
        "trace, lab: one TCP segment",
        &[
            ("frame stream", "its number in the capture, from 1; its conversation, from 0"),
            ("t_s from", "when it was sent, and by which end: a or b"),
            ("seq ack", "relative numbers"),
            ("flags_tcp", "SYN,ACK …, in the order SYN FIN RST PSH ACK URG ECE CWR"),
            ("len_bytes window_bytes", "its payload; the window that it announces, scaled"),
            ("state_a state_b", "the states of both ends after it, by their RFC 9293 names"),
            ("in_flight_bytes rtt_us", "what its sender has under way; the round trip that it ends"),
            ("flags", "Wireshark's analysis: retransmission, zero_window, …"),
            ("arrived_s", "lab: when it reached the other end"),
            (
                "fate fate_rule",
                "lab: delivered, queued, reordered, duplicated, altered, corrupted, lost, or stopped: under way at the end; by which rule",
            ),
            ("segments", "lab: how many segments it is on the wire, if more than one"),
            ("world", "lab: kernel or simulated"),
        ],
    ),
    kind(
        "datagram",
        "trace, lab: one of UDP",
        &[("frame stream t_s from len_bytes", "as those of a segment; UDP's conversations count apart")],
    ),
    kind(
        "flow",
        "trace, lab: one conversation",
        &[
            ("stream transport a b", "its number; tcp or udp; the addresses of both ends"),
            ("t_s open_s", "when it began, and from then to its last packet"),
            ("segments segments_a segments_b", "TCP: segments"),
            ("datagrams datagrams_a datagrams_b", "UDP: datagrams"),
            ("bytes_a bytes_b", "payload, each byte once"),
            ("largest_bytes_a largest_bytes_b", "UDP: the largest datagram"),
            ("unseen_bytes_a unseen_bytes_b", "payload that was sent and is in no frame"),
            ("resent_segments_a resent_segments_b resent_bytes_a resent_bytes_b", "what was sent again"),
            (
                "lost_segments_a lost_segments_b lost_datagrams_a lost_datagrams_b",
                "lab: what the link lost or corrupted",
            ),
            (
                "corrupted_segments_a corrupted_segments_b corrupted_datagrams_a corrupted_datagrams_b",
                "of these, what was corrupted",
            ),
            ("stopped_segments_a stopped_segments_b", "lab: what was still under way at the end"),
            ("mss_a mss_b window_scale_a window_scale_b", "what the SYN announced"),
            ("in_flight_max_bytes_a in_flight_max_bytes_b", "the most that was under way at once"),
            (
                "rtt_samples_a rtt_samples_b rtt_min_us_a rtt_min_us_b rtt_mean_us_a rtt_mean_us_b rtt_max_us_a rtt_max_us_b",
                "round trips",
            ),
            ("duplicate_sacks_a duplicate_sacks_b", "reports that something came twice"),
            ("flags_a flags_b", "the analysis, each flag with how often"),
            (
                "state_a state_b path_a path_b",
                "the states at the end, and the way there: from, to, frame, t_s, cause",
            ),
            ("to cause", "of a step: the state that it led to, and why"),
            ("closed_by", "a, b, both, unknown"),
            ("how", "TCP: fin, reset, refused, unanswered, half_closed, unfinished, open"),
            ("rtt_us completeness", "the round trip of the handshake; Wireshark's tcp.completeness"),
            ("rows_left_out", "packets of it without a record or a row"),
            (
                "icmp_errors icmp",
                "ICMP errors about it, how many and the first: frame, by, about, text, next_hop_mtu_bytes",
            ),
            (
                "by about next_hop_mtu_bytes",
                "of an ICMP error: who sent it, about whose packet; the size that fits",
            ),
            ("findings", "what is worth knowing: id, text, evidence (frames)"),
            ("id text evidence", "of a finding: its kind, in words, the frames that show it"),
        ],
    ),
    kind(
        "aside",
        "trace: a frame beside the conversations",
        &[("protocol text", "arp, igmp or icmp; what it says")],
    ),
    kind(
        "capture",
        "trace: what the capture held; the last",
        &[
            ("frames seen lost_by_capture", "read; with what the capture lost; that"),
            ("link_type", "what its frames begin with"),
            ("unsupported", "frames that belong to no conversation, by kind"),
            ("backwards", "frames that are earlier than those in front of them"),
            ("incomplete_packets", "packets of which pieces are missing"),
        ],
    ),
    kind(
        "gap",
        "trace --streams: bytes that are missing",
        &[("why", "never_seen, cut_by_capture, too_late")],
    ),
    kind(
        "conflict",
        "trace --streams: bytes that came again and differ",
        &[("first_frame", "the frame that said them first")],
    ),
    kind(
        "packet",
        "trace --bytes: a frame, field by field; docs/guide/trace.md has all of it",
        &[
            ("wire_len_bytes hex layers", "its length on the wire; its bytes; its headers"),
            ("source destination protocol len_bytes sum", "of a checksum's pseudo header"),
        ],
    ),
    kind(
        "link",
        "lab: what the link did",
        &[
            ("backend seed", "tun, packet or simulated; the number that losses follow from"),
            ("up down", "what the client sent, and the server; each has:"),
            ("offered delivered copies", "packets that entered, arrived, arrived once more"),
            ("lost unplanned_drops", "dropped, by rule; dropped though no rule says so"),
            ("stopped touched", "still under way at the end; by what happened to them"),
            (
                "lateness_us",
                "how much later than planned packets left: p50, p99, max, and how many within so many µs",
            ),
            ("calibrated_us", "by what delays were made shorter: entering, answering, leaving"),
            ("entering answering leaving", "for getting into the link, as an answer, and out of it"),
            ("missed", "packets that were carried and not told"),
        ],
    ),
    kind(
        "output",
        "lab: a line that a command printed",
        &[("role fd", "whose: client, server, host3 …; 1 or 2")],
    ),
    kind(
        "ran",
        "lab: a command ended",
        &[("role command exit signal", "whose, what it was, and how it ended")],
    ),
    kind(
        "check",
        "lab doctor: a point of what the system allows",
        &[
            ("name holds", "what was looked at; whether it is in order"),
            ("text advice", "what was found; what to do about it"),
        ],
    ),
    kind(
        "profile",
        "lab show: a link with a name",
        &[("name sentence flags", "what it is like, and its rules as flags")],
    ),
    kind(
        "lesson",
        "lab lessons, lab lesson",
        &[
            ("id chapter title world", "its name, where it stands, what it is about; kernel or simulated"),
            ("claims facts", "each with text and holds; what the programs found out, by name"),
        ],
    ),
    kind(
        "call",
        "lab lesson: a system call",
        &[
            ("from text result", "whose; the call; what it returned"),
            ("began_s ended_s", "when"),
            ("waited ended_by", "whether it had to wait; the frame that ended that"),
        ],
    ),
    kind(
        "moment",
        "lab lesson: what the kernels' tables of sockets said",
        &[("sockets", "each with host and the fields of a socket"), ("host", "whose socket")],
    ),
    kind(
        "socket",
        "sockets: one socket, or with --events what happened to it",
        &[
            ("transport state local remote", "what it is and where; states by their RFC 9293 names"),
            ("event state_before", "--events, --watch: what happened, and the state before"),
            (
                "recv_q_bytes send_q_bytes",
                "what waits to be read, of udp and raw with the kernel's overhead, and to be sent or acknowledged",
            ),
            ("accept_queue accept_limit", "of a listener: connections that wait, and how many may"),
            (
                "uid user inode peer_inode cookie",
                "whose it is, and by which numbers the kernel knows it and its peer",
            ),
            ("pair role", "--pairs: the number of its pair, and which end of it this is"),
            ("under", "--tree: the process that it stands under"),
            ("processes", "each pid, fd, name"),
            ("timer", "kind, expires_ms, retransmits"),
            (
                "kind expires_ms retransmits",
                "of a timer: retransmit, keepalive, time_wait, persist, delayed_ack; when; how often",
            ),
            (
                "tcp congestion congestion_model",
                "TCP_INFO by the kernel's names; the algorithm, and what it thinks",
            ),
            ("memory drops", "bytes of memory; packets that were dropped for want of it"),
            (
                "receive_bytes receive_room_bytes send_bytes send_room_bytes",
                "of memory: in use and allowed, each way",
            ),
            (
                "forward_bytes queued_bytes option_bytes backlog_bytes",
                "of memory: set aside, queued, for options, in the backlog",
            ),
            (
                "shutdown v6_only tos traffic_class class_id",
                "receive, send or both; IPv6 alone; how its packets are marked",
            ),
            (
                "interface ether_type upper mark cgroup file_inode",
                "what it is bound to, and what else is known of it",
            ),
            ("explained", "--explain: whose turn it is, in words"),
        ],
    ),
    kind("socket_count", "sockets -s: how many there are", &[("count", "of this transport and state")]),
    kind(
        "problem",
        "beside an error: why, and what helps",
        &[
            ("id title cause advice", "what it is called, why it is so, what to do"),
            ("seen", "true where the cause was found, and not only supposed"),
            ("evidence", "what shows it: text, and perhaps a socket"),
        ],
    ),
    kind(
        "address",
        "addr: an address in every form",
        &[
            (
                "text canonical family notation",
                "as it was written; its one right form; ipv4 or ipv6; how it was written",
            ),
            (
                "zone port hex integer swapped",
                "behind it; its bytes; as a number, and with the bytes turned round",
            ),
            ("reverse_name kernel_table", "as DNS has it, and /proc/net"),
            (
                "mapped nat64 six_to_four full embedded",
                "in IPv6; written out; what it carries: name, value, standard",
            ),
            ("value", "of what it carries"),
            ("kind standard block scope globally_reachable", "what it is for, by which RFC"),
            ("functions warnings", "what inet_pton and others make of it; what to beware of"),
        ],
    ),
    kind(
        "network",
        "addr: a network",
        &[
            ("network address prefix addresses", "with the address that was written; how many it has"),
            ("first last first_host last_host", "its ends"),
            ("netmask wildcard", "as masks"),
        ],
    ),
    kind(
        "contains",
        "addr net: whether one has the other",
        &[("of contains overlaps", "the other; whether it is within; whether they share any")],
    ),
    kind(
        "number",
        "addr: a number in both byte orders",
        &[
            ("bits value swapped", "its width; the number; with its bytes turned round"),
            ("big_endian little_endian to_network", "its bytes in memory; what htonl makes of it here"),
        ],
    ),
    kind(
        "byte_order",
        "addr order: this machine's",
        &[("order memory", "its name; how 0x01020304 stands in memory")],
    ),
    kind(
        "port",
        "addr port",
        &[
            (
                "range tcp udp meant",
                "which range it is of; its services; what was meant, where htons was forgotten",
            ),
            (
                "ephemeral ephemeral_first ephemeral_last privileged",
                "whether the kernel gives it out by itself; whether it takes root",
            ),
        ],
    ),
    kind(
        "family",
        "addr sockaddr: the structures",
        &[("number structure size_bytes address_bytes", "AF_…, its structure, and sizes")],
    ),
    kind(
        "sockaddr",
        "addr sockaddr X: one of them",
        &[("fields", "each name, start_byte, len_bytes, order, value")],
    ),
    kind(
        "interface",
        "addr mine: an interface",
        &[
            ("index up running loopback mtu_bytes mac", "what it is"),
            ("addresses", "each address, prefix, kind, peer, broadcast, deprecated, tentative, valid_s"),
        ],
    ),
    kind(
        "form",
        "addr --form: the address in that form",
        &[("text form value", "as it was given; the form's name; the address in it")],
    ),
    kind(
        "resolved",
        "addr resolve: one of a name's addresses",
        &[
            (
                "place source label precedence",
                "its place; the address of ours that calls it; RFC 6724's numbers",
            ),
            ("rule agrees", "the rule that puts it before the next, and whether that is so here"),
            ("gateway source_before", "the way there; our other addresses, and why not they"),
        ],
    ),
    kind(
        "endpoint",
        "addr: where to listen, or whom to call",
        &[("text address", "as it was written, and in full")],
    ),
    kind(
        "hardware",
        "addr: an Ethernet address",
        &[("is_group is_local link_local", "its bits; the address of IPv6 made of it")],
    ),
];

const FAULT: &[(&str, &str)] = &[
    ("end", "whose: us, peer, path, you"),
    ("doing at", "what was being done, and to what"),
    ("cause errno", "why, in words, and the kernel's name for it"),
    ("exit", "the exit code (bothends help exit-codes)"),
];

/// All types with their fields.
pub(super) fn text() -> String {
    let mut text = wrap(INTRODUCTION, COLUMNS).join("\n") + "\n";
    for Kind { name, from, fields } in KINDS {
        text.push_str(&format!("\n{name}: {from}\n"));
        for (names, meaning) in *fields {
            text.push_str(&row(names, meaning));
        }
    }
    text
}

/// Names, and beside them what they are; below them where they take too much room.
fn row(names: &str, meaning: &str) -> String {
    let mut names = wrap(names, COLUMNS - FIELDS);
    let beside = names.last().is_none_or(|last| FIELDS + last.len() + 2 <= MEANINGS);
    if !beside {
        names.push(String::new());
    }
    let meanings = wrap(meaning, COLUMNS - MEANINGS);
    let first = names.len() - 1;
    let lines = names.len().max(first + meanings.len());
    let empty = String::new();
    (0..lines)
        .map(|at| {
            let name = names.get(at).unwrap_or(&empty);
            let meaning = at.checked_sub(first).and_then(|at| meanings.get(at)).unwrap_or(&empty);
            let line = format!("{:FIELDS$}{name:width$}{meaning}", "", width = MEANINGS - FIELDS);
            format!("{}\n", line.trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The sources that make records, without their tests.
    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "help" {
                sources(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned());
            }
        }
    }

    fn names(pattern: &str, sources: &[String]) -> BTreeSet<String> {
        let pattern = regex::Regex::new(pattern).unwrap();
        let found = sources.iter().flat_map(|text| pattern.captures_iter(text));
        found.map(|found| found[1].to_owned()).collect()
    }

    #[test]
    fn every_type_and_every_field_is_told() {
        let mut all = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        let made = names(r#"(?:Record::new|clock\.record|stamped|record)\(\s*"([a-z_]+)"\)"#, &all);
        let told: BTreeSet<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        assert_eq!(made, told);
        let fields = names(r#"\.with(?:_some|_bytes)?\(\s*"([a-z0-9_]+)","#, &all);
        assert!(fields.len() > 150, "{fields:?}");
        let common = ["t_s", "wall"].map(str::to_owned);
        let of_kinds = KINDS.iter().flat_map(|kind| kind.fields).flat_map(|(names, _)| names.split(' '));
        let told: BTreeSet<String> = of_kinds.map(str::to_owned).chain(common).collect();
        let untold: Vec<&String> = fields.difference(&told).collect();
        assert!(untold.is_empty(), "fields that help does not have: {untold:?}");
        let of_records = all.iter().any(|text| text.contains("\"backwards\""));
        assert!(of_records);
    }

    #[test]
    fn it_is_narrow_enough_to_be_read() {
        let text = text();
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("idle: nothing more came"));
        assert!(!text.lines().any(|line| line.ends_with(' ')));
    }
}
