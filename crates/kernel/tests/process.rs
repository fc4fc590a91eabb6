//! Forking, reaping and dying with the parent; what a child inherits and what it leaves.

mod one_thread;

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use kernel::descriptors;
use kernel::disposition::{self, Disposition};
use kernel::process::{self, Forked, Pid, Processors, Signal};
use kernel::shared_memory::Rows;
use kernel::signal::{self, Signals};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

fn main() {
    one_thread::run(&[
        ("exit_statuses_and_signals_are_told", exit_statuses_and_signals_are_told),
        ("every_ended_child_is_reaped_once", every_ended_child_is_reaped_once),
        ("three_ends_may_be_one_signal", three_ends_may_be_one_signal),
        ("a_call_is_interrupted_or_begins_again", a_call_is_interrupted_or_begins_again),
        ("ignoring_the_ends_of_children_leaves_nothing", ignoring_the_ends_of_children_leaves_nothing),
        ("a_child_dies_with_its_parent", || a_child_dies_with_its_parent(false)),
        ("a_child_dies_with_its_parent_by_handle", || a_child_dies_with_its_parent(true)),
        ("a_child_whose_parent_is_gone_already_ends", a_child_whose_parent_is_gone_already_ends),
        ("a_killed_child_leaves_its_counters", a_killed_child_leaves_its_counters),
        ("a_child_keeps_only_what_it_is_told_to", a_child_keeps_only_what_it_is_told_to),
        (
            "a_child_that_was_held_runs_apart_until_it_uses_all",
            a_child_that_was_held_runs_apart_until_it_uses_all,
        ),
        ("signals_are_reset_in_a_child", signals_are_reset_in_a_child),
    ]);
}

fn exit_statuses_and_signals_are_told() {
    let ended = process::wait(child(|| process::exit_now(7))).expect("a child of ours");
    assert_eq!((ended.exit, ended.signal), (Some(7), None));

    let sleeper = child(wait_for_ever);
    process::kill(sleeper, Signal::KILL).expect("it lives");
    let ended = process::wait(sleeper).expect("a child of ours");
    assert_eq!((ended.pid, ended.exit, ended.signal), (sleeper, None, Some(9)));
    assert!(process::wait(sleeper).is_err(), "reaped before");
}

fn a_child_that_was_held_runs_apart_until_it_uses_all() {
    let processors = Processors::allowed();
    let all = sched_getaffinity(None).expect("the processors of this process");
    let others = if all.count() > 1 { all.count() - 1 } else { 1 };
    for _ in 0..50 {
        let Some(held) = process::fork_held().expect("a child") else {
            let at_first = sched_getaffinity(None).is_ok_and(|apart| apart.count() == others);
            processors.use_all();
            process::exit_now(i32::from(!at_first || sched_getaffinity(None) != Ok(all)))
        };
        let child = held.let_go_apart(&processors);
        assert_eq!(process::wait(child).expect("a child of ours").exit, Some(0));
    }
    // Where there is no other, it is let go all the same.
    let mut one = CpuSet::new();
    one.set(sched_getcpu());
    sched_setaffinity(None, &one).expect("one processor");
    let Some(held) = process::fork_held().expect("a child") else { process::exit_now(7) };
    let child = held.let_go_apart(&Processors::allowed());
    processors.use_all();
    assert_eq!(process::wait(child).expect("a child of ours").exit, Some(7));
}

fn every_ended_child_is_reaped_once() {
    assert_eq!(process::reap(), None, "no child yet");
    // Every second one leaves our process group, as the children of a shell do.
    let life = |code: i32| {
        if code % 2 == 0 {
            rustix::process::setpgid(None, None).expect("a group of its own");
        }
        process::exit_now(code)
    };
    let mut children: Vec<Pid> = (0..20).map(|code| child(move || life(code))).collect();
    let sleeper = child(wait_for_ever);
    while !children.is_empty() {
        if let Some(ended) = process::reap() {
            let place = children
                .iter()
                .position(|pid| *pid == ended.pid)
                .expect("a child that was not reaped before");
            children.swap_remove(place);
        }
    }
    assert_eq!(process::reap(), None, "the sleeper lives");
    process::kill(sleeper, Signal::KILL).expect("it lives");
    process::wait(sleeper).expect("a child of ours");
}

fn three_ends_may_be_one_signal() {
    disposition::set(Signal::CHILD, Disposition::Count { restart: true }).expect("it may be handled");
    let held = disposition::hold(&[Signal::CHILD]).expect("it may be blocked");
    let children = [0, 1, 2].map(|code| child(move || process::exit_now(code)));
    while children.iter().any(|pid| state(*pid) != Some('Z')) {}
    assert_eq!(disposition::ran(Signal::CHILD), 0);
    drop(held);
    assert_eq!(disposition::ran(Signal::CHILD), 1);
    disposition::set(Signal::CHILD, Disposition::Default).expect("as it was");
    for pid in children {
        assert_eq!(state(pid), Some('Z'));
        process::wait(pid).expect("a child of ours");
        assert_eq!(state(pid), None);
    }
}

/// A read of a pipe into which nobody writes; the child waits until its parent sleeps there.
fn a_call_is_interrupted_or_begins_again() {
    for restart in [false, true] {
        disposition::set(Signal::CHILD, Disposition::Count { restart }).expect("it may be handled");
        let (read, write) = rustix::pipe::pipe().expect("a pipe");
        let (ready, go) = rustix::pipe::pipe().expect("a pipe");
        let parent = process::own_pid();
        let first = child(|| {
            rustix::io::read(&ready, &mut [0]).expect("the parent's word");
            while state(parent) != Some('S') {}
            process::exit_now(0)
        });
        let second = child(|| {
            while state(first).is_some_and(|state| state != 'Z') || state(parent) != Some('S') {}
            rustix::io::write(&write, b"!").expect("the parent reads");
            process::exit_now(0)
        });
        rustix::io::write(&go, b"!").expect("there is room");
        let read = rustix::io::read(&read, &mut [0]);
        assert_eq!(read, if restart { Ok(1) } else { Err(rustix::io::Errno::INTR) });
        assert!(disposition::ran(Signal::CHILD) >= 1);
        disposition::set(Signal::CHILD, Disposition::Default).expect("as it was");
        process::wait(first).expect("a child of ours");
        process::kill(second, Signal::KILL).expect("not reaped yet");
        process::wait(second).expect("a child of ours");
    }
}

fn ignoring_the_ends_of_children_leaves_nothing() {
    disposition::set(Signal::CHILD, Disposition::Ignore).expect("it may be ignored");
    let gone = child(|| process::exit_now(0));
    let waited = process::wait(gone);
    disposition::set(Signal::CHILD, Disposition::Default).expect("as it was");
    assert_eq!((waited, state(gone)), (Err(rustix::io::Errno::CHILD.raw_os_error()), None));
}

/// The letter that proc(5) has for what a process does: S where it sleeps, Z where it has ended and nobody has waited.
fn state(pid: Pid) -> Option<char> {
    let line = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    line.rsplit_once(") ")?.1.chars().next()
}

/// A grandchild that would wait for ever holds the pipe's only writing end: reading ends when it is killed.
fn a_child_dies_with_its_parent(by_handle: bool) {
    let (mut from_grandchild, told) = std::io::pipe().expect("pipe");
    let parent = child(move || {
        let handle = process::own_handle().expect("pidfd");
        match process::fork().expect("one thread") {
            Forked::Child => {
                if by_handle {
                    process::die_with(handle.as_fd());
                } else {
                    process::die_with_parent();
                }
                std::io::Write::write_all(&mut &told, b"!").expect("the reader waits");
                wait_for_ever();
            }
            Forked::Parent(_) => wait_for_ever(),
        }
    });
    let mut answer = [0];
    std::io::Read::read_exact(&mut from_grandchild, &mut answer).expect("the grandchild is ready");
    process::kill(parent, Signal::KILL).expect("it lives");
    process::wait(parent).expect("a child of ours");
    let rest = std::io::Read::read_to_end(&mut from_grandchild, &mut Vec::new()).expect("end of the pipe");
    assert_eq!(rest, 0);
}

fn a_child_whose_parent_is_gone_already_ends() {
    let (mut from_grandchild, told) = std::io::pipe().expect("pipe");
    let (mut go_on, gone) = std::io::pipe().expect("pipe");
    let parent = child(move || match process::fork().expect("one thread") {
        Forked::Child => {
            // Ends when no process holds the other end: the parent and ours, which are both gone or closed.
            let _ = std::io::Read::read(&mut go_on, &mut [0]);
            process::die_with_parent();
            let _ = std::io::Write::write_all(&mut &told, b"still here");
            process::exit_now(0)
        }
        Forked::Parent(_) => process::exit_now(0),
    });
    process::wait(parent).expect("a child of ours");
    std::io::Write::write_all(&mut &gone, b"!").expect("the grandchild reads");
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut from_grandchild, &mut said).expect("end of the pipe");
    assert!(said.is_empty(), "the grandchild went on");
}

/// Runs `life` in a child; what it captured is closed here.
fn child(life: impl FnOnce()) -> Pid {
    match process::fork().expect("this program has one thread") {
        Forked::Child => {
            life();
            process::exit_now(0)
        }
        Forked::Parent(pid) => pid,
    }
}

fn wait_for_ever() {
    loop {
        std::thread::park();
    }
}

/// What a child writes to the rows is there for its parent, also when the child was killed.
fn a_killed_child_leaves_its_counters() {
    let rows = Rows::new(2).expect("memory");
    let (mut from_child, told) = std::io::pipe().expect("pipe");
    let pid = child(|| {
        if let Some(row) = rows.as_slice().get(1) {
            row[3].store(42, Ordering::Relaxed);
        }
        let _ = std::io::Write::write_all(&mut &told, b"!");
        wait_for_ever();
    });
    std::io::Read::read_exact(&mut from_child, &mut [0]).expect("the child wrote");
    process::kill(pid, Signal::KILL).expect("it lives");
    process::wait(pid).expect("a child of ours");
    assert_eq!(rows.as_slice().get(1).map(|row| row[3].load(Ordering::Relaxed)), Some(42));
}

/// A child that keeps one of two pipes open holds the other end of that one only.
fn a_child_keeps_only_what_it_is_told_to() {
    let (mut kept_reader, kept) = std::io::pipe().expect("pipe");
    let (mut closed_reader, closed) = std::io::pipe().expect("pipe");
    let (mut go_on, gone) = std::io::pipe().expect("pipe");
    let pid = child(|| {
        descriptors::keep_only(&[kept.as_fd(), go_on.as_fd()]);
        let _ = std::io::Read::read(&mut go_on, &mut [0]);
        let _ = std::io::Write::write_all(&mut &kept, b"kept");
        process::exit_now(0)
    });
    drop((kept, closed));
    let nothing = std::io::Read::read_to_end(&mut closed_reader, &mut Vec::new()).expect("end of the pipe");
    assert_eq!(nothing, 0, "the child holds it no more");
    std::io::Write::write_all(&mut &gone, b"!").expect("the child reads");
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut kept_reader, &mut said).expect("end of the pipe");
    assert_eq!(said, b"kept");
    process::wait(pid).expect("a child of ours");
}

/// A child has no signal blocked and leaves the terminal's interrupt to its parent.
fn signals_are_reset_in_a_child() {
    let taken = Signals::take(&[Signal::INT, Signal::TERM]).expect("signalfd");
    let (mut from_child, told) = std::io::pipe().expect("pipe");
    let pid = child(|| {
        signal::reset_in_child();
        let _ = process::kill(process::own_pid(), Signal::INT);
        let _ = std::io::Write::write_all(&mut &told, b"!");
        wait_for_ever();
    });
    std::io::Read::read_exact(&mut from_child, &mut [0]).expect("the child survived its interrupt");
    process::kill(pid, Signal::TERM).expect("it lives");
    assert_eq!(process::wait(pid).expect("a child of ours").signal, Some(15));
    assert_eq!(taken.next(), None);
}
