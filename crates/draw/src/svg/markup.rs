//! Writing SVG: numbers short, text escaped for XML and freed from what readers could not see.

use std::fmt::Write as _;

use wire::visible;

/// An SVG document's body in the making.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    out: String,
}

impl Markup {
    /// A text: its classes, its place, `start`, `middle` or `end`, what it says.
    pub(crate) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
        let (x, y) = (short(x), short(y));
        let anchor = anchored(anchor);
        let _ = writeln!(
            self.out,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{}</text>",
            escaped(text)
        );
    }

    /// A text along a line of this slope (in degrees), centred on its place and turned around it. The part that marks a
    /// repetition has a class of its own.
    pub(crate) fn slanted(&mut self, [x, y]: [f64; 2], degrees: f64, text: &str) {
        let (x, y) = (short(x), short(y));
        let turned = if degrees.abs() < 0.05 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {x} {y})\"", short(degrees))
        };
        let said = match text.strip_suffix(crate::ladder::AGAIN) {
            Some(before) => {
                let again = crate::ladder::AGAIN.trim_start();
                format!("{} <tspan class=\"again\">{again}</tspan>", escaped(before))
            }
            None => escaped(text),
        };
        let _ = writeln!(self.out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\"{turned}>{said}</text>");
    }

    /// A path.
    pub(crate) fn path(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.out, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        self.path(
            class,
            &format!("M{} {}L{} {}", short(from[0]), short(from[1]), short(to[0]), short(to[1])),
        );
    }

    /// A rectangle with round corners.
    pub(crate) fn rectangle(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2], round: f64) {
        let (x, y, width, height, round) = (short(x), short(y), short(width), short(height), short(round));
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
        );
    }

    /// Opens a group that says what it is when it is pointed at.
    pub(crate) fn open(&mut self, class: &str, title: &str) {
        let _ = writeln!(self.out, "<g class=\"{class}\"><title>{}</title>", escaped(title));
    }

    /// Closes the group that was opened last.
    pub(crate) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    /// What was written.
    pub(crate) fn into_string(self) -> String {
        self.out
    }
}

/// A whole document: class and style sheet, title and description, width and height, and what is in it.
pub(crate) fn document(
    class: &str,
    sheet: &str,
    [title, description]: [&str; 2],
    [width, height]: [f64; 2],
    body: &str,
) -> String {
    let (wide, high) = (short(width), short(height));
    let (title, description) = (escaped(title), escaped(description));
    let mut ground = Markup::default();
    ground.rectangle("page", [0.5, 0.5], [width - 1.0, height - 1.0], 10.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" role=\"img\" width=\"{wide}\" height=\"{high}\" \
         viewBox=\"0 0 {wide} {high}\">\n<title>{title}</title>\n<desc>{description}</desc>\n{sheet}{}{body}</svg>\n",
        ground.into_string()
    )
}

fn anchored(anchor: &str) -> String {
    if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") }
}

/// Text for an element or an attribute; characters that XML 1.0 §2.2 does not allow are replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in visible(text, false).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            // A browser joins blanks; ours are meant.
            ' ' if out.ends_with(' ') => out.push('\u{a0}'),
            other => out.push(other),
        }
    }
    out
}

/// A number with at most one decimal.
pub(crate) fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_element() {
        assert_eq!(escaped("</text><script>&\"\u{1b}"), "&lt;/text&gt;&lt;script&gt;&amp;&quot;\\u{1b}");
        assert_eq!(escaped("a  b"), "a \u{a0}b");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.25, -3.96].map(short), ["1", "0.2", "-4"]);
    }
}
