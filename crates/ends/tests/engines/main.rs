//! The three engines, each in a process of its own, with real clients on loopback.

#[path = "../../../kernel/tests/one_thread/mod.rs"]
mod one_thread;

mod allowances;
mod conversations;
mod costs;
mod fins;
mod guests;
mod hostile;
mod limits;
mod lines;
mod mates;
mod processes;
mod server;
mod services;
mod socket_files;
mod stopping;
mod transports;

fn main() {
    let mut tests = Vec::new();
    tests.extend(allowances::TESTS);
    tests.extend(conversations::TESTS);
    tests.extend(costs::TESTS);
    tests.extend(fins::TESTS);
    tests.extend(guests::TESTS);
    tests.extend(hostile::TESTS);
    tests.extend(limits::TESTS);
    tests.extend(lines::TESTS);
    tests.extend(mates::TESTS);
    tests.extend(processes::TESTS);
    tests.extend(services::TESTS);
    tests.extend(socket_files::TESTS);
    tests.extend(stopping::TESTS);
    tests.extend(transports::TESTS);
    one_thread::run(&tests);
}
