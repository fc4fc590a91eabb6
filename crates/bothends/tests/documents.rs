//! Runs every `console` block of README.md and docs/ as written, in a shell, in a network namespace of its own where
//! the system allows it, and compares what it prints. In the expected text `[..]` stands for anything in a line and a
//! line `...` for any lines. Blocks marked `text` are not run (installs, endless commands, drawings of source); they
//! are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block of a document.
struct Block {
    line: usize,
    language: String,
    text: String,
}

/// A command of a block, and what stands under it.
struct Step {
    command: String,
    expected: String,
}

#[test]
fn heavy_every_block_of_the_documents_runs_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md")];
    documents.extend(markdown_under(&root.join("docs")));
    let (mut ran, mut left) = (0, 0);
    let mut wrong = String::new();
    for document in documents {
        let folder = tempfile::tempdir().unwrap();
        for block in blocks(&fs::read_to_string(&document).unwrap()) {
            let place = format!("{}:{}", document.file_name().unwrap().to_string_lossy(), block.line);
            match block.language.as_str() {
                "console" => {
                    ran += 1;
                    wrong.push_str(&differences(&place, &steps(&block.text), folder.path()));
                }
                "text" => left += 1,
                other => {
                    panic!("{place}: a block marked `{other}`: write `console` (run) or `text` (not run)")
                }
            }
        }
    }
    println!("{ran} blocks run, {left} marked as not to run");
    assert!(ran > 0, "no block was found");
    assert!(wrong.is_empty(), "{wrong}");
}

fn markdown_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(markdown_under(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { line: index + 1, language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

fn steps(text: &str) -> Vec<Step> {
    let mut found: Vec<Step> = Vec::new();
    let mut continued = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Step { command: command.to_owned(), expected: String::new() });
        } else if continued {
            let step = found.last_mut().unwrap();
            step.command.push('\n');
            step.command.push_str(line);
        } else {
            let step = found.last_mut().expect("a console block begins with `$ command`");
            step.expected.push_str(line);
            step.expected.push('\n');
        }
        continued = line.ends_with('\\') && (line.starts_with("$ ") || continued);
    }
    found
}

/// Runs the steps in one shell and says where the output differs.
fn differences(place: &str, steps: &[Step], folder: &Path) -> String {
    let outputs = run(steps, folder);
    let mut wrong = String::new();
    for (index, step) in steps.iter().enumerate() {
        let got = outputs.get(index).map_or("(the shell ended before this command)\n", String::as_str);
        if !matches(&step.expected, got) {
            let _ = writeln!(
                wrong,
                "{place}: $ {}\n--- documented\n{}--- printed\n{got}",
                step.command, step.expected
            );
        }
    }
    wrong
}

const MARK: &str = "\u{1}end of step\u{1}";

fn run(steps: &[Step], folder: &Path) -> Vec<String> {
    let mut script = String::from("exec 2>&1\nset -o pipefail\n");
    for (index, step) in steps.iter().enumerate() {
        if let Some(command) = step.command.trim_end().strip_suffix('&').filter(|rest| !rest.ends_with('&')) {
            // Something that stays: go on once it has said that it is there.
            let _ = writeln!(script, "rm -f said.{index}; {command} >said.{index} 2>&1 &");
            let _ = writeln!(
                script,
                "until [ -s said.{index} ]; do read -rt 0.01 <> <(:); done; cat said.{index}"
            );
        } else {
            let _ = writeln!(script, "{}", step.command);
        }
        let _ = writeln!(script, "printf '%s\\n' '{MARK}'");
    }
    script.push_str("for job in $(jobs -p); do kill \"$job\"; wait \"$job\"; done >/dev/null 2>&1\n");

    let binary = Path::new(env!("CARGO_BIN_EXE_bothends"));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", binary.parent().unwrap().display());
    let script_file = folder.join(".script");
    fs::write(&script_file, script).unwrap();
    let own_network =
        Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success());
    let mut shell = Command::new("timeout");
    shell.arg("100");
    if own_network {
        shell.args(["unshare", "-rn", "bash", "-c", "ip link set lo up; . ./.script"]);
    } else {
        shell.args(["bash", ".script"]);
    }
    shell.current_dir(folder).env_clear().env("PATH", path).env("LC_ALL", "C.UTF-8").env("COLUMNS", "80");
    shell.env("HOME", folder).stdin(std::process::Stdio::null());
    let output = shell.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut outputs: Vec<String> = text.split(&format!("{MARK}\n")).map(str::to_owned).collect();
    outputs.pop();
    outputs
}

/// `[..]` is anything within a line, a line `...` any number of lines.
fn matches(expected: &str, got: &str) -> bool {
    let expected: Vec<&str> = expected.lines().collect();
    let got: Vec<&str> = got.lines().collect();
    lines_match(&expected, &got)
}

fn lines_match(expected: &[&str], got: &[&str]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((&"...", rest)) => (0..=got.len()).any(|skip| lines_match(rest, &got[skip..])),
        Some((line, rest)) => got
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others)),
    }
}

fn line_matches(expected: &str, got: &str) -> bool {
    let mut parts = expected.split("[..]");
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = got.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_picture_of_the_readme_is_what_its_command_draws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let command = readme.lines().find_map(|line| line.strip_prefix("$ bothends lab --simulated")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("ladder.svg");
    let words = ["lab", "--simulated"].into_iter().chain(command.split_whitespace());
    let output =
        Command::new(env!("CARGO_BIN_EXE_bothends")).args(words).arg("--svg").arg(&drawn).output().unwrap();
    assert!(output.status.success());
    let same = fs::read(drawn).unwrap() == fs::read(root.join("docs/ladder.svg")).unwrap();
    assert!(same, "docs/ladder.svg is stale: bothends lab --simulated{command} --svg docs/ladder.svg");
}

#[test]
fn expected_text_is_compared_as_described() {
    assert!(matches("a [..] c\n", "a b c\n"));
    assert!(!matches("a [..] c\n", "a b d\n"));
    assert!(matches("x\n...\nz\n", "x\ny\ny\nz\n"));
    assert!(!matches("x\n...\nz\n", "x\ny\n"));
    assert!(!matches("x\n", "x\ny\n"));
    assert!(matches("[..]ms[..]\n", "0.3 ms later\n"));
}
