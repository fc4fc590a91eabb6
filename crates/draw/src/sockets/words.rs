//! What stands behind or below a row on demand, in ss(8)'s words: timer, user, memory, everything that TCP knows.

use std::fmt::Write as _;

use wire::socket_row::{Memory, Model, SocketRow};
use wire::tcp_info::TcpInfo;
use wire::visible;

use super::Surroundings;

/// What is wanted beside the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The timer.
    pub timer: bool,
    /// User, inode, cookie, control group, directions that have ended.
    pub extended: bool,
    /// Memory.
    pub memory: bool,
    /// What TCP knows.
    pub tcp: bool,
    /// Every field of TCP_INFO by its name and with its unit.
    pub every_field: bool,
    /// Type of service and class.
    pub service: bool,
    /// The control group.
    pub cgroup: bool,
    /// Options that are on.
    pub options: bool,
    /// In the row's own line.
    pub one_line: bool,
    /// Rates in full.
    pub numeric: bool,
}

pub(super) fn write(
    out: &mut String,
    row: &SocketRow,
    extras: &Extras,
    ascii: bool,
    around: &dyn Surroundings,
) {
    if extras.timer && row.timer.is_some() {
        out.push(' ');
        timer(out, row);
    }
    if extras.extended {
        extended(out, row, ascii, around);
    }
    if extras.cgroup
        && !extras.extended
        && let Some(number) = row.cgroup
    {
        let _ = write!(out, " cgroup:{}", cgroup(number, ascii, around));
    }
    if extras.service {
        service(out, row);
    }
    if extras.options {
        options(out, row);
    }
    let mut below = String::new();
    if extras.memory
        && let Some(all) = row.memory()
    {
        memory(&mut below, all);
    }
    if extras.tcp && row.tcp().is_some() {
        tcp(&mut below, row, extras, ascii);
    }
    if extras.every_field
        && let Some(info) = row.tcp()
    {
        for (name, value) in info.fields() {
            let _ = write!(below, " {name}={value}");
        }
    }
    if !below.is_empty() {
        out.push_str(if extras.one_line { "" } else { "\n\t" });
        out.push_str(&below);
    }
}

/// `timer:(keepalive,1min59sec,0)`.
pub(super) fn timer(out: &mut String, row: &SocketRow) {
    if let Some(timer) = row.timer {
        let left = remaining(timer.expires_ms);
        let _ = write!(out, "timer:({},{left},{})", timer.kind.name(), timer.retransmits);
    }
}

/// `200ms`, `1.500sec`, `59sec`, `1min59sec`, `12min`: the more there is, the coarser.
fn remaining(ms: u32) -> String {
    let (minutes, seconds, rest) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
    match (minutes, seconds, rest) {
        (0, 0, 0) => String::new(),
        (0, 0, rest) => format!("{rest:03}ms"),
        (0, seconds, rest) if rest > 0 && seconds < 10 => format!("{seconds}.{rest:03}sec"),
        (0, seconds, _) => format!("{seconds}sec"),
        (minutes, 0, _) | (minutes @ 10.., _, _) => format!("{minutes}min"),
        (minutes, seconds, _) => format!("{minutes}min{seconds}sec"),
    }
}

fn extended(out: &mut String, row: &SocketRow, ascii: bool, around: &dyn Surroundings) {
    let file = row.details.as_ref().and_then(|details| details.file);
    if row.kind.is_unix() {
        if let Some(shutdown) = row.shutdown {
            directions(out, shutdown);
        }
        if let Some((inode, device)) = file {
            // struct inode's device: the major number stands above twenty bits of the minor one.
            let _ = write!(out, " ino:{inode} dev:{}/{}", device >> 20, device & 0xf_ffff);
        }
        if let Some(uid) = row.uid.filter(|uid| *uid != 0) {
            let _ = write!(out, " uid:{uid}");
        }
        return;
    }
    if let Some(uid) = row.uid.filter(|uid| *uid != 0) {
        let _ = write!(out, " uid:{uid}");
    }
    let _ = write!(out, " ino:{} sk:{:x}", row.inode, row.cookie);
    if let Some(mark) = row.mark.filter(|mark| *mark != 0) {
        let _ = write!(out, " fwmark:{mark:#x}");
    }
    if let Some(number) = row.cgroup {
        let _ = write!(out, " cgroup:{}", cgroup(number, ascii, around));
    }
    if let Some(only) = row.v6_only {
        let _ = write!(out, " v6only:{}", u8::from(only));
    }
    if let Some(shutdown) = row.shutdown {
        directions(out, shutdown);
    }
}

/// `<->`, with a dash for the arrow head of a direction that has ended.
fn directions(out: &mut String, shutdown: u8) {
    let (receive, send) =
        (if shutdown & 1 != 0 { '-' } else { '<' }, if shutdown & 2 != 0 { '-' } else { '>' });
    let _ = write!(out, " {receive}-{send}");
}

pub(super) fn cgroup(number: u64, ascii: bool, around: &dyn Surroundings) -> String {
    match around.cgroup(number) {
        Some(path) => visible(&path, ascii).into_owned(),
        None => format!("unreachable:{number:x}"),
    }
}

fn service(out: &mut String, row: &SocketRow) {
    let Some(details) = row.details.as_deref() else { return };
    let (tos, class) = (details.tos.map(u32::from), details.traffic_class.map(u32::from));
    for (name, value) in [("tos", tos), ("tclass", class), ("class_id", details.class_id)] {
        match value {
            // As printf(3) has it with `%#x`.
            Some(0) => {
                let _ = write!(out, " {name}:0");
            }
            Some(value) => {
                let _ = write!(out, " {name}:{value:#x}");
            }
            None => {}
        }
    }
}

/// The bits of struct inet_diag_sockopt, in their order on little-endian machines.
const OPTIONS: [(&str, usize, u8); 10] = [
    ("recverr", 0, 1 << 0),
    ("freebind", 0, 1 << 2),
    ("hdrincl", 0, 1 << 3),
    ("mc_loop", 0, 1 << 4),
    ("transparent", 0, 1 << 5),
    ("mc_all", 0, 1 << 6),
    ("nodefrag", 0, 1 << 7),
    ("bind_addr_no_port", 1, 1 << 0),
    ("recverr_rfc4884", 1, 1 << 1),
    ("defer_connect", 1, 1 << 2),
];

fn options(out: &mut String, row: &SocketRow) {
    let Some(bits) = row.options else { return };
    out.push_str(" inet-sockopt: (");
    for (name, byte, bit) in OPTIONS {
        let bit = if cfg!(target_endian = "little") { bit } else { bit.reverse_bits() };
        if bits[byte] & bit != 0 {
            let _ = write!(out, " {name}");
        }
    }
    out.push(')');
}

fn memory(out: &mut String, memory: &Memory) {
    let _ = write!(
        out,
        " skmem:(r{},rb{},t{},tb{},f{},w{},o{},bl{}",
        memory.receive_bytes,
        memory.receive_room_bytes,
        memory.send_bytes,
        memory.send_room_bytes,
        memory.forward_bytes,
        memory.queued_bytes,
        memory.option_bytes,
        memory.backlog_bytes
    );
    if let Some(drops) = memory.drops {
        let _ = write!(out, ",d{drops}");
    }
    out.push(')');
}

/// The words for what is on among the bits of `tcpi_options` (linux/tcp.h).
const TCP_OPTIONS: [(&str, u8); 6] =
    [("ts", 1), ("usec_ts", 64), ("sack", 2), ("ecn", 8), ("ecnseen", 16), ("fastopen", 32)];

/// How a number of TCP_INFO is written.
#[derive(Clone, Copy)]
enum Form {
    /// As it is; 0 is not worth a word.
    Number,
    /// Microseconds, as milliseconds.
    Milliseconds,
}

fn tcp(out: &mut String, row: &SocketRow, extras: &Extras, ascii: bool) {
    let (Some(info), Some(details)) = (row.tcp(), row.details.as_deref()) else { return };
    let bits = info.options.unwrap_or(0);
    if extras.timer || extras.extended {
        for (name, _) in TCP_OPTIONS.iter().filter(|(_, bit)| bits & bit != 0) {
            let _ = write!(out, " {name}");
        }
    }
    if let Some(name) = &details.congestion {
        let _ = write!(out, " {}", visible(name, ascii));
    }
    if bits & 4 != 0 {
        let _ = write!(out, " wscale:{},{}", info.snd_wscale().unwrap_or(0), info.rcv_wscale().unwrap_or(0));
    }
    timing(out, info);
    sizes(out, info);
    counters(out, info);
    if let Some(model) = &details.model {
        self::model(out, model, extras.numeric);
    }
    rates(out, info, &details.model, extras.numeric);
    limits(out, info);
    repair(out, row, info);
    if let Some(name) = &details.upper {
        let _ = write!(out, " tcp-ulp-{}", visible(name, ascii));
    }
}

fn word(out: &mut String, name: &str, form: Form, value: Option<u32>) {
    let Some(value) = value.filter(|value| *value != 0) else { return };
    let _ = match form {
        Form::Number => write!(out, " {name}:{value}"),
        Form::Milliseconds => write!(out, " {name}:{}", general(f64::from(value) / 1000.0, 6)),
    };
}

fn timing(out: &mut String, info: &TcpInfo) {
    // Three seconds are what there is before anything was measured.
    word(out, "rto", Form::Milliseconds, info.rto_us.filter(|rto| *rto != 3_000_000));
    word(out, "backoff", Form::Number, info.backoff.map(u32::from));
    if let Some(rtt) = info.rtt_us.filter(|rtt| *rtt != 0) {
        let of = |us: u32| general(f64::from(us) / 1000.0, 6);
        let _ = write!(out, " rtt:{}/{}", of(rtt), of(info.rttvar_us.unwrap_or(0)));
    }
    word(out, "ato", Form::Milliseconds, info.ato_us);
}

fn sizes(out: &mut String, info: &TcpInfo) {
    word(out, "mss", Form::Number, info.snd_mss_bytes);
    word(out, "pmtu", Form::Number, info.pmtu_bytes);
    word(out, "rcvmss", Form::Number, info.rcv_mss_bytes);
    word(out, "advmss", Form::Number, info.advmss_bytes);
    word(out, "cwnd", Form::Number, info.snd_cwnd_segments);
    word(out, "ssthresh", Form::Number, info.snd_ssthresh_segments.filter(|segments| *segments < 0xffff));
}

fn counters(out: &mut String, info: &TcpInfo) {
    let all = [
        ("bytes_sent", info.bytes_sent),
        ("bytes_retrans", info.bytes_retrans),
        ("bytes_acked", info.bytes_acked),
        ("bytes_received", info.bytes_received),
        ("segs_out", info.segs_out.map(u64::from)),
        ("segs_in", info.segs_in.map(u64::from)),
        ("data_segs_out", info.data_segs_out.map(u64::from)),
        ("data_segs_in", info.data_segs_in.map(u64::from)),
    ];
    for (name, value) in all {
        if let Some(value) = value.filter(|value| *value != 0) {
            let _ = write!(out, " {name}:{value}");
        }
    }
}

fn model(out: &mut String, model: &Model, numeric: bool) {
    let _ = match *model {
        Model::Bbr { bandwidth_bytes_per_s, min_rtt_us, pacing_gain, cwnd_gain } => {
            let bandwidth = rate(bandwidth_bytes_per_s as f64 * 8.0, numeric);
            let _ =
                write!(out, " bbr:(bw:{bandwidth}bps,mrtt:{}", general(f64::from(min_rtt_us) / 1000.0, 6));
            for (name, gain) in [("pacing_gain", pacing_gain), ("cwnd_gain", cwnd_gain)] {
                if gain != 0 {
                    let _ = write!(out, ",{name}:{}", general(f64::from(gain) / 256.0, 6));
                }
            }
            out.write_str(")")
        }
        Model::Dctcp { enabled: true, ce_state, alpha, ab_ecn, ab_tot } => {
            write!(out, " dctcp:(ce_state:{ce_state},alpha:{alpha},ab_ecn:{ab_ecn},ab_tot:{ab_tot})")
        }
        Model::Dctcp { .. } => out.write_str(" dctcp:fallback_mode"),
        Model::Vegas { .. } => Ok(()),
    };
}

fn rates(out: &mut String, info: &TcpInfo, model: &Option<Model>, numeric: bool) {
    if let Some(bits_per_s) = sending_rate(info, model) {
        let _ = write!(out, " send {}bps", rate(bits_per_s, numeric));
    }
    word(out, "lastsnd", Form::Number, info.last_data_sent_ms);
    word(out, "lastrcv", Form::Number, info.last_data_recv_ms);
    word(out, "lastack", Form::Number, info.last_ack_recv_ms);
    let limited = |rate: &u64| *rate != 0 && *rate != u64::MAX;
    if let Some(pacing) = info.pacing_rate_bytes_per_s.filter(limited) {
        let _ = write!(out, " pacing_rate {}bps", rate(pacing as f64 * 8.0, numeric));
        if let Some(most) = info.max_pacing_rate_bytes_per_s.filter(limited) {
            let _ = write!(out, "/{}bps", rate(most as f64 * 8.0, numeric));
        }
    }
    if let Some(delivery) = info.delivery_rate_bytes_per_s.filter(|rate| *rate != 0) {
        let _ = write!(out, " delivery_rate {}bps", rate(delivery as f64 * 8.0, numeric));
    }
    word(out, "delivered", Form::Number, info.delivered_segments);
    word(out, "delivered_ce", Form::Number, info.delivered_ce_segments);
    if info.is_app_limited() == Some(true) {
        out.push_str(" app_limited");
    }
}

/// What one congestion window a round trip amounts to, in bits per second.
fn sending_rate(info: &TcpInfo, model: &Option<Model>) -> Option<f64> {
    let rtt_us = match model {
        Some(Model::Vegas { enabled: true, rtt_us, .. }) if *rtt_us != 0 && *rtt_us != 0x7fff_ffff => *rtt_us,
        _ => info.rtt_us?,
    };
    let (window, mss) = (info.snd_cwnd_segments?, info.snd_mss_bytes?);
    let bits = f64::from(window) * f64::from(mss) * 8e6;
    (rtt_us != 0 && bits > 0.0).then(|| bits / f64::from(rtt_us))
}

fn limits(out: &mut String, info: &TcpInfo) {
    let Some(busy) = info.busy_time_us.filter(|busy| *busy != 0) else { return };
    let _ = write!(out, " busy:{}ms", busy / 1000);
    for (name, time) in [("rwnd_limited", info.rwnd_limited_us), ("sndbuf_limited", info.sndbuf_limited_us)] {
        if let Some(time) = time.filter(|time| *time != 0) {
            let share = 100.0 * time as f64 / busy as f64;
            let _ = write!(out, " {name}:{}ms({share:.1}%)", time / 1000);
        }
    }
}

fn repair(out: &mut String, row: &SocketRow, info: &TcpInfo) {
    word(out, "unacked", Form::Number, info.unacked_segments);
    let (now, ever) = (info.retrans_segments.unwrap_or(0), info.total_retrans_segments.unwrap_or(0));
    if now != 0 || ever != 0 {
        let _ = write!(out, " retrans:{now}/{ever}");
    }
    word(out, "lost", Form::Number, info.lost_segments);
    word(out, "sacked", Form::Number, info.sacked_segments.filter(|_| !row.is_listener()));
    word(out, "dsack_dups", Form::Number, info.dsack_dups_segments);
    word(out, "fackets", Form::Number, info.fackets_segments);
    // Three is what there is before anything overtook anything (RFC 5681 §3.2).
    if let Some(reordering) = info.reordering_segments.filter(|reordering| *reordering != 3) {
        let _ = write!(out, " reordering:{reordering}");
    }
    word(out, "reord_seen", Form::Number, info.reord_seen);
    word(out, "rcv_rtt", Form::Milliseconds, info.rcv_rtt_us);
    word(out, "rcv_space", Form::Number, info.rcv_space_bytes);
    word(out, "rcv_ssthresh", Form::Number, info.rcv_ssthresh_bytes);
    word(out, "notsent", Form::Number, info.notsent_bytes);
    word(out, "minrtt", Form::Milliseconds, info.min_rtt_us.filter(|rtt| *rtt != u32::MAX));
    word(out, "rcv_ooopack", Form::Number, info.rcv_ooopack_segments);
    word(out, "snd_wnd", Form::Number, info.snd_wnd_bytes);
    word(out, "rcv_wnd", Form::Number, info.rcv_wnd_bytes);
    word(out, "rehash", Form::Number, info.rehash);
}

/// A rate in bits per second: in full, or with three digits and its letter.
fn rate(bits_per_s: f64, numeric: bool) -> String {
    if numeric {
        return format!("{bits_per_s:.0}");
    }
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|(unit, _)| bits_per_s >= *unit) {
        Some((unit, letter)) => format!("{}{letter}", general(bits_per_s / unit, 3)),
        None => general(bits_per_s, 6),
    }
}

/// A number with at most so many significant digits and no zeros at its end, as printf(3) has it with `%g`; for the
/// sizes of numbers that occur here.
fn general(value: f64, digits: usize) -> String {
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent: i32 = rounded.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(6);
    if exponent < -4 || exponent >= most {
        let (number, _) = rounded.split_once('e').unwrap_or((&rounded, ""));
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(number), exponent.abs());
    }
    let decimals = usize::try_from(most - 1 - exponent).unwrap_or(0);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_printf_has_them() {
        for (value, text) in [
            (0.034, "0.034"),
            (200.0, "200"),
            (2.88672, "2.88672"),
            (1234567.0, "1.23457e+06"),
            (0.0, "0"),
            (65.4321987, "65.4322"),
        ] {
            assert_eq!(general(value, 6), text);
        }
        assert_eq!(
            [rate(77_037_647_059.4, true), rate(77_037_647_059.4, false), rate(999.0, false)],
            ["77037647059", "77G", "999"]
        );
    }

    #[test]
    fn what_remains_gets_coarser() {
        let shown = [0, 7, 200, 1500, 9000, 12_345, 60_000, 119_000, 660_000].map(remaining);
        assert_eq!(shown, ["", "007ms", "200ms", "1.500sec", "9sec", "12sec", "1min", "1min59sec", "11min"]);
    }
}
