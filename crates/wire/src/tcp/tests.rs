use super::*;
use proptest::prelude::*;

/// SYN, port 40712 to 7, seq 0x01020304, window 64240, urgent 9, and Linux's usual SYN options.
const SYN: [u8; 40] = [
    0x9f, 0x08, 0x00, 0x07, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xa0, 0x02, 0xfa, 0xf0, 0xab,
    0xcd, 0x00, 0x09, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x11, 0x22, 0x33, 0x44, 0x00, 0x00,
    0x00, 0x05, 0x01, 0x03, 0x03, 0x07,
];

#[test]
fn fields_stand_where_rfc_9293_has_them() {
    let view = TcpView::new(&SYN).unwrap();
    assert_eq!((view.source_port(), view.destination_port()), (40712, 7));
    assert_eq!((view.seq(), view.ack()), (0x0102_0304, 0x0506_0708));
    assert_eq!((view.header_len(), view.flags()), (40, TcpFlags::SYN));
    assert_eq!((view.window(), view.checksum(), view.urgent()), (64240, 0xabcd, 9));
    let options = view.options();
    assert_eq!((options.mss, options.window_scale), (Some(1460), Some(7)));
    assert_eq!(options.timestamps, Some((0x1122_3344, 5)));
    assert!(options.sack_permitted);
    assert_eq!(options.sack, [None; 4]);
}

#[test]
fn flags_have_the_bits_of_rfc_9293_and_3168() {
    let bits = TcpFlags::NAMES.map(|(flag, name)| (name, flag.0));
    let literal = [
        ("SYN", 0b0000_0010),
        ("FIN", 0b0000_0001),
        ("RST", 0b0000_0100),
        ("PSH", 0b0000_1000),
        ("ACK", 0b0001_0000),
        ("URG", 0b0010_0000),
        ("ECE", 0b0100_0000),
        ("CWR", 0b1000_0000),
    ];
    assert_eq!(bits, literal);
}

#[test]
fn flags_are_named_in_a_fixed_order() {
    assert_eq!((TcpFlags::ACK | TcpFlags::SYN).to_string(), "SYN,ACK");
    assert_eq!(TcpFlags(0xff).to_string(), "SYN,FIN,RST,PSH,ACK,URG,ECE,CWR");
    assert_eq!(TcpFlags::NONE.to_string(), "");
    let mut flags = TcpFlags::FIN;
    flags |= TcpFlags::ACK;
    assert!(flags.has(TcpFlags::FIN | TcpFlags::ACK) && !flags.has(TcpFlags::FIN | TcpFlags::SYN));
    assert!(flags.has_any(TcpFlags::FIN | TcpFlags::SYN) && !flags.has_any(TcpFlags::RST));
    assert_eq!(flags.without(TcpFlags::ACK), TcpFlags::FIN);
}

#[test]
fn option_kinds_are_those_of_the_rfcs() {
    let kinds = [
        kind::END,
        kind::NO_OPERATION,
        kind::MSS,
        kind::WINDOW_SCALE,
        kind::SACK_PERMITTED,
        kind::SACK,
        kind::TIMESTAMPS,
    ];
    assert_eq!(kinds, [0, 1, 2, 3, 4, 5, 8]);
    assert_eq!((PROTOCOL, MIN_HEADER_LEN, MAX_OPTIONS_LEN, MAX_WINDOW_SCALE), (6, 20, 40, 14));
}

#[test]
fn a_header_that_is_cut_or_too_short_is_refused() {
    for len in 0..20 {
        assert_eq!(TcpView::new(&SYN[..len]), Err(Undecoded::Cut(Header::Tcp)));
    }
    let mut short = SYN;
    short[12] = 0x40;
    assert_eq!(TcpView::new(&short), Err(Undecoded::Malformed(Header::Tcp, "data offset below 5")));
}

#[test]
fn options_that_the_capture_cut_are_read_as_far_as_they_go() {
    let view = TcpView::new(&SYN[..30]).unwrap();
    assert_eq!(view.header_len(), 40);
    assert_eq!(view.options(), TcpOptions { mss: Some(1460), sack_permitted: true, ..TcpOptions::default() });
}

#[test]
fn bad_options_do_not_hide_those_before_them() {
    let mss = TcpOptions { mss: Some(1460), ..TcpOptions::default() };
    for tail in
        [&[8, 0][..], &[8, 1], &[8, 10, 1], &[5], &[0, 3, 3, 7], &[3, 4, 1, 1], &[5, 4, 0, 0], &[254, 2]]
    {
        let bytes = [&[2, 4, 0x05, 0xb4][..], tail].concat();
        assert_eq!(TcpOptions::parse(&bytes), mss, "{tail:?}");
    }
}

#[test]
fn a_window_scale_above_14_is_taken_as_14() {
    assert_eq!(TcpOptions::parse(&[3, 3, 200]).window_scale, Some(14));
}

#[test]
fn sack_blocks_beyond_the_room_are_left_out() {
    let options = TcpOptions { timestamps: Some((1, 2)), sack: [Some((3, 4)); 4], ..TcpOptions::default() };
    let mut bytes = Vec::new();
    options.write_to(&mut bytes);
    assert_eq!(bytes.len(), MAX_OPTIONS_LEN - 4);
    assert_eq!(TcpOptions::parse(&bytes).sack, [Some((3, 4)), Some((3, 4)), Some((3, 4)), None]);
}

prop_compose! {
    /// Options that fit into one header.
    fn fitting_options()(
        mss: Option<u16>, window_scale in prop::option::of(0..=MAX_WINDOW_SCALE), sack_permitted: bool,
        timestamps: Option<(u32, u32)>, blocks in prop::collection::vec(any::<(u32, u32)>(), 0..5),
    ) -> TcpOptions {
        let fixed = [(mss.is_some(), 4), (window_scale.is_some(), 3), (sack_permitted, 2), (timestamps.is_some(), 10)];
        let used: usize = fixed.iter().map(|(there, len)| usize::from(*there) * len).sum();
        let mut sack = [None; 4];
        for (slot, block) in sack.iter_mut().zip(blocks).take((MAX_OPTIONS_LEN - used - 2) / 8) {
            *slot = Some(block);
        }
        TcpOptions { mss, window_scale, sack_permitted, sack, timestamps }
    }
}

proptest! {
    #[test]
    fn parse_undoes_write(options in fitting_options()) {
        let mut bytes = vec![0xee];
        options.write_to(&mut bytes);
        prop_assert!(bytes.len() <= 1 + MAX_OPTIONS_LEN && bytes.len() % 4 == 1);
        prop_assert_eq!(TcpOptions::parse(&bytes[1..]), options);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(view) = TcpView::new(&bytes) {
            let _ = (view.source_port(), view.seq(), view.ack(), view.flags(), view.window(), view.options());
            prop_assert!((20..=60).contains(&view.header_len()));
        }
    }

    #[test]
    fn options_are_read_as_the_oracle_reads_them(options in fitting_options()) {
        use etherparse::TcpOptionElement as Element;
        let mut bytes = Vec::new();
        options.write_to(&mut bytes);
        let theirs = etherparse::TcpOptions::try_from_slice(&bytes).unwrap();
        for element in theirs.elements_iter() {
            match element.unwrap() {
                Element::Noop => {}
                Element::MaximumSegmentSize(mss) => prop_assert_eq!(Some(mss), options.mss),
                Element::WindowScale(shift) => prop_assert_eq!(Some(shift), options.window_scale),
                Element::SelectiveAcknowledgementPermitted => prop_assert!(options.sack_permitted),
                Element::SelectiveAcknowledgement(first, rest) => {
                    let blocks = [Some(first), rest[0], rest[1], rest[2]];
                    prop_assert_eq!(blocks, options.sack);
                }
                Element::Timestamp(value, echo) => prop_assert_eq!(Some((value, echo)), options.timestamps),
            }
        }
    }
}
