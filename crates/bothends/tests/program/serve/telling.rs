//! Every message of every service is told with `-vv`, as text and as records, with the client's number, address and port.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use serde_json::Value;

use super::ENGINES;
use super::piped::{Piped, next};
use crate::running::Server;

const SERVICES: [&[&str]; 9] = [
    &["echo"],
    &["upper"],
    &["reply", "hello, i am server"],
    &["discard"],
    &["source", "--size", "1000"],
    &["daytime"],
    &["time"],
    &["collect"],
    &["chat"],
];

#[test]
fn every_message_of_every_service_is_told() {
    for engine in ENGINES {
        for service in SERVICES.into_iter().filter(|words| engine != "process" || words[0] != "chat") {
            // Those that close at once may have done so before anything is said.
            let speaks_first = matches!(service[0], "daytime" | "time" | "source");
            let common = ["127.0.0.1:0", "--engine", engine, "-vv"];
            let mut server = Server::start(&[service, &common].concat());
            let mut client = TcpStream::connect(server.address).unwrap();
            let from = client.local_addr().unwrap();
            assert_eq!(server.says("connected"), format!("client 1, {from}: connected"), "{service:?}");
            if !speaks_first {
                client.write_all(b"hello, i am client").unwrap();
                let line = server.says("says");
                let expected = format!("client 1, {from}: says \"hello, i am client\" (18 bytes)");
                assert_eq!(line, expected, "{service:?} under {engine}");
            }
            client.shutdown(Shutdown::Write).unwrap();
            let line = server.says(&format!("client 1, {from}: "));
            assert!(line.contains(" closed"), "{service:?} under {engine}: {line}");
        }
    }
}

#[test]
fn every_message_of_every_service_is_a_record() {
    for engine in ENGINES {
        for service in SERVICES.into_iter().filter(|words| engine != "process" || words[0] != "chat") {
            let speaks_first = matches!(service[0], "daytime" | "time" | "source");
            let common = ["127.0.0.1:0", "--engine", engine, "--json", "-vv"];
            let mut server = Piped::start(&[service, &common].concat());
            let shown = server.shown();
            let mut client = TcpStream::connect(server.address).unwrap();
            let from = client.local_addr().unwrap().to_string();
            let said = if speaks_first { &b""[..] } else { b"hello\n" };
            client.write_all(said).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut records = Vec::new();
            while !records.last().is_some_and(|record: &Value| record["type"] == "closed") {
                records.push(serde_json::from_str::<Value>(&next(&shown)).unwrap());
            }
            let case = format!("{service:?} under {engine}: {records:?}");
            let address = format!("tcp://{}", server.address);
            let listening = &records[0];
            assert_eq!(listening["type"], "listening", "{case}");
            assert_eq!(
                (listening["address"].as_str(), listening["engine"].as_str()),
                (Some(&*address), Some(engine))
            );
            assert_eq!(listening["service"], service[0]);
            assert_eq!(listening["pid"].as_u64(), Some(server.child.id().into()));
            let of_client = |name: &str| {
                let mut found =
                    records.iter().filter(|r| r["type"] == name && r["client"] == 1).collect::<Vec<_>>();
                assert!(found.iter().all(|record| record["remote"] == *from), "{case}");
                found.pop().cloned()
            };
            let opened = of_client("opened").expect("it came");
            assert_eq!(
                (&opened["transport"], &opened["local"]),
                (&"tcp".into(), &server.address.to_string().into())
            );
            match of_client("data") {
                Some(data) => {
                    assert_eq!(data["text"], "hello", "{case}");
                    assert_eq!(data.get("cut"), None, "{case}");
                }
                None => assert!(speaks_first, "{case}"),
            }
            let closed = of_client("closed").expect("it went");
            for field in
                ["closed_by", "how", "in_bytes", "out_bytes", "unsent_bytes", "unread_bytes", "open_s"]
            {
                assert!(!closed[field].is_null(), "{case}: {field}");
            }
        }
    }
}

#[test]
fn datagrams_are_told_with_their_peers() {
    let mut server = Server::start(&["echo", "udp://127.0.0.1:0", "-vv"]);
    let peers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for (number, peer) in (1..).zip(&peers) {
        peer.send_to(b"x\x1b[2J", server.address).unwrap();
        let from = peer.local_addr().unwrap();
        assert_eq!(server.says("connected"), format!("client {number}, {from}: connected"));
        let line = server.says("says");
        assert_eq!(line, format!("client {number}, {from}: says \"x\\u{{1b}}[2J\" (5 bytes)"));
    }
}

/// The listening line is always there; sessions are told from `-v` on.
#[test]
fn only_what_was_asked_for_is_told() {
    let told = |more: &[&str]| {
        let server = Server::start(&[&["echo", "127.0.0.1:0"], more].concat());
        let mut client = TcpStream::connect(server.address).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "its session is over");
        server.stop().1
    };
    let said = told(&[]);
    assert!(said.starts_with("listening on tcp://127.0.0.1:") && !said.contains("client 1"), "{said}");
    let said = told(&["-v"]);
    assert!(said.contains(": connected\n") && said.contains(": it closed first"), "{said}");
}
