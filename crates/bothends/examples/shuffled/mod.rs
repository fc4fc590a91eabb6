//! Captures that stay whole: their frames are changed, dropped, doubled, put elsewhere and mixed with those of others.

use wire::Time;
use wire::capture::Reader;
use wire::link_type::LinkType;
use wire::pcap::Writer;

use crate::dice::Dice;

/// Frames of one capture that are kept for this.
const MOST: usize = 400;

/// Frames of one link type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    link_type: Option<LinkType>,
    frames: Vec<Frame>,
}

#[derive(Clone, Debug)]
struct Frame {
    time: Time,
    wire_len: u32,
    bytes: Vec<u8>,
}

impl Frames {
    /// Those of a capture, as far as it can be read, that are of the same link type as the first.
    pub(crate) fn of(capture: &[u8]) -> Frames {
        let mut all = Frames::default();
        let Ok(mut reader) = Reader::new(capture) else { return all };
        while let Ok(Some(frame)) = reader.next() {
            if *all.link_type.get_or_insert(frame.link_type) == frame.link_type {
                all.frames.push(Frame {
                    time: frame.time,
                    wire_len: frame.wire_len,
                    bytes: frame.bytes.to_vec(),
                });
            }
            if all.frames.len() == MOST {
                break;
            }
        }
        all
    }
}

/// A capture made of these, of about `longest` bytes at most.
pub(crate) fn mutated(captures: &[Frames], longest: usize, dice: &mut Dice) -> Vec<u8> {
    let mut all = captures[dice.below(captures.len())].clone();
    for _ in 0..=dice.below(12) {
        change(&mut all, captures, dice);
    }
    written(&all, longest).unwrap_or_default()
}

fn change(all: &mut Frames, captures: &[Frames], dice: &mut Dice) {
    let count = all.frames.len();
    let at = dice.below(count);
    match dice.below(10) {
        0 if count > 0 => drop(all.frames.remove(at)),
        1 if count > 0 => {
            let again = all.frames[at].clone();
            all.frames.insert(dice.below(count + 1), again);
        }
        2 if count > 0 => {
            let to = dice.below(count);
            all.frames.swap(at, to);
        }
        3 => all.frames.truncate(dice.below(count + 1)),
        4 => {
            let other = &captures[dice.below(captures.len())];
            let from = dice.below(other.frames.len() + 1);
            let some = other.frames.iter().skip(from).take(dice.below(20)).cloned();
            all.frames.splice(at..at, some);
        }
        5 => {
            if let Some(frame) = all.frames.get_mut(at) {
                frame.time = Time(dice.next() >> (dice.below(34) + 1));
            }
        }
        6 => {
            if let Some(frame) = all.frames.get_mut(at) {
                frame.bytes.truncate(dice.below(frame.bytes.len() + 1));
                frame.wire_len = dice.next() as u32 >> dice.below(32);
            }
        }
        _ => {
            if let Some(frame) = all.frames.get_mut(at) {
                touch(&mut frame.bytes, dice);
            }
        }
    }
}

/// Changes a few bytes, most of them in the headers.
fn touch(bytes: &mut [u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let reach = if dice.below(4) == 0 { bytes.len() } else { bytes.len().min(80) };
        let at = dice.below(reach);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = match dice.below(3) {
                0 => dice.next() as u8,
                1 => [0, 1, 0x7f, 0x80, 0xfe, 0xff][dice.below(6)],
                _ => *byte ^ 1 << dice.below(8),
            };
        }
    }
}

fn written(all: &Frames, longest: usize) -> std::io::Result<Vec<u8>> {
    let link_type = all.link_type.unwrap_or(LinkType::ETHERNET);
    let mut writer = Writer::new(Vec::new(), link_type, 262_144)?;
    let mut len = 0;
    for frame in &all.frames {
        len += frame.bytes.len();
        if len > longest {
            break;
        }
        // The format ends in 2106.
        let time = Time(frame.time.0.min(4_294_967_295_000_000_000));
        writer.packet(time, frame.wire_len, &frame.bytes)?;
    }
    writer.finish()
}
