//! The words of a lesson, kept apart from its logic: a translation is a second file of the same form.
//!
//! ```text
//! [title]
//! Three segments open a connection
//! [text]
//! Paragraphs, with blank lines between them.
//! [table]
//! Lines that are shown as they stand, at most 78 columns wide.
//! [read]
//! RFC 9293 §3.5
//! [claims]
//! three = the connection is opened by three segments
//! [moments]
//! two wait = two clients wait to be accepted
//! [facts]
//! processes = processes of the server
//! [beside]
//! The same on the real kernel: paragraphs.
//! [err]
//! They say: …
//! It is: …
//! Source: …
//! [next]
//! bothends lab
//! ```

/// The words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it shows, in a few words.
    pub title: String,
    /// Paragraphs.
    pub paragraphs: Vec<String>,
    /// Lines that are shown as they stand.
    pub table: Vec<String>,
    /// Clauses and man pages to have at hand.
    pub read: String,
    /// The claims: the name by which the logic knows each, and its words.
    pub claims: Vec<(String, String)>,
    /// The moments of a play on the real kernel, likewise.
    pub moments: Vec<(String, String)>,
    /// What its programs found out, likewise; what has no words here is not shown.
    pub facts: Vec<(String, String)>,
    /// What is said of the same play on the real kernel, where that stands beside the simulated one.
    pub beside: Vec<String>,
    /// Where widespread notes err.
    pub errs: Vec<Erratum>,
    /// Commands to try.
    pub next: Vec<String>,
}

/// A widespread error and the fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erratum {
    /// What is said.
    pub said: String,
    /// What is so.
    pub fact: String,
    /// Where that stands.
    pub source: String,
}

impl Text {
    /// Reads a file of the form above; what has no place in it is left out, which a test of all files would see.
    pub(crate) fn parse(file: &str) -> Text {
        let mut text = Text::default();
        for section in file.split("\n[").map(|section| section.trim_start_matches('[')) {
            let Some((name, body)) = section.split_once("]\n") else { continue };
            let lines = || body.lines().map(str::trim).filter(|line| !line.is_empty());
            match name {
                "title" => text.title = joined(body),
                "text" => text.paragraphs = paragraphs(body),
                "table" => text.table = body.lines().map(|line| line.trim_end().to_owned()).collect(),
                "read" => text.read = joined(body),
                "claims" => text.claims = named(body),
                "moments" => text.moments = named(body),
                "facts" => text.facts = named(body),
                "beside" => text.beside = paragraphs(body),
                "err" => text.errs.push(Erratum {
                    said: after(body, "They say: "),
                    fact: after(body, "It is: "),
                    source: after(body, "Source: "),
                }),
                "next" => text.next = lines().map(str::to_owned).collect(),
                _ => {}
            }
        }
        text
    }
}

fn paragraphs(body: &str) -> Vec<String> {
    body.split("\n\n").map(joined).filter(|words| !words.is_empty()).collect()
}

fn joined(body: &str) -> String {
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names and the words for them, a line each.
fn named(body: &str) -> Vec<(String, String)> {
    let lines = body.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(name, words)| (name.trim().to_owned(), words.trim().to_owned())).collect()
}

fn after(body: &str, label: &str) -> String {
    body.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default().trim().to_owned()
}
