//! The corpora of the fuzz targets, replayed: captures of our own making, whole and mutated, none of which may be more
//! than damaged, lists of segments, and the kernel's answers about sockets of every kind. What a fuzz target finds is
//! added there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/answers.rs"]
mod answers;
#[path = "../../../fuzz/follow.rs"]
mod follow;
#[path = "../../../fuzz/segments.rs"]
mod segments;

use std::fs;
use std::path::{Path, PathBuf};

use follow::{Followed, follow};

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn is_mutation(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("mutation-")
}

#[test]
fn captures_of_our_own_are_followed_whole() {
    let own: Vec<_> = corpus("capture").into_iter().filter(|(path, _)| !is_mutation(path)).collect();
    assert!(own.len() >= 5);
    for (path, bytes) in own {
        let followed = follow(&bytes);
        assert!(followed.damage.is_none(), "{}: {:?}", path.display(), followed.damage);
        assert!(followed.counters.frames > 0, "{}", path.display());
        assert_eq!(followed.counters.tcp, followed.counters.frames, "{}", path.display());
        assert_eq!(u64::try_from(followed.rows).unwrap(), followed.counters.frames, "{}", path.display());
    }
}

#[test]
fn mutated_captures_are_survived_and_their_frames_all_counted() {
    let (mut whole, mut damaged) = (0, 0);
    for (path, bytes) in corpus("capture") {
        let followed = follow(&bytes);
        *if followed.damage.is_some() { &mut damaged } else { &mut whole } += 1;
        assert_eq!(counted(&followed), followed.counters.frames, "{}", path.display());
        assert!(u64::try_from(followed.flows).unwrap() <= followed.counters.tcp, "{}", path.display());
        assert_eq!(followed.handed_out, followed.counters.tcp, "{}: a row a segment", path.display());
    }
    assert!(whole > 10 && damaged > 10, "{whole} whole, {damaged} damaged");
}

fn counted(followed: &Followed) -> u64 {
    let counters = followed.counters;
    let transports = counters.tcp + counters.udp + counters.icmp + counters.igmp;
    transports
        + counters.arp
        + counters.fragments
        + counters.other
        + counters.unreadable
        + counters.unsupported_links
}

/// Every prefix of a capture: a file that is still being written, or a disk that was full.
#[test]
fn captures_cut_anywhere_are_followed_as_far_as_they_go() {
    let (path, bytes) =
        corpus("capture").into_iter().find(|(path, _)| path.ends_with("clean.pcapng")).unwrap();
    let all = follow(&bytes).counters.frames;
    let mut before = 0;
    for len in 0..=bytes.len() {
        let frames = follow(&bytes[..len]).counters.frames;
        assert!(frames >= before, "{}: {frames} frames of {len} bytes, {before} of one less", path.display());
        before = frames;
    }
    assert_eq!(before, all);
}

/// Small limits forget conversations, and their rows with them.
#[test]
fn any_segments_are_survived_and_none_told_twice() {
    let corpus = corpus("conversation");
    assert!(corpus.len() >= 20);
    for (path, bytes) in corpus {
        let (taken, told) = segments::follow(&bytes);
        assert!(taken > 0 && told <= taken, "{}: {told} rows of {taken} segments", path.display());
    }
}

/// The kernel's own are read whole; bent ones as far as they go.
#[test]
fn answers_about_sockets_are_survived_and_shown_a_line_each() {
    let (mut sockets, mut bent) = (0, 0);
    for (path, bytes) in corpus("sock_diag") {
        let read = answers::read(&bytes);
        if is_mutation(&path) {
            bent += 1;
            continue;
        }
        // As many as there are messages but the last, which says that all has been said.
        let expected = wire::sock_diag::messages(&bytes).count() - 1;
        assert_eq!((read.sockets, read.stored), (expected, expected), "{}", path.display());
        sockets += read.sockets;
    }
    assert!(sockets > 40 && bent >= 40, "{sockets} sockets, {bent} bent answers");
}

/// Every prefix of an answer, as a reader with too little room gets it.
#[test]
fn answers_cut_anywhere_are_read_as_far_as_they_go() {
    for name in ["tcp.bin", "unix.bin", "packet.bin"] {
        let (path, bytes) = corpus("sock_diag").into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
        let all = answers::read(&bytes).sockets;
        let mut before = 0;
        for len in (0..bytes.len()).step_by(61) {
            let sockets = answers::read(&bytes[..len]).stored;
            assert!((before..=all).contains(&sockets), "{}: {sockets} of {len} bytes", path.display());
            before = sockets;
        }
    }
}
