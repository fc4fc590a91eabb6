//! Captures that are packed with gzip or zstd, recognised by their first bytes and unpacked as they are read. Read first:
//! RFC 1952 §2 (gzip), RFC 8878 §3 (zstd).
//!
//! Memory: 64 KiB and, for zstd, twice the window that its header asks for, which is refused above [`MAX_WINDOW_BYTES`].
//! gzip hands out what it can unpack of what has come; zstd keeps a window back until a frame of its own ends, so that a
//! growing capture is seen later. Members and frames may follow each other.
//!
//! Damage is told as an error when everything before it has been handed out.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

#[cfg(test)]
mod tests;

/// The largest zstd window that is unpacked. `zstd -19` uses 8 MiB, only `--long` and `--ultra` more.
const MAX_WINDOW_BYTES: u64 = 64 << 20;

/// Read at once of what is packed.
const BUFFER_LEN: usize = 64 * 1024;

/// What tells the formats apart, in bytes.
const MAGIC_LEN: usize = 4;

/// A source whose bytes are unpacked if they are packed.
pub(super) struct Unpacked<R: Read>(State<R>);

enum State<R: Read> {
    /// Nothing has been read.
    New(Option<R>),
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(Box<Zstd<BufReader<Whole<R>>>>),
}

/// The source again from its first byte.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: Read> Unpacked<R> {
    /// Reads nothing yet.
    pub(super) fn new(source: R) -> Unpacked<R> {
        Unpacked(State::New(Some(source)))
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let State::New(source) = &mut self.0 {
            let Some(mut source) = source.take() else { return Ok(0) };
            let magic = first_bytes(&mut source)?;
            self.0 = State::of(magic, source);
        }
        match &mut self.0 {
            State::New(_) => Ok(0),
            State::Plain(source) => source.read(buffer),
            State::Gzip(gzip) => gzip.read(buffer).map_err(|error| told("gzip", error.kind(), error)),
            State::Zstd(zstd) => zstd.read(buffer),
        }
    }
}

impl<R: Read> State<R> {
    fn of(magic: Vec<u8>, source: R) -> State<R> {
        let (is_gzip, is_zstd) = (is_gzip(&magic), is_zstd(&magic));
        let whole = Cursor::new(magic).chain(source);
        let buffered = |whole| BufReader::with_capacity(BUFFER_LEN, whole);
        match (is_gzip, is_zstd) {
            (true, _) => State::Gzip(Box::new(MultiGzDecoder::new(buffered(whole)))),
            (_, true) => State::Zstd(Box::new(Zstd::new(buffered(whole)))),
            _ => State::Plain(whole),
        }
    }
}

/// RFC 1952 §2.3.1: two bytes of magic, and deflate is the only method there is.
fn is_gzip(magic: &[u8]) -> bool {
    magic.starts_with(&[0x1f, 0x8b, 8])
}

/// RFC 8878 §3.1.1, §3.1.2: a frame, or one to be skipped.
fn is_zstd(magic: &[u8]) -> bool {
    matches!(magic, [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// The first bytes, fewer only if there are no more.
fn first_bytes(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = Vec::with_capacity(MAGIC_LEN);
    source.take(MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok(magic)
}

/// One zstd frame after the other.
struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    /// Between a frame's header and its last block.
    in_frame: bool,
    /// The last frame has been unpacked, but not held against its checksum.
    unverified: bool,
    /// What is to be told when all that was unpacked has been handed out.
    damage: Option<io::Error>,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Zstd<R> {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MAX_WINDOW_BYTES);
        Zstd { source, frame, in_frame: false, unverified: false, damage: None }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.can_collect() > 0 {
                return self.frame.read(buffer);
            }
            if let Some(damage) = self.damage.take() {
                return Err(damage);
            }
            if self.in_frame {
                self.block();
                continue;
            }
            self.verify()?;
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.header()?;
        }
    }

    fn header(&mut self) -> io::Result<()> {
        match self.frame.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let length = u64::from(length);
                let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                if skipped < length {
                    return Err(told("zstd", io::ErrorKind::UnexpectedEof, "a frame to be skipped"));
                }
            }
            Err(error) => return Err(zstd_error(error)),
        }
        Ok(())
    }

    /// Unpacks a block of at most 128 KiB.
    fn block(&mut self) {
        match self.frame.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)) {
            Ok(was_last) => {
                self.in_frame = !was_last;
                self.unverified = was_last;
            }
            Err(error) => {
                self.damage = Some(zstd_error(error));
                self.in_frame = false;
                // An empty last block and a checksum end the frame, so that it gives the window away that it keeps back.
                let end = [1, 0, 0, 0, 0, 0, 0];
                let _ = self.frame.decode_blocks(&end[..], BlockDecodingStrategy::UptoBlocks(1));
            }
        }
    }

    /// RFC 8878 §3.1.1: the checksum is optional.
    fn verify(&mut self) -> io::Result<()> {
        let stated = self.frame.get_checksum_from_data();
        if !std::mem::take(&mut self.unverified) || stated.is_none() {
            return Ok(());
        }
        match self.frame.get_calculated_checksum() == stated {
            true => Ok(()),
            false => Err(told("zstd", io::ErrorKind::InvalidData, "its checksum is another")),
        }
    }
}

/// An error of the unpacker's, or of the source below it.
fn zstd_error(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return match io.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => told("zstd", io.kind(), error),
            };
        }
        cause = inner.source();
    }
    told("zstd", io::ErrorKind::InvalidData, error)
}

/// The error in words: what the source itself said, a stream that has no end, or damage.
fn told(format: &str, kind: io::ErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    let error = error.into();
    if let Some(errno) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
        return io::Error::from_raw_os_error(errno);
    }
    match kind {
        io::ErrorKind::Interrupted => kind.into(),
        io::ErrorKind::UnexpectedEof => io::Error::new(kind, format!("the {format} stream is cut off")),
        _ => io::Error::new(io::ErrorKind::InvalidData, format!("the {format} stream is damaged: {error}")),
    }
}
