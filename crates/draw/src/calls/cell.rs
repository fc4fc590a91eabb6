//! What stands beside the lifelines: a call with what it returned, or the end of its wait.

use flow::calls::Call;

use crate::columns::{width, wrap};
use crate::line::Line;
use crate::number::duration;
use crate::palette::Role;

/// In front of what a call returns after it waited.
const END: &str = "└ ";
/// The wait itself.
pub(super) const WAITS: &str = "┆";
/// How far in the further lines of a call stand.
const INDENT: &str = "  ";

/// The call, and what it returns unless it waits, in lines of at most `columns`.
pub(super) fn called(call: &Call, columns: usize) -> Vec<Line> {
    let role = Role::of(call.side);
    let mut lines: Vec<Line> = Vec::new();
    for words in broken(&wire::visible(&call.text, false), columns) {
        let mut line = Line::default();
        line.push(Role::Plain, if lines.is_empty() { "" } else { INDENT }).push(role, &words);
        lines.push(line);
    }
    if !call.waited()
        && let Some(result) = &call.result
    {
        append(&mut lines, &format!(" = {}", wire::visible(result, false)), columns);
    }
    lines
}

/// What it returned after its wait; which call that was where several waited.
pub(super) fn returned(call: &Call, named: bool, columns: usize) -> Vec<Line> {
    let result = wire::visible(call.result.as_deref().unwrap_or("?"), false).into_owned();
    let name = if named { format!("{} ", call.function()) } else { String::new() };
    let mut line = Line::default();
    line.push(Role::Finding, END).push(Role::of(call.side), &name).push(Role::Plain, &format!("= {result}"));
    let after =
        call.ended.map_or_else(String::new, |ended| format!("  after {}", duration(ended.since(call.began))));
    if line.columns() + width(&after) <= columns {
        line.push(Role::Frame, &after);
        return vec![line];
    }
    // The duration is given up before the result is.
    let mut lines = Vec::new();
    for (at, words) in
        broken(&format!("= {result}"), columns.saturating_sub(END.chars().count())).iter().enumerate()
    {
        let mut line = Line::default();
        line.push(Role::Finding, if at == 0 { END } else { INDENT }).push(Role::Plain, words);
        lines.push(line);
    }
    lines
}

/// The end of a wait that has none; which call that is where its line does not show it.
pub(super) fn still(call: &Call, named: bool, columns: usize) -> Line {
    let words = if columns < 16 { "waits" } else { "waits still" };
    let name = if named { format!("{} ", call.function()) } else { String::new() };
    let mut line = Line::default();
    line.push(Role::Finding, END).push(Role::of(call.side), &name).push(Role::Plain, words);
    line
}

/// In lines, those behind the first a little shorter.
fn broken(words: &str, columns: usize) -> Vec<String> {
    if width(words) <= columns {
        return vec![words.to_owned()];
    }
    wrap(words, columns.saturating_sub(INDENT.len()))
}

/// The result behind the last line, or below it.
fn append(lines: &mut Vec<Line>, result: &str, columns: usize) {
    match lines.last_mut() {
        Some(last) if last.columns() + width(result) <= columns => {
            last.push(Role::Plain, result);
        }
        _ => {
            for words in broken(result.trim_start(), columns) {
                let mut line = Line::default();
                line.push(Role::Plain, INDENT).push(Role::Plain, &words);
                lines.push(line);
            }
        }
    }
}
