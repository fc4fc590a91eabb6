//! Wrong words and damaged files: one clear sentence, the right exit code, no panic, no hang.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::{bothends, has, noise, run, stderr, wait};

/// Runs it and gives exit code and the first line of stderr, checking the form of the sentence.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = run(&mut bothends(arguments), b"");
    let said = stderr(&output);
    let code = output.status.code().expect("an exit, not a signal");
    assert_ne!(code, 70, "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    assert!(!said.is_empty(), "{arguments:?} said nothing");
    (code, said)
}

#[test]
fn wrong_addresses_are_named_with_a_hint() {
    let (code, said) = refused(&["connect", "::1:80"]);
    assert_eq!(code, 2);
    assert!(said.contains("[::1]:80") && said.contains('^'), "{said}");
    for address in [
        "127.0.0.1:99999",
        "127.0.0.1:-1",
        "[::1:80",
        "300.1.2.3:7",
        "ftp://x:1",
        "127.0.0.1:80?nonsense=1",
        "",
    ] {
        assert_eq!(refused(&["connect", address]).0, 2, "{address:?}");
    }
    assert_eq!(refused(&["serve", "echo", "no-such-host.invalid:7"]).0, 6, "a name that does not exist");
    assert_eq!(refused(&["serve", "echo", "203.0.113.1:7"]).0, 45, "an address that is not ours");
}

#[test]
fn wrong_options_are_usage_errors() {
    for arguments in [
        vec!["connect", "--nonsense", "1"],
        vec!["serve", "nonsense"],
        vec!["serve", "echo", "0", "--engine", "steam"],
        vec!["serve", "echo", "0", "--max-connections", "many"],
        vec!["lab", "--loss", "20"],
        vec!["lab", "--loss", "120%"],
        vec!["lab", "--delay", "20"],
        vec!["lab", "--delay", "-1ms"],
        vec!["lab", "--seed", "x"],
        vec!["trace"],
        vec!["nonsense"],
    ] {
        assert_eq!(refused(&arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn what_people_write_by_habit_leads_to_what_is_meant() {
    for (arguments, part) in [
        (vec!["listen", "-p", "7777"], "`bothends listen 7777`"),
        (vec!["listen", "-lp", "7777"], "`bothends listen 7777`"),
        (vec!["trace", "-r", "x", "--filter", "tcp"], "--only chooses"),
        (vec!["sockets", "--watch", "1"], "hint: write --watch=1"),
        (vec!["sockets", "--watch=0"], "it has to be 10ms or more"),
        (vec!["connect", "-p", "80000", "1"], "it has to be from 0 to 65535"),
        (vec!["connect", "fe80::1%lo:80"], "write [fe80::1%lo]:80"),
        (vec!["lab", "--rate", "1"], "it needs a unit: 1Mbit/s"),
        (vec!["serve", "echo", "7666", "7666"], "tcp://127.0.0.1:7666 stands there twice"),
        (vec!["serve", "echo", "7", "--max-message", "5"], "--max-message belongs to collect"),
    ] {
        let (code, said) = refused(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(part) && !said.contains("as a value"), "{arguments:?}: {said}");
    }
    let (code, said) = refused(&["connect", "[fe80::1%nowhere]:80"]);
    assert!(
        code == 6 && said.contains("there is no interface nowhere") && !said.contains("spelling"),
        "{said}"
    );
    let (code, said) = refused(&["connect", "https://localhost/"]);
    assert!(code == 2 && !said.contains("tls://"), "{said}");
    let (code, said) = refused(&["connect", "-s", "203.0.113.8", "localhost", "80"]);
    assert!(code == 45 && !said.contains(":0`"), "{said}");
    for letters in ["-tann", "-tene"] {
        assert_eq!(run(&mut bothends(&["sockets", letters]), b"").status.code(), Some(0), "as ss has it");
    }
}

#[test]
fn an_address_in_use_is_a_local_fault() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = refused(&["serve", "echo", &holder.local_addr().unwrap().to_string()]);
    assert_eq!(code, 45, "{said}");
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn damaged_captures_are_told_after_all_that_could_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.pcapng");
    let name = whole.to_str().unwrap();
    assert!(run(&mut bothends(&["lab", "--simulated", "--write", name]), b"").status.success());
    let bytes = fs::read(&whole).unwrap();

    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    assert_eq!(refused(&["trace", "-r", &file("empty", b"")]).0, 26);
    assert_eq!(refused(&["trace", "-r", &file("random", &noise(5, 100_000))]).0, 26);
    assert_eq!(refused(&["trace", "-r", &file("text", b"not a capture at all\n")]).0, 26);
    assert_eq!(refused(&["trace", "-r", "/nonexistent/file"]).0, 26);
    assert_eq!(refused(&["trace", "-r", "/"]).0, 26);

    let cut = file("cut", &bytes[..bytes.len() - 50]);
    let output = run(&mut bothends(&["trace", "-r", &cut, "--ladder"]), b"");
    assert_eq!(output.status.code(), Some(26), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("ESTABLISHED"), "what could be read is shown");
    let output = run(&mut bothends(&["trace", "-r", "-"]), &bytes[..bytes.len() - 50]);
    assert_eq!(output.status.code(), Some(0), "standard input may end anywhere");
    assert!(!stderr(&output).is_empty(), "but it is said");

    for packer in ["gzip", "zstd"] {
        if !has(packer, "damaged_captures_are_told_after_all_that_could_be_read") {
            continue;
        }
        let packed = run(Command::new(packer).arg("-c"), &bytes).stdout;
        let path = file("packed", &packed);
        let shown = run(&mut bothends(&["trace", "-r", &path]), b"");
        assert_eq!(shown.status.code(), Some(0), "{packer}: {}", stderr(&shown));
        assert_eq!(shown.stdout, run(&mut bothends(&["trace", "-r", name]), b"").stdout, "{packer}");
        assert_eq!(run(&mut bothends(&["trace", "-r", "-"]), &packed).stdout, shown.stdout, "{packer}");

        let mut damaged = packed.clone();
        let len = damaged.len();
        damaged[len - 2] ^= 1; // in what the packer checks the whole with
        for arguments in [["trace", "-r", &file("damaged", &damaged)], ["trace", "-r", "-"]] {
            let output = run(&mut bothends(&arguments), &damaged);
            assert_eq!(output.status.code(), Some(26), "{packer}: {}", stderr(&output));
            assert_eq!(output.stdout, shown.stdout, "{packer}: what could be read is shown");
            assert!(
                stderr(&output).contains(&format!("the {packer} stream is damaged")),
                "{}",
                stderr(&output)
            );
        }
        let cut = file("cut", &packed[..len - 10]);
        assert_eq!(run(&mut bothends(&["trace", "-r", &cut]), b"").status.code(), Some(26), "{packer}");
    }

    // Every single cut and a flip in every byte: an answer each, never a panic.
    for length in (0..bytes.len()).step_by(37) {
        let output = run(&mut bothends(&["trace", "-r", &file("cut", &bytes[..length])]), b"");
        assert!(matches!(output.status.code(), Some(0 | 26)), "cut at {length}: {}", stderr(&output));
    }
    for at in (0..bytes.len()).step_by(29) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0xff;
        let output = run(&mut bothends(&["trace", "-r", &file("flipped", &flipped), "--ladder"]), b"");
        assert!(matches!(output.status.code(), Some(0 | 26)), "flip at {at}: {}", stderr(&output));
    }
}

#[test]
fn a_gigabyte_of_zeros_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let start = Instant::now();
    assert_eq!(refused(&["trace", "-r", path.to_str().unwrap()]).0, 26);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_closed_stdout_is_no_error_for_listings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.pcapng");
    let name = path.to_str().unwrap();
    assert!(run(&mut bothends(&["lab", "--simulated", "--write", name]), b"").status.success());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child =
        bothends(&["trace", "-r", name, "--ladder"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!((wait(&mut child).code(), said.as_str()), (Some(0), ""));
    let _ = std::io::stdout().flush();
}

#[test]
fn help_that_cannot_be_written_is_said_to_be_so() {
    for arguments in [&["--help"][..], &["lab", "--help"], &["completions", "bash"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = bothends(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(23), "{arguments:?}");
        let told = stderr(&output);
        assert!(told.contains("write standard output: no space left on device"), "{told}");
    }
}
