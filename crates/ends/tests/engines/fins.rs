//! What each service does at the client's FIN, by every transport that has one, under every engine: echo, upper and
//! reply send the rest and then FIN; a source with a size goes on to it; discard closes; collect shows the line that
//! was cut; in a chat the client leaves.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use ends::event::How;
use ends::serve::{Config, Engine};
use ends::service::{Chat, Collect, Discard, Echo, Reply, Service, Shape, Source, TimeOfDay, Upper, refusal};
use wire::Transport;
use wire::frame::Frame;

use crate::lines::counter;
use crate::server::{Closed, ENGINES, Server, config, noise, start};
use crate::transports::{TRANSPORTS, client, half_close, place, read_to_end};

pub(crate) const TESTS: [(&str, fn()); 7] = [
    ("echo_sends_the_rest_and_then_fin", echo_sends_the_rest_and_then_fin),
    ("reply_sends_every_answer_and_then_fin", reply_sends_every_answer_and_then_fin),
    (
        "a_source_goes_on_to_its_size_and_without_one_closes",
        a_source_goes_on_to_its_size_and_without_one_closes,
    ),
    ("discard_closes", discard_closes),
    ("the_time_of_day_is_told_to_the_end", the_time_of_day_is_told_to_the_end),
    ("collect_shows_the_line_that_was_cut", collect_shows_the_line_that_was_cut),
    ("who_ends_leaves_the_chat", who_ends_leaves_the_chat),
];

type Make = Box<dyn Fn() -> Box<dyn Service> + Send + Sync>;

/// Runs a server of this service for each transport and engine that it runs under.
fn everywhere(make: fn() -> Box<dyn Service>, with: impl Fn(&mut Server, Transport, &str)) {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(transport, folder.path())];
            let service: Make = Box::new(make);
            let (name, which) = (service().name(), format!("{engine:?}, {}", transport.name()));
            let workers = if let Engine::Event { workers } = engine { workers } else { 1 };
            let shape = if transport.keeps_messages() { Shape::Messages } else { Shape::Stream };
            if refusal(name, shape, engine, workers).is_some() {
                continue;
            }
            let mut server = start(&Config { places, service, ..config(engine) });
            with(&mut server, transport, &which);
            server.stop();
        }
    }
}

/// Says all of it in pieces, then FIN, while it hears the answer to its end.
fn conversation(server: &Server, transport: Transport, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut hears = client(server, transport);
    let mut speaks = hears.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pieces.iter().for_each(|piece| speaks.write_all(piece).expect("it is taken"));
            half_close(&speaks);
        });
        read_to_end(&mut hears)
    })
}

fn in_order(closed: &Closed, in_bytes: usize, out_bytes: usize, which: &str) {
    assert!(closed.is(How::Fin) && closed.closed_by == "Peer", "{which}: {closed:?}");
    let counts = (closed.in_bytes, closed.out_bytes, closed.unsent_bytes, closed.unread_bytes);
    assert_eq!(counts, (in_bytes as u64, out_bytes as u64, 0, 0), "{which}");
}

fn echo_sends_the_rest_and_then_fin() {
    let pieces: Vec<Vec<u8>> = (0..60).map(|number| noise(number, 20_000)).collect();
    let said = pieces.concat();
    let answers = |make, expected: &[u8]| {
        everywhere(make, |server, transport, which| {
            let answer = conversation(server, transport, &pieces);
            assert!(answer == expected, "{which}: {} of {}", answer.len(), expected.len());
            in_order(&server.next_closed(), said.len(), said.len(), which);
        });
    };
    answers(|| Box::new(Echo), &said);
    answers(|| Box::new(Upper), &said.to_ascii_uppercase());
}

/// Two bytes ask for each answer of three: far more is owed at the FIN than waits anywhere.
fn reply_sends_every_answer_and_then_fin() {
    let pieces = vec![b"?\n".repeat(10_000); 20];
    everywhere(
        || Box::new(Reply::new(b"so", Frame::Line, 100)),
        |server, transport, which| {
            let answer = conversation(server, transport, &pieces);
            assert!(answer == b"so\n".repeat(200_000), "{which}: {}", answer.len());
            in_order(&server.next_closed(), 400_000, 600_000, which);
        },
    );
    everywhere(
        || Box::new(Reply::new(b"so", Frame::None, 100)),
        |server, transport, which| {
            assert_eq!(conversation(server, transport, &[b"?".to_vec()]), b"so", "{which}");
            in_order(&server.next_closed(), 1, 2, which);
            assert_eq!(conversation(server, transport, &[]), b"", "{which}");
            in_order(&server.next_closed(), 0, 0, which);
        },
    );
}

fn a_source_goes_on_to_its_size_and_without_one_closes() {
    const SIZE: usize = 3_000_000;
    everywhere(
        || Box::new(Source::new(Some(SIZE as u64))),
        |server, transport, which| {
            assert_eq!(conversation(server, transport, &[]).len(), SIZE, "{which}");
            // It may have said all before the client's FIN came: who closed first is not settled.
            let closed = server.next_closed();
            assert!(closed.is(How::Fin), "{which}: {closed:?}");
            assert_eq!((closed.out_bytes, closed.unsent_bytes), (SIZE as u64, 0), "{which}");
        },
    );
    everywhere(
        || Box::new(Source::new(None)),
        |server, transport, which| {
            let heard = conversation(server, transport, &[b"enough".to_vec()]).len();
            in_order(&server.next_closed(), 6, heard, which);
        },
    );
}

fn discard_closes() {
    let pieces = vec![vec![7; 50_000]; 30];
    everywhere(
        || Box::new(Discard),
        |server, transport, which| {
            assert_eq!(conversation(server, transport, &pieces), b"", "{which}");
            in_order(&server.next_closed(), 1_500_000, 0, which);
        },
    );
}

fn the_time_of_day_is_told_to_the_end() {
    everywhere(
        || Box::new(TimeOfDay::time(std::time::SystemTime::now)),
        |server, transport, which| {
            assert_eq!(conversation(server, transport, &[]).len(), 4, "{which}");
            let closed = server.next_closed();
            // Both end at once: either may be the first.
            assert!(closed.is(How::Fin) && ["Us", "Peer"].contains(&closed.closed_by.as_str()), "{closed:?}");
            assert_eq!((closed.out_bytes, closed.unsent_bytes), (4, 0), "{which}");
        },
    );
}

fn collect_shows_the_line_that_was_cut() {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(transport, folder.path())];
            let (sink, mut counted) = counter(usize::MAX);
            let service: Make = Box::new(|| Box::new(Collect::new(1000)));
            let mut server = start(&Config { places, service, sink: Some(sink), ..config(engine) });
            let pieces = [b"one\ntwo\r\n".to_vec(), b"cut".to_vec()];
            assert_eq!(conversation(&server, transport, &pieces), b"");
            let mut next = || counted.next().map(|line| (line.bytes, line.is_cut)).expect("a line");
            // A message is a line, whatever is in it, and has no end to miss.
            let expected: &[(&[u8], bool)] = match transport.keeps_messages() {
                true => &[(b"one\ntwo", false), (b"cut", false)],
                false => &[(b"one", false), (b"two", false), (b"cut", true)],
            };
            for (bytes, is_cut) in expected {
                assert_eq!(next(), (bytes.to_vec(), *is_cut), "{engine:?}, {transport:?}");
            }
            in_order(&server.next_closed(), 12, 0, &format!("{engine:?}, {transport:?}"));
            server.stop();
        }
    }
}

fn who_ends_leaves_the_chat() {
    everywhere(
        || Box::new(Chat::new(1000)),
        |server, transport, which| {
            let mut stays = BufReader::with_capacity(100_000, client(server, transport));
            let mut until = |words: &str| {
                let mut line = String::new();
                while !line.contains(words) {
                    line.clear();
                    assert!(stays.read_line(&mut line).expect("open") > 0, "{which}: not {words:?}");
                }
            };
            until("you are client-1");
            let mut leaves: File = client(server, transport);
            until("client-2 has joined");
            leaves.write_all(b"that is all").expect("open");
            half_close(&leaves);
            until("client-2: that is all");
            until("client-2 has left");
            let heard = read_to_end(&mut leaves);
            assert!(heard.starts_with(b"* you are client-2"), "{which}");
            in_order(&server.next_closed(), 11, heard.len(), which);
            drop(stays);
        },
    );
}
