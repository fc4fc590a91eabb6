//! Any bytes as a capture file: nothing panics, hangs or takes memory without bound.
#![no_main]

#[path = "../follow.rs"]
mod follow;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = follow::follow(bytes);
});
