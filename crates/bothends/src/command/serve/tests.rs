//! What is wanted, from the words on the command line; what is wrong with it is known before anybody listens.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn flags(words: &str) -> Flags {
    let words = ["bothends", "serve"].into_iter().chain(words.split('|'));
    match Cli::try_parse_from(words).unwrap().command {
        Command::Serve(flags) => flags,
        other => panic!("{other:?}"),
    }
}

fn listens(words: &str) -> Result<Vec<Place>, String> {
    match wanted(&flags(words)) {
        Ok((_, places)) => Ok(places),
        Err(Wrong::Use(sentence)) => Err(sentence),
        Err(Wrong::Address(bad)) => Err(bad.error.sentence),
        Err(Wrong::Fault(fault)) => Err(fault.to_string()),
    }
}

fn at(words: &str) -> Vec<At> {
    listens(words).unwrap().into_iter().map(|place| place.at).collect()
}

fn address(transport: Transport, text: &str) -> At {
    At::Address(transport, text.parse().unwrap())
}

#[test]
fn the_service_has_its_word_right_behind_its_name() {
    let default = [address(Transport::Tcp, "127.0.0.1:7777")];
    assert_eq!(at("echo"), default);
    assert_eq!(at("reply|hello"), default);
    assert_eq!(at("reply|8080|8081"), [address(Transport::Tcp, "127.0.0.1:8081")]);
    assert!(listens("reply").unwrap_err().starts_with("reply needs a text"));
}

#[test]
fn one_server_may_listen_at_many_places() {
    let places = at("echo|udp://:7|[::1]:7|unix:@x");
    let expected = [
        At::EveryInterface(Transport::Udp, 7),
        address(Transport::Tcp, "[::1]:7"),
        At::Unix(Transport::Unix, wire::Address::Abstract(b"x".to_vec())),
    ];
    assert_eq!(places, expected);
    assert_eq!(
        at("echo|-u|7|tcp://8"),
        [address(Transport::Udp, "127.0.0.1:7"), address(Transport::Tcp, "127.0.0.1:8"),]
    );
}

#[test]
fn what_stands_behind_an_address_is_for_it_alone() {
    let places = listens("echo|7?reuse-port&backlog=5|8|--backlog|9").unwrap();
    let options: Vec<(bool, i32)> =
        places.iter().map(|place| (place.options.reuse_port, place.options.backlog)).collect();
    assert_eq!(options, [(true, 5), (false, 9)]);
    assert_eq!(listens("echo|7?engine=thread").unwrap_err(), "there is no option engine here");
}

#[test]
fn what_cannot_be_served_is_said_in_a_sentence() {
    for (words, part) in [
        ("echo|[::1]:80|-4", "is IPv6, and -4 asks for IPv4"),
        ("echo|-", "serve needs an address"),
        ("echo|7|--engine|thread|--workers|2", "--workers are event loops"),
        ("echo|--size|1M", "--size belongs to source"),
        ("source|udp://:7", "source"),
        ("echo|7|--max-message|5", "--max-message belongs to collect, chat and reply --frame"),
        ("reply|hi|7|--max-message|5", "not to reply on a stream"),
        ("reply|hi|7|--max-message|5|--frame|none", "not to reply on a stream"),
        ("chat|7|--max-message|1M", "at most 8K"),
        ("echo|7|7", "tcp://127.0.0.1:7 stands there twice"),
        ("echo|7|8|127.0.0.1:7", "tcp://127.0.0.1:7 stands there twice"),
        ("echo|unix:@x|unix:@x", "unix:@x stands there twice"),
        ("echo|-u|7|--engine|thread", "thread"),
        ("chat|7|--engine|process", "process"),
        ("chat|7|--workers|2", "chat"),
        ("echo|udp://:7|tcp://:7|--join|239.1.2.3", "broadcast and multicast are udp's"),
    ] {
        let told = listens(words).unwrap_err();
        assert!(told.contains(part), "{words}: {told}");
    }
}

#[test]
fn a_limit_of_messages_is_for_those_who_have_them() {
    for words in ["collect|7", "chat|7", "reply|hi|7|--frame|line", "echo|udp://7", "echo|unix-seqpacket:@x"]
    {
        assert!(listens(&format!("{words}|--max-message|5")).is_ok(), "{words}");
    }
}

#[test]
fn the_same_port_may_stand_there_twice_where_the_kernel_chooses_or_it_is_shared() {
    for words in ["echo|0|0", "echo|7|7|--reuse-port", "echo|udp://7|tcp://7", "echo|127.0.0.1:7|127.0.0.2:7"]
    {
        assert!(listens(words).is_ok(), "{words}");
    }
}

#[test]
fn lines_are_told_once() {
    let told = |words: &str, json: bool, verbosity: u8| {
        let out = Out::new(json, verbosity, false, crate::looks::When::Never, None);
        let flags = flags(words);
        let make = flags.service.make(None, &flags.of_service, None);
        let tells = config(&flags, make, Vec::new(), &out).tells;
        (tells.opened, tells.data)
    };
    assert_eq!(told("echo", false, 0), (false, false));
    assert_eq!(told("echo", true, 2), (true, true));
    assert_eq!(told("collect", false, 0), (true, false));
    assert_eq!(told("collect", true, 2), (true, false), "its lines are records already");
}
