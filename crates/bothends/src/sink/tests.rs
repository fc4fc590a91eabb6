//! What lines look like, that what is shown is recorded, and that a slow reader makes the clients wait.

use std::time::Duration;

use ends::service::Client;

use super::*;
use crate::looks::When;

fn line(bytes: &[u8]) -> Line {
    Line { client: Some(Client(3)), room: None, name: None, bytes: bytes.to_vec(), cut: false }
}

fn remote() -> Address {
    std::net::SocketAddr::from(([127, 0, 0, 1], 40712)).into()
}

fn labelled_text(remote: Option<&Address>, line: &Line) -> String {
    String::from_utf8(labelled(remote, line, <[u8]>::to_vec)).unwrap()
}

#[test]
fn a_line_says_who_said_it() {
    let remote = remote();
    assert_eq!(labelled_text(Some(&remote), &line(b"hello")), "client 3, 127.0.0.1:40712: hello\n");
    let cut = Line { cut: true, ..line(b"hel") };
    assert_eq!(labelled_text(Some(&remote), &cut), "client 3, 127.0.0.1:40712: hel (cut)\n");
    let said = Line { room: Some("lobby".into()), name: Some("ada".into()), ..line(b"good day") };
    assert_eq!(labelled_text(Some(&remote), &said), "[lobby] ada: good day\n");
    let notice = Line { client: None, room: Some("lobby".into()), ..line(b"ada left") };
    assert_eq!(labelled_text(None, &notice), "[lobby] ada left\n");
}

#[test]
fn a_record_holds_all_that_is_known() {
    let said = Line { room: Some("lobby".into()), name: Some("ada".into()), cut: true, ..line(b"h\xff") };
    let record = record::said(record::Record::new("data"), Some(&remote()), &said).line();
    let expected = "{\"v\":1,\"type\":\"data\",\"client\":3,\"remote\":\"127.0.0.1:40712\",\"room\":\"lobby\",\
                    \"name\":\"ada\",\"base64\":\"aP8=\",\"len_bytes\":2,\"cut\":true}\n";
    assert_eq!(record, expected);
}

fn lines(recording: Option<Recording>, threads: bool) -> (Lines, Arc<Narrator>) {
    let out = Out::new(false, 0, false, When::Never, None);
    // Never written: its queue is what the test looks at.
    let narrator = Arc::new(Narrator::held_back());
    let clock = Arc::new(Clock::start());
    (Lines::new(&out, &clock, &narrator, recording, threads), narrator)
}

#[test]
fn while_nobody_takes_the_lines_there_is_no_room() {
    let (lines, narrator) = lines(None, true);
    let text = vec![b'x'; 100_000];
    let mut taken = 0;
    while lines.has_room() {
        lines.take(Some(&remote()), &line(&text));
        lines.flush();
        taken += 1;
    }
    assert_eq!(taken, MOST / 100_000 + 1);
    assert!(narrator.waiting() >= MOST, "none was dropped");
}

/// The disk may be slow: what a client said is shown before its end all the same.
#[test]
fn records_of_ends_stay_behind_the_lines() {
    for threads in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (recording, _) = Recording::open(&folder.path().join("lines"), Fsync::Batch).unwrap();
        let (lines, narrator) = lines(Some(recording), threads);
        for number in 0..50 {
            lines.take(Some(&remote()), &line(format!("line {number}").as_bytes()));
            lines.flush();
            lines.record_behind(Record::new("closed").with("number", number));
        }
        assert_eq!(lines.finish(), None);
        let shown = narrator.held();
        let expected: String = (0..50)
            .map(|number| {
                format!(
                    "client 3, 127.0.0.1:40712: line {number}\n\
                     {{\"v\":1,\"type\":\"closed\",\"number\":{number}}}\n"
                )
            })
            .collect();
        assert_eq!(shown, expected, "threads {threads}");
    }
}

#[test]
fn what_is_shown_is_in_the_file_whoever_writes_it() {
    for threads in [true, false] {
        for fsync in [Fsync::Batch, Fsync::Never, Fsync::Every(Duration::from_millis(1))] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lines");
            let (recording, _) = Recording::open(&path, fsync).unwrap();
            let (lines, narrator) = lines(Some(recording), threads);
            for number in 0..50 {
                lines.take(Some(&remote()), &line(format!("line {number}").as_bytes()));
                if number % 7 == 0 {
                    lines.flush();
                }
            }
            assert_eq!(lines.finish(), None);
            let text = std::fs::read_to_string(&path).unwrap();
            let recorded: Vec<String> = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .inspect(|record| assert!(record["wall"].is_string() && record["client"] == 3))
                .map(|record| record["text"].as_str().unwrap().to_owned())
                .collect();
            let expected: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
            assert_eq!(recorded, expected, "threads {threads}, {fsync:?}");
            assert!(narrator.waiting() > 0);
        }
    }
}
