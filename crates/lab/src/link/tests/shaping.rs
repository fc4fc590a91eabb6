//! What the link as a whole keeps to, whatever the rules.

use proptest::prelude::*;

use super::*;

/// What became of one datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sent {
    entered: Time,
    len: u64,
    departure: Departure,
}

/// Sends datagrams of these sizes, each so many microseconds behind the one before.
fn send(link: &mut Link, datagrams: &[(u64, u16)]) -> Vec<Sent> {
    let mut now = Time::ZERO;
    let offer = |&(later, payload): &(u64, u16)| {
        now = now + Duration::from_micros(later);
        let packet = udp(5000, payload);
        let plan = link.offer(now, Direction::Up, &whole(&packet));
        assert_eq!(plan.runs.len(), 1);
        Sent { entered: now, len: packet.len() as u64, departure: plan.runs[0].departure }
    };
    datagrams.iter().map(offer).collect()
}

fn leaving(sent: &[Sent]) -> impl Iterator<Item = (&Sent, Leaving)> {
    sent.iter().filter_map(|sent| match sent.departure {
        Departure::Leaves(leaving) => Some((sent, leaving)),
        Departure::Lost(_) => None,
    })
}

/// Rules of every kind but reordering.
fn any_rules() -> impl Strategy<Value = Vec<String>> {
    let one_of = |texts: &'static [&'static str]| {
        prop::option::of(prop::sample::select(texts)).prop_map(|text| text.map(str::to_owned))
    };
    let kinds = (
        one_of(&["delay 3ms", "delay 1ms+2ms"]),
        one_of(&["jitter 5ms", "jitter 100us"]),
        one_of(&["loss 10%", "loss exact:10%", "loss bursts:10%:4", "loss gilbert:5%:20%:80%:1%"]),
        one_of(&["duplicate 10%"]),
        one_of(&["corrupt 10%", "corrupt unseen:10%"]),
        one_of(&["rate 1Mbit/s", "rate 100Mbit/s"]),
        one_of(&["queue 3p", "queue 4K"]),
        one_of(&["mtu 1000", "mtu silent:1000"]),
    );
    kinds.prop_map(|(a, b, c, d, e, f, g, h)| [a, b, c, d, e, f, g, h].into_iter().flatten().collect())
}

fn any_datagrams() -> impl Strategy<Value = Vec<(u64, u16)>> {
    prop::collection::vec((0u64..5000, 1u16..1400), 1..120)
}

fn refer(rules: &[String]) -> Vec<&str> {
    rules.iter().map(String::as_str).collect()
}

proptest! {
    #[test]
    fn order_is_kept_unless_reordering_is_asked_for(seed: u64, rules in any_rules(), datagrams in any_datagrams()) {
        let mut link = with_rules(seed, &refer(&rules));
        let mut last = Time::ZERO;
        for (sent, leaving) in leaving(&send(&mut link, &datagrams)) {
            prop_assert!(leaving.at >= last && leaving.at >= sent.entered);
            prop_assert!(leaving.copy.is_none_or(|copy| copy >= leaving.at));
            last = leaving.copy.unwrap_or(leaving.at);
        }
    }

    /// At every time: offered = delivered + lost + on the link.
    #[test]
    fn nothing_vanishes_and_nothing_appears(
        seed: u64, rules in any_rules(), datagrams in any_datagrams(), at in 0u64..400_000,
    ) {
        let sent = send(&mut with_rules(seed, &refer(&rules)), &datagrams);
        let at = Time::ZERO + Duration::from_micros(at);
        let offered = sent.iter().filter(|sent| sent.entered <= at).count();
        let delivered = leaving(&sent).filter(|(_, leaving)| leaving.at <= at).count();
        let lost = sent.iter().filter(|sent| sent.entered <= at && matches!(sent.departure, Departure::Lost(_))).count();
        let under_way = leaving(&sent).filter(|(sent, leaving)| sent.entered <= at && leaving.at > at).count();
        prop_assert_eq!(offered, delivered + lost + under_way);
        prop_assert_eq!(sent.len(), leaving(&sent).count() + sent.iter().filter(|s| matches!(s.departure, Departure::Lost(_))).count());
    }

    #[test]
    fn the_seed_decides_all(seed: u64, rules in any_rules(), datagrams in any_datagrams()) {
        let run = |seed| send(&mut with_rules(seed, &refer(&rules)), &datagrams);
        prop_assert_eq!(run(seed), run(seed));
    }

    /// What comes out behind the line never exceeds the rate, copies included.
    #[test]
    fn the_rate_holds_for_everything_that_leaves(seed: u64, rules in any_rules(), datagrams in any_datagrams()) {
        let shaped = |rule: &&str| !["rate", "delay", "jitter"].contains(&rule.split(' ').next().unwrap());
        let rules: Vec<&str> = refer(&rules).into_iter().filter(shaped).chain(["rate 2Mbit/s"]).collect();
        let sent = send(&mut with_rules(seed, &rules), &datagrams);
        let mut passed: Vec<(Time, u64)> = Vec::new();
        for (sent, leaving) in leaving(&sent) {
            passed.extend([Some(leaving.at), leaving.copy].into_iter().flatten().map(|at| (at, sent.len * 8)));
        }
        for (first, (since, _)) in passed.iter().enumerate() {
            let mut bits = 0;
            for (until, len) in &passed[first + 1..] {
                bits += u128::from(*len);
                prop_assert!(bits * 1_000_000_000 <= (until.since(*since).as_nanos() + 1) * 2_000_000);
            }
        }
    }

    /// The luck of one rule does not depend on which others there are.
    #[test]
    fn rules_do_not_shift_each_others_luck(seed: u64, rules in any_rules(), datagrams in any_datagrams()) {
        let lost = |rules: &[&str]| -> Vec<bool> {
            let sent = send(&mut with_rules(seed, rules), &datagrams);
            sent.iter().map(|sent| matches!(sent.departure, Departure::Lost(Rule::Loss(_)))).collect()
        };
        let others = refer(&rules).into_iter().filter(|rule| !rule.starts_with("loss") && !rule.starts_with("mtu"));
        let with: Vec<&str> = others.chain(["loss 20%"]).collect();
        prop_assert_eq!(lost(&with), lost(&["loss 20%"]));
    }

    #[test]
    fn no_bytes_and_no_rules_make_it_panic(
        rules in any_rules(),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..30),
    ) {
        let mut link = with_rules(1, &refer(&rules));
        for packet in &packets {
            link.offer(Time::ZERO, Direction::Up, &whole(packet));
        }
    }
}

/// So many datagrams of 100 bytes, one each microsecond.
fn stream(rules: &[&str], count: usize) -> Vec<Sent> {
    send(&mut with_rules(7, rules), &vec![(1, 100); count])
}

fn lost_of(sent: &[Sent]) -> usize {
    sent.len() - leaving(sent).count()
}

#[test]
fn an_exact_share_of_a_hundred_thousand_is_exact() {
    for (rule, wanted) in [("loss exact:1%", 1000), ("loss exact:5%", 5000), ("loss exact:0.01%", 10)] {
        assert_eq!(lost_of(&stream(&[rule], 100_000)), wanted, "{rule}");
    }
}

/// Segments are counted by the buckets of their stream, wherever they begin and in whatever buffers they come.
#[test]
fn an_exact_share_of_a_stream_is_exact() {
    let connection = Connection::on_port(40_000);
    for shift in [0, 700] {
        let mut link = with_rules(7, &["loss exact:5%"]);
        connection.handshake(&mut link);
        let mut stream = connection.stream();
        let lost = (0..20_000).filter(|i| stream.is_lost(&mut link, i * FULL + shift, FULL)).count();
        assert!(lost.abs_diff(1000) <= 1, "shifted by {shift}: {lost}");
    }
}

#[test]
fn every_share_is_within_three_sigma() {
    let count = |rule: &str, fate: Fate| {
        let sent = stream(&[rule], 50_000);
        leaving(&sent).filter(|(_, leaving)| leaving.fate == fate).count()
    };
    for (percent, rule, fate) in [
        (5, "duplicate 5%", Fate::Duplicated),
        (5, "corrupt 5%", Fate::Corrupted),
        (5, "reorder 5%", Fate::Reordered),
    ] {
        let counted = count(rule, fate);
        assert!(within_three_sigma(counted, 50_000, percent), "{rule}: {counted}");
    }
}

#[test]
fn what_is_held_back_is_overtaken_and_nothing_else_is() {
    let sent = stream(&["reorder 5%:1ms", "delay 2ms"], 2000);
    let mut last = Time::ZERO;
    for (sent, leaving) in leaving(&sent) {
        let delay = leaving.at.since(sent.entered);
        if leaving.fate == Fate::Reordered {
            assert_eq!(delay, Duration::from_millis(3));
        } else {
            assert_eq!(delay, Duration::from_millis(2));
            assert!(leaving.at >= last);
            last = leaving.at;
        }
    }
}

#[test]
fn jitter_reorders_only_when_asked() {
    let overtaken = |rules: &[&str]| {
        let sent = stream(rules, 1000);
        let times: Vec<Time> = leaving(&sent).map(|(_, leaving)| leaving.at).collect();
        times.windows(2).filter(|pair| pair[1] < pair[0]).count()
    };
    assert_eq!(overtaken(&["jitter 1ms"]), 0);
    assert!(overtaken(&["jitter 1ms", "reorder jitter"]) > 300);
}

/// Datagrams so far apart that none waits for another.
fn delays_ms(rules: &[&str]) -> Vec<f64> {
    let sent = send(&mut with_rules(3, rules), &vec![(60_000_000, 10); 20_000]);
    let delay = |(sent, leaving): (&Sent, Leaving)| leaving.at.since(sent.entered).as_secs_f64() * 1000.0;
    let mut delays: Vec<f64> = leaving(&sent).map(delay).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

#[test]
fn jitter_is_spread_evenly() {
    let delays = delays_ms(&["delay 10ms", "jitter 4ms"]);
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    assert!((mean - 12.0).abs() < 0.05, "{mean}");
    assert!(delays[0] >= 10.0 && delays[0] < 10.01 && delays[19_999] <= 14.0 && delays[19_999] > 13.99);
}

#[test]
fn a_tail_has_a_floor_a_mean_and_is_long() {
    let delays = delays_ms(&["delay 10ms+5ms"]);
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    assert!((14.3..15.5).contains(&mean), "{mean}");
    assert!(delays[0] >= 10.0);
    // Quantiles of the distribution: 0.414 means at one half, nine at 99 of 100.
    assert!((delays[10_000] - 12.07).abs() < 0.1, "{}", delays[10_000]);
    assert!((delays[19_800] - 55.0).abs() < 5.0, "{}", delays[19_800]);
    assert!(delays[19_999] <= 510.0);
}

#[test]
fn a_full_queue_says_so() {
    let sent = stream(&["rate 1Mbit/s", "queue 2p"], 4);
    let fates: Vec<Result<Fate, String>> = sent
        .iter()
        .map(|sent| match sent.departure {
            Departure::Leaves(leaving) => Ok(leaving.fate),
            Departure::Lost(rule) => Err(rule.to_string()),
        })
        .collect();
    let full = || Err("queue 2p".to_owned());
    assert_eq!(fates, [Ok(Fate::Delivered), Ok(Fate::Queued), Ok(Fate::Queued), full()]);
}

#[test]
fn what_is_too_large_is_answered() {
    let mut packet = udp(5000, 1000);
    let plan = with_rules(1, &["mtu 1000"]).offer(Time::ZERO, Direction::Up, &whole(&packet));
    let Departure::Leaves(cut) = plan.runs[0].departure else { panic!("it is cut") };
    assert_eq!(cut.apply(packet.clone()).iter().map(Vec::len).collect::<Vec<_>>(), [996, 52]);
    packet[6] = 0x40; // DF
    let offer = |rule: &str| {
        let plan = with_rules(1, &[rule]).offer(Time::ZERO, Direction::Up, &whole(&packet));
        (plan.runs[0].departure, plan.answer.map(|answer| answer[20..28].to_vec()))
    };
    let (departure, answer) = offer("mtu 1000");
    assert_eq!(departure, Departure::Lost(rules_of(&["mtu 1000"]).list()[0]));
    // Type 3, code 4, next-hop MTU 1000 (RFC 1191 §4).
    let answer = answer.unwrap();
    assert_eq!((answer[0], answer[1], &answer[6..]), (3, 4, &1000u16.to_be_bytes()[..]));
    assert_eq!(offer("mtu silent:1000").1, None);
    assert!(matches!(offer("mtu 1028"), (Departure::Leaves(_), None)));
}

#[test]
fn segments_of_a_buffer_that_are_too_large_are_answered_once_with_headers_of_their_own() {
    let connection = Connection::on_port(40_000);
    let mut packet = connection.segment(Direction::Up, 5, TcpFlags::ACK, &[0; 3 * FULL as usize]);
    packet[6] = 0x40;
    let plan =
        with_rules(1, &["mtu 1400"]).offer(Time::ZERO, Direction::Up, &Offered::new(gso_vnet(), &packet, 0));
    assert_eq!(plan.runs.len(), 1);
    assert_eq!(plan.runs[0].segments, 0..3);
    let answer = plan.answer.unwrap();
    // The quoted packet is as long as one segment, not as the buffer.
    assert_eq!(answer[30..32], 1500u16.to_be_bytes());
}

#[test]
fn a_cut_holds_for_its_time_from_the_first_packet_on() {
    let mut schedule = Schedule::default();
    schedule.add(schedule::Change::read("2s for 500ms: cut").unwrap());
    let mut link = Link::new(1, schedule);
    let sent = send(&mut link, &[(900_000_000, 1), (1_999_999, 1), (1, 1), (499_999, 1), (1, 1)]);
    let lost: Vec<bool> = sent.iter().map(|sent| matches!(sent.departure, Departure::Lost(_))).collect();
    assert_eq!(lost, [false, false, true, true, false]);
}

/// What happens before a rule of luck begins must count, or the same packets would meet other fates.
#[test]
fn luck_is_counted_from_the_first_packet_on() {
    let mut schedule = Schedule::default();
    schedule.add(schedule::Change::read("1ms: loss 20%").unwrap());
    let later = send(&mut Link::new(7, schedule), &[(100, 10); 40]);
    let always = send(&mut lossy(7, 20), &[(100, 10); 40]);
    for (place, (later, always)) in later.iter().zip(&always).enumerate() {
        let expected =
            if place < 10 { Departure::Leaves(Leaving::untouched(later.entered)) } else { always.departure };
        assert_eq!(later.departure, expected, "{place}");
    }
}
