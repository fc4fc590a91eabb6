//! The record of one packet, field by field.

use draw::bytes::Packet;
use serde_json::{Map, Value};
use wire::anatomy::{Breach, Checksum, Cut, CutBy, Family, Field, Layer, PseudoHeader, Verdict};

use super::{Record, object};
use crate::clock::seconds;

/// One frame. Places of fields count in bits from the start of their layer; `number` is there for up to 64 bits.
pub fn packet(packet: &Packet<'_>) -> Record {
    let anatomy = packet.anatomy;
    let record = Record::new("packet").with("frame", packet.number).with("t_s", seconds(packet.time));
    let record = record.with("link_type", anatomy.link_type.to_string());
    let record = record.with("len_bytes", anatomy.captured).with("wire_len_bytes", anatomy.wire_len);
    let layers = anatomy.layers.iter().map(|one| layer(one, packet.bytes));
    record.with("hex", hex(packet.bytes)).with("layers", Value::Array(layers.collect()))
}

fn layer(layer: &Layer, frame: &[u8]) -> Value {
    let bytes = layer.bytes(frame);
    let fields = layer.fields.iter().map(|one| field(one, bytes)).collect();
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("name", layer.name.into());
    put("family", family_word(layer.family).into());
    if !layer.standard.is_empty() {
        put("standard", layer.standard.into());
    }
    if layer.quoted {
        put("quoted", true.into());
    }
    put("start_byte", layer.start.into());
    put("len_bytes", layer.len.into());
    put("fields", Value::Array(fields));
    if let Some(one) = &layer.checksum {
        put("checksum", checksum(one));
    }
    if let Some(one) = &layer.cut {
        put("cut", cut(one));
    }
    if !layer.breaches.is_empty() {
        put("breaches", Value::Array(layer.breaches.iter().map(breach).collect()));
    }
    Value::Object(map)
}

fn field(field: &Field, layer: &[u8]) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("name", field.name.into());
    if !field.option.is_empty() {
        put("option", field.option.into());
    }
    put("bit", field.bit.into());
    put("len_bits", field.bits.into());
    if let Some(number) = field.number(layer) {
        put("number", number.into());
    }
    put("value", field.value.as_str().into());
    if !field.meaning.is_empty() {
        put("meaning", field.meaning.as_str().into());
    }
    if !field.clause.is_empty() {
        put("clause", field.clause.into());
    }
    Value::Object(map)
}

fn checksum(checksum: &Checksum) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    let (word, right) = verdict(checksum);
    put("stated", checksum.stated.into());
    put("verdict", word.into());
    if let Some(right) = right {
        put("right", right.into());
    }
    put("covered_bytes", checksum.covered.into());
    if let Verdict::Cut { kept, .. } = checksum.verdict {
        put("kept_bytes", kept.into());
    }
    if let Some(sum) = checksum.data_sum {
        put("data_sum", sum.into());
    }
    if let Some(one) = &checksum.pseudo {
        put("pseudo_header", pseudo_header(one));
    }
    put("clause", checksum.clause.into());
    Value::Object(map)
}

/// The word for it, and what has to stand there if that is known.
fn verdict(checksum: &Checksum) -> (&'static str, Option<u16>) {
    match checksum.verdict {
        Verdict::Right => ("right", Some(checksum.stated)),
        Verdict::Wrong(right) => ("wrong", Some(right)),
        Verdict::LeftToDevice(right) => ("left_to_device", Some(right)),
        Verdict::Unused => ("unused", None),
        Verdict::Missing => ("missing", None),
        Verdict::Cut { .. } => ("cut", None),
        Verdict::Fragment => ("fragment", None),
    }
}

fn pseudo_header(pseudo: &PseudoHeader) -> Value {
    object([
        ("source", pseudo.source.to_string().into()),
        ("destination", pseudo.destination.to_string().into()),
        ("protocol", pseudo.protocol.into()),
        ("len_bytes", pseudo.len.into()),
        ("sum", pseudo.sum.into()),
    ])
}

fn cut(cut: &Cut) -> Value {
    let by = match cut.by {
        CutBy::Capture => "capture",
        CutBy::Quote => "quote",
    };
    object([("by", by.into()), ("at", cut.at.into()), ("missing_bytes", cut.missing.into())])
}

fn breach(breach: &Breach) -> Value {
    object([("what", breach.what.as_str().into()), ("clause", breach.clause.into())])
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::Link => "link",
        Family::Network => "network",
        Family::Transport => "transport",
        Family::Control => "control",
        Family::Tunnel => "tunnel",
        Family::Data => "data",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
