//! Moments: the sockets of hosts as the kernel had them when somebody had come to one. The first is a table of all; each that
//! follows shows what is new, what has changed, and what is gone.

use flow::moments::Moment;
use wire::socket_row::{Kind, SocketRow};

use crate::Style;
use crate::columns::wrap;
use crate::grid::Grid;

/// What tells a socket from others: its host and both its ends.
type Key = [String; 3];

/// The moments, each under its name. One at which nothing has changed is left out.
pub fn text(moments: &[Moment], style: &Style) -> String {
    let mut before: Vec<(Key, [String; 3])> = Vec::new();
    let mut drawn: Vec<String> = Vec::new();
    for moment in moments {
        let now: Vec<(Key, [String; 3])> =
            moment.sockets.iter().map(|(host, row)| cells(host, row)).collect();
        let news = now.iter().filter(|row| !before.contains(row)).cloned();
        let gone = before.iter().filter(|(key, _)| now.iter().all(|(its, _)| its != key));
        let gone = gone.map(|(key, _)| (key.clone(), ["gone", "", ""].map(str::to_owned)));
        let rows: Vec<(Key, [String; 3])> = news.chain(gone).collect();
        if !rows.is_empty() {
            drawn.push(table(&moment.name, rows, style));
        }
        before = now;
    }
    drawn.join("\n")
}

fn table(words: &str, rows: Vec<(Key, [String; 3])>, style: &Style) -> String {
    let mut grid = Grid::new(&["", "state", "to read", "to send", "local", "peer"]);
    for ([host, local, peer], [state, to_read, to_send]) in rows {
        grid.row([host, state, to_read, to_send, local, peer]);
    }
    let mut shown = String::new();
    for line in wrap(&format!("{words}:"), style.width) {
        shown.push_str(&line);
        shown.push('\n');
    }
    shown + &grid.draw(style)
}

fn cells(host: &str, row: &SocketRow) -> (Key, [String; 3]) {
    let peer = if row.remote_port() == 0 { "–".to_owned() } else { row.remote.to_string() };
    let to_send = if row.is_listener() { "–".to_owned() } else { row.to_send_bytes.to_string() };
    let state = row.state.name(Kind::Tcp).to_owned();
    ([host.to_owned(), row.local.to_string(), peer], [state, row.to_read_bytes.to_string(), to_send])
}
