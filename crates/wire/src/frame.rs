//! Messages in a stream: lines, or lengths in front.

/// How messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// Not at all.
    #[default]
    None,
    /// Each ends with LF.
    Line,
    /// Each has its length in front: four bytes, big-endian.
    Len32,
}

/// A message, or a part of one that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// It goes on.
    pub cut: bool,
}

/// More than is taken is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub u32);

/// Splits.
#[derive(Clone, Debug)]
pub struct Splitter {
    max: usize,
    held: Vec<u8>,
}

impl Frame {
    /// Parse.
    pub fn parse(word: &str) -> Option<Frame> {
        match word {
            "none" => Some(Frame::None),
            "line" => Some(Frame::Line),
            "len32" => Some(Frame::Len32),
            _ => None,
        }
    }

    /// Wrap.
    pub fn wrap(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Frame::None => bytes.to_vec(),
            Frame::Line => [bytes, b"\n"].concat(),
            Frame::Len32 => [&(bytes.len() as u32).to_be_bytes(), bytes].concat(),
        }
    }
}

impl Splitter {
    /// New.
    pub fn new(_frame: Frame, max: usize) -> Splitter {
        Splitter { max, held: Vec::new() }
    }

    /// Push.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) -> Result<(), TooLong> {
        self.held.extend_from_slice(bytes);
        while let Some(head) = self.held.first_chunk::<4>() {
            let length = u32::from_be_bytes(*head);
            if length as usize > self.max {
                return Err(TooLong(length));
            }
            let end = 4 + length as usize;
            if self.held.len() < end {
                break;
            }
            each(Piece { bytes: &self.held[4..end], cut: false });
            self.held.drain(..end);
        }
        Ok(())
    }
}
