//! The port file: it appears when every address is listened on.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use wire::{Address, Fault};

use crate::files::WholeFile;

/// The file, if one was asked for.
pub(super) struct Ports(Option<Mutex<PortFile>>);

struct PortFile {
    file: WholeFile,
    expected: usize,
    lines: Vec<String>,
    fault: Option<Fault>,
}

impl Ports {
    pub(super) fn new(path: Option<&PathBuf>, expected: usize) -> Result<Ports, Fault> {
        let file = path.map(|path| WholeFile::create(path)).transpose()?;
        Ok(Ports(file.map(|file| Mutex::new(PortFile { file, expected, lines: Vec::new(), fault: None }))))
    }

    /// An address is listened on: its port, or what a Unix socket has instead.
    pub(super) fn listening(&self, address: &Address) {
        let Some(ports) = &self.0 else { return };
        let mut ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.lines.push(address.port().map_or_else(|| address.to_string(), |port| port.to_string()));
        if ports.lines.len() == ports.expected {
            let text: String = ports.lines.iter().map(|line| format!("{line}\n")).collect();
            ports.fault = ports.file.publish(&text).err();
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        let ports = self.0.as_ref()?;
        ports.lock().unwrap_or_else(PoisonError::into_inner).fault.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_file_appears_when_all_places_are_listened_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        let ports = Ports::new(Some(&path), 2).unwrap();
        ports.listening(&std::net::SocketAddr::from(([127, 0, 0, 1], 40_001)).into());
        assert!(!path.exists());
        ports.listening(&Address::Path("/run/x".into()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "40001\n/run/x\n");
        assert_eq!(ports.fault(), None);
    }
}
