//! A socket file belongs to the process that made it.

use std::os::unix::net::UnixStream;

use ends::listen::{At, Listener, Place};
use kernel::process::{Forked, exit_now, fork, wait};
use wire::{Address, Transport};

pub(crate) const TESTS: [(&str, fn()); 1] =
    [("a_forked_child_leaves_the_socket_file", a_forked_child_leaves_the_socket_file)];

fn a_forked_child_leaves_the_socket_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let place = Place::new(At::Unix(Transport::Unix, Address::Path(path.clone())));
    let listener = Listener::open(&place, &|_| ()).expect("an empty folder");
    match fork().expect("a process") {
        Forked::Child => {
            drop(listener);
            exit_now(0);
        }
        Forked::Parent(child) => {
            assert_eq!(wait(child).expect("our child").exit, Some(0));
            UnixStream::connect(&path).expect("the file is there, and we listen");
            drop(listener);
            assert!(!path.exists(), "who made it removes it");
        }
    }
}
