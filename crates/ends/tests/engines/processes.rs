//! What only the process engine has: children that are killed, counted, reaped, and that die with their parent.

use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use ends::event::How;
use ends::serve::{Config, Engine};
use ends::service::Collect;
use kernel::process::{self, Signal};

use crate::lines::counter;
use crate::server::{config, echo, say, start};

pub(crate) const TESTS: [(&str, fn()); 6] = [
    ("a_killed_child_costs_one_client", a_killed_child_costs_one_client),
    ("a_killed_parent_takes_its_children_along", a_killed_parent_takes_its_children_along),
    ("descriptors_and_zombies_stay_flat", descriptors_and_zombies_stay_flat),
    (
        "a_child_holds_its_client_and_the_way_to_its_parent",
        a_child_holds_its_client_and_the_way_to_its_parent,
    ),
    ("hangups_and_interrupts_are_for_the_parent", hangups_and_interrupts_are_for_the_parent),
    ("a_server_with_threads_is_refused", a_server_with_threads_is_refused),
];

fn a_killed_child_costs_one_client() {
    let mut server = echo(Engine::Process);
    let mut first = server.connect();
    say(&mut first, b"first").expect("an echo");
    let of_first = server.children();
    assert_eq!(of_first.len(), 1);
    // Once this comes back, the first is counted; this one may be killed before it is.
    say(&mut first, b"again").expect("an echo");
    let mut second = server.connect();
    say(&mut second, b"second").expect("an echo");
    process::kill(of_first[0], Signal::KILL).expect("it lives");
    assert_eq!(first.read(&mut [0]).expect("its end"), 0);
    assert_eq!(server.wait_for("child "), "child 1 None Some(9)");
    let closed = server.next_closed();
    assert!(closed.is(How::Killed) && closed.client == 1, "{closed:?}");
    assert_eq!(closed.in_bytes, 10, "its counts outlive it");
    assert!([5, 10].contains(&closed.out_bytes), "{closed:?}");
    say(&mut second, b"still here").expect("an echo");
    drop(second);
    assert_eq!(server.wait_for("child "), "child 2 Some(0) None");
    assert!(server.next_closed().is(How::Fin));
    server.stop();
}

fn a_killed_parent_takes_its_children_along() {
    let server = echo(Engine::Process);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        say(client, b"hello").expect("an echo");
    }
    let children: Vec<_> =
        server.children().iter().map(|pid| process::handle(*pid).expect("it lives")).collect();
    assert_eq!(children.len(), 5);
    let address = server.address();
    server.signal(Signal::KILL);
    let (ended, _) = server.wait();
    assert_eq!(ended.signal, Some(9));
    for child in &children {
        let mut watched = [rustix::event::PollFd::new(child, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut watched, None).expect("poll");
        assert!(!watched[0].revents().is_empty(), "the child has ended");
    }
    for mut client in clients {
        assert_eq!(client.read(&mut [0]).expect("its end"), 0);
    }
    TcpListener::bind(address).expect("the port is free");
}

fn descriptors_and_zombies_stay_flat() {
    let mut server = echo(Engine::Process);
    let mut held = server.connect();
    say(&mut held, b"hello").expect("an echo");
    // By then the parent has closed its copy of the connection.
    server.wait_for("opened");
    let (descriptors, children) = (server.descriptors(), server.children().len());
    for _ in 0..500 {
        let mut client = server.connect();
        say(&mut client, b"hello").expect("an echo");
        client.shutdown(Shutdown::Write).expect("open");
        let closed = Instant::now();
        assert_eq!(client.read(&mut [0]).expect("the server's FIN"), 0);
        assert!(closed.elapsed() < Duration::from_millis(100), "its FIN came after {:?}", closed.elapsed());
        server.next_closed();
    }
    assert_eq!((server.descriptors(), server.children().len()), (descriptors, children));
    drop(held);
    server.stop();
}

/// A listener that lived on in a child would keep the port; another's connection would keep that open.
fn a_child_holds_its_client_and_the_way_to_its_parent() {
    let (sink, _counted) = counter(usize::MAX);
    let shows = Config {
        service: Box::new(|| Box::new(Collect::new(100))),
        sink: Some(sink),
        ..config(Engine::Process)
    };
    for config in [config(Engine::Process), shows] {
        let mut server = start(&config);
        let _clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        (0..3).for_each(|_| _ = server.wait_for("opened "));
        server.wait_until_children_sleep();
        let children = server.children();
        assert_eq!(children.len(), 3);
        let mut all = Vec::new();
        for child in children {
            let folder = format!("/proc/{}/fd", child.as_raw_nonzero());
            let entries = std::fs::read_dir(folder).expect("it lives").filter_map(Result::ok);
            let number = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>();
            let beyond = entries.filter(|entry| number(entry).is_ok_and(|number| number > 2));
            let held: Vec<_> = beyond.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
            assert_eq!(held.len(), 2, "{held:?}");
            assert!(held.iter().all(|link| link.to_string_lossy().starts_with("socket:")), "{held:?}");
            all.extend(held);
        }
        // They share the way to the parent and nothing else.
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4, "{all:?}");
    }
}

/// A terminal sends them to the whole group.
fn hangups_and_interrupts_are_for_the_parent() {
    let mut server = start(&Config { grace: Duration::from_secs(60), ..config(Engine::Process) });
    let mut client = server.connect();
    say(&mut client, b"before").expect("an echo");
    let children = server.children();
    let to_all = |signal| {
        children.iter().for_each(|child| process::kill(*child, signal).expect("it lives"));
        server.signal(signal);
    };
    to_all(Signal::HUP);
    say(&mut client, b"after the hangup").expect("an echo");
    to_all(Signal::INT);
    server.wait_for("stopping 1");
    say(&mut client, b"after the interrupt").expect("an echo");
    drop(client);
    assert!(server.next_closed().is(How::Fin));
    assert_eq!(server.wait().0.exit, Some(0));
}

fn a_server_with_threads_is_refused() {
    let config = config(Engine::Process);
    let (stop, _handle) = ends::stop::Stop::by_handle().expect("a descriptor");
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let fault = ends::serve::serve(&config, &stop, &|_| ()).expect_err("two threads");
    assert_eq!(fault.raw_errno(), Some(rustix::io::Errno::BUSY.raw_os_error()));
    drop(done);
    let _ = thread.join();
    // The same with one thread.
    start(&config).stop();
}
