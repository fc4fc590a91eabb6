//! `trace --write`: the frames of the conversations that are shown, in a capture of their own, each with what the
//! analysis says of it.

use std::path::Path;

use flow::{Belongs, Choice};
use wire::capture::{CapturedFrame, Interface};
use wire::link_type::LinkType;
use wire::{Cause, Doing, End, Fault, Time, pcap, pcapng};

use crate::files::{self, OutputFile};

/// A capture that is being written.
pub(super) struct Writing {
    path: std::path::PathBuf,
    format: Format,
    frame: Considered,
}

enum Format {
    /// Without comments, and of one link type, that of the first frame.
    Pcap { out: Option<OutputFile>, writer: Option<(pcap::Writer<OutputFile>, LinkType)> },
    /// Interfaces are announced as their first frames come; here their numbers in both captures.
    Pcapng { writer: Box<pcapng::Writer<OutputFile>>, numbers: Vec<Option<u32>> },
}

/// The frame that is to be written next.
#[derive(Default)]
struct Considered {
    interface: u32,
    time: Time,
    wire_len: u32,
    bytes: Vec<u8>,
    comments: Vec<String>,
}

impl Writing {
    /// Opens the file: pcap where its name ends so, else pcapng.
    pub(super) fn create(path: &Path) -> Result<Writing, Fault> {
        let out = OutputFile::create(path)?;
        let format = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pcap")) {
            Format::Pcap { out: Some(out), writer: None }
        } else {
            let writer = pcapng::Writer::new(out, &[]).map_err(|error| files::write_fault(path, &error))?;
            Format::Pcapng { writer: Box::new(writer), numbers: Vec::new() }
        };
        Ok(Writing { path: path.to_owned(), format, frame: Considered::default() })
    }

    /// Keeps a frame that is to be written; false where it is none of those.
    pub(super) fn consider(&mut self, frame: &CapturedFrame<'_>, belongs: Belongs, choice: &Choice) -> bool {
        let chosen = match belongs {
            Belongs::Tcp(placement) => placement.chosen,
            Belongs::Udp(placement) => placement.chosen,
            Belongs::About { chosen, .. } => chosen,
            Belongs::Nowhere => {
                let packet = frame.dissect();
                packet
                    .map_or(choice.is_all(), |packet| choice.takes_hosts([packet.source, packet.destination]))
            }
        };
        if chosen {
            self.frame.interface = frame.interface;
            self.frame.time = frame.time;
            self.frame.wire_len = frame.wire_len;
            self.frame.bytes.clear();
            self.frame.bytes.extend_from_slice(frame.bytes);
            self.frame.comments.clear();
            self.frame.comments.extend(frame.comments.clone().map(str::to_owned).chain(analysis(belongs)));
        }
        chosen
    }

    /// Writes the frame that was kept last, captured at `interface`.
    pub(super) fn write_considered(&mut self, interface: &Interface) -> Result<(), Fault> {
        let Considered { interface: number, time, wire_len, bytes, comments } = &self.frame;
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

/// The flags of the analysis, which follow the comments that the frame has.
fn analysis(belongs: Belongs) -> Option<String> {
    let flags = belongs.tcp().map(|placement| placement.analysis).filter(|flags| !flags.is_empty());
    flags.map(|flags| format!("analysis: {flags}"))
}

fn two_link_types(path: &Path, first: LinkType, other: LinkType) -> Fault {
    let words = format!("pcap holds one link type, and there are {first} and {other}: name it .pcapng");
    Fault { end: End::You, doing: Doing::Write, at: path.display().to_string(), cause: Cause::Words(words) }
}
