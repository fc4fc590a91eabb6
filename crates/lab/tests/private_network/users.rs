//! A test as the user who runs it and, where that is root, as an ordinary user too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::process::{self, Forked};
use rustix::process::{DumpableBehavior, Gid, Uid};

use crate::left_out::left_out;

/// The user `nobody` of Debian, who owns nothing.
const NOBODY: u32 = 65534;

/// Runs a test as this user and as nobody.
pub(crate) fn each(test: fn()) {
    test();
    as_nobody(test);
}

/// Runs a test as an ordinary user: in a child that becomes nobody where this is root.
pub(crate) fn as_nobody(test: impl FnOnce()) {
    if !rustix::process::geteuid().is_root() {
        left_out("tests as another user", "not run by root");
        return;
    }
    let status = in_child(|| {
        become_nobody();
        test();
    });
    assert_eq!(status, Some(0), "as nobody");
}

/// Runs something in a child and gives its exit status: 0 unless it panicked.
pub(crate) fn in_child(life: impl FnOnce()) -> Option<i32> {
    match process::fork().expect("one thread") {
        Forked::Child => {
            let failed = catch_unwind(AssertUnwindSafe(life)).is_err();
            process::exit_now(if failed { 101 } else { 0 })
        }
        Forked::Parent(pid) => process::wait(pid).expect("a child of ours").exit,
    }
}

fn become_nobody() {
    rustix::thread::set_thread_groups(&[]).expect("root");
    let group = Gid::from_raw(NOBODY);
    rustix::thread::set_thread_res_gid(group, group, group).expect("root");
    let user = Uid::from_raw(NOBODY);
    rustix::thread::set_thread_res_uid(user, user, user).expect("root");
    // A program that nobody executes may be looked at by nobody; one that has become nobody's may not, by itself (proc(5)).
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).expect("it may be set");
}
