//! What the kernel knows about a TCP connection: `struct tcp_info` of linux/tcp.h, as `TCP_INFO` (tcp(7)) and sock_diag's
//! `INET_DIAG_INFO` give it.
//!
//! The structure has grown with the kernels and goes on growing; each kernel gives as much as it has. So every field is
//! there or absent by the length of what was given, and what a newer kernel adds behind the last field is left alone.
//! The numbers are in the byte order of the machine that gave them: this one.

/// Fields, each with its name (its unit behind the underscore), its type, its place in the structure and the kernel that
/// it came with.
macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty, $offset:literal, $since:literal;)+) => {
        /// `struct tcp_info`. None: the kernel that was asked does not have that field.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct TcpInfo {
            $($(#[doc = $doc])+ #[doc = concat!("Since Linux ", $since, ".")] pub $name: Option<$type>,)+
        }

        impl TcpInfo {
            /// Reads as much as there is.
            pub fn decode(bytes: &[u8]) -> TcpInfo {
                TcpInfo { $($name: field(bytes, $offset).map(<$type>::from_ne_bytes),)+ }
            }

            /// All fields that there are, by name, in the kernel's order.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                let all = [$((stringify!($name), self.$name.map(u64::from)),)+];
                all.into_iter().filter_map(|(name, value)| Some((name, value?)))
            }
        }

        /// Name, offset and size in bytes of every field, and the kernel that it came with.
        pub const FIELDS: &[(&str, usize, usize, &str)] =
            &[$((stringify!($name), $offset, size_of::<$type>(), $since),)+];
    };
}

fields! {
    /// The state of the connection: 1 is ESTABLISHED (include/net/tcp_states.h); [`TcpInfo::state_name`].
    state: u8, 0, "2.4";
    /// What congestion control is busy with: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    ca_state: u8, 1, "2.4";
    /// Timeouts in a row of the segment that is out now.
    retransmits: u8, 2, "2.4";
    /// Window or keep-alive probes that nobody has answered yet.
    probes: u8, 3, "2.4";
    /// How often the time until the next retransmission was doubled.
    backoff: u8, 4, "2.4";
    /// Bits: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN seen, 32 data in the SYN.
    options: u8, 5, "2.4";
    /// Both window scales, four bits each: [`TcpInfo::snd_wscale`], [`TcpInfo::rcv_wscale`].
    wscales: u8, 6, "2.4";
    /// Bit fields: [`TcpInfo::is_app_limited`].
    bits: u8, 7, "4.9";
    /// How long it waits for an acknowledgement before it sends again.
    rto_us: u32, 8, "2.4";
    /// How long it delays acknowledgements.
    ato_us: u32, 12, "2.4";
    /// The largest segment that it sends.
    snd_mss_bytes: u32, 16, "2.4";
    /// The largest segment that it has received, as far as it can tell.
    rcv_mss_bytes: u32, 20, "2.4";
    /// Segments sent and not acknowledged; of a listener: connections that wait for accept.
    unacked_segments: u32, 24, "2.4";
    /// Segments that SACK has told of; of a listener: the backlog.
    sacked_segments: u32, 28, "2.4";
    /// Segments taken for lost.
    lost_segments: u32, 32, "2.4";
    /// Segments sent again that are out now.
    retrans_segments: u32, 36, "2.4";
    /// Forward acknowledgements; always 0 since Linux 4.15.
    fackets_segments: u32, 40, "2.4";
    /// Since data was last sent.
    last_data_sent_ms: u32, 44, "2.4";
    /// Not kept: always 0.
    last_ack_sent_ms: u32, 48, "2.4";
    /// Since data last arrived.
    last_data_recv_ms: u32, 52, "2.4";
    /// Since an acknowledgement last arrived.
    last_ack_recv_ms: u32, 56, "2.4";
    /// The largest packet that the path takes, as far as is known.
    pmtu_bytes: u32, 60, "2.4";
    /// The window that it advertises at most at present.
    rcv_ssthresh_bytes: u32, 64, "2.4";
    /// The smoothed round trip time (RFC 6298).
    rtt_us: u32, 68, "2.4";
    /// How much it varies.
    rttvar_us: u32, 72, "2.4";
    /// Where slow start ends; 0x7fffffff: not found yet.
    snd_ssthresh_segments: u32, 76, "2.4";
    /// The congestion window.
    snd_cwnd_segments: u32, 80, "2.4";
    /// The largest segment that it told the peer to send.
    advmss_bytes: u32, 84, "2.4";
    /// How far segments may overtake each other before one is taken for lost.
    reordering_segments: u32, 88, "2.4";
    /// The round trip time as the receiver sees it.
    rcv_rtt_us: u32, 92, "2.6";
    /// How much the program takes in one round trip: what the receive buffer is tuned by.
    rcv_space_bytes: u32, 96, "2.6";
    /// Segments sent again, ever.
    total_retrans_segments: u32, 100, "2.6";
    /// How fast it sends at most at present; all ones: as fast as it can.
    pacing_rate_bytes_per_s: u64, 104, "3.15";
    /// What `SO_MAX_PACING_RATE` allows; all ones: anything.
    max_pacing_rate_bytes_per_s: u64, 112, "3.15";
    /// Bytes that the peer has acknowledged; one more for the SYN.
    bytes_acked: u64, 120, "4.1";
    /// Bytes received, in order.
    bytes_received: u64, 128, "4.1";
    /// Segments sent, of any kind.
    segs_out: u32, 136, "4.2";
    /// Segments received, of any kind.
    segs_in: u32, 140, "4.2";
    /// Bytes in the send buffer that were never sent.
    notsent_bytes: u32, 144, "4.6";
    /// The shortest round trip time of late; all ones: none measured.
    min_rtt_us: u32, 148, "4.6";
    /// Segments with data received.
    data_segs_in: u32, 152, "4.6";
    /// Segments with data sent.
    data_segs_out: u32, 156, "4.6";
    /// How fast data was delivered of late.
    delivery_rate_bytes_per_s: u64, 160, "4.9";
    /// How long there was something to send.
    busy_time_us: u64, 168, "4.10";
    /// Of that: held up by the peer's window.
    rwnd_limited_us: u64, 176, "4.10";
    /// Of that: held up by a send buffer that was too small.
    sndbuf_limited_us: u64, 184, "4.10";
    /// Segments delivered, those sent twice once.
    delivered_segments: u32, 192, "4.18";
    /// Of those: with congestion told by ECN.
    delivered_ce_segments: u32, 196, "4.18";
    /// Bytes sent, those sent again included (RFC 4898 tcpEStatsPerfHCDataOctetsOut).
    bytes_sent: u64, 200, "4.19";
    /// Bytes sent again.
    bytes_retrans: u64, 208, "4.19";
    /// Segments that arrived twice, as the peer told by DSACK (RFC 2883).
    dsack_dups_segments: u32, 216, "4.19";
    /// How often segments overtook each other.
    reord_seen: u32, 220, "4.19";
    /// Segments that arrived out of order.
    rcv_ooopack_segments: u32, 224, "5.4";
    /// The peer's window.
    snd_wnd_bytes: u32, 228, "5.4";
    /// Our window.
    rcv_wnd_bytes: u32, 232, "6.2";
    /// How often another path was tried after a timeout.
    rehash: u32, 236, "6.2";
    /// Timeouts, ever.
    total_rto: u16, 240, "6.7";
    /// Recoveries that began with a timeout.
    total_rto_recoveries: u16, 242, "6.7";
    /// How long these took.
    total_rto_time_ms: u32, 244, "6.7";
    /// Packets received with congestion told by ECN.
    received_ce_packets: u32, 248, "6.18";
    /// Bytes that the peer received marked ECT(1), by accurate ECN (RFC 9768).
    delivered_e1_bytes: u32, 252, "6.18";
    /// The same, ECT(0).
    delivered_e0_bytes: u32, 256, "6.18";
    /// The same, congestion experienced.
    delivered_ce_bytes: u32, 260, "6.18";
    /// Bytes received marked ECT(1).
    received_e1_bytes: u32, 264, "6.18";
    /// The same, ECT(0).
    received_e0_bytes: u32, 268, "6.18";
    /// The same, congestion experienced.
    received_ce_bytes: u32, 272, "6.18";
    /// Why accurate ECN failed; 0: it did not.
    accecn_fail_mode: u16, 276, "6.18";
    /// Whether the option of accurate ECN was seen.
    accecn_opt_seen: u16, 278, "6.18";
}

/// The kernel's numbers for states, from 1: include/net/tcp_states.h. The names are ss(8)'s and RFC 9293's.
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "NEW-SYN-RECEIVED",
];

impl TcpInfo {
    /// The state's name (RFC 9293 §3.3.2).
    pub fn state_name(&self) -> Option<&'static str> {
        STATES.get(usize::from(self.state?).checked_sub(1)?).copied()
    }

    /// By how many bits the peer's window is shifted (RFC 7323 §2).
    pub fn snd_wscale(&self) -> Option<u8> {
        self.wscales.map(|both| if IS_LITTLE { both & 0xf } else { both >> 4 })
    }

    /// By how many bits our window is shifted.
    pub fn rcv_wscale(&self) -> Option<u8> {
        self.wscales.map(|both| if IS_LITTLE { both >> 4 } else { both & 0xf })
    }

    /// Whether the delivery rate is what the program had to say, rather than what the path can carry.
    pub fn is_app_limited(&self) -> Option<bool> {
        // Kernels that measure no rate have padding there.
        self.delivery_rate_bytes_per_s?;
        self.bits.map(|bits| bits & (if IS_LITTLE { 1 } else { 0x80 }) != 0)
    }
}

/// C's bit fields begin at the lowest bit on little-endian machines, and at the highest on the others.
const IS_LITTLE: bool = cfg!(target_endian = "little");

fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_field_lies_behind_the_one_before_and_is_aligned() {
        let mut end = 0;
        for (name, offset, size, _) in FIELDS {
            assert_eq!(*offset, end, "{name}: no hole, no overlap");
            assert_eq!(offset % size, 0, "{name} is aligned");
            end = offset + size;
        }
        assert_eq!(end, 280, "what Linux 6.18 gives");
    }

    #[test]
    fn values_come_from_their_places() {
        let mut bytes = [0u8; 280];
        bytes[0] = 10;
        bytes[6] = 0xa7;
        bytes[7] = 1;
        bytes[68..72].copy_from_slice(&31u32.to_ne_bytes());
        bytes[160..168].copy_from_slice(&(u64::MAX - 1).to_ne_bytes());
        bytes[278..280].copy_from_slice(&9u16.to_ne_bytes());
        let info = TcpInfo::decode(&bytes);
        assert_eq!((info.state_name(), info.rtt_us), (Some("LISTEN"), Some(31)));
        assert_eq!(info.delivery_rate_bytes_per_s, Some(u64::MAX - 1));
        assert_eq!(info.accecn_opt_seen, Some(9));
        let (snd, rcv) = if IS_LITTLE { (7, 10) } else { (10, 7) };
        assert_eq!((info.snd_wscale(), info.rcv_wscale()), (Some(snd), Some(rcv)));
        assert_eq!(info.is_app_limited(), Some(IS_LITTLE));
    }

    #[test]
    fn an_old_kernel_has_what_it_has() {
        let info = TcpInfo::decode(&[1; 104]);
        assert!(info.total_retrans_segments.is_some() && info.pacing_rate_bytes_per_s.is_none());
        assert_eq!(info.is_app_limited(), None);
        assert_eq!(info.fields().last(), Some(("total_retrans_segments", 0x0101_0101)));
        assert_eq!(TcpInfo::decode(&[]), TcpInfo::default());
        assert_eq!(TcpInfo::default().state_name(), None);
        assert_eq!(TcpInfo::decode(&[0]).state_name(), None);
        assert_eq!(TcpInfo::decode(&[255]).state_name(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_exactly_the_fields_that_fit(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let info = TcpInfo::decode(&bytes);
            let fit = FIELDS.iter().filter(|(_, offset, size, _)| offset + size <= bytes.len());
            let expected: Vec<&str> = fit.map(|(name, ..)| *name).collect();
            let names: Vec<&str> = info.fields().map(|(name, _)| name).collect();
            prop_assert_eq!(names, expected);
            let _ = (info.state_name(), info.snd_wscale(), info.rcv_wscale(), info.is_app_limited());
        }
    }
}
