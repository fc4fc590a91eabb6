//! What should be known about the capture itself: what it lost, what could not be read, why it ended early.

use std::io::ErrorKind;
use std::path::Path;

use draw::number::{count, duration};
use flow::Backwards;
use wire::capture::CaptureError;
use wire::{Cause, Doing, End, Fault};

use super::reading::Capture;
use crate::exit::Exit;
use crate::out::Out;
use crate::record::Counts;

/// Tells it, beside what the view shows.
pub(super) fn tell(capture: &Capture, out: &Out) {
    let counts = &capture.counts;
    if let Some(lost) = counts.lost_by_capture.filter(|lost| *lost > 0) {
        let lost = count(lost, "frame");
        out.tell(&format!("the capture itself lost {lost}: what looks missing may have been on the wire\n"));
    }
    if let Some(left_out) = counts.unread_in_words() {
        out.tell(&format!("{left_out}\n"));
    }
    if let Some(backwards) = backwards_in_words(&counts.backwards) {
        out.tell(&format!("{backwards}\n"));
    }
    let evicted = capture.tracker.counters().evicted;
    if evicted > 0 {
        let evicted = count(evicted, "conversation");
        let told = format!("{evicted} had to make room for others before the end of the capture\n");
        out.tell(&told);
    }
    let followed = capture.tracker.counters().tcp + capture.tracker.counters().udp;
    if counts.frames == 0 && capture.damage.is_none() {
        out.tell("there is no frame in it\n");
    } else if followed == 0 && counts.frames > 0 {
        out.tell(&format!("there is neither TCP nor UDP in it, but {}\n", counts.in_words()));
    } else {
        out.narrate(1, &format!("{}\n", counts.in_words()));
    }
}

/// `time runs backwards at frame 2, by 500 ms: …`
fn backwards_in_words(backwards: &Backwards) -> Option<String> {
    let numbers: Vec<String> = backwards.frames().iter().take(3).map(u64::to_string).collect();
    let (which, by) = match (numbers.as_slice(), backwards.count()) {
        ([], _) => return None,
        ([one], _) => (format!("frame {one}"), "by"),
        ([first, last], 2) => (format!("frames {first} and {last}"), "by up to"),
        ([first, second, third], 3) => (format!("frames {first}, {second} and {third}"), "by up to"),
        (_, frames) => (format!("{}, first {}", count(frames, "frame"), numbers.join(", ")), "by up to"),
    };
    let most = duration(backwards.most());
    Some(format!(
        "time runs backwards at {which}, {by} {most}: how long things took is uncertain (reordercap sorts a capture)"
    ))
}

/// Tells why the capture was not read to its end. A stream may end anywhere: it was stopped.
pub(super) fn damage(error: &CaptureError, file: &Path, from_stdin: bool, out: &Out) -> Exit {
    let name = if from_stdin { "standard input".to_owned() } else { file.display().to_string() };
    if let (true, CaptureError::Cut { packets, .. }) = (from_stdin, error) {
        out.tell(&format!(
            "standard input ended in the middle of a record, behind {}\n",
            count(*packets, "frame")
        ));
        return Exit::Ok;
    }
    if from_stdin && matches!(error, CaptureError::Io(error) if error.kind() == ErrorKind::UnexpectedEof) {
        out.tell("standard input ended in the middle of what is packed\n");
        return Exit::Ok;
    }
    let cause = match error {
        CaptureError::Io(error) => match error.raw_os_error() {
            Some(errno) => Cause::Errno(errno),
            None => Cause::Words(error.to_string()),
        },
        CaptureError::Empty if from_stdin => Cause::Words("it ended before a capture began".to_owned()),
        other => Cause::Words(other.to_string()),
    };
    out.fault(&Fault { end: End::You, doing: Doing::Read, at: name, cause })
}

impl Counts {
    pub(super) fn name_links(&mut self, types: impl Iterator<Item = wire::link_type::LinkType>) {
        let mut types: Vec<_> = types.collect();
        types.sort_by_key(|link| link.0);
        types.dedup();
        self.link_types = types
            .iter()
            .map(|link| match link.name() {
                Some(name) => name.to_owned(),
                None => format!("link type {}", link.0),
            })
            .collect();
    }

    /// What may belong to conversations and could not be followed: a picture without it is not the whole.
    fn unread_in_words(&self) -> Option<String> {
        let unreadable = self.unsupported.iter().find(|(kind, _)| *kind == "unreadable").map(|(_, n)| *n);
        let unreadable = unreadable.map(|frames| {
            format!("{} could not be read: cut too short, or malformed", count(frames, "frame"))
        });
        let incomplete = (self.incomplete_packets > 0).then(|| {
            let packets = count(self.incomplete_packets, "packet");
            format!("{packets} came in pieces of which some are missing or contradict each other")
        });
        let told: Vec<String> = unreadable.into_iter().chain(incomplete).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// `12 frames of Ethernet: 10 udp, 2 other`.
    fn in_words(&self) -> String {
        let kinds: Vec<String> = self.unsupported.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let links = if self.link_types.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.link_types.join(", "))
        };
        let kinds =
            if kinds.is_empty() { String::new() } else { format!("; not followed: {}", kinds.join(", ")) };
        format!("{}{links}{kinds}", count(self.frames, "frame"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_time_runs_backwards_is_told_with_the_frames() {
        let told = |times: &[u64]| {
            let mut backwards = Backwards::default();
            (1..).zip(times).for_each(|(frame, ms)| backwards.take(frame, wire::Time(ms * 1_000_000)));
            backwards_in_words(&backwards).map(|told| told.split(':').next().unwrap_or_default().to_owned())
        };
        assert_eq!(told(&[1, 2, 2]), None);
        assert_eq!(told(&[900, 400]).as_deref(), Some("time runs backwards at frame 2, by 500 ms"));
        let several = Some("time runs backwards at frames 2, 3 and 4, by up to 500 ms");
        assert_eq!(told(&[900, 400, 100, 0]).as_deref(), several);
        let many = Some("time runs backwards at 4 frames, first 2, 3, 4, by up to 2.00 ms");
        assert_eq!(told(&[8, 6, 4, 2, 1]).as_deref(), many);
    }

    #[test]
    fn what_could_not_be_followed_is_told() {
        let counts = |unsupported, incomplete_packets| {
            Counts { frames: 20, unsupported, incomplete_packets, ..Counts::default() }.unread_in_words()
        };
        assert_eq!(
            counts(vec![("udp", 2), ("fragment", 1)], 0),
            None,
            "the piece was put together with another"
        );
        let told = "14 frames could not be read: cut too short, or malformed; \
                    1 packet came in pieces of which some are missing or contradict each other";
        assert_eq!(counts(vec![("unreadable", 14), ("fragment", 2)], 1).as_deref(), Some(told));
    }
}
