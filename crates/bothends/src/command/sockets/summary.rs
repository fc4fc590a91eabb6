//! `--summary`: how many sockets there are of each kind, in ss(8)'s words; then in which states they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wire::Fault;
use wire::socket_row::{Kind, SocketRow, SocketState};
use wire::sockstat::{Sockstat, snmp};

use super::View;
use super::choice::Choice;
use crate::exit::Exit;
use crate::record;

pub(super) fn show(view: &mut View<'_>) -> Result<Exit, Fault> {
    let texts = ["sockstat", "sockstat6"].map(|file| view.sockets.text(file).unwrap_or_default());
    let stat = Sockstat::decode(&texts.concat());
    let established = view.sockets.text("snmp").and_then(|text| snmp(&text, "Tcp", "CurrEstab")).unwrap_or(0);
    view.choice = Choice::everything();
    let rows = view.rows()?;
    if view.out.json {
        for ((kind, state), count) in by_state(&rows) {
            view.out.record(&record::socket_count(kind, state, count));
        }
        return Ok(Exit::Ok);
    }
    let own = view.sockets.own_sockets() + view.system.own_sockets();
    view.out.print(&totals(&stat, established, own));
    view.out.print(&states(&rows));
    Ok(Exit::Ok)
}

/// The kernel's own figures: those of the whole machine (allocated, orphaned) are not in its tables. `own` are the
/// sockets that were only opened to ask.
fn totals(stat: &Sockstat, established: u64, own: u64) -> String {
    let tcp = |key| stat.number("TCP", key);
    let (waiting, allocated) = (tcp("tw"), tcp("alloc"));
    let in_use = tcp("inuse") + stat.number("TCP6", "inuse");
    let closed = (allocated + waiting).saturating_sub(in_use);
    let mut out = format!("Total: {}\n", stat.number("sockets", "used").saturating_sub(own));
    let _ = writeln!(
        out,
        "TCP:   {} (estab {established}, closed {closed}, orphaned {}, timewait {waiting})\n",
        allocated + waiting,
        tcp("orphan")
    );
    let _ = writeln!(out, "{:<9} {:<9} {:<9} IPv6", "Transport", "Total", "IP");
    let kinds = [("RAW", "RAW6"), ("UDP", "UDP6"), ("TCP", "TCP6"), ("INET", ""), ("FRAG", "FRAG6")];
    let mut sums = [0, 0];
    for (four, six) in kinds {
        let counts = if four == "INET" { sums } else { [four, six].map(|name| stat.number(name, "inuse")) };
        if four != "INET" && four != "FRAG" {
            sums = [sums[0] + counts[0], sums[1] + counts[1]];
        }
        let _ = writeln!(out, "{four:<9} {:<9} {:<9} {}", counts[0] + counts[1], counts[0], counts[1]);
    }
    out
}

/// What ss(8) does not tell: each kind by states, and what was lost or waits.
fn states(rows: &[SocketRow]) -> String {
    let mut out = String::from("\n");
    for ((kind, state), count) in by_state(rows) {
        let _ = writeln!(out, "{:<9} {:<11} {count}", kind.netid(), state.short());
    }
    let dropped: u64 = rows.iter().filter(|row| row.kind == Kind::Udp).filter_map(|row| row.drops).sum();
    if dropped > 0 {
        let _ = writeln!(
            out,
            "UDP: {} dropped because nobody read in time",
            draw::number::count(dropped, "datagram")
        );
    }
    let full = rows
        .iter()
        .filter(|row| row.is_listener() && row.to_read_bytes > row.to_send_bytes && row.kind == Kind::Tcp);
    let full = full.count() as u64;
    if full > 0 {
        let _ = writeln!(
            out,
            "{} with a full queue of connections to accept",
            draw::number::count(full, "listener")
        );
    }
    out
}

fn by_state(rows: &[SocketRow]) -> BTreeMap<(Kind, SocketState), u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((row.kind, row.state)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_the_kernels() {
        let stat = Sockstat::decode(
            "sockets: used 23\nTCP: inuse 4 orphan 1 tw 2 alloc 7 mem 3\nUDP: inuse 1 mem 0\nRAW: inuse 0\nFRAG: inuse 0\nTCP6: inuse 1\n",
        );
        let text = totals(&stat, 3, 2);
        assert!(
            text.starts_with("Total: 21\nTCP:   9 (estab 3, closed 4, orphaned 1, timewait 2)\n"),
            "{text}"
        );
        assert!(
            text.contains("\nTCP       5         4         1\n")
                && text.contains("\nINET      6         5         1\n"),
            "{text}"
        );
    }
}
