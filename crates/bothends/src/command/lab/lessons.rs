//! `lab lessons` and `lab lesson NAME`: short plays, on the simulated network or on the real kernel, drawn, and what
//! they claim, checked.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};
use std::os::fd::AsFd;

use draw::Style;
use draw::columns::{width, wrap};
use flow::moments::Moment;
use flow::{Frame, Material, Scene};
use lab::NotMade;
use lab::event::LinkFrame;
use lab::lesson::{self, Chapter, Lesson, Seen, Text};
use wire::link_type::LinkType;
use wire::{Fault, Time};

use super::Flags;
use super::capture_file::CaptureFile;
use crate::exit::Exit;
use crate::help::nearest;
use crate::out::Out;
use crate::picture::{self, Svg};
use crate::record;

/// The widest lines of prose.
const PROSE: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// The list of lessons.
    List,
    /// This lesson.
    One(&'a str),
    /// Words that ask for neither, and what should be said of them.
    Unclear(String),
}

impl Wanted<'_> {
    /// By the words behind `lab`; none where they ask for no lesson.
    pub(super) fn of(words: &[String]) -> Option<Wanted<'_>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["lessons"] => Some(Wanted::List),
            ["lessons", more, ..] => {
                Some(Wanted::Unclear(format!("nothing may stand behind lessons, as {more:?} does")))
            }
            ["lesson"] => Some(Wanted::Unclear("which lesson?".to_owned())),
            ["lesson", name] => Some(Wanted::One(name)),
            ["lesson", _, more, ..] => {
                Some(Wanted::Unclear(format!("one lesson at a time, so not {more:?} as well")))
            }
            _ => None,
        }
    }
}

pub(super) fn run(wanted: &Wanted<'_>, flags: &Flags, out: &Out) -> Exit {
    if !flags.commands.is_empty() {
        let hint = "commands run on the private network: bothends lab -- SERVER... -- CLIENT...";
        return out.usage("a lesson runs no commands", Some(hint.to_owned()));
    }
    let exit = match wanted {
        Wanted::List if flags.markdown => {
            out.print(&document());
            Exit::Ok
        }
        Wanted::List => list(out),
        Wanted::Unclear(sentence) => return unknown(sentence, out),
        Wanted::One(name) => match lesson::find(name) {
            None => {
                let sentence = format!("there is no lesson {name:?}");
                return match nearest(name, lesson::all().iter().map(|lesson| lesson.id)) {
                    Some(similar) => out.usage(
                        &sentence,
                        Some(format!(
                            "a similar one exists: {similar}; all are listed by: bothends lab lessons"
                        )),
                    ),
                    None => unknown(&sentence, out),
                };
            }
            Some(lesson) => play(lesson, flags, out).unwrap_or_else(|fault| out.fault(&fault)),
        },
    };
    out.finish(exit)
}

fn unknown(sentence: &str, out: &Out) -> Exit {
    out.usage(sentence, Some("the lessons are listed by: bothends lab lessons".to_owned()))
}

/// All lessons, chapter by chapter.
fn list(out: &Out) -> Exit {
    if out.json {
        for lesson in lesson::all() {
            // Only what takes no time is played for a list.
            let seen = if lesson.is_simulated() { lesson.play().ok() } else { None };
            out.record(&record::lesson(lesson, &lesson.text(), seen.as_ref()));
        }
        return Exit::Ok;
    }
    let mut shown = String::new();
    for (chapter, lessons) in chapters() {
        let _ = writeln!(shown, "{}", chapter.title());
        for lesson in lessons {
            shown.push_str(&block(&format!("  {:<21} ", lesson.id), &lesson.text().title, &out.stdout));
        }
        shown.push('\n');
    }
    shown.push_str("Play one: bothends lab lesson handshake\n");
    out.print(&plain(&shown, &out.stdout));
    Exit::Ok
}

fn chapters() -> Vec<(Chapter, Vec<&'static Lesson>)> {
    let mut chapters: Vec<(Chapter, Vec<&'static Lesson>)> = Vec::new();
    for lesson in lesson::all() {
        match chapters.last_mut() {
            Some((chapter, lessons)) if *chapter == lesson.chapter => lessons.push(lesson),
            _ => chapters.push((lesson.chapter, vec![lesson])),
        }
    }
    chapters
}

/// Plays the lesson and shows it; a claim that does not hold is exit 1.
fn play(lesson: &Lesson, flags: &Flags, out: &Out) -> Result<Exit, Fault> {
    let svg = Svg::create(flags.svg.as_ref())?;
    let text = lesson.text();
    let seen = match lesson.play() {
        Ok(seen) => seen,
        Err(NotMade::Failed(fault)) => return Err(fault),
        Err(NotMade::Refused(refusal)) => return Ok(out.refusal(&refusal)),
    };
    let link_type = seen.frames.first().map_or(LinkType::RAW, |frame| frame.link_type);
    let capture = flags.write.as_deref().map(|path| CaptureFile::create(path, link_type)).transpose()?;
    // A file that cannot be written spoils nothing of what is shown.
    let written = capture.map_or(Ok(()), |mut capture| {
        seen.frames.iter().for_each(|frame| capture.packet(frame));
        capture.finish()
    });
    let drawn = pictured(lesson, &text, &seen).map_or(Ok(()), |drawing| svg.finish_with(&drawing));
    if out.json {
        records(&seen, out);
        out.record(&record::lesson(lesson, &text, Some(&seen)));
    } else {
        show(lesson, &text, &seen, flags.step, out);
    }
    written.and(drawn)?;
    Ok(if lesson.claims.iter().all(|claim| claim.holds(&seen)) { Exit::Ok } else { Exit::No })
}

/// Segments and conversations, datagrams and theirs, the calls of both programs, and the sockets at each moment.
fn records(seen: &Seen, out: &Out) {
    let world = seen.world;
    let flows: Vec<&flow::Flow> = seen.flows.iter().collect();
    picture::records(&flows, &[], Time::ZERO, world, true, out);
    for flow in &seen.datagrams {
        flow.rows.iter().for_each(|row| out.record(&record::datagram(flow.stream, row, Time::ZERO, world)));
        out.record(&record::datagram_flow(flow, Time::ZERO, world));
    }
    for call in &seen.calls {
        out.record(&record::call(call, seen.ended_by(call), Time::ZERO));
    }
    for moment in &seen.moments {
        out.record(&record::moment(moment, Time::ZERO));
    }
}

/// Text, scenes, claims, and what to do next; with `step` each when a key is pressed.
fn show(lesson: &Lesson, text: &Text, seen: &Seen, step: bool, out: &Out) {
    let style = &out.stdout;
    let mut parts = vec![plain(&introduction(lesson, text, style), style)];
    parts.extend(lesson.scenes.iter().map(|scene| drawn(*scene, seen, text, style)));
    if let Some(beside) = lesson.play_beside() {
        parts.push(plain(&on_the_kernel(beside, text, style), style));
    }
    parts.push(plain(&claims(lesson, text, seen, style), style));
    parts.push(plain(&further(text, style), style));
    let last = parts.len() - 1;
    for (place, part) in parts.iter().enumerate() {
        out.print(part);
        if place < last {
            out.print("\n");
        }
        if step && place < last {
            out.flush();
            if place == 0 && std::io::stdin().is_terminal() {
                out.tell("any key goes on, q ends\n");
            }
            if !goes_on() {
                return;
            }
        }
    }
}

/// Waits for any key, or where standard input is no terminal for the end of a line; false for q. Input that ends, or
/// cannot be read, waits for nobody.
fn goes_on() -> bool {
    let stdin = std::io::stdin();
    match kernel::terminal::wait_for_key(stdin.as_fd()) {
        Some(key) => !key.eq_ignore_ascii_case(&b'q'),
        None if stdin.is_terminal() => true,
        None => {
            let mut line = String::new();
            let _ = stdin.lock().read_line(&mut line);
            line.trim_end() != "q"
        }
    }
}

fn introduction(lesson: &Lesson, text: &Text, style: &Style) -> String {
    let mut shown = format!("{}: {}\n{}\n", lesson.chapter.title(), lesson.id, text.title);
    for paragraph in &text.paragraphs {
        shown.push('\n');
        shown.push_str(&block("", paragraph, style));
    }
    if !text.table.is_empty() {
        shown.push('\n');
        text.table.iter().for_each(|line| {
            let _ = writeln!(shown, "{}", format!("  {line}").trim_end());
        });
    }
    shown
}

fn drawn(scene: Scene, seen: &Seen, text: &Text, style: &Style) -> String {
    with_material(seen, text, |material| draw::scene::text(scene, material, picture::roles, style))
}

/// What scenes are made of; moments and facts by the words that the text has for them.
fn with_material<T>(seen: &Seen, text: &Text, draw: impl FnOnce(&Material<'_>) -> T) -> T {
    let frames: Vec<Frame<'_>> = seen.frames.iter().map(LinkFrame::to_follow).collect();
    let moments: Vec<Moment> = seen.moments.iter().filter_map(|moment| worded(moment, text)).collect();
    let facts =
        text.facts.iter().filter_map(|(name, words)| Some((words.clone(), seen.fact(name)?.to_owned())));
    let facts: Vec<(String, String)> = facts.collect();
    draw(&Material { moments: &moments, facts: &facts, ..seen.material(&frames) })
}

/// A moment by the words that the text has for it; one without words is not shown.
fn worded(moment: &Moment, text: &Text) -> Option<Moment> {
    let (_, words) = text.moments.iter().find(|(name, _)| *name == moment.name)?;
    Some(Moment { name: words.clone(), ..moment.clone() })
}

/// The same play on the real kernel; where that cannot be had, that is said.
fn on_the_kernel(seen: Result<Seen, NotMade>, text: &Text, style: &Style) -> String {
    let mut shown = String::new();
    let seen = match seen {
        Ok(seen) => seen,
        Err(NotMade::Refused(refusal)) => {
            let why = explain::refusal::sentence(&refusal);
            return block(
                "",
                &format!(
                    "The real kernel's version is left out, for the system allows no private network: {why}"
                ),
                style,
            );
        }
        Err(NotMade::Failed(fault)) => {
            return block("", &format!("The real kernel's version is left out: {fault}"), style);
        }
    };
    for paragraph in &text.beside {
        shown.push_str(&block("", paragraph, style));
        shown.push('\n');
    }
    shown.push_str(&drawn(Scene::Ladders, &seen, text, style));
    shown
}

/// All scenes as one picture.
fn pictured(lesson: &Lesson, text: &Text, seen: &Seen) -> Option<String> {
    with_material(seen, text, |material| draw::scene::page(lesson.scenes, material, picture::roles))
}

fn claims(lesson: &Lesson, text: &Text, seen: &Seen, style: &Style) -> String {
    let mut shown = "Claims, checked in this play:\n".to_owned();
    for (claim, (_, words)) in lesson.claims.iter().zip(&text.claims) {
        let mark = if claim.holds(seen) { "  ✓ holds: " } else { "  ✗ does not hold: " };
        shown.push_str(&block(mark, words, style));
    }
    shown
}

fn further(text: &Text, style: &Style) -> String {
    let mut shown = String::new();
    for err in &text.errs {
        shown.push_str(&block("Some notes say: ", &err.said, style));
        shown.push_str(&block("But it is so:   ", &format!("{} ({})", err.fact, err.source), style));
        shown.push('\n');
    }
    shown.push_str(&block("To read: ", &text.read, style));
    shown.push_str("To try:\n");
    text.next.iter().for_each(|command| shown.push_str(&format!("  {command}\n")));
    shown
}

/// A paragraph behind a label, its lines below the first as far in as the label.
fn block(label: &str, words: &str, style: &Style) -> String {
    let indent = width(label);
    let columns = style.width.min(PROSE).saturating_sub(indent).max(20);
    let mut before = label.to_owned();
    let mut shown = String::new();
    for line in wrap(words, columns) {
        let _ = writeln!(shown, "{before}{line}");
        before = " ".repeat(indent);
    }
    shown
}

/// The few characters of the lessons' words that ASCII has not.
fn plain(text: &str, style: &Style) -> String {
    if !style.ascii {
        return text.to_owned();
    }
    text.replace("§", "section ").replace('✓', "+").replace(['✗', '–'], "-")
}

/// docs/lessons.md: every lesson as it plays.
fn document() -> String {
    let style = Style::default();
    let mut document = "# Lessons\n\nMade by `bothends lab lessons --markdown` from the lessons themselves; a test says \
                        when it is stale. Each plays with\n`bothends lab lesson NAME`, and what it claims is checked as it \
                        plays.\n"
        .to_owned();
    for (chapter, lessons) in chapters() {
        let _ = write!(document, "\n## {}\n", chapter.title());
        for lesson in lessons {
            document.push_str(&section(lesson, &style));
        }
    }
    document
}

fn section(lesson: &Lesson, style: &Style) -> String {
    let text = lesson.text();
    let seen = if lesson.is_simulated() { lesson.play().ok() } else { None };
    let mut section = format!("\n### {}: {}\n", lesson.id, text.title);
    for paragraph in &text.paragraphs {
        let _ = write!(section, "\n{paragraph}\n");
    }
    if !text.table.is_empty() {
        let _ = write!(section, "\n```text\n{}\n```\n", text.table.join("\n"));
    }
    match &seen {
        Some(seen) => lesson.scenes.iter().for_each(|scene| {
            let _ = write!(section, "\n```text\n{}```\n", drawn(*scene, seen, &text, style));
        }),
        None => section.push_str("\nIt plays on the real kernel, and shows what that does when it plays.\n"),
    }
    for paragraph in &text.beside {
        let _ = write!(section, "\n{paragraph}\n");
    }
    section.push_str("\nClaims:\n\n");
    for (claim, (_, words)) in lesson.claims.iter().zip(&text.claims) {
        let fails = seen.as_ref().is_some_and(|seen| !claim.holds(seen));
        let _ = writeln!(section, "* {words}{}", if fails { " (does not hold)" } else { "" });
    }
    for err in &text.errs {
        let _ =
            write!(section, "\nSome notes say: {}. But it is so: {} ({}).\n", err.said, err.fact, err.source);
    }
    let next: Vec<String> = text.next.iter().map(|command| format!("`{command}`")).collect();
    let _ = write!(section, "\nTo read: {}. To try: {}\n", text.read, next.join(", "));
    section
}
