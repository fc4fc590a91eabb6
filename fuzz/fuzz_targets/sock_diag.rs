//! Any bytes as the kernel's answers about sockets: nothing panics or hangs, and no row is more than a row.
#![no_main]

#[path = "../answers.rs"]
mod answers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = answers::read(bytes);
});
