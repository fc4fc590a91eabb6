//! What `listen` and `connect` tell beside the account: who is there, how long it took, what the kernel knows.

use std::time::Duration;

use draw::number::{count, duration, grouped, size_in_words};
use ends::datagrams::Outcome;
use ends::event::{Account, How};
use ends::pump::{HalfOpen, Over};
use wire::tcp_info::TcpInfo;
use wire::{Address, Fault, Transport};

use crate::record::talk::Timing;

/// Shorter times are those of the network.
const WORTH_A_WORD: Duration = Duration::from_millis(100);

/// There is somebody to talk with.
pub fn open(peer: &str, local: &Address, by_us: bool) -> String {
    match by_us {
        true => format!("connected to {peer} from {local}\n"),
        false => format!("{peer} connected to {local}\n"),
    }
}

/// How long each part took: `looked up in 1.2 ms, connected in 31 µs, first byte 2.0 ms later, 31 ms in all`.
pub fn timing(timing: &Timing) -> String {
    let part = |time: Option<Duration>, before: &str, after: &str| {
        time.map(|time| format!("{before}{}{after}", duration(time)))
    };
    let parts = [
        part(timing.resolve, "looked up in ", ""),
        part(timing.connect, "connected in ", ""),
        part(timing.first_byte, "first byte ", " later"),
        part(Some(timing.total), "", " in all"),
    ];
    format!("timing: {}\n", joined(parts))
}

/// What the kernel knows of a connection, in a few lines; what this kernel does not have is left out.
pub fn info(info: Option<&TcpInfo>, account: &Account) -> String {
    let Some(info) = info else { return "info: the kernel keeps it of TCP connections only\n".to_owned() };
    let lines =
        [round_trips(info), sent(info), received(info, account), windows(info), held_up(info), agreed(info)];
    lines.into_iter().flatten().map(|line| format!("info: {line}\n")).collect()
}

/// `round trip 31 µs, varying by 15 µs, at best 28 µs; what is not acknowledged is sent again after 201 ms`.
fn round_trips(info: &TcpInfo) -> Option<String> {
    let rtt = info.rtt_us.filter(|rtt| *rtt > 0)?;
    let part = |before: &str, time: Option<u32>| time.map(|time| format!("{before}{}", micros(time.into())));
    let best = info.min_rtt_us.filter(|best| *best != u32::MAX);
    let parts = [part("round trip ", Some(rtt)), part("varying by ", info.rttvar_us), part("at best ", best)];
    let timer = part("; what is not acknowledged is sent again after ", info.rto_us).unwrap_or_default();
    Some(joined(parts) + &timer)
}

/// `sent 13 bytes in 4 segments, 1 of them again (12 bytes); 2 timeouts`.
fn sent(info: &TcpInfo) -> Option<String> {
    // Its bytes do not count a SYN or a FIN; what was acknowledged does.
    let bytes = size_in_words(info.bytes_sent.or(info.bytes_acked)?);
    let again = match (info.total_retrans_segments?, info.bytes_retrans) {
        (0, _) => "none of them again".to_owned(),
        (segments, None | Some(0)) => format!("{segments} of them again"),
        (segments, Some(bytes)) => format!("{segments} of them again ({})", size_in_words(bytes)),
    };
    let timeouts = info.total_rto.filter(|timeouts| *timeouts > 0);
    let timeouts = timeouts.map(|number| format!(", after {}", count(number.into(), "timeout")));
    let twice = info.dsack_dups_segments.filter(|twice| *twice > 0);
    let twice = twice.map(|number| format!("; {} arrived there twice", count(number.into(), "segment")));
    let segments = count(info.segs_out?.into(), "segment");
    Some(format!(
        "sent {bytes} in {segments}, {again}{}{}",
        timeouts.unwrap_or_default(),
        twice.unwrap_or_default()
    ))
}

/// `received 13 bytes in 3 segments, 1 of them out of order`.
fn received(info: &TcpInfo, account: &Account) -> Option<String> {
    let segments = count(info.segs_in?.into(), "segment");
    let order = info.rcv_ooopack_segments.map(|segments| match segments {
        0 => ", all in order".to_owned(),
        some => format!(", {some} of them out of order"),
    });
    // The kernel's own number counts a FIN as a byte.
    let bytes = size_in_words(account.in_bytes + account.unread_bytes);
    Some(format!("received {bytes} in {segments}{}", order.unwrap_or_default()))
}

/// `congestion window 10 segments of 32,741 bytes; their window 65,483 bytes, ours 65,495 bytes`.
fn windows(info: &TcpInfo) -> Option<String> {
    let of = size_in_words(info.snd_mss_bytes?.into());
    let congestion =
        format!("congestion window {} of {of}", count(info.snd_cwnd_segments?.into(), "segment"));
    // All ones in 31 bits: slow start has not ended yet (include/net/tcp.h, TCP_INFINITE_SSTHRESH).
    let start = info.snd_ssthresh_segments.filter(|end| *end < i32::MAX.cast_unsigned());
    let start = start.map(|end| format!(" (slow start ended at {end})")).unwrap_or_default();
    let window = |whose: &str, bytes: Option<u32>| {
        bytes.map(|bytes| format!("{whose} {}", size_in_words(bytes.into())))
    };
    let ends = joined([window("their window", info.snd_wnd_bytes), window("ours", info.rcv_wnd_bytes)]);
    let ends = if ends.is_empty() { ends } else { format!("; {ends}") };
    Some(format!("{congestion}{start}{ends}"))
}

/// `busy sending for 1.20 ms: 800 µs of it held up by their window, 0 µs by our send buffer`.
fn held_up(info: &TcpInfo) -> Option<String> {
    let busy = info.busy_time_us.filter(|busy| *busy > 0)?;
    let part = |by: &str, time: Option<u64>| {
        let time = time.filter(|time| *time > 0)?;
        Some(format!("{} of it held up by {by}", micros(time)))
    };
    let parts = [part("their window", info.rwnd_limited_us), part("our send buffer", info.sndbuf_limited_us)];
    let parts = joined(parts);
    let by_what = if parts.is_empty() {
        ", held up by neither window nor buffer".to_owned()
    } else {
        format!(": {parts}")
    };
    Some(format!("something to send for {}{by_what}", micros(busy)))
}

/// What both ends agreed on in their SYNs: `timestamps, SACK, window scaling by 7 there and 7 here`.
fn agreed(info: &TcpInfo) -> Option<String> {
    const TIMESTAMPS: u8 = 1;
    const SACK: u8 = 2;
    const SCALING: u8 = 4;
    const ECN: u8 = 8;
    let options = info.options?;
    let has = |bit: u8, name: &str| (options & bit != 0).then(|| name.to_owned());
    let scaling = has(SCALING, "").and(info.snd_wscale()).zip(info.rcv_wscale());
    let scaling = scaling.map(|(there, here)| format!("window scaling by {there} there and {here} here"));
    let all = joined([has(TIMESTAMPS, "timestamps"), has(SACK, "SACK"), scaling, has(ECN, "ECN")]);
    let all = if all.is_empty() { "no options".to_owned() } else { all };
    let mtu =
        info.pmtu_bytes.map(|bytes| format!("; the path takes packets of {}", size_in_words(bytes.into())));
    Some(format!("agreed on {all}{}", mtu.unwrap_or_default()))
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn micros(micros: u64) -> String {
    duration(Duration::from_micros(micros))
}

/// A fault that ends nothing: a peer's where there is no connection, or a want of memory.
pub fn trouble(fault: &Fault) -> String {
    let advice = explain::problem(fault).map(|problem| format!(" ({})", problem.advice));
    format!("{}{}\n", explain::sentence(fault), advice.unwrap_or_default())
}

/// The account of a conversation over a connection, in one clause. A half that stayed open is worth a word, and then it
/// is told when the first half closed: `it closed first, with FIN, after 3.20 s (the other half stayed open for 1.02
/// s): 12 bytes in, 1 byte out`.
pub fn connection(account: &Account, transport: Transport, half_open: Option<HalfOpen>) -> String {
    let (end, amounts) = (super::end(account, transport), super::amounts(account));
    match half_open.filter(|half| account.how == How::Fin && half.lasted >= WORTH_A_WORD) {
        Some(HalfOpen { after, lasted }) => {
            let [after, lasted] = [after, lasted].map(duration);
            format!("{end} after {after} (the other half stayed open for {lasted}): {amounts}")
        }
        None => format!("{end} after {}: {amounts}", duration(account.open)),
    }
}

/// The account of a conversation by datagrams, in one clause: `2 datagrams in, from 1 peer, 3 out, after 1.02 s: 12
/// bytes in, 18 bytes out`.
pub fn datagrams(outcome: &Outcome) -> String {
    let Outcome { over, account, received, sent, peers, .. } = outcome;
    let end = match over {
        Over::LingerEnded | Over::IdleEnded => "nothing more was said",
        Over::TotalEnded => "the time was over",
        Over::Once => "one datagram was enough",
        Over::Expected => "what was expected has come",
        Over::OutputClosed => "nobody read what came",
        Over::Interrupted(_) => "we were asked to stop",
        Over::Sent | Over::Closed => "all was sent",
    };
    let from = if *received == 0 { String::new() } else { format!(" from {}", count(*peers, "peer")) };
    let counts = format!("{} in{from}, {} out", count(*received, "datagram"), grouped(*sent));
    let [in_bytes, out_bytes] = [account.in_bytes, account.out_bytes].map(size_in_words);
    let rest = |bytes: u64, what: &str| match bytes {
        0 => String::new(),
        bytes => format!("; {} {what}", size_in_words(bytes)),
    };
    let unsent = rest(account.unsent_bytes, "of ours never sent");
    let unread = rest(account.unread_bytes, "of theirs unread");
    format!(
        "{end} after {}: {counts}; {in_bytes} in, {out_bytes} out{unsent}{unread}",
        duration(account.open)
    )
}

/// A datagram that did not fit.
pub fn cut(remote: &Address, taken: u64, whole: u64) -> String {
    let [taken, whole] = [taken, whole].map(size_in_words);
    format!("{remote}: a datagram of {whole} was cut to {taken}\n")
}

#[cfg(test)]
mod tests {
    use ends::event::ClosedBy;

    use super::*;

    #[test]
    fn only_what_there_was_is_timed() {
        let all = Timing {
            resolve: Some(Duration::from_micros(1200)),
            connect: Some(Duration::from_micros(31)),
            first_byte: Some(Duration::from_millis(2)),
            total: Duration::from_millis(31),
        };
        let told =
            "timing: looked up in 1.20 ms, connected in 31 µs, first byte 2.00 ms later, 31.0 ms in all\n";
        assert_eq!(timing(&all), told);
        let silent = Timing { resolve: None, first_byte: None, ..all };
        assert_eq!(timing(&silent), "timing: connected in 31 µs, 31.0 ms in all\n");
    }
    fn account() -> Account {
        Account {
            closed_by: ClosedBy::Us,
            how: How::Fin,
            in_bytes: 12,
            out_bytes: 26,
            unsent_bytes: 0,
            never_sent_bytes: 0,
            unread_bytes: 1,
            open: Duration::from_millis(31),
        }
    }

    #[test]
    fn what_the_kernel_knows_is_told_in_words() {
        let known = TcpInfo {
            options: Some(7),
            wscales: Some(0x77),
            rto_us: Some(201_000),
            snd_mss_bytes: Some(1448),
            pmtu_bytes: Some(1500),
            rtt_us: Some(31),
            rttvar_us: Some(15),
            snd_ssthresh_segments: Some(i32::MAX as u32),
            snd_cwnd_segments: Some(10),
            total_retrans_segments: Some(1),
            segs_out: Some(4),
            segs_in: Some(3),
            min_rtt_us: Some(28),
            busy_time_us: Some(1200),
            rwnd_limited_us: Some(800),
            sndbuf_limited_us: Some(0),
            bytes_sent: Some(26),
            bytes_retrans: Some(13),
            rcv_ooopack_segments: Some(0),
            snd_wnd_bytes: Some(65_536),
            ..TcpInfo::default()
        };
        let told = "\
info: round trip 31 µs, varying by 15 µs, at best 28 µs; what is not acknowledged is sent again after 201 ms
info: sent 26 bytes in 4 segments, 1 of them again (13 bytes)
info: received 13 bytes in 3 segments, all in order
info: congestion window 10 segments of 1,448 bytes; their window 64.0 KiB
info: something to send for 1.20 ms: 800 µs of it held up by their window
info: agreed on timestamps, SACK, window scaling by 7 there and 7 here; the path takes packets of 1,500 bytes
";
        assert_eq!(info(Some(&known), &account()), told);
    }

    #[test]
    fn a_half_that_stayed_open_is_told() {
        let half = |after, lasted| {
            let [after, lasted] = [after, lasted].map(Duration::from_millis);
            Some(HalfOpen { after, lasted })
        };
        let told = |half| connection(&account(), Transport::Tcp, half);
        let at_once =
            "we closed first, with FIN, after 31.0 ms: 12 bytes in, 26 bytes out; 1 byte of theirs unread";
        assert_eq!(told(None), at_once);
        assert_eq!(told(half(1, 30)), at_once);
        // The two times, and not one of them and their sum.
        let late = told(half(3, 1020));
        assert!(late.starts_with(
            "we closed first, with FIN, after 3.00 ms (the other half stayed open for 1.02 s): 12"
        ));
    }

    #[test]
    fn an_old_kernel_and_other_sockets_say_what_there_is() {
        assert_eq!(info(Some(&TcpInfo::default()), &account()), "");
        assert_eq!(info(None, &account()), "info: the kernel keeps it of TCP connections only\n");
        let old = TcpInfo { options: Some(0), rtt_us: Some(31), ..TcpInfo::default() };
        assert_eq!(info(Some(&old), &account()), "info: round trip 31 µs\ninfo: agreed on no options\n");
    }
}
