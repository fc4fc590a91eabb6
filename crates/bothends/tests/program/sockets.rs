//! `sockets` beside ss and netstat, in a network namespace of its own; as an ordinary user; and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::running::{PublicCopy, bothends, has, left_out, records, run, stderr, stdout, until, wait};

/// Runs a part of sockets.py, which says `ok` when the answers of others were the same.
fn beside_others(part: &str) {
    let test = format!("sockets beside ss: {part}");
    for program in ["python3", "unshare", "ip", "ss", "netstat"] {
        if !has(program, &test) {
            return;
        }
    }
    if !Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        return left_out(&test, "needs a network namespace of its own");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/sockets.py");
    let inside = "ip link set lo up && exec python3 \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", inside, script, env!("CARGO_BIN_EXE_bothends"), part]);
    let output = run(&mut command, b"");
    assert!(stdout(&output).ends_with("ok\n"), "{part}: {}{}", stdout(&output), stderr(&output));
}

#[test]
fn every_kind_in_every_state_is_listed_as_ss_does() {
    beside_others("rows");
}

#[test]
fn every_socket_has_the_owners_that_lsof_finds() {
    if has("lsof", "sockets beside lsof") {
        beside_others("lsof");
    }
}

#[test]
fn filters_let_through_what_they_let_through_in_ss() {
    beside_others("filters");
}

#[test]
fn five_hundred_filters_of_the_whole_language_choose_what_they_choose_in_ss() {
    beside_others("language");
}

#[test]
fn the_five_situations_of_a_server_and_its_client_are_told_as_netstat_does() {
    beside_others("situations");
}

#[test]
fn a_socket_that_is_killed_ends_and_no_other() {
    beside_others("kill");
}

#[test]
fn names_that_strangers_choose_break_no_row_and_vanishing_processes_no_listing() {
    beside_others("hostile");
}

#[test]
fn what_was_opened_and_closed_is_told_as_it_happens() {
    beside_others("events");
}

#[test]
fn heavy_two_hundred_thousand_sockets_are_listed_one_and_all() {
    beside_others("many");
}

#[test]
fn heavy_two_hundred_thousand_sockets_take_no_more_memory_than_ten_thousand() {
    beside_others("memory");
}

#[test]
fn answers_of_any_kernel_read_as_ss_reads_them() {
    beside_others("answers");
}

#[test]
fn an_ordinary_user_sees_all_sockets_and_is_told_what_he_does_not_see() {
    if !rustix::process::geteuid().is_root() || !has("setpriv", "sockets as nobody") {
        return left_out("sockets as nobody", "needs root to become somebody else");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let copy = PublicCopy::new();
    let output = run(&mut copy.as_nobody(&["sockets", "-tlnp", "sport", "=", &port]), b"");
    assert!(stdout(&output).contains(&format!("127.0.0.1:{port}")), "{}", stdout(&output));
    assert!(!stdout(&output).contains("users:"), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 socket without a process:"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
    let killed = run(&mut copy.as_nobody(&["sockets", "-lK", "sport", "=", &port]), b"");
    assert!(stderr(&killed).contains("only CAP_NET_ADMIN may"), "{}", stderr(&killed));
    assert_eq!(killed.status.code(), Some(77));
    // What is closed is told to everybody as it happens.
    let mut events = copy.as_nobody(&["sockets", "-tE", "--count", "1", "sport", "=", &port]);
    let mut watching = events.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(watching.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "telling what is opened and closed, until ^C\n");
    drop(listener);
    assert_eq!(wait(&mut watching).code(), Some(0));
    let mut shown = String::new();
    watching.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(shown.starts_with("- tcp ") && shown.ends_with("  was LISTEN\n"), "{shown}");
}

#[test]
fn a_wrong_filter_is_shown_with_a_caret() {
    let output = run(bothends(&["sockets"]).args(["-t", "dport", "=", ":nowhere"]), b"");
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.starts_with("bothends: filter dport = :nowhere: nowhere is no port\n"), "{told}");
    assert!(told.contains("\n    dport = :nowhere\n            ^\n"), "{told}");
    for (words, why) in [
        (&["-K"][..], "without a filter would end every connection"),
        (&["-A", "sctp"], "there is no table sctp"),
        (&["-f", "x25"], "there is no family x25"),
        (&["--columns", "weight"], "there is no such column"),
        (&["--tree", "--pairs"], "cannot be used with"),
    ] {
        let output = run(bothends(&["sockets"]).args(words), b"");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains(why), "{words:?}: {}", stderr(&output));
    }
    let output = run(bothends(&["sockets"]).args(["-N", "no-such-network"]), b"");
    assert!(stderr(&output).contains("no-such-network"), "{}", stderr(&output));
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn the_tables_of_another_process_are_found_by_its_number() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let own = std::process::id().to_string();
    let output = run(bothends(&["sockets"]).args(["-HtlnN", &own, "sport", "=", &port]), b"");
    assert_eq!(stdout(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains(&format!("127.0.0.1:{port}")));
}

/// Every table of it, also those that this kernel gives as text only.
#[test]
fn the_tables_of_a_namespace_are_found_by_its_name() {
    let test = "the_tables_of_a_namespace_are_found_by_its_name";
    let private = "mount -t tmpfs tmpfs /run && ip link set lo up && ip netns add blue && ip netns exec blue ip link set lo up";
    let unshare = |script: &str| {
        let words = ["-rnm", "--propagation", "private", "sh", "-c", script, env!("CARGO_BIN_EXE_bothends")];
        run(Command::new("unshare").args(words), b"")
    };
    if !["unshare", "ip", "mount"].iter().all(|program| has(program, test)) {
        return;
    }
    if !unshare(private).status.success() {
        return left_out(test, "needs a network namespace with a name");
    }
    let output = unshare(&format!(
        "{private} || exit 1
         mkfifo /run/told; ip netns exec blue \"$0\" serve echo 127.0.0.1:7070 2> /run/told & read line < /run/told
         echo \"$line\"; \"$0\" sockets -N blue -tlnH; \"$0\" sockets -tlnH; \"$0\" sockets -N blue -a > /dev/null; echo \"exit $?\"
         \"$0\" sockets -N blue -s | tail -n 1; \"$0\" sockets -N red -a; echo \"exit $?\"; kill %1 2> /dev/null || kill $!"
    ));
    let shown = stdout(&output);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 5, "{shown}{}", stderr(&output));
    assert!(lines[0].starts_with("listening on tcp://127.0.0.1:7070"), "{shown}");
    assert!(lines[1].starts_with("LISTEN") && lines[1].contains("127.0.0.1:7070"), "{shown}");
    assert_eq!((lines[2], lines[4]), ("exit 0", "exit 45"), "{shown}{}", stderr(&output));
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["tcp", "LISTEN", "1"]);
    assert!(stderr(&output).contains("open the network namespace red: no such file or directory"));
}

/// A server that has closed its direction, and a client that has not read yet.
#[test]
fn under_each_pair_stands_whose_turn_it_is_at_both_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"bye").unwrap();
    server.shutdown(std::net::Shutdown::Write).unwrap();
    let filter = ["(", "sport", "=", &port, "or", "dport", "=", &port, ")"];
    let show = |words: &[&str]| {
        run(bothends(&["sockets", "-tan", "--pairs", "--explain"]).args(words).args(filter), b"")
    };
    until("the FIN is acknowledged", || stdout(&show(&[])).contains("FIN-WAIT-2"));
    let shown = stdout(&show(&[]));
    let lines: Vec<&str> = shown.lines().collect();
    let pair = lines.iter().position(|line| line.contains("CLOSE-WAIT")).expect("the pair");
    assert!(lines[pair].contains("FIN-WAIT-2") && lines[pair].contains("3 B unread by client"), "{shown}");
    let client_turn =
        "\tclient: the other end has closed; its program here has to read to the end and close: its turn";
    assert_eq!(lines[pair + 1], format!("{client_turn}; 3 bytes wait to be read"), "{shown}");
    assert!(lines[pair + 2].starts_with("\tserver: has closed its direction and can still read"), "{shown}");
    assert!(shown.contains("\twaits for connections; nobody waits for accept"), "{shown}");
    // Of another test's connection a remainder in TIME_WAIT may have the same port.
    let (ours, its) = (listener.local_addr().unwrap().to_string(), client.local_addr().unwrap().to_string());
    let is_ours = |record: &serde_json::Value| {
        let ends = [record["local"].as_str(), record["remote"].as_str()];
        record["state"] == "LISTEN" || ends.iter().all(|end| [Some(&*ours), Some(&*its)].contains(end))
    };
    let mut records = records(&show(&["--json"]));
    records.retain(is_ours);
    let explained = records.iter().filter(|record| record["explained"].is_string()).count();
    assert_eq!((records.len(), explained), (3, 3), "the listener and both ends");
    drop(client);
}

#[test]
fn columns_and_order_are_as_asked() {
    let _listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let words = ["-tln", "--columns", "local,queue,snd_cwnd_segments", "--sort", "-local"];
    let output = run(bothends(&["sockets"]).args(words), b"");
    let shown = stdout(&output);
    assert!(shown.starts_with("Local Address:Port"), "{shown}");
    let ports: Vec<u16> = shown
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap().rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    assert!(ports.len() >= 3 && ports.is_sorted_by(|one, other| one >= other), "{shown}");
}

#[test]
fn records_have_the_pairs_and_the_processes_that_the_text_shows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_server, _) = listener.accept().unwrap();
    let (own, port) = (client.local_addr().unwrap(), listener.local_addr().unwrap().port());
    let filter = format!("sport = :{port} or dport = :{port}");
    let shown =
        |shape: &str| records(&run(&mut bothends(&["sockets", "-tan", shape, "--json", &filter]), b""));
    let pairs = shown("--pairs");
    let ends: Vec<_> = pairs.iter().filter(|record| record["role"].is_string()).collect();
    assert_eq!(ends.len(), 2, "{pairs:?}");
    assert_eq!((&ends[0]["role"], &ends[0]["local"]), (&"client".into(), &own.to_string().into()));
    assert_eq!((&ends[1]["role"], &ends[1]["remote"]), (&"server".into(), &own.to_string().into()));
    assert_eq!(ends[0]["pair"], ends[1]["pair"]);
    let alone = pairs.iter().find(|record| record["state"] == "LISTEN").expect("the listener");
    assert!(alone["pair"].is_u64() && alone["pair"] != ends[0]["pair"] && alone["role"].is_null(), "{alone}");
    let under = shown("--tree");
    assert_eq!(under.len(), 3);
    assert!(under.iter().all(|record| record["under"]["pid"] == std::process::id()), "{under:?}");
}
