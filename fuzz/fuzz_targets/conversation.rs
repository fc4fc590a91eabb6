//! Any segments between two ends, in any order and with any fate: nothing panics, hangs or takes memory without bound.
#![no_main]

#[path = "../segments.rs"]
mod segments;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = segments::follow(bytes);
});
