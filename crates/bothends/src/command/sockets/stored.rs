//! `--diag` and `--from`: the kernel's answers about sockets of TCP kept in a file, as ss(8) keeps them, and listed
//! from one: later, elsewhere, as often as one likes.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::Path;

use kernel::sock_diag::{Reading, Table};
use wire::sock_diag::{Extensions, Stored, stored, stored_end};
use wire::socket_filter::Family;
use wire::socket_row::{Kind, SocketRow};
use wire::{Cause, Doing, End, Fault};

use super::{View, place};
use crate::exit::Exit;
use crate::files::OutputFile;

/// Read at once: as much as the kernel gives at once, twice.
const PIECE: usize = 64 * 1024;

/// Writes down what the kernel says of the sockets that are meant, with everything that it knows.
pub(super) fn keep(view: &mut View<'_>, path: &Path) -> Result<Exit, Fault> {
    let to_stdout = path.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Ok(view.out.usage("--diag - would write bytes to the terminal", None));
    }
    let mut file = if to_stdout { None } else { Some(OutputFile::create(path)?) };
    let mut answer = Ok(());
    let View { sockets, choice, filter, flags, out, .. } = &mut *view;
    let mut write = |bytes: &[u8]| match &mut file {
        Some(file) => file.write_all(bytes),
        None => {
            out.print_bytes(bytes);
            Ok(())
        }
    };
    let table = match (choice.has_family(Family::Inet), choice.has_family(Family::Inet6)) {
        (true, true) => Table::Tcp,
        (_, ipv6) => Table::Internet { kind: Kind::Tcp, ipv6 },
    };
    let everything = Extensions { tcp: true, memory: true, service: true, files: false };
    let reading = sockets
        .answers(table, choice.states, everything, |body, row| {
            if answer.is_ok() && choice.has(&row) && filter.matches(&row) {
                answer = write(&stored(body));
            }
        })
        .map_err(|errno| Fault::errno(End::Us, Doing::Read, place(flags), errno))?;
    let fault = |error: &io::Error| Fault::io(End::You, Doing::Write, path.display().to_string(), error);
    answer.and_then(|()| write(&stored_end())).map_err(|error| fault(&error))?;
    file.map_or(Ok(()), |file| file.finish(""))?;
    if reading == Reading::Changed {
        view.out.tell("the table changed while it was read: a socket may be missing, or be there twice\n");
    }
    Ok(Exit::Ok)
}

/// Hands over what was kept, one row after the other.
///
/// # Errors
/// What cannot be read, or is damaged, behind all that came before.
pub(super) fn rows(path: &Path, mut each: impl FnMut(SocketRow)) -> Result<(), Fault> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let fault = |error: io::Error| Fault::io(End::You, Doing::Read, name.clone(), &error);
    let damaged = |damage: wire::sock_diag::Damage| Fault {
        end: End::You,
        doing: Doing::Read,
        at: name.clone(),
        cause: Cause::Words(damage.to_string()),
    };
    let mut file: Box<dyn Read> =
        if is_stdin { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(fault)?) };
    let (mut stored, mut piece) = (Stored::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return stored.end().map_err(damaged),
            Ok(len) => stored.take(&piece[..len], &mut each).map_err(damaged)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(error)),
        }
    }
}
