//! A test harness with one thread, for what forks: the standard one starts a thread for each test, and forking is
//! refused beside a thread. It speaks as much of the standard harness's command line as `cargo test` and `cargo
//! nextest` use: a name to filter by, `--exact`, `--list`, `--ignored`.

use std::io::Write;

/// Runs the tests, in order, that the command line asks for. A failing one panics, which ends the program.
pub(crate) fn run(tests: &[(&str, fn())]) {
    let names: Vec<&str> = tests.iter().map(|(name, _)| *name).collect();
    run_each(&names, |wanted| {
        let test = tests.iter().find(|(name, _)| *name == wanted);
        test.expect("it is one of the names").1();
    });
}

/// The same of tests that differ in their names only.
pub(crate) fn run_each(names: &[&str], test: impl Fn(&str)) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let asked = |flag: &str| words.iter().any(|word| word == flag);
    let filter = words.iter().find(|word| !word.starts_with('-') && *word != "terse");
    let is_wanted = |name: &str| match filter {
        Some(filter) if asked("--exact") => name == filter,
        Some(filter) => name.contains(filter.as_str()),
        None => true,
    };
    if asked("--ignored") {
        return;
    }
    let mut stdout = std::io::stdout();
    for name in names.iter().filter(|name| is_wanted(name)) {
        if asked("--list") {
            writeln!(stdout, "{name}: test").expect("stdout");
            continue;
        }
        write!(stdout, "test {name} ... ").and_then(|()| stdout.flush()).expect("stdout");
        test(name);
        writeln!(stdout, "ok").expect("stdout");
    }
}
