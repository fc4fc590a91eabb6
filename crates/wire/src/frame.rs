//! Messages in a stream: lines, or lengths in front. A stream itself keeps none apart (RFC 9293 §3.9.1.2 says of PSH what
//! it does not promise).

/// How messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Frame {
    /// Not at all: what comes is what comes.
    #[default]
    None,
    /// Each ends with LF.
    Line,
    /// Each has its length in front: four bytes, big-endian.
    Len32,
}

/// A message, or a part of one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its bytes, without the line's end or the length.
    pub bytes: &'a [u8],
    /// It goes on: the line is longer than is kept.
    pub cut: bool,
}

/// A length was announced that is more than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub u32);

/// Finds the messages in what arrives, however it was cut on its way. Holds at most one message's bytes.
#[derive(Clone, Debug)]
pub struct Splitter {
    frame: Frame,
    max: usize,
    held: Vec<u8>,
}

impl Frame {
    /// All of them.
    pub const ALL: [Frame; 3] = [Frame::None, Frame::Line, Frame::Len32];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Frame::None => "none",
            Frame::Line => "line",
            Frame::Len32 => "len32",
        }
    }

    /// The frame of a word.
    pub fn parse(word: &str) -> Option<Frame> {
        Frame::ALL.into_iter().find(|frame| frame.name() == word)
    }

    /// A message as it goes on its way.
    pub fn wrap(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Frame::None => bytes.to_vec(),
            Frame::Line => [bytes, b"\n"].concat(),
            // Nobody holds a message of 4 GiB here.
            Frame::Len32 => [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes(), bytes].concat(),
        }
    }
}

impl Splitter {
    /// Messages of at most `max` bytes.
    pub fn new(frame: Frame, max: usize) -> Splitter {
        Splitter { frame, max: max.max(1), held: Vec::new() }
    }

    /// Hands on every message that these bytes make whole, in order. A line longer than is kept comes in pieces.
    ///
    /// # Errors
    /// A length beyond what is taken: nothing behind it can be told apart any more.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) -> Result<(), TooLong> {
        match self.frame {
            Frame::None => each(Piece { bytes, cut: false }),
            Frame::Line => self.push_lines(bytes, each),
            Frame::Len32 => return self.push_lengths(bytes, each),
        }
        Ok(())
    }

    /// Whether nothing is held: what came so far was whole.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What never got its end.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn push_lines(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            while self.held.len() + text.len() > self.max {
                let (now, later) = text.split_at(self.max - self.held.len());
                self.held.extend_from_slice(now);
                each(Piece { bytes: &self.held, cut: true });
                self.held.clear();
                text = later;
            }
            match (ends, self.held.is_empty()) {
                (true, true) => each(Piece { bytes: text, cut: false }),
                (true, false) => {
                    self.held.extend_from_slice(text);
                    each(Piece { bytes: &self.held, cut: false });
                    self.held.clear();
                }
                (false, _) => self.held.extend_from_slice(text),
            }
        }
    }

    fn push_lengths(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) -> Result<(), TooLong> {
        let mut rest = bytes;
        loop {
            let wanted = match self.held.first_chunk::<4>() {
                None => 4,
                Some(head) => {
                    let length = u32::from_be_bytes(*head);
                    match usize::try_from(length) {
                        Ok(length) if length <= self.max => 4 + length,
                        _ => return Err(TooLong(length)),
                    }
                }
            };
            let missing = wanted.saturating_sub(self.held.len());
            let (now, later) = rest.split_at(missing.min(rest.len()));
            self.held.extend_from_slice(now);
            rest = later;
            if self.held.len() < wanted {
                return Ok(());
            }
            // The length alone says only how much more to take, unless it is 0.
            let is_whole = wanted > 4 || self.held[..4] == [0; 4];
            if is_whole {
                each(Piece { bytes: &self.held[4..], cut: false });
                self.held.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Messages = Vec<(Vec<u8>, bool)>;

    fn split(frame: Frame, max: usize, chunks: &[&[u8]]) -> Result<(Messages, Vec<u8>), TooLong> {
        let mut splitter = Splitter::new(frame, max);
        let mut found = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, &mut |piece| found.push((piece.bytes.to_vec(), piece.cut)))?;
            assert!(splitter.held.len() <= max + 4);
        }
        Ok((found, splitter.finish()))
    }

    fn whole(texts: &[&[u8]]) -> Messages {
        texts.iter().map(|text| (text.to_vec(), false)).collect()
    }

    #[test]
    fn words_name_frames() {
        for frame in Frame::ALL {
            assert_eq!(Frame::parse(frame.name()), Some(frame));
        }
        assert_eq!(Frame::parse("lines"), None);
    }

    #[test]
    fn lines_come_whole_and_the_last_without_an_end_is_kept() {
        let (found, rest) = split(Frame::Line, 100, &[b"on", b"e\n\ntw", b"o\nthr"]).expect("lines");
        assert_eq!((found, rest), (whole(&[b"one", b"", b"two"]), b"thr".to_vec()));
        let mut splitter = Splitter::new(Frame::Line, 100);
        assert_eq!(splitter.push(b"one\n", &mut |_| {}), Ok(()));
        assert!(splitter.is_empty());
        assert_eq!(splitter.push(b"t", &mut |_| {}), Ok(()));
        assert!(!splitter.is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let (found, _) = split(Frame::Line, 4, &[b"abcdef", b"gh\nxy\n"]).expect("lines");
        assert_eq!(found, [(b"abcd".to_vec(), true), (b"efgh".to_vec(), false), (b"xy".to_vec(), false)]);
    }

    #[test]
    fn lengths_are_big_endian_and_bounded() {
        let (found, rest) =
            split(Frame::Len32, 10, &[&[0, 0], &[0, 2, b'h', b'i', 0, 0, 0, 0, 0]]).expect("short");
        assert_eq!((found, rest), (whole(&[b"hi", b""]), vec![0]));
        assert_eq!(split(Frame::Len32, 10, &[&[0, 0, 0, 11]]), Err(TooLong(11)));
        assert_eq!(Frame::Len32.wrap(b"hi"), [0, 0, 0, 2, b'h', b'i']);
    }

    proptest! {
        /// In pieces, too, no byte is lost or added, and no piece is longer than is kept.
        #[test]
        fn lines_in_pieces_are_the_lines(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..200),
            step in 1usize..30,
            max in 1usize..10,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(step).collect();
            let (found, rest) = split(Frame::Line, max, &chunks).expect("lines have no length");
            prop_assert!(found.iter().all(|(piece, _)| piece.len() <= max));
            let mut joined: Vec<u8> = Vec::new();
            for (piece, cut) in found {
                joined.extend(piece);
                joined.extend((!cut).then_some(b'\n'));
            }
            joined.extend(rest);
            prop_assert_eq!(joined, bytes);
        }

        #[test]
        fn strangers_lengths_are_bounded(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..30) {
            let chunks: Vec<&[u8]> = bytes.chunks(step).collect();
            if let Err(TooLong(length)) = split(Frame::Len32, 10, &chunks) {
                prop_assert!(length > 10);
            }
        }

        #[test]
        fn what_was_wrapped_comes_out_however_it_is_cut(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..10),
            step in 1usize..30,
        ) {
            for frame in [Frame::Line, Frame::Len32] {
                let texts: Vec<Vec<u8>> = texts.iter()
                    .map(|text| text.iter().copied().filter(|byte| frame != Frame::Line || *byte != b'\n').collect())
                    .collect();
                let bytes: Vec<u8> = texts.iter().flat_map(|text| frame.wrap(text)).collect();
                let chunks: Vec<&[u8]> = bytes.chunks(step).collect();
                let (found, rest) = split(frame, 20, &chunks).expect("within bounds");
                prop_assert_eq!(found, texts.into_iter().map(|text| (text, false)).collect::<Messages>());
                prop_assert!(rest.is_empty());
            }
        }
    }
}
