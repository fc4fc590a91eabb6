use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::virtio_net::LEN;

/// One packet of any of the kinds, as the kernel hands it out: partial checksum, one header for all segments.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) tcp: bool,
    pub(super) ipv6: bool,
    /// Bytes of IPv4 options, or of an IPv6 destination options header; a multiple of 8.
    pub(super) ip_extra: usize,
    /// Bytes of TCP options, a multiple of 4.
    pub(super) options: usize,
    pub(super) link: usize,
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) identification: u16,
    pub(super) size: u16,
    pub(super) payload: Vec<u8>,
}

impl Case {
    fn addresses(&self) -> (IpAddr, IpAddr) {
        if self.ipv6 {
            (
                Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
                Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into(),
            )
        } else {
            (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
        }
    }

    /// The packet that carries `payload` with these numbers, checksum complete or (partial) for the pseudo-header.
    fn packet(&self, payload: &[u8], seq: u32, flags: u8, identification: u16, partial: bool) -> Vec<u8> {
        let transport = self.transport(payload, seq, flags, partial);
        let mut packet = vec![0xee; self.link];
        packet.extend(self.ip(transport.len(), identification));
        packet.extend(transport);
        packet
    }

    fn transport(&self, payload: &[u8], seq: u32, flags: u8, partial: bool) -> Vec<u8> {
        let mut bytes = vec![0x9c, 0x40, 0, 7];
        if self.tcp {
            bytes.extend(seq.to_be_bytes());
            bytes.extend(77u32.to_be_bytes());
            bytes.extend([((20 + self.options) as u8 / 4) << 4, flags, 1, 0, 0, 0, 0, 0]);
            bytes.extend(vec![1; self.options]);
        } else {
            bytes.extend(((8 + payload.len()) as u16).to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(payload);
        let (source, destination) = self.addresses();
        let pseudo = checksum::pseudo_header(source, destination, self.protocol(), bytes.len() as u32);
        let sum = if partial { checksum::fold(pseudo) } else { complete(checksum::sum(pseudo, &bytes)) };
        let at = if self.tcp { 16 } else { 6 };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn ip(&self, behind: usize, identification: u16) -> Vec<u8> {
        let (source, destination) = self.addresses();
        match (source, destination) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let len = 20 + self.ip_extra;
                let mut ip = vec![0x40 | (len / 4) as u8, 0];
                ip.extend(((len + behind) as u16).to_be_bytes());
                ip.extend(identification.to_be_bytes());
                ip.extend([0x40, 0, 64, self.protocol(), 0, 0]);
                ip.extend(a.octets());
                ip.extend(b.octets());
                ip.extend(vec![1; self.ip_extra]);
                let sum = checksum::finish(checksum::sum(0, &ip));
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
                ip
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend(((self.ip_extra + behind) as u16).to_be_bytes());
                ip.extend([if self.ip_extra == 0 { self.protocol() } else { 60 }, 64]);
                ip.extend(a.octets());
                ip.extend(b.octets());
                if self.ip_extra > 0 {
                    ip.extend([self.protocol(), (self.ip_extra / 8 - 1) as u8, 1, (self.ip_extra - 4) as u8]);
                    ip.extend(vec![0; self.ip_extra - 4]);
                }
                ip
            }
            _ => unreachable!("both of one family"),
        }
    }

    fn protocol(&self) -> u8 {
        if self.tcp { 6 } else { 17 }
    }

    fn transport_at(&self) -> usize {
        self.link + if self.ipv6 { 40 } else { 20 } + self.ip_extra
    }

    pub(super) fn whole(&self) -> Vec<u8> {
        self.packet(&self.payload, self.seq, self.flags, self.identification, true)
    }

    pub(super) fn vnet(&self) -> VirtioNetHeader {
        VirtioNetHeader {
            flags: 1,
            gso_type: match (self.tcp, self.ipv6) {
                (true, false) => GsoType::TcpV4,
                (true, true) => GsoType::TcpV6,
                (false, _) => GsoType::Udp,
            },
            ecn: self.flags & 0x80 != 0,
            hdr_len: 0, // a hint that is not to be relied on
            gso_size: self.size,
            csum_start: self.transport_at() as u16,
            csum_offset: if self.tcp { 16 } else { 6 },
        }
    }

    /// The naive way: every segment built from scratch with its own numbers and a complete checksum.
    pub(super) fn split(&self) -> Vec<Vec<u8>> {
        let chunks: Vec<&[u8]> = self.payload.chunks(usize::from(self.size)).collect();
        let last = chunks.len() - 1;
        let segment = |(i, chunk): (usize, &&[u8])| {
            let mut flags = self.flags;
            if i < last {
                flags &= !0x09;
            }
            if i > 0 {
                flags &= !0x80;
            }
            let seq = self.seq.wrapping_add(i as u32 * u32::from(self.size));
            self.packet(chunk, seq, flags, self.identification.wrapping_add(i as u16), false)
        };
        chunks.iter().enumerate().map(segment).collect()
    }
}

/// As senders do: an all-zero UDP checksum would mean "none".
fn complete(sum: u64) -> u16 {
    match checksum::finish(sum) {
        0 => 0xffff,
        sum => sum,
    }
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let shape = (any::<bool>(), any::<bool>(), 0usize..3, 0usize..10, prop::sample::select(vec![0usize, 14]));
    let numbers = (any::<u8>(), any::<u32>(), any::<u16>(), 1u16..700);
    (shape, numbers, prop::collection::vec(any::<u8>(), 1..3000)).prop_map(|(shape, numbers, payload)| {
        let (tcp, ipv6, extra, options, link) = shape;
        let (flags, seq, identification, size) = numbers;
        Case {
            tcp,
            ipv6,
            ip_extra: extra * 8,
            options: options * 4,
            link,
            flags,
            seq,
            identification,
            size,
            payload,
        }
    })
}

/// A run put together again: its header bytes and its slice of the payload.
fn bytes_of(run: &Run, whole: &[u8]) -> Vec<u8> {
    let mut bytes = run.headers.as_slice().to_vec();
    bytes.extend(&whole[run.payload.clone()]);
    bytes
}

/// Cuts all the way down through a run's own header, so that a run of runs is tried as well.
fn split_by_runs(case: &Case, vnet: VirtioNetHeader, packet: &[u8]) -> Vec<Vec<u8>> {
    match Uncut::new(vnet, packet, case.link) {
        Err(NotCuttable::Single) => {
            let mut single = packet.to_vec();
            vnet.fill_checksum(&mut single);
            vec![single]
        }
        Err(reason) => panic!("{reason:?}"),
        Ok(uncut) => {
            let one = |i: u32| uncut.run(i..i + 1);
            (0..uncut.segments())
                .flat_map(|i| split_by_runs(case, one(i).vnet, &bytes_of(&one(i), packet)))
                .collect()
        }
    }
}

proptest! {
    #[test]
    fn a_run_cut_down_gives_the_segments_of_the_naive_splitter(case in cases(), from in 0.0..1.0, to in 0.0..1.0) {
        let whole = case.whole();
        let uncut = Uncut::new(case.vnet(), &whole, case.link).unwrap();
        let expected = case.split();
        prop_assert_eq!(uncut.segments() as usize, expected.len());
        let pick = |part: f64| (part * expected.len() as f64) as usize;
        let (start, end) = (pick(f64::min(from, to)), pick(f64::max(from, to)) + 1);
        let run = uncut.run(start as u32..end as u32);
        prop_assert_eq!(split_by_runs(&case, run.vnet, &bytes_of(&run, &whole)), &expected[start..end]);
    }

    #[test]
    fn the_run_of_all_segments_is_the_packet_itself(case in cases()) {
        let whole = case.whole();
        let uncut = Uncut::new(case.vnet(), &whole, case.link).unwrap();
        prop_assert_eq!(bytes_of(&uncut.run(0..uncut.segments()), &whole), whole);
    }

    #[test]
    fn payloads_of_consecutive_runs_are_the_payload(case in cases(), cut in 0.0..1.0) {
        let whole = case.whole();
        let uncut = Uncut::new(case.vnet(), &whole, case.link).unwrap();
        let all = uncut.segments();
        let middle = (cut * f64::from(all)) as u32;
        let mut bytes = whole[uncut.payload(0..middle)].to_vec();
        bytes.extend(&whole[uncut.payload(middle..all)]);
        prop_assert_eq!(bytes, case.payload);
    }

    #[test]
    fn no_bytes_make_it_panic(
        header in any::<[u8; LEN]>(),
        packet in prop::collection::vec(any::<u8>(), 0..200),
        network in 0usize..64,
        segments in (any::<u32>(), any::<u32>()),
    ) {
        let mut vnet = VirtioNetHeader::parse(&header).unwrap();
        vnet.flags |= 1;
        if let Ok(uncut) = Uncut::new(vnet, &packet, network) {
            uncut.run(segments.0..segments.1);
        }
    }

    #[test]
    fn no_damage_makes_it_panic(
        case in cases(),
        damage in prop::collection::vec((0usize..100, any::<u8>()), 0..6),
        cut in 0usize..3200,
        segments in (0u32..5000, 0u32..5000),
    ) {
        let mut whole = case.whole();
        for (at, byte) in damage {
            if let Some(place) = whole.get_mut(at) {
                *place = byte;
            }
        }
        whole.truncate(cut);
        if let Ok(uncut) = Uncut::new(case.vnet(), &whole, case.link) {
            uncut.run(segments.0..segments.1);
        }
    }
}

pub(super) fn example() -> Case {
    Case {
        tcp: true,
        ipv6: false,
        ip_extra: 0,
        options: 12,
        link: 0,
        flags: 0x99, // CWR ACK PSH FIN
        seq: u32::MAX - 999,
        identification: u16::MAX,
        size: 1000,
        payload: vec![5; 2500],
    }
}

#[test]
fn the_checksum_of_a_run_stays_partial() {
    let case = example();
    let whole = case.whole();
    let run = Uncut::new(case.vnet(), &whole, 0).unwrap().run(0..2);
    let (source, destination) = case.addresses();
    let partial = checksum::fold(checksum::pseudo_header(source, destination, 6, 32 + 2000));
    assert_eq!(run.headers.as_slice()[36..38], partial.to_be_bytes());
    assert_eq!(run.vnet, VirtioNetHeader { hdr_len: 52, ..case.vnet() });
}

#[test]
fn numbers_wrap_and_flags_go_to_their_segments() {
    let case = example();
    let whole = case.whole();
    let uncut = Uncut::new(case.vnet(), &whole, 0).unwrap();
    let fields = |i: u32| {
        let headers = uncut.run(i..i + 1).headers;
        let bytes = headers.as_slice();
        (get(bytes, 4), u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]), bytes[33])
    };
    assert_eq!(fields(0), (u16::MAX, u32::MAX - 999, 0x90));
    assert_eq!(fields(1), (0, 0, 0x10));
    assert_eq!(fields(2), (1, 1000, 0x19));
}

#[test]
fn what_is_not_to_be_cut_is_told_apart() {
    let case = example();
    let whole = case.whole();
    let with = |change: fn(&mut VirtioNetHeader)| {
        let mut vnet = case.vnet();
        change(&mut vnet);
        Uncut::new(vnet, &whole, 0).err()
    };
    assert_eq!(with(|vnet| vnet.gso_type = GsoType::None), Some(NotCuttable::Single));
    assert_eq!(with(|vnet| vnet.gso_type = GsoType::UdpFragments), Some(NotCuttable::Kind));
    assert_eq!(with(|vnet| vnet.flags = 0), Some(NotCuttable::Checksum));
    assert_eq!(with(|vnet| vnet.gso_size = 0), Some(NotCuttable::Malformed));
    assert_eq!(with(|vnet| vnet.csum_start = 24), Some(NotCuttable::Malformed));
    assert_eq!(with(|vnet| vnet.gso_type = GsoType::TcpV6), Some(NotCuttable::Malformed));
    assert_eq!(with(|vnet| vnet.gso_type = GsoType::Udp), Some(NotCuttable::Malformed));
    assert_eq!(with(|_| ()), None);
}
