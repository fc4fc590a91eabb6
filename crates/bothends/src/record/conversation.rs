//! Records of live conversations: listening, opened, data, closed, and what else a server tells.

use ends::event::{Account, Away, ClosedBy, Event, How};
use ends::service::Line;
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

/// A message arrived, whole unless `whole` is the length that it had.
pub fn message(clock: &Clock, client: u64, remote: &Address, bytes: &[u8], whole: Option<u64>) -> Record {
    let record = clock.record("data").with("client", client).with("remote", remote.to_string());
    let record = record.with_bytes(bytes).with("len_bytes", bytes.len());
    match whole {
        None => record,
        Some(whole) => record.with("cut", true).with("whole_bytes", whole),
    }
}

/// Somebody said a whole line. `cut` where it had no end.
pub fn said(record: Record, remote: Option<&Address>, line: &Line) -> Record {
    let record = record.with_some("client", line.client.map(|client| client.0));
    let record = record.with_some("remote", remote.map(Address::to_string));
    let record = record.with_some("room", line.room.as_deref()).with_some("name", line.name.as_deref());
    let record = record.with_bytes(&line.bytes).with("len_bytes", line.bytes.len());
    record.with_some("cut", line.cut.then_some(true))
}

/// A conversation is over.
pub fn closed(clock: &Clock, client: u64, account: &Account) -> Record {
    let record = clock.record("closed").with("client", client);
    let record =
        record.with("closed_by", closed_by_word(account.closed_by)).with("how", how_word(account.how));
    let record = record.with("in_bytes", account.in_bytes).with("out_bytes", account.out_bytes);
    let record =
        record.with("unsent_bytes", account.unsent_bytes).with("never_sent_bytes", account.never_sent_bytes);
    let record = record.with("unread_bytes", account.unread_bytes);
    record.with("open_s", seconds(account.open))
}

/// The record of what a server tells.
pub fn of_event(clock: &Clock, event: &Event, keeps_messages: bool) -> Record {
    match event {
        Event::Listening { transport, address, service, engine } => {
            listening(clock, &address.in_full(*transport), service, engine)
        }
        Event::Opened { client, transport, local, remote } => {
            opened(clock, *client, *transport, local, remote)
        }
        Event::Data { client, remote, bytes, whole_bytes } if keeps_messages || whole_bytes.is_some() => {
            message(clock, *client, remote, bytes, *whole_bytes)
        }
        Event::Data { client, remote, bytes, .. } => data(clock, *client, remote, bytes),
        Event::Closed { client, transport, remote, account } => {
            let record = closed(clock, *client, account).with("transport", transport.name());
            record.with("remote", remote.to_string())
        }
        Event::TurnedAway { remote, why } => turned_away(clock, remote, why),
        Event::OptionSet { at, name, asked, is } => {
            let record = clock.record("option").with("at", at.as_str()).with("name", *name);
            record.with("asked", asked.as_str()).with("is", is.as_str())
        }
        Event::ListsRead { networks } => clock.record("lists_read").with("networks", *networks),
        Event::ChildEnded { pid, client, exit, signal } => {
            let record = clock.record("child_ended").with("client", *client).with("pid", *pid);
            record.with_some("exit", *exit).with_some("signal", *signal)
        }
        Event::Trouble(fault) => super::trouble(clock, fault),
        Event::Paused => clock.record("paused"),
        Event::Stopping { sessions } => clock.record("stopping").with("sessions", *sessions),
    }
}

/// A client was not let in.
fn turned_away(clock: &Clock, remote: &Address, why: &Away) -> Record {
    let record = clock.record("turned_away").with("remote", remote.to_string());
    match why {
        Away::Full(limit) => record.with("why", "full").with("limit", *limit),
        Away::FullForSource(limit) => record.with("why", "full_for_source").with("limit", *limit),
        Away::Denied(network) => record.with("why", "denied").with_some("network", network.as_deref()),
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
