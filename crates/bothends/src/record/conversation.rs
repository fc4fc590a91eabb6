//! Records of live conversations: listening, opened, data, closed.

use ends::event::{Account, ClosedBy, Event, How};

use wire::{Address, Transport};

use super::Record;
use crate::clock::{Clock, seconds};

/// A server waits for clients.
fn listening(clock: &Clock, address: &str, service: &str, engine: &str) -> Record {
    let record = clock.record("listening").with("address", address).with("service", service);
    record.with("engine", engine).with("pid", std::process::id())
}

/// A conversation is open.
pub fn opened(clock: &Clock, client: u64, transport: Transport, local: &Address, remote: &Address) -> Record {
    let record = clock.record("opened").with("client", client).with("transport", transport.name());
    record.with("local", local.to_string()).with("remote", remote.to_string())
}

/// Bytes arrived. They are `cut` when they do not end with a line.
pub fn data(clock: &Clock, client: u64, remote: &Address, bytes: &[u8]) -> Record {
    let record = clock.record("data").with("client", client).with("remote", remote.to_string());
    let record = record.with_bytes(bytes).with("len_bytes", bytes.len());
    record.with_some("cut", (!bytes.ends_with(b"\n")).then_some(true))
}

/// A conversation is over.
pub fn closed(clock: &Clock, client: u64, account: &Account) -> Record {
    let record = clock.record("closed").with("client", client);
    let record =
        record.with("closed_by", closed_by_word(account.closed_by)).with("how", how_word(account.how));
    let record = record.with("in_bytes", account.in_bytes).with("out_bytes", account.out_bytes);
    let record = record.with("unsent_bytes", account.unsent_bytes).with("unread_bytes", account.unread_bytes);
    record.with("open_s", seconds(account.open))
}

/// The record of what an end tells; none for what has no record.
pub fn of_event(clock: &Clock, event: &Event) -> Option<Record> {
    match event {
        Event::Listening { transport, address, service, engine } => {
            Some(listening(clock, &address.in_full(*transport), service, engine))
        }
        Event::Opened { client, transport, local, remote } => {
            Some(opened(clock, *client, *transport, local, remote))
        }
        Event::Data { client, remote, bytes, .. } => Some(data(clock, *client, remote, bytes)),
        Event::Closed { client, account, .. } => Some(closed(clock, *client, account)),
        Event::TurnedAway { .. }
        | Event::ChildEnded { .. }
        | Event::Trouble(_)
        | Event::Paused
        | Event::Stopping { .. } => None,
    }
}

fn closed_by_word(closed_by: ClosedBy) -> &'static str {
    match closed_by {
        ClosedBy::Us => "us",
        ClosedBy::Peer => "peer",
        ClosedBy::Both => "both",
        ClosedBy::Path => "path",
        ClosedBy::Kernel => "kernel",
    }
}

fn how_word(how: How) -> &'static str {
    match how {
        How::Fin => "fin",
        How::Reset => "reset",
        How::TimedOut => "timeout",
        How::Refused => "refused",
        How::Unreachable => "unreachable",
        How::Killed => "killed",
        How::Idle => "idle",
        How::Limit => "limit",
        How::Stopped => "stopped",
    }
}
