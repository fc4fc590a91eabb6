//! `trace --bytes N`: one frame of a capture, field by field. Conversations are not followed for it; the capture is read up
//! to that frame.

use draw::bytes::Packet;
use draw::number::count;
use wire::anatomy;
use wire::capture::{CaptureError, Reader};

use super::source::Source;
use super::{Flags, account};
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// Reads up to frame `number`, from 1, and shows it.
pub(super) fn show(number: u64, source: Source<'_>, flags: &Flags, out: &Out) -> Exit {
    let from_stdin = source.is_stdin();
    match find(number, source, out) {
        Ok(None) => Exit::Ok,
        Ok(Some(frames)) => not_there(number, frames, out),
        Err(error) => account::damage(&error, &flags.file, from_stdin, out),
    }
}

/// Shows the frame; the number of frames that there are if it is not one of them.
fn find(number: u64, source: Source<'_>, out: &Out) -> Result<Option<u64>, CaptureError> {
    let mut reader = Reader::new(source)?;
    let mut start = None;
    while let Some(captured) = reader.next()? {
        let start = *start.get_or_insert(captured.time);
        if captured.number < number {
            continue;
        }
        let anatomy = anatomy::dissect(captured.link_type, captured.bytes, captured.wire_len);
        let time = captured.time.since(start);
        let packet = Packet { number, time, bytes: captured.bytes, anatomy: &anatomy };
        if out.json {
            out.record(&record::packet(&packet));
        } else {
            out.print(&draw::bytes::text(&packet, out.verbosity > 0, &out.stdout));
        }
        return Ok(None);
    }
    Ok(Some(reader.packets()))
}

fn not_there(number: u64, frames: u64, out: &Out) -> Exit {
    let hint = match frames {
        0 => "there is no frame in it".to_owned(),
        frames => format!("it has {}, numbered from 1", count(frames, "frame")),
    };
    out.usage(&format!("there is no frame {number} here"), Some(hint))
}
