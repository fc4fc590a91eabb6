//! What others packed is unpacked to the byte; what is cut or damaged is told behind all that could be had.

use super::*;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Bytes that a packer can do something with, and that do not repeat in its window.
fn sample(len: u32) -> Vec<u8> {
    (0..len).flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 20).to_be_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// All that can be had, and how it ended.
fn unpack(source: impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut unpacked = Unpacked::new(source);
    let (mut all, mut buffer) = (Vec::new(), vec![0; 10_000]);
    loop {
        match unpacked.read(&mut buffer) {
            Ok(0) => return (all, None),
            Ok(count) => all.extend(&buffer[..count]),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn whole(source: impl Read) -> Vec<u8> {
    let (all, error) = unpack(source);
    assert!(error.is_none(), "{error:?}");
    all
}

/// Hands out one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn what_is_not_packed_comes_as_it_is() {
    for bytes in [&b""[..], b"\x1f", b"abc", &sample(100), b"\x1f\x8b\x07\x00 no method of gzip's"] {
        assert_eq!(whole(bytes), bytes);
        assert_eq!(whole(Slow(bytes)), bytes);
    }
}

#[test]
fn packed_streams_are_unpacked_also_one_behind_the_other() {
    let (one, two) = (sample(50_000), b"and more".to_vec());
    let both = [&one[..], &two].concat();
    for pack in [gzip, zstd] {
        assert_eq!(whole(&pack(&one)[..]), one);
        assert_eq!(whole(Slow(&pack(&two))), two);
        assert_eq!(whole(&[pack(&one), pack(&two)].concat()[..]), both);
        assert_eq!(whole(&pack(b"")[..]), b"");
    }
    let skipped = [&[0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9][..], &zstd(&two)].concat();
    assert_eq!(whole(&skipped[..]), two);
}

#[test]
fn gzip_hands_out_what_has_come() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"first").expect("memory");
    packed.flush().expect("memory");
    let start = packed.get_ref().clone();
    // Whoever asks beyond what has come gets an error, where a pipe would wait.
    struct Waits;
    impl Read for Waits {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    let mut unpacked = Unpacked::new((&start[..]).chain(Waits));
    let mut buffer = [0; 100];
    assert_eq!(unpacked.read(&mut buffer).expect("it is there"), 5);
    assert_eq!(&buffer[..5], b"first");
}

#[test]
fn a_cut_is_told_behind_what_came_before() {
    let bytes = sample(100_000);
    for (pack, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let packed = pack(&bytes);
        let (all, error) = unpack(&packed[..packed.len() / 2]);
        assert!(all.len() > 50_000 && bytes.starts_with(&all), "{} of {}", all.len(), bytes.len());
        let error = error.expect("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), format!("the {name} stream is cut off"));
    }
}

#[test]
fn damage_is_told_behind_what_came_before() {
    let bytes = sample(100_000);
    for (pack, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let mut packed = pack(&bytes);
        let len = packed.len();
        packed[len - 3] ^= 0x10; // within the checksum
        let (all, error) = unpack(&packed[..]);
        assert_eq!(all, bytes);
        let error = error.expect("it is damaged").to_string();
        assert!(error.starts_with(&format!("the {name} stream is damaged: ")), "{error}");
        let (all, error) = unpack(&[pack(&bytes), b"garbage".to_vec()].concat()[..]);
        assert_eq!(all, bytes);
        assert!(error.is_some());
    }
}

#[test]
fn a_window_that_is_too_large_is_refused() {
    // Magic, descriptor without content size, window descriptor for 2^(10 + 20) bytes.
    let (all, error) = unpack(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0, 0, 0][..]);
    assert!(all.is_empty());
    let error = error.expect("a GiB").to_string();
    assert!(error.starts_with("the zstd stream is damaged: ") && error.contains("window"), "{error}");
}

#[test]
fn flipped_bits_and_cuts_are_survived() {
    let bytes = sample(300);
    for packed in [gzip(&bytes), zstd(&bytes)] {
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            unpack(&flipped[..]);
        }
        for len in 0..packed.len() {
            unpack(&packed[..len]);
        }
    }
}

#[test]
fn errors_of_the_source_are_its_own() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    for packed in [gzip(&sample(100_000)), zstd(&sample(100_000))] {
        let (_, error) = unpack((&packed[..packed.len() / 2]).chain(Broken));
        assert_eq!(error.and_then(|error| error.raw_os_error()), Some(5));
    }
}
