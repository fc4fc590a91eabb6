//! One header while it is read: fields are taken one after the other, and what is taken is what is shown, so that nothing
//! can overlap or be left out.

use super::{Breach, Cut, CutBy, Family, Field, Layer};

/// Where something lies in a frame, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    /// Where the captured bytes of it end.
    pub(super) end: usize,
    /// Where it ended on the wire; not before `end`.
    pub(super) wire_end: usize,
    /// Who kept less, where `end` is before `wire_end`.
    pub(super) cut_by: CutBy,
}

impl Span {
    /// What is left from `start` on.
    pub(super) fn from(self, start: usize) -> Span {
        let start = start.min(self.end);
        Span { start, ..self }
    }

    /// The same, but no longer on the wire than this.
    pub(super) fn at_most(self, wire_len: usize) -> Span {
        let wire_end = self.wire_end.min(self.start.saturating_add(wire_len));
        Span { wire_end, end: self.end.min(wire_end), ..self }
    }

    /// How long it was on the wire.
    pub(super) fn wire_len(self) -> usize {
        self.wire_end.saturating_sub(self.start)
    }

    pub(super) fn captured_len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// What a header is, before its fields are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Title {
    pub(super) family: Family,
    pub(super) name: &'static str,
    /// At most 8 columns.
    pub(super) short: &'static str,
    pub(super) standard: &'static str,
}

/// A field to be taken: its name, its length in bits, its clause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    name: &'static str,
    label: &'static str,
    bits: usize,
    clause: &'static str,
}

/// A field of this name, so many bits long, defined there.
pub(super) const fn field(name: &'static str, bits: usize, clause: &'static str) -> Spec {
    Spec { name, label: name, bits, clause }
}

impl Spec {
    /// With the shorter name that the standard's figure has.
    pub(super) const fn label(self, label: &'static str) -> Spec {
        Spec { label, ..self }
    }
}

/// A value and what it means.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    value: String,
    meaning: String,
}

/// The number alone.
pub(super) fn plain(value: u64) -> Shown {
    told(value, "")
}

/// The number, and what it means.
pub(super) fn told(value: u64, meaning: impl Into<String>) -> Shown {
    Shown { value: value.to_string(), meaning: meaning.into() }
}

/// The number in hexadecimal with so many digits, and what it means.
pub(super) fn hex(value: u64, digits: usize, meaning: impl Into<String>) -> Shown {
    Shown { value: format!("0x{value:0digits$x}"), meaning: meaning.into() }
}

/// Any text, and what it means.
pub(super) fn text(value: impl Into<String>, meaning: impl Into<String>) -> Shown {
    Shown { value: value.into(), meaning: meaning.into() }
}

/// One bit, and what it means when it is set.
pub(super) fn flag(meaning: &'static str) -> impl FnOnce(u64) -> Shown {
    move |set| told(set, meaning)
}

/// Bits that senders have to leave zero and receivers have to ignore.
pub(super) fn reserved(value: u64) -> Shown {
    told(value, if value == 0 { "" } else { "should be zero" })
}

/// Bytes in hexadecimal, cut behind the 16th.
pub(super) fn hex_bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > 16 { "…" } else { "" };
    format!("{digits}{more}")
}

/// Bytes that have no inner structure here: in hexadecimal, with their number.
pub(super) fn opaque(bytes: &[u8]) -> Shown {
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    text(hex_bytes(bytes), format!("{} {unit}", bytes.len()))
}

/// Six bytes as a MAC address (IEEE 802 §8.1).
pub(super) fn mac(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// Bits of `bytes` as a number; none if they are more than 64, or not all there.
pub(super) fn number(bytes: &[u8], bit: usize, bits: usize) -> Option<u64> {
    if bits > 64 {
        return None;
    }
    (bit..bit + bits).try_fold(0_u64, |number, at| {
        let byte = bytes.get(at / 8)?;
        Some(number << 1 | u64::from(byte >> (7 - at % 8) & 1))
    })
}

/// A header while it is read.
pub(super) struct Reading<'a> {
    frame: &'a [u8],
    span: Span,
    /// Where the header itself says that it ends, in bytes from its start.
    limit: usize,
    /// The next bit, from the start of the layer.
    bit: usize,
    option: &'static str,
    /// A field was asked for that is not there in whole.
    starved: bool,
    layer: Layer,
}

impl<'a> Reading<'a> {
    pub(super) fn new(frame: &'a [u8], span: Span, title: Title, quoted: bool) -> Reading<'a> {
        let layer = Layer {
            family: title.family,
            name: title.name,
            short: title.short,
            standard: title.standard,
            quoted,
            start: span.start,
            len: 0,
            fields: Vec::new(),
            cut: None,
            breaches: Vec::new(),
            checksum: None,
        };
        Reading { frame, span, limit: span.wire_len(), bit: 0, option: "", starved: false, layer }
    }

    /// Takes the next field as a number of at most 64 bits; none when not all of it is there.
    pub(super) fn take(&mut self, spec: Spec, shown: impl FnOnce(u64) -> Shown) -> Option<u64> {
        if !self.has(spec) {
            return None;
        }
        let value = number(self.layer_bytes(), self.bit, spec.bits)?;
        self.push(spec, spec.bits, shown(value));
        Some(value)
    }

    /// Takes the next field as bytes; none when not all of it is there. Nothing is taken for no bytes.
    pub(super) fn take_bytes(&mut self, spec: Spec, shown: impl FnOnce(&[u8]) -> Shown) -> Option<&'a [u8]> {
        if !self.has(spec) {
            return None;
        }
        let bytes = self.layer_bytes().get(self.offset()..self.offset() + spec.bits / 8)?;
        if !bytes.is_empty() {
            self.push(spec, spec.bits, shown(bytes));
        }
        Some(bytes)
    }

    /// Takes all that is left of the header.
    pub(super) fn take_rest(&mut self, name: &'static str, clause: &'static str) -> Option<&'a [u8]> {
        self.take_bytes(field(name, self.room() * 8, clause), opaque)
    }

    /// The following fields belong to this option; empty: to none.
    pub(super) fn option(&mut self, option: &'static str) {
        self.option = option;
    }

    /// The header says that it is so long, in bytes. That it is longer than the packet around it is for the caller to
    /// complain about.
    pub(super) fn ends_at(&mut self, len: usize) {
        self.limit = len.min(self.span.wire_len());
    }

    /// Bytes taken so far.
    pub(super) fn offset(&self) -> usize {
        self.bit / 8
    }

    /// Bytes up to where the header says that it ends, whether or not they were captured.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.offset())
    }

    /// True as long as there is something to take, or to complain about that it is not there.
    pub(super) fn goes_on(&self) -> bool {
        self.room() > 0 && !self.starved
    }

    /// The captured bytes from the start of the layer on.
    pub(super) fn layer_bytes(&self) -> &'a [u8] {
        self.frame.get(self.span.start..self.span.end).unwrap_or_default()
    }

    /// The captured bytes that come next.
    pub(super) fn ahead(&self) -> &'a [u8] {
        let bytes = self.layer_bytes();
        let end = self.limit.min(bytes.len());
        bytes.get(self.offset()..end).unwrap_or_default()
    }

    /// Where this layer is.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// No rule was broken so far.
    pub(super) fn keeps_the_rules(&self) -> bool {
        self.layer.breaches.is_empty()
    }

    /// A rule is broken.
    pub(super) fn breach(&mut self, what: impl Into<String>, clause: &'static str) {
        self.layer.breaches.push(Breach { what: what.into(), clause });
    }

    pub(super) fn checksum(&mut self, checksum: Option<super::Checksum>) {
        self.layer.checksum = checksum;
    }

    /// The layer as far as it was there, and what is left behind it.
    pub(super) fn finish(mut self) -> (Layer, Span) {
        self.layer.len = self.bit.div_ceil(8);
        let rest = self.span.from(self.span.start + self.layer.len);
        (self.layer, rest)
    }

    /// Whether the field is there in whole. Otherwise what is there is taken, and why no more is noted.
    fn has(&mut self, spec: Spec) -> bool {
        let captured = (self.span.captured_len() * 8).saturating_sub(self.bit);
        let stated = (self.limit * 8).saturating_sub(self.bit);
        let there = captured.min(stated);
        if there >= spec.bits {
            return true;
        }
        self.ran_out(spec, stated >= spec.bits);
        if there > 0 {
            let shown = self.part(there, spec.bits);
            self.push(spec, there, shown);
        }
        false
    }

    /// Notes once why the header ends here: what kept less, or the rule that it breaks.
    fn ran_out(&mut self, spec: Spec, in_bounds: bool) {
        if self.starved {
            return;
        }
        self.starved = true;
        let by = match (in_bounds, self.layer.quoted) {
            (true, _) => self.span.cut_by,
            (false, true) => CutBy::Quote,
            (false, false) => {
                self.breach(format!("no room is left for {}", spec.name), spec.clause);
                return;
            }
        };
        let missing = self.span.wire_len().saturating_sub(self.span.captured_len());
        self.layer.cut = Some(Cut { by, at: spec.name, missing });
    }

    fn part(&self, there: usize, of: usize) -> Shown {
        let value = match number(self.layer_bytes(), self.bit, there) {
            Some(value) => format!("0x{value:0digits$x}…", digits = there.div_ceil(4)),
            None => {
                let start = self.offset();
                hex_bytes(self.layer_bytes().get(start..start + there / 8).unwrap_or_default())
            }
        };
        text(value, format!("only {there} of {of} bits"))
    }

    fn push(&mut self, spec: Spec, bits: usize, shown: Shown) {
        self.layer.fields.push(Field {
            name: spec.name,
            label: spec.label,
            option: self.option,
            bit: self.bit,
            bits,
            value: shown.value,
            meaning: shown.meaning,
            clause: spec.clause,
        });
        self.bit += bits;
    }
}
