use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn to(destination: &str, source: &str) -> Destination {
    let source = Some(source).filter(|text| !text.is_empty()).map(|text| Source::new(address(text), 64));
    Destination { address: address(destination), source }
}

/// The order, which has to be the same whichever way they come, and the rule between the first two.
fn order(destinations: &[Destination], policy: &Policy) -> (Vec<String>, Rule) {
    let texts = |list: &[Destination]| {
        let sorted = sorted(list, policy);
        let rule = sorted.first().expect("destinations").1;
        (sorted.iter().map(|(one, _)| one.address.to_string()).collect::<Vec<_>>(), rule)
    };
    let reversed: Vec<Destination> = destinations.iter().rev().copied().collect();
    let first = texts(destinations);
    assert_eq!(first, texts(&reversed));
    first
}

/// RFC 6724 §10.2, one by one.
#[test]
fn the_examples_of_the_rfc_come_out() {
    let policy = Policy::rfc_6724();
    let six = to("2001:db8:1::1", "2001:db8:1::2");
    let home = Source { is_home: true, ..Source::new(address("2001:db8:3::1"), 64) };
    let by_home = Destination { address: address("2001:db8:1::1"), source: Some(home) };
    let old = Source { is_deprecated: true, ..Source::new(address("fe80::2"), 64) };
    let by_old = Destination { address: address("fe80::1"), source: Some(old) };
    let cases = [
        ([six, to("198.51.100.121", "169.254.13.78")], Rule::MatchingScope),
        ([to("198.51.100.121", "198.51.100.117"), to("2001:db8:1::1", "fe80::1")], Rule::MatchingScope),
        ([six, to("10.1.2.3", "10.1.2.4")], Rule::HigherPrecedence),
        ([to("fe80::1", "fe80::2"), six], Rule::SmallerScope),
        ([by_home, to("fe80::1", "fe80::2")], Rule::HomeAddress),
        ([six, by_old], Rule::AvoidDeprecated),
        ([six, to("2001:db8:3ffe::1", "2001:db8:3f44::2")], Rule::LongestPrefix),
        (
            [to("2002:c633:6401::1", "2002:c633:6401::2"), to("2001:db8:1::1", "2002:c633:6401::2")],
            Rule::MatchingLabel,
        ),
        ([six, to("2002:c633:6401::1", "2002:c633:6401::2")], Rule::HigherPrecedence),
    ];
    for (destinations, rule) in cases {
        let expected: Vec<String> = destinations.iter().map(|one| one.address.to_string()).collect();
        assert_eq!(order(&destinations, &policy), (expected, rule));
    }
}

/// RFC 6724 §2.1; gai.conf(5).
#[test]
fn tables_are_those_of_their_documents() {
    let policy = Policy::rfc_6724();
    let row = |text: &str| (policy.precedence(address(text)).value, policy.label(address(text)).value);
    let cases = [
        ("::1", (50, 0)),
        ("2600::1", (40, 1)),
        ("192.0.2.1", (35, 4)),
        ("2002::1", (30, 2)),
        ("2001::1", (5, 5)),
        ("fd00::1", (3, 13)),
        ("::192.0.2.1", (1, 3)),
        ("fec0::1", (1, 11)),
        ("3ffe::1", (1, 12)),
    ];
    for (text, expected) in cases {
        assert_eq!(row(text), expected, "{text}");
    }
    let four = Policy::glibc().precedence(address("192.0.2.1"));
    assert_eq!((four.value, four.to_string().as_str()), (10, "::ffff:0:0/96"));
}

/// RFC 6724 §10.3: IPv4 first by a precedence of 100 for ::ffff:0:0/96.
#[test]
fn gai_conf_replaces_a_table() {
    let glibc = Policy::glibc();
    let pair = [to("2001:db8:1::1", "2001:db8:1::2"), to("10.1.2.3", "10.1.2.4")];
    assert_eq!(order(&pair, &glibc).0[0], "2001:db8:1::1");
    let text = "# IPv4 first\nprecedence ::ffff:0:0/96  100 # yes\nnonsense\nprecedence x 1\nlabel ::/0\n";
    let set = glibc.clone().with_gai_conf(text);
    assert_eq!(order(&pair, &set).0[0], "10.1.2.3");
    assert_eq!((set.name, set.labels.len()), ("/etc/gai.conf", glibc.labels.len()));
    assert_eq!(glibc.clone().with_gai_conf("# nothing\n"), glibc);
    let scoped = glibc.with_gai_conf("scopev4 ::ffff:10.0.0.0/104 5\n");
    assert_eq!((scoped.scope(address("10.1.1.1")), scoped.scope(address("11.1.1.1"))), (5, 14));
}

/// RFC 6724 §2.2 and §6: bits behind the source's prefix do not count; to glibc they do, within one network.
#[test]
fn the_longest_prefix_is_counted_as_the_policy_has_it() {
    let of = |prefix: u8| {
        let to = |text: &str| Destination {
            address: address(text),
            source: Some(Source::new(address("10.1.2.1"), prefix)),
        };
        [to("10.1.2.3"), to("10.1.2.200")]
    };
    assert_eq!(compare(&of(24)[0], &of(24)[1], &Policy::rfc_6724()).1, Rule::Unchanged);
    assert_eq!(compare(&of(32)[0], &of(32)[1], &Policy::rfc_6724()).1, Rule::LongestPrefix);
    assert_eq!(compare(&of(24)[0], &of(24)[1], &Policy::glibc()).1, Rule::LongestPrefix);
    assert_eq!(compare(&of(32)[0], &of(32)[1], &Policy::glibc()).1, Rule::Unchanged);
}

#[test]
fn what_cannot_be_reached_comes_last() {
    let pair = [to("192.0.2.1", "192.0.2.2"), to("2001:db8::1", "")];
    let expected = vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()];
    assert_eq!(order(&pair, &Policy::rfc_6724()), (expected, Rule::AvoidUnusable));
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let special = vec!["::1", "fe80::1", "2002::1", "fd00::1", "10.0.0.1", "127.0.0.1"];
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        prop::sample::select(special).prop_map(|text| text.parse().expect("an address")),
    ]
}

proptest! {
    #[test]
    fn none_is_lost_and_comparing_is_fair(
        pairs in prop::collection::vec((any_address(), prop::option::of(any_address()), 0u8..=128), 0..12)
    ) {
        let list: Vec<Destination> = pairs
            .into_iter()
            .map(|(address, from, prefix)| Destination { address, source: from.map(|from| Source::new(from, prefix)) })
            .collect();
        for policy in [Policy::rfc_6724(), Policy::glibc()] {
            for (a, b) in list.iter().zip(list.iter().skip(1)) {
                let (there, back) = (compare(a, b, &policy), compare(b, a, &policy));
                prop_assert_eq!((there.0, there.1), (back.0.reverse(), back.1));
            }
            let mut ordered: Vec<Destination> = sorted(&list, &policy).iter().map(|(one, _)| *one).collect();
            let mut given = list.clone();
            let key = |one: &Destination| (one.address, one.source.map(|source| (source.address, source.prefix)));
            ordered.sort_by_key(key);
            given.sort_by_key(key);
            prop_assert_eq!(ordered, given);
        }
    }

    #[test]
    fn any_gai_conf_is_read(text in "(\\PC|\n){0,200}") {
        let _ = Policy::glibc().with_gai_conf(&text);
    }
}
