//! What cannot run here is named: `./check` lists it at its end.

use std::io::Write;

/// Notes that a test, or a part of it, cannot run here.
pub(crate) fn left_out(what: &str, reason: &str) {
    println!("left out: {what}: {reason}");
    if let Ok(path) = std::env::var("BOTHENDS_SKIPS") {
        // Another user may be refused; then the line above has to do.
        if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
            let _ = writeln!(file, "lab: {what}: {reason}");
        }
    }
}
