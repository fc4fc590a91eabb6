//! Lines and forms, as they are printed.

use super::*;

fn read(text: &str) -> Reading {
    notation::read(text, Order::native(), &endpoints()).unwrap()
}

#[test]
fn one_form_is_one_line() {
    let form = |text: &str, form: Form| in_form(&read(text), form).map_err(|error| error.sentence);
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(form("192.0.2.1", Form::Canonical), ok("192.0.2.1"));
    assert_eq!(form("3221225985", Form::Canonical), ok("192.0.2.1"));
    assert_eq!(form("192.0.2.1", Form::Integer), ok("3221225985"));
    assert_eq!(form("192.0.2.1", Form::Hex), ok("c0000201"));
    assert_eq!(form("192.0.2.1", Form::Mapped), ok("::ffff:192.0.2.1"));
    assert_eq!(form("::ffff:192.0.2.1", Form::Mapped), ok("192.0.2.1"));
    assert_eq!(form("::1", Form::Full), ok("0000:0000:0000:0000:0000:0000:0000:0001"));
    assert!(form("::1", Form::Mapped).is_err() && form("10.0.0.0/8", Form::Hex).is_err());
}

#[test]
fn a_line_says_what_it_is() {
    let line = |text: &str| in_a_line(text, &read(text)).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(line("127.1"), "127.1 127.0.0.1 loopback");
    assert_eq!(line("[fe80::1%eth0]:22"), "[fe80::1%eth0]:22 [fe80::1%eth0]:22 link-local unicast");
    assert_eq!(line("10.1.2.3/8"), "10.1.2.3/8 10.0.0.0/8 network of 16777216");
    assert_eq!(line("/run/x"), "/run/x unix:/run/x endpoint");
}
