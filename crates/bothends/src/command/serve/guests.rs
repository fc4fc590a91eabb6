//! Who may come: how many at once, and from which networks. Those stand on the command line and in files, which are read
//! again at SIGHUP.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ends::serve::{Guests, ReadLists, WhenFull};
use wire::network::{Lists, Network};
use wire::{Cause, Doing, End, Fault};

use crate::command::address::network;

/// Who may come, and how many at once.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Who may come")]
pub(super) struct GuestFlags {
    #[arg(
        long,
        value_name = "N",
        help = "Serve at most this many clients at once; 1024 by itself with threads, 512 with processes."
    )]
    max_connections: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "WHAT",
        help = "Choose what becomes of clients when all places are taken; wait by itself."
    )]
    when_full: Option<WhenFullWord>,
    #[arg(long, value_name = "N", help = "Serve at most this many clients of one source address at once.")]
    max_per_source: Option<NonZeroUsize>,
    #[arg(long, value_name = "NET", value_parser = network,
          help = "Let only clients of this network come, such as 10.0.0.0/8; several may be allowed.")]
    allow: Vec<Network>,
    #[arg(long, value_name = "NET", value_parser = network,
          help = "Keep clients of this network out, even if another one allows them; several may be denied.")]
    deny: Vec<Network>,
    #[arg(
        long,
        value_name = "FILE",
        help = "Read networks to allow from this file, one a line; SIGHUP has it read again."
    )]
    allow_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "FILE",
        help = "Read networks to deny from this file, one a line; SIGHUP has it read again."
    )]
    deny_file: Option<PathBuf>,
}

/// What happens when all places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhenFullWord {
    #[value(help = "They wait in the kernel's queue until a place is free.")]
    Wait,
    #[value(help = "They are accepted and reset at once.")]
    Refuse,
}

impl GuestFlags {
    /// How many at once; none where nothing was asked for.
    pub(super) fn max_connections(&self) -> Option<usize> {
        self.max_connections.map(NonZeroUsize::get)
    }

    pub(super) fn when_full(&self) -> WhenFull {
        match self.when_full {
            None | Some(WhenFullWord::Wait) => WhenFull::Wait,
            Some(WhenFullWord::Refuse) => WhenFull::Refuse,
        }
    }

    /// As the server takes them. Files are read when it starts, and at SIGHUP.
    pub(super) fn guests(&self) -> Guests {
        Guests { max_per_source: self.max_per_source.map(NonZeroUsize::get), lists: self.read_lists() }
    }

    /// Whether there is anything to read again.
    pub(super) fn has_files(&self) -> bool {
        self.allow_file.is_some() || self.deny_file.is_some()
    }

    fn read_lists(&self) -> Option<ReadLists> {
        let has_lists = self.has_files() || !self.allow.is_empty() || !self.deny.is_empty();
        let flags = self.clone();
        has_lists.then(|| -> ReadLists { Box::new(move || flags.lists()) })
    }

    fn lists(&self) -> Result<Lists, Fault> {
        Ok(Lists {
            allow: with_file(&self.allow, self.allow_file.as_deref())?,
            deny: with_file(&self.deny, self.deny_file.as_deref())?,
        })
    }
}

fn with_file(written: &[Network], file: Option<&Path>) -> Result<Vec<Network>, Fault> {
    let mut networks = written.to_vec();
    if let Some(path) = file {
        let at = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Fault::io(End::You, Doing::Read, at.clone(), &error))?;
        let read = Lists::read(&text).map_err(|error| {
            let cause = Cause::Words(error.to_string());
            Fault { end: End::You, doing: Doing::Read, at, cause }
        })?;
        networks.extend(read);
    }
    Ok(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_those_of_the_flags_and_the_files_as_they_are_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("denied");
        std::fs::write(&path, "# nobody yet\n").unwrap();
        let flags = GuestFlags {
            allow: vec![network("10.0.0.0/8").unwrap()],
            deny_file: Some(path.clone()),
            ..GuestFlags::default()
        };
        let read = flags.guests().lists.unwrap();
        assert_eq!((read().unwrap().allow.len(), read().unwrap().deny.len()), (1, 0));
        std::fs::write(&path, "10.1.0.0/16 # these\n::1\n").unwrap();
        assert_eq!(read().unwrap().deny.len(), 2);
        std::fs::write(&path, "10.1.0.0/16\nnonsense\n").unwrap();
        let told = explain::sentence(&read().unwrap_err());
        assert!(told.contains("denied") && told.contains('2'), "{told}");
        assert!(GuestFlags::default().guests().lists.is_none());
    }
}
