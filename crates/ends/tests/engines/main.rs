//! The three engines, each in a process of its own, with real clients on loopback.

#[path = "../../../kernel/tests/one_thread/mod.rs"]
mod one_thread;

mod conversations;
mod limits;
mod processes;
mod server;
mod services;
mod stopping;

fn main() {
    let mut tests = Vec::new();
    tests.extend(conversations::TESTS);
    tests.extend(limits::TESTS);
    tests.extend(processes::TESTS);
    tests.extend(services::TESTS);
    tests.extend(stopping::TESTS);
    one_thread::run(&tests);
}
