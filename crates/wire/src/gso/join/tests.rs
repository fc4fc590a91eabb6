use proptest::prelude::*;

use super::*;
use crate::gso::Uncut;
use crate::gso::tests::{Case, cases, example};

/// A packet whose checksums are complete.
fn complete(case: &Case, headers: &'static [u8]) -> Piece<'static> {
    Piece { vnet: VirtioNetHeader::default(), headers, payload: &[], network: case.link }
}

/// Test packets live as long as the test.
fn kept(bytes: Vec<u8>) -> &'static [u8] {
    Vec::leak(bytes)
}

/// As many as can be, from the first on.
fn join_all(pieces: &[Piece<'_>]) -> Option<Joined> {
    let mut joined = Joined::begin(&pieces[0])?;
    for next in &pieces[1..] {
        if !joined.join(&pieces[0], next) {
            break;
        }
    }
    Some(joined)
}

/// What is handed over: the head, then every payload.
fn bytes_of(joined: &Joined, pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut bytes = joined.head().1.as_slice().to_vec();
    for piece in &pieces[..joined.packets() as usize] {
        bytes.extend([piece.headers, piece.payload].concat().split_off(joined.payload_at()));
    }
    bytes
}

/// With flags that may be joined, and no more packets than that.
fn plain(case: Case) -> Case {
    let most = usize::from(case.size) * MOST as usize;
    let mut case = Case { ip_extra: 0, flags: 0x10 | case.flags & 0x08, ..case };
    case.payload.truncate(most);
    case
}

fn two_of(case: &Case) -> [Vec<u8>; 2] {
    let segments = case.split();
    [segments[0].clone(), segments[1].clone()]
}

fn joins(case: &Case, [first, next]: [Vec<u8>; 2]) -> bool {
    let pieces = [first, next].map(|bytes| complete(case, kept(bytes)));
    join_all(&pieces).is_some_and(|joined| joined.packets() == 2)
}

proptest! {
    #[test]
    fn segments_joined_are_the_packet_that_was_cut(case in cases().prop_map(plain), partial in any::<bool>()) {
        let whole = case.whole();
        let uncut = Uncut::new(case.vnet(), &whole, case.link).unwrap();
        let runs: Vec<_> = (0..uncut.segments()).map(|segment| uncut.run(segment..segment + 1)).collect();
        let pieces: Vec<Piece<'_>> = match partial {
            true => runs
                .iter()
                .map(|run| Piece {
                    vnet: run.vnet,
                    headers: run.headers.as_slice(),
                    payload: &whole[run.payload.clone()],
                    network: case.link,
                })
                .collect(),
            false => case.split().into_iter().map(|bytes| complete(&case, kept(bytes))).collect(),
        };
        let joined = join_all(&pieces).unwrap();
        prop_assert_eq!(joined.packets(), uncut.segments());
        if joined.packets() > 1 {
            let (vnet, headers) = joined.head();
            prop_assert_eq!(bytes_of(&joined, &pieces), whole.clone());
            prop_assert_eq!(VirtioNetHeader { hdr_len: 0, ..vnet }, case.vnet());
            prop_assert_eq!(usize::from(vnet.hdr_len), headers.as_slice().len());
        }
    }

    #[test]
    fn what_was_joined_and_is_cut_again_has_every_byte(case in cases(), damage in prop::collection::vec((0usize..3000, 1u8..), 0..3)) {
        let mut segments = case.split();
        for (at, bits) in damage {
            let count = segments.len();
            let segment = &mut segments[at % count];
            let place = at % segment.len();
            segment[place] ^= bits;
        }
        let pieces: Vec<Piece<'_>> = segments.iter().map(|bytes| complete(&case, kept(bytes.clone()))).collect();
        let Some(joined) = join_all(&pieces) else { return Ok(()) };
        let packets = joined.packets() as usize;
        if packets > 1 {
            let whole = bytes_of(&joined, &pieces);
            let uncut = Uncut::new(joined.head().0, &whole, case.link).unwrap();
            prop_assert_eq!(uncut.segments() as usize, packets);
            for (segment, expected) in (0..).zip(&segments[..packets]) {
                let run = uncut.run(segment..segment + 1);
                let mut bytes = [run.headers.as_slice(), &whole[run.payload.clone()]].concat();
                run.vnet.fill_checksum(&mut bytes);
                prop_assert_eq!(&bytes, expected);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        header in any::<[u8; crate::virtio_net::LEN]>(),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 2),
        begins in prop::sample::select(vec![0x45u8, 0x60]),
        network in 0usize..20,
        single in any::<bool>(),
    ) {
        let mut vnet = VirtioNetHeader::parse(&header).unwrap();
        if single {
            vnet.gso_type = GsoType::None;
        }
        let mut packets = packets;
        for packet in &mut packets {
            if let Some(byte) = packet.get_mut(network) {
                *byte = begins;
            }
        }
        let piece = |packet| Piece { vnet, headers: packet, payload: &[], network };
        if let Some(mut joined) = Joined::begin(&piece(&packets[0])) {
            joined.join(&piece(&packets[0]), &piece(&packets[1]));
            joined.head();
        }
    }
}

#[test]
fn what_does_not_go_on_stays_alone() {
    let case = Case { flags: 0x10, payload: vec![5; 2000], ..example() };
    let [first, next] = two_of(&case);
    assert!(joins(&case, [first.clone(), next.clone()]));
    assert!(!joins(&case, [next.clone(), first.clone()]), "out of order");
    assert!(!joins(&case, [first.clone(), first.clone()]), "twice the same");
    let other = |change: fn(&mut Case)| {
        let mut other = case.clone();
        change(&mut other);
        joins(&case, [first.clone(), two_of(&other)[1].clone()])
    };
    assert!(!other(|case| case.flags = 0x11), "FIN");
    assert!(!other(|case| case.flags = 0x50), "an echo of congestion");
    assert!(!other(|case| case.seq += 1), "a gap");
    assert!(!other(|case| case.options = 0), "another length of the header");
    assert!(other(|case| case.identification = 9), "without fragments the identification means nothing");
}

#[test]
fn a_damaged_packet_stays_alone() {
    let case = Case { flags: 0x10, payload: vec![5; 3000], ..example() };
    for place in [5, 10, 30, 45, 60, 1000] {
        let [mut first, next] = two_of(&case);
        first[place] ^= 4;
        assert!(!joins(&case, [first, next]), "byte {place} of the first");
        let [first, mut next] = two_of(&case);
        next[place] ^= 4;
        assert!(!joins(&case, [first, next]), "byte {place} of the second");
    }
}

#[test]
fn nothing_follows_what_is_pushed_or_short() {
    let case = Case { flags: 0x18, payload: vec![5; 2000], ..example() };
    let [first, next] = two_of(&case);
    let later = two_of(&Case { seq: case.seq.wrapping_add(1000), ..case.clone() })[1].clone();
    let pieces = [&first, &next, &later].map(|bytes| complete(&case, kept(bytes.clone())));
    let joined = join_all(&pieces).unwrap();
    assert_eq!(joined.packets(), 2, "the second one has PSH");
    assert_eq!(joined.head().1.as_slice()[33], 0x18);
    let datagrams = Case { tcp: false, payload: vec![5; 1500], ..example() };
    let [first, short] = two_of(&datagrams);
    let pieces = [&first, &short, &short].map(|bytes| complete(&datagrams, kept(bytes.clone())));
    assert_eq!(join_all(&pieces).unwrap().packets(), 2);
}

#[test]
fn a_datagram_without_checksum_stays_alone() {
    let case = Case { tcp: false, ipv6: false, ..example() };
    let [mut first, next] = two_of(&case);
    first[26..28].fill(0);
    assert!(Joined::begin(&complete(&case, kept(first))).is_none());
    assert!(Joined::begin(&complete(&case, kept(next))).is_some());
}
