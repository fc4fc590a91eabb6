//! The record of a socket.

use draw::sockets::Surroundings;
use serde_json::{Map, Value, json};
use wire::Address;
use wire::socket_row::{Kind, Memory, Model, Owner, SocketRow, SocketState, TimerKind};

use super::{Record, object};

/// A socket with all that is known of it; `explained` says whose turn it is.
pub fn socket(row: &SocketRow, explained: Option<&str>, around: &dyn Surroundings) -> Record {
    of(Record::new("socket"), row, explained, around)
}

/// What the shape of a listing says of a socket.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// Nothing.
    Plain,
    /// It is an end of the conversation of this number, from 1, and which; none where the other end is not among them.
    Pair {
        /// The number.
        number: u64,
        /// `client` or `server`.
        role: Option<&'static str>,
    },
    /// It stands under this process.
    Under(&'a Owner),
}

/// A socket's record with what the shape says.
pub fn shaped(record: Record, shape: &Shape<'_>) -> Record {
    match shape {
        Shape::Plain => record,
        Shape::Pair { number, role } => record.with("pair", *number).with_some("role", *role),
        Shape::Under(under) => record.with("under", owner(under)),
    }
}

/// The same as something that happened to it, behind the fields that there are already.
pub fn socket_event(record: Record, event: &str, row: &SocketRow, around: &dyn Surroundings) -> Record {
    of(record.with("event", event), row, None, around)
}

/// A socket among those of a moment: whose it is, its state and ends, and what waits in its queues.
pub(super) fn at_a_moment(host: &str, row: &SocketRow) -> Value {
    let mut fields = Map::new();
    let words = [
        ("host", host.to_owned()),
        ("transport", row.kind.transport().to_owned()),
        ("state", row.state.name(row.kind).to_string()),
        ("local", place(row, &row.local)),
        ("remote", place(row, &row.remote)),
    ];
    fields.extend(words.map(|(name, word)| (name.to_owned(), word.into())));
    // The table that a play reads, /proc/net/tcp, does not have a listener's limit.
    let told = queues(row).filter(|(name, _)| *name != "accept_limit");
    fields.extend(told.map(|(name, number)| (name.to_owned(), number.into())));
    Value::Object(fields)
}

/// How many sockets there are of a kind and state.
pub fn socket_count(kind: Kind, state: SocketState, count: u64) -> Record {
    Record::new("socket_count")
        .with("transport", kind.transport())
        .with("state", state.name(kind))
        .with("count", count)
}

fn of(record: Record, row: &SocketRow, explained: Option<&str>, around: &dyn Surroundings) -> Record {
    let details = row.details.as_deref();
    let record = record
        .with("transport", row.kind.transport())
        .with("state", row.state.name(row.kind))
        .with("local", place(row, &row.local))
        .with("remote", remote(row, around));
    queues(row)
        .fold(record, |record, (name, number)| record.with(name, number))
        .with_some("uid", row.uid)
        .with("inode", row.inode)
        .with("processes", around.owners(row.inode).iter().map(owner).collect::<Value>())
        .with_some(
            "timer",
            row.timer.map(|timer| {
                object([
                    ("kind", timer_word(timer.kind).into()),
                    ("expires_ms", timer.expires_ms.into()),
                    ("retransmits", timer.retransmits.into()),
                ])
            }),
        )
        .with_some(
            "tcp",
            row.tcp().map(|info| {
                Value::Object(info.fields().map(|(name, value)| (name.to_owned(), value.into())).collect())
            }),
        )
        .with_some("peer_inode", row.peer_inode)
        .with_some("interface", interface(row, around))
        .with_some("ether_type", row.kind.is_packet().then_some(row.ether_type))
        .with_some("congestion", details.and_then(|details| details.congestion.as_deref()))
        .with_some("congestion_model", details.and_then(|details| details.model).map(model))
        .with_some("memory", row.memory().map(memory))
        .with_some("drops", row.drops)
        .with_some("shutdown", row.shutdown.filter(|ended| *ended != 0).map(shutdown))
        .with_some("v6_only", row.v6_only)
        .with_some("tos", details.and_then(|details| details.tos))
        .with_some("traffic_class", details.and_then(|details| details.traffic_class))
        .with_some("class_id", details.and_then(|details| details.class_id))
        .with_some("upper", details.and_then(|details| details.upper.as_deref()))
        .with_some("file_inode", details.and_then(|details| details.file).map(|(inode, _)| inode))
        .with_some("cgroup", row.cgroup.and_then(|number| around.cgroup(number)))
        .with_some("mark", row.mark.filter(|mark| *mark != 0))
        .with_some("cookie", (row.cookie != 0).then(|| format!("{:x}", row.cookie)))
        .with_some("explained", explained)
}

/// What waits, in bytes; the queues of a listener count connections.
fn queues(row: &SocketRow) -> impl Iterator<Item = (&'static str, u32)> {
    let (first, second) = (row.to_read_bytes, row.to_send_bytes);
    let (bytes, connections) = match row.is_listener() {
        true => ([0, 0], Some([("accept_queue", first), ("accept_limit", second)])),
        false => ([first, second], None),
    };
    let [to_read, to_send] = bytes;
    let bytes = [("recv_q_bytes", to_read), ("send_q_bytes", to_send)];
    bytes.into_iter().chain(connections.into_iter().flatten())
}

/// As everywhere in records; of a packet socket there is none.
fn place(row: &SocketRow, address: &Address) -> String {
    if row.kind.is_packet() { String::new() } else { address.to_string() }
}

fn remote(row: &SocketRow, around: &dyn Surroundings) -> String {
    match row.peer_inode.and_then(|peer| around.peer_name(peer)) {
        Some(name) => name.to_string(),
        None => place(row, &row.remote),
    }
}

fn interface(row: &SocketRow, around: &dyn Surroundings) -> Option<String> {
    (row.interface != 0).then(|| around.interface(row.interface).unwrap_or_else(|| row.interface.to_string()))
}

pub(super) fn owner(owner: &Owner) -> Value {
    json!({ "pid": owner.pid, "fd": owner.fd, "name": owner.name })
}

fn timer_word(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmit => "retransmit",
        TimerKind::KeepAlive => "keepalive",
        TimerKind::TimeWait => "time_wait",
        TimerKind::Persist => "persist",
        TimerKind::DelayedAck => "delayed_ack",
        TimerKind::Other(_) => "unknown",
    }
}

fn memory(memory: &Memory) -> Value {
    object([
        ("receive_bytes", memory.receive_bytes.into()),
        ("receive_room_bytes", memory.receive_room_bytes.into()),
        ("send_bytes", memory.send_bytes.into()),
        ("send_room_bytes", memory.send_room_bytes.into()),
        ("forward_bytes", memory.forward_bytes.into()),
        ("queued_bytes", memory.queued_bytes.into()),
        ("option_bytes", memory.option_bytes.into()),
        ("backlog_bytes", memory.backlog_bytes.into()),
    ])
}

fn shutdown(ended: u8) -> &'static str {
    match ended & 3 {
        1 => "receive",
        2 => "send",
        _ => "both",
    }
}

fn model(model: Model) -> Value {
    match model {
        Model::Bbr { bandwidth_bytes_per_s, min_rtt_us, pacing_gain, cwnd_gain } => json!({
            "name": "bbr",
            "bandwidth_bytes_per_s": bandwidth_bytes_per_s,
            "min_rtt_us": min_rtt_us,
            "pacing_gain": f64::from(pacing_gain) / 256.0,
            "cwnd_gain": f64::from(cwnd_gain) / 256.0,
        }),
        Model::Dctcp { enabled, ce_state, alpha, ab_ecn, ab_tot } => json!({
            "name": "dctcp", "enabled": enabled, "ce_state": ce_state, "alpha": f64::from(alpha) / 1024.0,
            "marked_bytes": ab_ecn, "acked_bytes": ab_tot,
        }),
        Model::Vegas { enabled, rtt_count, rtt_us, min_rtt_us } => json!({
            "name": "vegas", "enabled": enabled, "rtt_count": rtt_count, "rtt_us": rtt_us, "min_rtt_us": min_rtt_us,
        }),
    }
}
