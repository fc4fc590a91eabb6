//! What the records of `listen` and `connect` have beside those of a server.

use std::time::Duration;

use ends::event::Account;
use serde_json::Value;
use wire::tcp_info::TcpInfo;

use super::{Record, closed, object};
use crate::clock::{Clock, seconds};

/// How long each part of a conversation took; what there was not is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Turning the name into addresses.
    pub resolve: Option<Duration>,
    /// Opening the connection, or waiting for one.
    pub connect: Option<Duration>,
    /// From then to the first byte received.
    pub first_byte: Option<Duration>,
    /// All.
    pub total: Duration,
}

/// `listen` waits for its peer.
pub fn waiting(clock: &Clock, address: &str) -> Record {
    clock.record("listening").with("address", address).with("pid", std::process::id())
}

/// What was found out beside the account; what there was not is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Where it was asked for.
    pub timing: Option<&'a Timing>,
    /// Between the FINs of both ends.
    pub half_open: Option<Duration>,
    /// Where it was asked for, of TCP.
    pub tcp_info: Option<&'a TcpInfo>,
}

/// A conversation is over: the `closed` record, with what there is beside the account.
pub fn over(clock: &Clock, account: &Account, beside: &Beside<'_>) -> Record {
    let record = closed(clock, 1, account).with_some("half_open_s", beside.half_open.map(seconds));
    record.with_some("timing", beside.timing.map(timing)).with_some("tcp", beside.tcp_info.map(tcp))
}

/// `TCP_INFO` by the names of its fields, as far as this kernel has them.
fn tcp(info: &TcpInfo) -> Value {
    let fields = info.fields().map(|(name, value)| (name.to_owned(), value.into()));
    Value::Object(fields.collect())
}

fn timing(timing: &Timing) -> Value {
    let part = |time: Option<Duration>| time.map_or(Value::Null, |time| seconds(time).into());
    present([
        ("resolve_s", part(timing.resolve)),
        ("connect_s", part(timing.connect)),
        ("first_byte_s", part(timing.first_byte)),
        ("total_s", seconds(timing.total).into()),
    ])
}

/// An object of those fields that there are.
fn present<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    let mut whole = object(fields);
    if let Some(fields) = whole.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    whole
}
