//! `trace --write`: the frames of the conversations that are shown, in a capture of their own, each with what the
//! analysis says of it.
//!
//! Which conversation a piece of a packet belongs to is known when the last piece has come: until then the pieces are
//! held, [`HELD`] frames at most, and written before the one that completes them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use flow::{Belongs, Choice};
use wire::capture::{self, CapturedFrame, Interface};
use wire::link_type::LinkType;
use wire::packet::Transport;
use wire::{Cause, Doing, End, Fault, Time, pcap, pcapng};

use crate::files::{self, OutputFile};

/// Frames with pieces of packets that wait for the rest; the oldest is given up.
const HELD: usize = 1024;

/// A capture that is being written.
pub(super) struct Writing {
    path: PathBuf,
    format: Format,
    /// Frames to be written next.
    due: Vec<Kept>,
    pieces: VecDeque<(PacketKey, Kept)>,
}

/// What all pieces of a packet share (RFC 791 §3.2, RFC 8200 §4.5).
type PacketKey = (IpAddr, IpAddr, u32);

enum Format {
    /// Without comments, and of one link type, that of the first frame.
    Pcap { out: Option<OutputFile>, writer: Option<(pcap::Writer<OutputFile>, LinkType)> },
    /// Interfaces are announced as their first frames come; here their numbers in both captures.
    Pcapng { writer: Box<pcapng::Writer<OutputFile>>, numbers: Vec<Option<u32>> },
}

/// A frame, kept until the reader has lent it out no longer.
struct Kept {
    interface: u32,
    time: Time,
    wire_len: u32,
    bytes: Vec<u8>,
    comments: Vec<String>,
}

impl Kept {
    fn of(frame: &CapturedFrame<'_>, belongs: Belongs) -> Kept {
        Kept {
            interface: frame.interface,
            time: frame.time,
            wire_len: frame.wire_len,
            bytes: frame.bytes.to_vec(),
            comments: frame.comments.clone().map(str::to_owned).chain(analysis(belongs)).collect(),
        }
    }
}

impl Writing {
    /// Opens the file, in the format that its name asks for.
    pub(super) fn create(path: &Path) -> Result<Writing, Fault> {
        let out = OutputFile::create(path)?;
        let format = match files::capture_format(path) {
            capture::Format::Pcap => Format::Pcap { out: Some(out), writer: None },
            capture::Format::Pcapng => {
                let writer =
                    pcapng::Writer::new(out, &[]).map_err(|error| files::write_fault(path, &error))?;
                Format::Pcapng { writer: Box::new(writer), numbers: Vec::new() }
            }
        };
        Ok(Writing { path: path.to_owned(), format, due: Vec::new(), pieces: VecDeque::new() })
    }

    /// Takes a frame; what is to be written of it, and of what waited for it, is due then.
    pub(super) fn take(&mut self, frame: &CapturedFrame<'_>, belongs: Belongs, choice: &Choice) {
        let chosen = match belongs {
            Belongs::Tcp(placement) => placement.chosen,
            Belongs::Udp(placement) => placement.chosen,
            Belongs::About { chosen, .. } => chosen,
            Belongs::Nowhere => return self.take_stray(frame, choice),
        };
        if !self.pieces.is_empty() {
            self.release_pieces(frame, chosen);
        }
        if chosen {
            self.due.push(Kept::of(frame, belongs));
        }
    }

    /// Writes what is due; `interfaces` are those of the capture that is read.
    pub(super) fn write_due(&mut self, interfaces: &[Interface]) -> Result<(), Fault> {
        for kept in std::mem::take(&mut self.due) {
            self.write(&kept, &interfaces[kept.interface as usize])?;
        }
        Ok(())
    }

    /// A frame of no conversation, or of none yet.
    fn take_stray(&mut self, frame: &CapturedFrame<'_>, choice: &Choice) {
        let kept = || Kept::of(frame, Belongs::Nowhere);
        let Ok(packet) = frame.dissect() else {
            return self.due.extend(choice.is_all().then(kept));
        };
        if choice.takes_hosts([packet.source, packet.destination]) {
            self.due.push(kept());
        } else if let Some(key) = key_of_piece(&packet.transport) {
            if self.pieces.len() >= HELD {
                self.pieces.pop_front();
            }
            self.pieces.push_back((key, kept()));
        }
    }

    /// The pieces that this frame completes go, into the file where they are `chosen`.
    fn release_pieces(&mut self, frame: &CapturedFrame<'_>, chosen: bool) {
        let Some(key) = frame.dissect().ok().and_then(|packet| key_of_piece(&packet.transport)) else {
            return;
        };
        let (ours, others) = std::mem::take(&mut self.pieces).into_iter().partition(|(of, _)| *of == key);
        self.pieces = others;
        let ours: VecDeque<(PacketKey, Kept)> = ours;
        if chosen {
            self.due.extend(ours.into_iter().map(|(_, kept)| kept));
        }
    }

    fn write(&mut self, kept: &Kept, interface: &Interface) -> Result<(), Fault> {
        let Kept { interface: number, time, wire_len, bytes, comments } = kept;
        let written = match &mut self.format {
            Format::Pcapng { writer, numbers } => {
                let place = *number as usize;
                if numbers.len() <= place {
                    numbers.resize(place + 1, None);
                }
                let announced = match numbers[place] {
                    Some(announced) => Ok(announced),
                    None => writer.interface(interface),
                };
                announced.and_then(|announced| {
                    numbers[place] = Some(announced);
                    let comments = comments.iter().map(String::as_str);
                    writer.packet_with_comments(announced, *time, *wire_len, bytes, comments)
                })
            }
            Format::Pcap { out, writer } => {
                if let Some(out) = out.take() {
                    let made = pcap::Writer::new(out, interface.link_type, 0);
                    let made = made.map_err(|error| files::write_fault(&self.path, &error))?;
                    *writer = Some((made, interface.link_type));
                }
                match writer {
                    Some((_, link_type)) if *link_type != interface.link_type => {
                        return Err(two_link_types(&self.path, *link_type, interface.link_type));
                    }
                    Some((writer, _)) => writer.packet(*time, *wire_len, bytes),
                    None => Ok(()),
                }
            }
        };
        written.map_err(|error| files::write_fault(&self.path, &error))
    }

    /// Writes what was buffered.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let finished = match self.format {
            Format::Pcapng { writer, .. } => writer.finish().map(drop),
            Format::Pcap { writer: Some((writer, _)), .. } => writer.finish().map(drop),
            // No frame tells a link type: any does for a capture without frames.
            Format::Pcap { out: Some(out), .. } => {
                pcap::Writer::new(out, LinkType::ETHERNET, 0).and_then(pcap::Writer::finish).map(drop)
            }
            Format::Pcap { .. } => Ok(()),
        };
        finished.map_err(|error| files::write_fault(&self.path, &error))
    }
}

fn key_of_piece(transport: &Transport<'_>) -> Option<PacketKey> {
    match transport {
        Transport::Fragment(piece) => Some((piece.source, piece.destination, piece.identification)),
        _ => None,
    }
}

/// The flags of the analysis, which follow the comments that the frame has.
fn analysis(belongs: Belongs) -> Option<String> {
    let flags = belongs.tcp().map(|placement| placement.analysis).filter(|flags| !flags.is_empty());
    flags.map(|flags| format!("analysis: {flags}"))
}

fn two_link_types(path: &Path, first: LinkType, other: LinkType) -> Fault {
    let words = format!("pcap holds one link type, and there are {first} and {other}: name it .pcapng");
    Fault { end: End::You, doing: Doing::Write, at: path.display().to_string(), cause: Cause::Words(words) }
}
