//! A checksum: what it turned out to be, what is summed before the bytes themselves, and the sum.

use wire::anatomy::{Checksum, Layer, PseudoHeader, Verdict};
use wire::udp;

use super::figure;
use crate::columns::wrap;
use crate::line::{Line, paragraph};
use crate::number::{count, grouped};
use crate::palette::Role;

pub(super) fn lines(layer: &Layer, checksum: &Checksum, width: usize, ascii: bool) -> Vec<Line> {
    let role = match checksum.verdict {
        Verdict::Wrong(_) | Verdict::Missing => Role::Lost,
        Verdict::LeftToDevice(_) => Role::Finding,
        _ => Role::Plain,
    };
    let mut lines = paragraph(role, &sentence(layer, checksum), width);
    let Some(data_sum) = checksum.data_sum.filter(|_| checksum.verdict != Verdict::Unused) else {
        return lines;
    };
    if let Some(pseudo) = &checksum.pseudo {
        lines.extend(pseudo_header(pseudo, width, ascii));
    }
    lines.extend(sum(layer, checksum, data_sum, width));
    lines
}

/// As a figure; in words where there is no room for one.
fn pseudo_header(pseudo: &PseudoHeader, width: usize, ascii: bool) -> Vec<Line> {
    let layer = pseudo.layer();
    let figure = figure::lines(&layer, &pseudo.to_bytes(), width, ascii);
    let sentence = match figure.is_empty() {
        false => "The pseudo-header, which is summed and not sent:".to_owned(),
        true => {
            let fields = layer.fields.iter().map(|field| format!("{} {}", field.name, field.value));
            let fields = fields.collect::<Vec<_>>().join(", ");
            format!("The pseudo-header, which is summed and not sent: {fields}.")
        }
    };
    let mut lines = paragraph(Role::Plain, &sentence, width);
    lines.extend(figure);
    lines
}

fn sentence(layer: &Layer, checksum: &Checksum) -> String {
    let (stated, clause) = (checksum.stated, checksum.clause);
    match checksum.verdict {
        Verdict::Right => format!("Checksum 0x{stated:04x}: right ({clause})."),
        Verdict::Wrong(right) => {
            format!(
                "Checksum 0x{stated:04x}: wrong, it should be 0x{right:04x} ({clause}). The packet was damaged, or \
                 captured before a device had made it."
            )
        }
        Verdict::LeftToDevice(right) => format!(
            "Checksum 0x{stated:04x}: left to the device (offload). It is the sum of the pseudo-header alone: the frame \
             was captured on the machine that sent it, before its network device made 0x{right:04x} of it."
        ),
        Verdict::Unused => {
            format!("Checksum 0: not used; over IPv4 a sender of UDP may leave it out ({clause}).")
        }
        Verdict::Missing => format!(
            "Checksum 0: missing; over IPv6 it must be there, but for some tunnels ({clause}, RFC 6935 §5)."
        ),
        Verdict::Cut { by, kept } => format!(
            "Checksum 0x{stated:04x}: cannot be checked: {} kept only {} of the {} that it covers.",
            by.words(),
            grouped(kept as u64),
            count(checksum.covered as u64, "byte")
        ),
        Verdict::Fragment => format!(
            "Checksum 0x{stated:04x}: cannot be checked: it covers a whole {} packet, and this is a fragment.",
            layer.name
        ),
    }
}

/// The addition, number below number.
fn sum(layer: &Layer, checksum: &Checksum, data_sum: u16, width: usize) -> Vec<Line> {
    let covered = count(checksum.covered as u64, "byte");
    let data = format!("the {covered} of {} with a checksum of zero", layer.name);
    let words = "as 16-bit words (RFC 1071 §1)";
    let Some(pseudo) = &checksum.pseudo else {
        let rows = [(" ", data_sum, format!("{data}, {words}")), complement(!data_sum, false)];
        return rows.iter().flat_map(|(sign, number, what)| summand(sign, *number, what, width)).collect();
    };
    let total = u32::from(pseudo.sum) + u32::from(data_sum);
    let sum = u16::try_from((total & 0xffff) + (total >> 16)).unwrap_or_default();
    let carry = if total > 0xffff { ", the carry added back" } else { "" };
    let rows = [
        (" ", pseudo.sum, format!("the pseudo-header, {words}")),
        ("+", data_sum, data),
        ("=", sum, format!("their sum{carry}")),
        complement(!sum, pseudo.protocol == udp::PROTOCOL),
    ];
    rows.iter().flat_map(|(sign, number, what)| summand(sign, *number, what, width)).collect()
}

/// The last line. UDP's zero means none, so a sum that comes out as zero is sent as ones.
fn complement(number: u16, of_udp: bool) -> (&'static str, u16, String) {
    match number {
        0 if of_udp => ("~", 0xffff, "its complement is zero, which is sent as ones (RFC 768)".to_owned()),
        _ => ("~", number, "its complement: what has to stand in the field".to_owned()),
    }
}

fn summand(sign: &str, number: u16, what: &str, width: usize) -> Vec<Line> {
    let start = format!("  {sign} 0x{number:04x}  ");
    let texts = wrap(what, width.saturating_sub(start.len()));
    let line = |(at, text): (usize, String)| {
        let mut line = Line::default();
        line.push(Role::Plain, if at == 0 { &start } else { "" }).pad_to(start.len());
        line.push(Role::Plain, &text);
        line
    };
    texts.into_iter().enumerate().map(line).collect()
}
