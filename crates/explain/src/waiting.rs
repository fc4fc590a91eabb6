//! What a socket waits for, and whose turn it is, in words. Read first: RFC 9293 §3.3.2, tcp(7), udp(7), unix(7).

use std::time::Duration;

use wire::socket_row::{Kind, SocketRow, SocketState, TimerKind};

/// A sentence or two, in lower case and without a full stop at their end; `other` is the other end's socket, where that is
/// on this machine.
pub fn sentence(row: &SocketRow, other: Option<&SocketRow>) -> String {
    match row.kind {
        Kind::Tcp => tcp(row, other),
        Kind::Udp => datagrams(row),
        Kind::Raw => {
            format!("takes a copy of every packet of IP protocol {}{}", row.local_port(), unread(row))
        }
        Kind::PacketRaw | Kind::PacketDgram => {
            format!("takes a copy of every frame that passes{}", unread(row))
        }
        Kind::UnixStream | Kind::UnixDgram | Kind::UnixSeqpacket => unix(row),
    }
}

fn tcp(row: &SocketRow, other: Option<&SocketRow>) -> String {
    let nobody = row.inode == 0;
    match row.state {
        SocketState::LISTEN => listener(row),
        SocketState::SYN_SENT => {
            format!("has called and waits for an answer{}: the other end's turn", again(row))
        }
        SocketState::SYN_RECEIVED | SocketState::NEW_SYN_RECEIVED => {
            format!(
                "was called, has answered, and waits for the last part of the handshake{}: the other end's turn",
                again(row)
            )
        }
        SocketState::ESTABLISHED => open(row, other),
        SocketState::FIN_WAIT_1 => {
            format!(
                "has closed; its FIN is not acknowledged yet{}: the other end's kernel's turn",
                again(row)
            )
        }
        SocketState::FIN_WAIT_2 if nobody => {
            let forgotten =
                left(row).map_or_else(String::new, |left| format!("; the kernel forgets it in {left}"));
            format!(
                "has closed, and no process has it any more; waits for the other end to close: its program's turn{forgotten}"
            )
        }
        SocketState::FIN_WAIT_2 => {
            format!(
                "has closed its direction and can still read; waits for the other end to close: its program's turn{}",
                unread(row)
            )
        }
        SocketState::CLOSE_WAIT => {
            format!(
                "the other end has closed; its program here has to read to the end and close: its turn{}",
                unread(row)
            )
        }
        SocketState::CLOSING => {
            format!("both ends closed at once; waits for the acknowledgement of its FIN{}", again(row))
        }
        SocketState::LAST_ACK => {
            format!(
                "both ends have closed; waits for the acknowledgement of its FIN{}: the other end's kernel's turn",
                again(row)
            )
        }
        SocketState::TIME_WAIT => {
            let left = left(row).map_or_else(String::new, |left| format!(" for {left} more"));
            format!(
                "is over; whoever closed first keeps both addresses taken{left}, so that late segments meet no new connection: nobody's turn"
            )
        }
        SocketState::BOUND_INACTIVE | SocketState::CLOSED => {
            "has an address, and neither listens nor calls: its program's turn".to_owned()
        }
        _ => "is in a state that this program does not know".to_owned(),
    }
}

fn listener(row: &SocketRow) -> String {
    let (used, limit) = (row.to_read_bytes, row.to_send_bytes);
    // The kernel lets one more in than the limit: listen(2).
    match used {
        0 => format!("waits for connections; nobody waits for accept, {limit} may"),
        used if used > limit => {
            format!(
                "{used} connections wait for accept, and no more fit: new ones are dropped until the program accepts: its turn"
            )
        }
        1 => format!("1 connection waits for accept, {limit} may: the program's turn"),
        used => format!("{used} connections wait for accept, {limit} may: the program's turn"),
    }
}

fn open(row: &SocketRow, other: Option<&SocketRow>) -> String {
    let mut parts = Vec::new();
    if row.inode == 0 {
        // The kernel has finished the handshake by itself: accept(2).
        parts.push("is open, but its program has not accepted it yet: its turn".to_owned());
    }
    if row.to_read_bytes > 0 {
        parts.push(format!("{} to be read: the program's turn", bytes_wait(row.to_read_bytes)));
    }
    if row.to_send_bytes > 0 {
        parts.push(sending(row, other));
    }
    match parts.is_empty() {
        true => "is open and quiet: either end may speak".to_owned(),
        false => parts.join("; "),
    }
}

fn sending(row: &SocketRow, other: Option<&SocketRow>) -> String {
    let bytes = bytes_wait(row.to_send_bytes);
    let timer = row.timer.map(|timer| timer.kind);
    let unread = other.map_or(0, SocketRow::unread_bytes);
    match timer {
        Some(TimerKind::Persist) if unread > 0 => {
            format!(
                "{bytes} to be sent, for the other end's window is closed: {unread} unread bytes fill it, and its program has to read"
            )
        }
        Some(TimerKind::Persist) => {
            format!("{bytes} to be sent, for the other end's window is closed: its program has to read")
        }
        Some(TimerKind::Retransmit) if row.timer.is_some_and(|timer| timer.retransmits > 0) => {
            format!(
                "{bytes} for an acknowledgement that does not come{}: the other end or the path is silent",
                again(row)
            )
        }
        _ => format!("{bytes} to be acknowledged by the other end's kernel"),
    }
}

fn datagrams(row: &SocketRow) -> String {
    let from = match row.state {
        SocketState::ESTABLISHED => format!("takes datagrams from {} only", row.remote),
        _ => "takes datagrams from anybody".to_owned(),
    };
    let dropped = match row.drops {
        Some(1) => "; 1 was dropped because nobody read in time".to_owned(),
        Some(drops) if drops > 0 => format!("; {drops} were dropped because nobody read in time"),
        _ => String::new(),
    };
    // udp(7): the kernel tells the memory of those that wait, not how many bytes there are to be read.
    let waiting = match row.to_read_bytes {
        0 => String::new(),
        bytes => format!("; datagrams wait to be read, in {bytes} bytes of memory"),
    };
    format!("{from}{waiting}{dropped}")
}

fn unix(row: &SocketRow) -> String {
    match row.state {
        SocketState::LISTEN => listener(row),
        SocketState::ESTABLISHED if row.to_read_bytes > 0 => {
            format!("{} to be read: the program's turn", bytes_wait(row.to_read_bytes))
        }
        SocketState::ESTABLISHED => "is open and quiet: either end may speak".to_owned(),
        SocketState::SYN_SENT => {
            "has called a listener whose queue is full: the other program's turn".to_owned()
        }
        _ if row.kind == Kind::UnixDgram => format!("takes datagrams from anybody{}", unread(row)),
        _ => "is neither connected nor listening: its program's turn".to_owned(),
    }
}

fn bytes_wait(bytes: u32) -> String {
    match bytes {
        1 => "1 byte waits".to_owned(),
        bytes => format!("{bytes} bytes wait"),
    }
}

fn unread(row: &SocketRow) -> String {
    match row.unread_bytes() {
        0 => String::new(),
        bytes => format!("; {} to be read", bytes_wait(bytes)),
    }
}

/// `; asked 2 times again, next in 1.5 s`.
fn again(row: &SocketRow) -> String {
    let Some(timer) = row.timer.filter(|timer| timer.kind == TimerKind::Retransmit) else {
        return String::new();
    };
    let next = left(row).map_or_else(String::new, |left| format!(", next in {left}"));
    match timer.retransmits {
        0 => String::new(),
        1 => format!("; sent again once{next}"),
        times => format!("; sent again {times} times{next}"),
    }
}

fn left(row: &SocketRow) -> Option<String> {
    let timer = row.timer?;
    let left = Duration::from_millis(timer.expires_ms.into());
    Some(match left.as_secs() {
        0 => format!("{} ms", left.as_millis()),
        seconds => format!("{seconds} s"),
    })
}

#[cfg(test)]
mod tests {
    use wire::socket_row::Timer;

    use super::*;

    fn row(state: SocketState) -> SocketRow {
        SocketRow { state, inode: 1, ..SocketRow::default() }
    }

    #[test]
    fn every_state_of_tcp_says_whose_turn_it_is() {
        for number in 1..=13 {
            let said = sentence(&row(SocketState(number)), None);
            let knows = said.contains("turn")
                || said.contains("waits")
                || said.contains("either end")
                || said.contains("both ends");
            assert!(knows, "{number}: {said}");
            assert!(!said.ends_with('.'), "{said}");
        }
    }

    #[test]
    fn a_full_queue_and_a_closed_window_are_told() {
        let listener = SocketRow { to_read_bytes: 6, to_send_bytes: 5, ..row(SocketState::LISTEN) };
        assert!(sentence(&listener, None).contains("no more fit"));
        let timer = Timer { kind: TimerKind::Persist, expires_ms: 200, retransmits: 0 };
        let writer = SocketRow { to_send_bytes: 9, timer: Some(timer), ..row(SocketState::ESTABLISHED) };
        let reader = SocketRow { to_read_bytes: 70_000, ..row(SocketState::ESTABLISHED) };
        assert!(sentence(&writer, Some(&reader)).contains("70000 unread bytes"));
        assert!(sentence(&reader, Some(&writer)).contains("the program's turn"));
    }

    #[test]
    fn what_nobody_has_accepted_is_the_programs_turn() {
        let waiting = SocketRow { inode: 0, to_read_bytes: 5, ..row(SocketState::ESTABLISHED) };
        let said = sentence(&waiting, None);
        assert!(said.contains("has not accepted it yet") && said.contains("5 bytes wait"), "{said}");
    }

    #[test]
    fn the_fin_is_not_counted_among_what_waits_to_be_read() {
        let closed =
            |to_read_bytes| sentence(&SocketRow { to_read_bytes, ..row(SocketState::CLOSE_WAIT) }, None);
        assert!(closed(4).ends_with("; 3 bytes wait to be read"), "{}", closed(4));
        assert!(closed(1).ends_with("to read to the end and close: its turn"), "{}", closed(1));
    }

    #[test]
    fn what_remains_of_time_wait_is_told() {
        let timer = Timer { kind: TimerKind::TimeWait, expires_ms: 42_100, retransmits: 0 };
        let said = sentence(&SocketRow { timer: Some(timer), inode: 0, ..row(SocketState::TIME_WAIT) }, None);
        assert!(said.contains("for 42 s more"), "{said}");
    }

    #[test]
    fn of_datagrams_the_memory_is_told_that_holds_them() {
        let waiting = SocketRow { kind: Kind::Udp, to_read_bytes: 832, ..row(SocketState::ESTABLISHED) };
        let said = sentence(&waiting, None);
        assert!(said.ends_with("; datagrams wait to be read, in 832 bytes of memory"), "{said}");
    }
}
