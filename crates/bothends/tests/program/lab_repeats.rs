//! One seed of `lab` loses the same at every run, and as much as was asked for: `tools/lab_repeats.py` with few runs. What
//! it measures in full stands in `docs/measured.md`.

use std::process::Command;

use crate::running::{has, left_out, run, stderr, stdout};

/// Runs the tool with these words.
fn repeats(test: &str, words: &[&str]) -> Option<String> {
    if !has("python3", test) {
        return None;
    }
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/lab_repeats.py");
    let mut command = Command::new("python3");
    let output = run(command.args([tool, env!("CARGO_BIN_EXE_bothends")]).args(words), b"");
    if output.status.code() == Some(77) {
        left_out(test, "this system refuses a private network");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    Some(stdout(&output))
}

#[test]
fn heavy_segments_are_lost_by_the_bytes_they_carry_under_any_congestion_control() {
    let words = ["tcp", "--runs", "6", "--size", "1000000", "--loss", "3%"];
    let Some(said) = repeats("lab: the same losses of TCP", &words) else { return };
    for family in ["-4", "-6"] {
        assert!(
            said.contains(&format!("{family}: first-transmission losses identical in 6 of 6 runs")),
            "{said}"
        );
    }
    // In turn with all that the kernel has.
    assert!(said.contains("offload on ") && said.contains("offload off"), "{said}");
}

#[test]
fn heavy_datagrams_are_lost_by_their_number() {
    let words = ["datagrams", "--runs", "3", "--count", "20000"];
    let Some(said) = repeats("lab: the same losses of datagrams", &words) else { return };
    assert!(said.contains("identical in 3 of 3 runs"), "{said}");
}

#[test]
fn heavy_the_share_that_is_lost_is_the_share_that_was_asked_for() {
    let Some(said) = repeats("lab: the share of losses", &["share", "--count", "20000"]) else { return };
    assert!(said.contains("5 % of 20000, seed 3") && said.contains("exact 1000\n"), "{said}");
}
