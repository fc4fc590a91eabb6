//! Facts, a line each: a name, a value, and what there is to say of it. Values that do not fit beside their remark have it
//! below them, so that nothing is wider than the terminal and no value is ever cut: one wants to copy them.

use crate::Style;
use crate::columns::{width, wrap};
use crate::line::Line;
use crate::palette::Role;

/// The widest name that still stands in one column with the others.
const NAME: usize = 19;
/// The widest value that has its remark beside it.
const VALUE: usize = 30;
const GAP: usize = 2;

/// What there is to tell of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Title(String, String),
    Heading(String),
    Row { name: String, value: String, remark: String },
    Finding(String),
    Text(String),
}

impl Facts {
    /// Begins with what it is about, and what that is.
    pub fn new(title: impl Into<String>, what: impl Into<String>) -> Facts {
        Facts { parts: vec![Part::Title(title.into(), what.into())] }
    }

    /// A heading above the rows that follow.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Facts {
        self.parts.push(Part::Heading(text.into()));
        self
    }

    /// A fact; the remark may be empty.
    pub fn row(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        remark: impl Into<String>,
    ) -> &mut Facts {
        self.parts.push(Part::Row { name: name.into(), value: value.into(), remark: remark.into() });
        self
    }

    /// Something to beware of.
    pub fn finding(&mut self, text: impl Into<String>) -> &mut Facts {
        self.parts.push(Part::Finding(text.into()));
        self
    }

    /// A sentence.
    pub fn text(&mut self, text: impl Into<String>) -> &mut Facts {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// As text for a terminal. Every string is taken as safe to show.
    pub fn draw(&self, style: &Style) -> String {
        let total = style.width.max(40);
        let mut out = String::new();
        // Each heading begins columns of its own.
        for section in self.parts.chunk_by(|_, next| !matches!(next, Part::Heading(_))) {
            section_lines(section, total).iter().for_each(|line| line.write(&mut out, style));
        }
        out
    }
}

fn section_lines(section: &[Part], total: usize) -> Vec<Line> {
    let columns = columns(section, total);
    let lines = section.iter().map(|part| match part {
        Part::Title(title, what) => title_lines(title, what, total),
        Part::Heading(text) => vec![Line::default(), of(Role::Heading, text)],
        Part::Row { name, value, remark } => row_lines(name, value, remark, &columns),
        Part::Finding(text) => wrapped(Role::Finding, text, 0, total),
        Part::Text(text) if text.is_empty() => vec![Line::default()],
        Part::Text(text) => wrapped(Role::Plain, text, 0, total),
    });
    lines.flatten().collect()
}

fn columns(section: &[Part], total: usize) -> Columns {
    let rows = || {
        section.iter().filter_map(|part| match part {
            Part::Row { name, value, .. } => Some((width(name), width(value))),
            _ => None,
        })
    };
    let name = rows().map(|(name, _)| name).filter(|name| *name <= NAME).max().unwrap_or(0);
    let most = VALUE.min(total.saturating_sub(name + GAP) / 2);
    let value = rows().map(|(_, value)| value).filter(|value| *value <= most).max().unwrap_or(0);
    Columns { name, value, total }
}

struct Columns {
    name: usize,
    value: usize,
    total: usize,
}

fn of(role: Role, text: &str) -> Line {
    let mut line = Line::default();
    line.push(role, text);
    line
}

fn wrapped(role: Role, text: &str, indent: usize, total: usize) -> Vec<Line> {
    let line = |text: String| {
        let mut line = Line::default();
        line.pad_to(indent).push(role, &text);
        line
    };
    wrap(text, total.saturating_sub(indent)).into_iter().map(line).collect()
}

fn title_lines(title: &str, what: &str, total: usize) -> Vec<Line> {
    let mut first = of(Role::Heading, title);
    if what.is_empty() {
        return vec![first];
    }
    if width(title) + GAP + width(what) <= total {
        first.push(Role::Plain, "  ").push(Role::Frame, what);
        return vec![first];
    }
    let mut lines = vec![first];
    lines.extend(wrapped(Role::Frame, what, GAP, total));
    lines
}

fn row_lines(name: &str, value: &str, remark: &str, columns: &Columns) -> Vec<Line> {
    let start = columns.name + GAP;
    let mut first = of(Role::Frame, name);
    let (values_start, mut lines) = match width(name) <= columns.name {
        true => (start, Vec::new()),
        // A long name has its line, and the value stands below it.
        false => (start, vec![std::mem::take(&mut first)]),
    };
    let is_short = width(value) <= columns.value;
    let beside = values_start + columns.value + GAP;
    if is_short && (remark.is_empty() || columns.total.saturating_sub(beside) >= 16) {
        first.pad_to(values_start).push(Role::Client, value);
        for (at, text) in wrap(remark, columns.total.saturating_sub(beside)).into_iter().enumerate() {
            if at > 0 {
                lines.push(std::mem::take(&mut first));
            }
            first.pad_to(beside).push(Role::Plain, &text);
        }
        lines.push(first);
        return lines;
    }
    for (at, text) in pieces(value, columns.total.saturating_sub(values_start)).into_iter().enumerate() {
        if at > 0 {
            lines.push(std::mem::take(&mut first));
        }
        first.pad_to(values_start).push(Role::Client, &text);
    }
    let room = columns.total.saturating_sub(first.columns() + GAP);
    if !remark.is_empty() && width(remark) <= room {
        first.push(Role::Plain, "  ").push(Role::Plain, remark);
        lines.push(first);
    } else {
        lines.push(first);
        lines.extend(wrapped(Role::Plain, remark, values_start + GAP, columns.total));
    }
    lines
}

/// A value in lines; one without blanks goes on as it is, for it is there to be copied.
fn pieces(value: &str, room: usize) -> Vec<String> {
    if value.contains(' ') { wrap(value, room) } else { vec![value.to_owned()] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_stand_in_a_column_and_remarks_beside_or_below() {
        let mut facts = Facts::new("192.0.2.1", "documentation");
        facts.row("bytes", "c0 00 02 01", "network order");
        facts.row("reverse name", "1.2.0.192.in-addr.arpa", "");
        facts.row(
            "ip6.arpa",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "a remark",
        );
        facts.heading("more").row("a name that is very long", "value", "remark").finding("beware");
        let expected = "\
192.0.2.1  documentation
bytes         c0 00 02 01             network order
reverse name  1.2.0.192.in-addr.arpa
ip6.arpa      1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa
                a remark

more
a name that is very long
  value  remark
beware
";
        assert_eq!(facts.draw(&Style::default()), expected);
    }

    proptest! {
        #[test]
        fn nothing_but_a_value_is_wider_than_asked(
            rows in prop::collection::vec(("[a-z ]{1,20}", "[a-z0-9 ]{0,90}", "[a-z ]{0,90}"), 0..8), width in 40usize..120
        ) {
            let mut facts = Facts::new("title", "what it is");
            rows.iter().for_each(|(name, value, remark)| { facts.row(name.as_str(), value.as_str(), remark.as_str()); });
            for line in facts.draw(&Style { width, ..Style::default() }).lines() {
                let is_value = rows.iter().any(|(_, value, _)| !value.contains(' ') && line.contains(value.as_str()));
                prop_assert!(is_value || crate::columns::width(line) <= width, "{}", line);
            }
        }
    }
}
