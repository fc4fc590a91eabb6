//! `lab --write`: every packet as it entered the link; in pcapng with what the link did to it.

use std::path::{Path, PathBuf};

use lab::event::LinkFrame;
use wire::capture::{Format, Interface};
use wire::link_type::LinkType;
use wire::{Fault, pcap, pcapng};

use crate::files::{self, OutputFile, write_fault};

/// The interface that all packets of a lab's capture are on; `trace` knows the lab's captures by it.
///
/// One for all, though each host has its own: libpcap up to 1.10 holds the LINKTYPE value of every further interface (101
/// for RAW) against the first one's DLT value (12 on Linux), and tcpdump would read nothing at all. Who sent a packet its
/// source address tells.
pub(crate) const INTERFACE: &str = "lab";

/// The capture that is written.
pub(super) struct CaptureFile {
    path: PathBuf,
    /// None once writing failed: the rest is not written.
    writer: Option<Writer>,
    fault: Option<Fault>,
}

enum Writer {
    Pcap(pcap::Writer<OutputFile>),
    Pcapng(pcapng::Writer<OutputFile>),
}

impl CaptureFile {
    /// Opens the file, in the format that its name asks for.
    pub(super) fn create(path: &Path, link_type: LinkType) -> Result<CaptureFile, Fault> {
        let file = OutputFile::create(path)?;
        let writer = match files::capture_format(path) {
            Format::Pcap => pcap::Writer::new(file, link_type, 0).map(Writer::Pcap),
            Format::Pcapng => {
                pcapng::Writer::new(file, &[Interface::new(INTERFACE, link_type)]).map(Writer::Pcapng)
            }
        };
        let writer = writer.map_err(|error| write_fault(path, &error))?;
        Ok(CaptureFile { path: path.to_owned(), writer: Some(writer), fault: None })
    }

    pub(super) fn packet(&mut self, frame: &LinkFrame) {
        let LinkFrame { time, wire_len, bytes, passage, .. } = frame;
        let written = match &mut self.writer {
            Some(Writer::Pcap(writer)) => writer.packet(*time, *wire_len, bytes),
            Some(Writer::Pcapng(writer)) => {
                writer.packet(0, *time, *wire_len, bytes, Some(&passage.to_comment(*time)))
            }
            None => return,
        };
        if let Err(error) = written {
            self.fault = Some(write_fault(&self.path, &error));
            self.writer = None;
        }
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let finished = match self.writer {
            Some(Writer::Pcap(writer)) => writer.finish(),
            Some(Writer::Pcapng(writer)) => writer.finish(),
            None => return Ok(()),
        };
        finished.map_err(|error| write_fault(&self.path, &error))?.finish("")
    }
}
