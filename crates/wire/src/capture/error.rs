//! Why a capture cannot be read, or not to its end.

use std::{fmt, io};

/// What stopped the reading. `Display` gives a lower-case sentence without a full stop.
#[derive(Debug)]
pub enum CaptureError {
    /// There is nothing in it.
    Empty,
    /// It begins like no capture.
    NotACapture {
        /// Its first bytes, at most 16.
        first: Vec<u8>,
    },
    /// It contradicts itself; everything before has been handed out.
    Damaged {
        /// Where the damaged record begins, in bytes from the start.
        offset: u64,
        /// The number of the packet that it is or would come before, from 1.
        packet: u64,
        /// What is wrong, a lower-case fragment.
        what: String,
    },
    /// It ends in the middle of a record; everything before has been handed out.
    Cut {
        /// Where the record begins that has no end, in bytes from the start.
        offset: u64,
        /// How many packets are whole.
        packets: u64,
    },
    /// It is of a kind that is not read here; a lower-case fragment.
    Unsupported(String),
    /// The source could not be read.
    Io(io::Error),
}

impl CaptureError {
    pub(crate) fn not_a_capture(start: &[u8]) -> CaptureError {
        CaptureError::NotACapture { first: start.iter().copied().take(16).collect() }
    }
}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> CaptureError {
        CaptureError::Io(error)
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Empty => f.write_str("the file is empty"),
            CaptureError::NotACapture { first } => {
                f.write_str("neither pcap nor pcapng: it begins with ")?;
                tell_start(first, f)
            }
            CaptureError::Damaged { offset, packet, what } => {
                write!(f, "damaged at byte {offset}, at packet {packet}: {what}")
            }
            CaptureError::Cut { offset, packets: 0 } => {
                write!(f, "cut off before the first packet is whole, in what begins at byte {offset}")
            }
            CaptureError::Cut { offset, packets } => {
                write!(f, "cut off after packet {packets}, in what begins at byte {offset}")
            }
            CaptureError::Unsupported(what) => write!(f, "{what} is not supported"),
            CaptureError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CaptureError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// What other things begin with, and what to call them.
const KNOWN: [(&[u8], &str); 19] = [
    (b"\x1f\x8b", "gzip: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd: unpack it first"),
    (b"\xfd7zXZ", "xz: unpack it first"),
    (b"BZh", "bzip2: unpack it first"),
    (b"\x04\x22\x4d\x18", "lz4: unpack it first"),
    (b"PK\x03\x04", "zip: unpack it first"),
    (b"snoop\0\0\0", "snoop, Solaris's own format"),
    (b"\x1c\x00\x01\xac", "pcap as IXIA's hardware writes it"),
    (b"\xac\x01\x00\x1c", "pcap as IXIA's hardware writes it"),
    (b"\x1c\x00\x01\xab", "pcap as IXIA's software writes it"),
    (b"\xab\x01\x00\x1c", "pcap as IXIA's software writes it"),
    (b"\xa1\x2b\x3c\x4d", "pcap as Navtel writes it"),
    (b"XCP\0", "NetXRay"),
    (b"GMBU", "Microsoft Network Monitor"),
    (b"TRSNIFF", "Sniffer"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\0\0\0\0", "zeros"),
];

fn tell_start(first: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| first.starts_with(magic)) {
        return write!(f, "{} ({name})", hex(&first[..first.len().min(4)]));
    }
    match std::str::from_utf8(first).map(str::trim_end) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => write!(f, "the text {text:?}"),
        _ => f.write_str(&hex(&first[..first.len().min(8)])),
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(start: &[u8]) -> String {
        CaptureError::not_a_capture(start).to_string()
    }

    #[test]
    fn the_start_of_what_is_no_capture_is_told() {
        let begins = |what: &str| format!("neither pcap nor pcapng: it begins with {what}");
        assert_eq!(told(b"\x1f\x8b\x08\0\0\0\0\0"), begins("1f 8b 08 00 (gzip: unpack it first)"));
        assert_eq!(told(&[0; 4096]), begins("00 00 00 00 (zeros)"));
        assert_eq!(told(b"GET / HTTP/1.1\r\nHost: x"), begins("the text \"GET / HTTP/1.1\""));
        assert_eq!(told(b"one\ntwo"), begins("6f 6e 65 0a 74 77 6f"));
        assert_eq!(told(b"\xfe\xed\xfa\xce\x01\x02\x03\x04\x05\x06"), begins("fe ed fa ce 01 02 03 04"));
        assert_eq!(told(b"\xa1"), begins("a1"));
    }

    #[test]
    fn damage_and_cuts_are_told_with_their_place() {
        let damaged =
            CaptureError::Damaged { offset: 40, packet: 2, what: "the length 7 is too small".into() };
        assert_eq!(damaged.to_string(), "damaged at byte 40, at packet 2: the length 7 is too small");
        let cut = CaptureError::Cut { offset: 24, packets: 0 };
        assert_eq!(cut.to_string(), "cut off before the first packet is whole, in what begins at byte 24");
        let cut = CaptureError::Cut { offset: 124, packets: 3 };
        assert_eq!(cut.to_string(), "cut off after packet 3, in what begins at byte 124");
    }
}
