//! Forking, reaping and dying with the parent.

mod one_thread;

use std::os::fd::AsFd;

use kernel::process::{self, Forked, Pid, Signal};

fn main() {
    one_thread::run(&[
        ("exit_statuses_and_signals_are_told", exit_statuses_and_signals_are_told),
        ("every_ended_child_is_reaped_once", every_ended_child_is_reaped_once),
        ("a_child_dies_with_its_parent", || a_child_dies_with_its_parent(false)),
        ("a_child_dies_with_its_parent_by_handle", || a_child_dies_with_its_parent(true)),
        ("a_child_whose_parent_is_gone_already_ends", a_child_whose_parent_is_gone_already_ends),
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

fn every_ended_child_is_reaped_once() {
    assert_eq!(process::reap(), None, "no child yet");
    let mut children: Vec<Pid> = (0..20).map(|code| child(move || process::exit_now(code))).collect();
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
