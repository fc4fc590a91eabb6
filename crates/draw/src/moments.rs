//! Moments: the sockets of hosts as the kernel had them when somebody had come to one. The first is a table of all;
//! each that follows shows what is new, what has changed, and what is gone.

use flow::moments::Moment;
use wire::socket_row::{Kind, SocketRow};

use crate::Style;
use crate::grid::Grid;
use crate::line::{Line, paragraph};
use crate::palette::Role;

/// What tells a socket from others: its host and both its ends.
type Key = [String; 3];

/// The moments, each under its name. One at which nothing has changed is left out.
pub fn text(moments: &[Moment], style: &Style) -> String {
    let mut out = String::new();
    lines(moments, style.width).iter().for_each(|line| line.write(&mut out, style));
    out
}

/// The same as lines, at most so wide.
pub(crate) fn lines(moments: &[Moment], width: usize) -> Vec<Line> {
    let mut before: Vec<(Key, [String; 3])> = Vec::new();
    let mut drawn: Vec<Line> = Vec::new();
    let mut tables = 0;
    for moment in moments {
        let now: Vec<(Key, [String; 3])> =
            moment.sockets.iter().map(|(host, row)| cells(host, row)).collect();
        let news = now.iter().filter(|row| !before.contains(row)).cloned();
        let gone = before.iter().filter(|(key, _)| now.iter().all(|(its, _)| its != key));
        let gone = gone.map(|(key, _)| (key.clone(), ["gone", "", ""].map(str::to_owned)));
        let rows: Vec<(Key, [String; 3])> = news.chain(gone).collect();
        if !rows.is_empty() {
            if !drawn.is_empty() {
                drawn.push(Line::default());
            }
            drawn.extend(table(&moment.name, rows, width));
            tables += 1;
        }
        before = now;
    }
    if tables > 1 {
        drawn.push(Line::default());
        drawn.extend(paragraph(Role::Frame, KEY, width));
    }
    drawn
}

/// What is said below several tables.
const KEY: &str =
    "The first table has all sockets, each after it what is new, what has changed, and what is gone.";

fn table(name: &str, rows: Vec<(Key, [String; 3])>, width: usize) -> Vec<Line> {
    let mut grid = Grid::new(&["", "state", "to read", "to send", "local", "peer"]);
    for ([host, local, peer], [state, to_read, to_send]) in rows {
        grid.row([host, state, to_read, to_send, local, peer]);
    }
    let mut drawn = paragraph(Role::Plain, &format!("{name}:"), width);
    drawn.extend(grid.lines(width));
    drawn
}

fn cells(host: &str, row: &SocketRow) -> (Key, [String; 3]) {
    let peer = if row.remote_port() == 0 { "–".to_owned() } else { row.remote.to_string() };
    let to_send = if row.is_listener() { "–".to_owned() } else { row.to_send_bytes.to_string() };
    let state = row.state.name(Kind::Tcp).to_owned();
    ([host.to_owned(), row.local.to_string(), peer], [state, row.to_read_bytes.to_string(), to_send])
}

#[cfg(test)]
mod tests {
    use wire::Time;
    use wire::socket_row::SocketState;

    use super::*;

    fn row(state: SocketState, local: &str, remote: &str, to_read_bytes: u32) -> SocketRow {
        let at = |text: &str| text.parse::<std::net::SocketAddr>().expect("an address").into();
        SocketRow { state, local: at(local), remote: at(remote), to_read_bytes, ..SocketRow::default() }
    }

    fn moment(name: &str, sockets: &[(&'static str, SocketRow)]) -> Moment {
        Moment { name: name.to_owned(), time: Time::ZERO, sockets: sockets.to_vec() }
    }

    #[test]
    fn what_is_new_has_changed_or_is_gone_is_shown_and_nothing_else() {
        let listener = |waiting| ("server", row(SocketState::LISTEN, "0.0.0.0:7", "0.0.0.0:0", waiting));
        let client = |state| ("client", row(state, "10.0.0.1:40712", "10.0.0.2:7", 0));
        let open = [client(SocketState::ESTABLISHED), listener(1)];
        let moments = [
            moment("nobody has come", &[listener(0)]),
            moment("one is connected", &open),
            moment("nothing has changed", &open),
            moment("it has gone", &[listener(1)]),
        ];
        let expected = "\
nobody has come:
        state   to read  to send  local      peer
server  LISTEN  0        –        0.0.0.0:7  –

one is connected:
        state        to read  to send  local           peer
client  ESTABLISHED  0        0        10.0.0.1:40712  10.0.0.2:7
server  LISTEN       1        –        0.0.0.0:7       –

it has gone:
        state  to read  to send  local           peer
client  gone                     10.0.0.1:40712  10.0.0.2:7

The first table has all sockets, each after it what is new, what has changed,
and what is gone.
";
        assert_eq!(text(&moments, &Style::default()), expected);
        let alone = text(&moments[..1], &Style::default());
        assert!(alone.ends_with("–\n"), "one table needs no explanation: {alone}");
    }
}
