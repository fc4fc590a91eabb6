//! `--kill`: the sockets that the filter means are ended by the kernel, as though their programs had aborted them.

use draw::sockets::Table as Drawing;
use wire::socket_row::SocketRow;
use wire::{Doing, End, Fault};

use super::View;
use crate::exit::Exit;
use crate::record;

/// `EPERM`, `EOPNOTSUPP`, `ENOENT`: errno(3).
const NOT_ALLOWED: i32 = 1;
const NOT_THERE: i32 = 2;
const NOT_SUPPORTED: i32 = 95;

pub(super) fn show(view: &mut View<'_>) -> Result<Exit, Fault> {
    if view.flags.needs_owners(view.out.json) {
        view.system.read_owners();
    }
    let rows = view.rows()?;
    let (mut ended, mut failed): (Vec<SocketRow>, Option<Fault>) = (Vec::new(), None);
    for row in rows {
        match view.sockets.destroy(&row) {
            Ok(()) => ended.push(row),
            // It ended by itself meanwhile.
            Err(NOT_THERE) => {}
            Err(errno) => {
                failed.get_or_insert(Fault::errno(
                    End::Us,
                    Doing::SetOption,
                    row.local.in_full_of(row.kind),
                    errno,
                ));
            }
        }
    }
    if view.out.json {
        ended.iter().for_each(|row| view.out.record(&record::socket(row, None, &view.system)));
    } else {
        let mut drawing =
            Drawing::new(&view.out.stdout, &view.flags.columns(&view.choice), view.flags.extras());
        let all = drawing.head_and_lines(&ended, &view.system);
        let heads = usize::from(view.flags.how.no_header);
        all.lines().skip(heads).for_each(|line| view.out.print(&format!("{line}\n")));
    }
    Ok(match failed {
        None => Exit::Ok,
        Some(fault) => refused(&fault, view),
    })
}

fn refused(fault: &Fault, view: &View<'_>) -> Exit {
    let (why, exit) = match fault.raw_errno() {
        Some(NOT_ALLOWED) => {
            ("only CAP_NET_ADMIN may end other programs' sockets: be root, or use `lab`", Exit::Permission)
        }
        Some(NOT_SUPPORTED) => (
            "this kernel cannot: it ends sockets of TCP and UDP only, and only if built with CONFIG_INET_DIAG_DESTROY",
            Exit::Permission,
        ),
        _ => return view.out.fault(fault),
    };
    view.out.tell(&format!("bothends: cannot end {}: {why}\n", fault.at));
    view.out.record(&record::error(fault, exit));
    exit
}

/// An address with what it belongs to.
trait InFull {
    fn in_full_of(&self, kind: wire::socket_row::Kind) -> String;
}

impl InFull for wire::Address {
    fn in_full_of(&self, kind: wire::socket_row::Kind) -> String {
        format!("{}://{self}", kind.transport())
    }
}
