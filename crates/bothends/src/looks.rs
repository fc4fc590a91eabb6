//! How output may look here: colour, characters, width. What the flags, the environment and the terminal say is put in;
//! the decision comes out, so that it can be tested without a terminal.

use std::io::IsTerminal;

use draw::Style;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal that can.
    #[value(help = "On a terminal that can.")]
    #[default]
    Auto,
    /// Always.
    #[value(help = "Always.")]
    Always,
    /// Never.
    #[value(help = "Never.")]
    Never,
}

/// The columns that are assumed where nobody says.
const WIDTH: usize = 80;
/// The most columns that are drawn.
const WIDEST: usize = 1000;

/// What decides.
pub struct Surroundings<'a> {
    /// `--color`, or BOTHENDS_COLOR.
    pub color: When,
    /// `--width`.
    pub width: Option<usize>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the stream is a terminal.
    pub terminal: bool,
    /// The terminal's columns.
    pub columns: Option<usize>,
}

impl Surroundings<'_> {
    /// The style for drawings on this stream.
    pub fn style(&self) -> Style {
        Style { width: self.width(), color: self.color(), ascii: self.ascii(), ..Style::default() }
    }

    /// A variable that is set to something.
    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// <https://no-color.org>, <https://bixense.com/clicolors>.
    fn color(&self) -> bool {
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto if self.set("NO_COLOR").is_some() => false,
            When::Auto if self.set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            When::Auto => self.terminal && self.set("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// True where the locale does not say UTF-8; the order of the variables is POSIX's (XBD §8.2).
    fn ascii(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| self.set(name));
        let charset = locale.unwrap_or_default().to_ascii_lowercase();
        !(charset.contains("utf-8") || charset.contains("utf8"))
    }

    fn width(&self) -> usize {
        let from_environment = || self.set("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = self.width.or(self.columns).or_else(from_environment).filter(|columns| *columns > 0);
        width.unwrap_or(WIDTH).min(WIDEST)
    }
}

/// The style for a stream of this process.
pub fn style_of(stream: &(impl IsTerminal + std::os::fd::AsFd), color: When, width: Option<usize>) -> Style {
    let terminal = stream.is_terminal();
    let size = if terminal { rustix::termios::tcgetwinsize(stream).ok() } else { None };
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let variable = |name: &str| std::env::var(name).ok();
    Surroundings { color, width, variable: &variable, terminal, columns }.style()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(set: &[(&str, &str)], change: impl FnOnce(&mut Surroundings<'_>)) -> Style {
        let variable = |name: &str| {
            set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        let mut surroundings = Surroundings {
            color: When::Auto,
            width: None,
            variable: &variable,
            terminal: true,
            columns: None,
        };
        change(&mut surroundings);
        surroundings.style()
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        let color = |set: &[(&str, &str)], when, terminal| {
            style(set, |here| (here.color, here.terminal) = (when, terminal)).color
        };
        assert!(color(&[], When::Auto, true));
        assert!(!color(&[], When::Auto, false));
        assert!(!color(&[("TERM", "dumb")], When::Auto, true));
        assert!(!color(&[("NO_COLOR", "1")], When::Auto, true));
        assert!(color(&[("NO_COLOR", "")], When::Auto, true));
        assert!(color(&[("CLICOLOR_FORCE", "1")], When::Auto, false));
        assert!(!color(&[("CLICOLOR_FORCE", "0")], When::Auto, false));
        assert!(!color(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], When::Auto, false));
        assert!(color(&[("NO_COLOR", "1")], When::Always, false));
        assert!(!color(&[("CLICOLOR_FORCE", "1")], When::Never, true));
    }

    #[test]
    fn characters_follow_the_locale() {
        let ascii = |set: &[(&str, &str)]| style(set, |_| {}).ascii;
        assert!(!ascii(&[("LANG", "de_DE.UTF-8")]));
        assert!(!ascii(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(ascii(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(ascii(&[]));
    }

    #[test]
    fn width_follows_flag_then_terminal_then_columns() {
        let width = |set: &[(&str, &str)], flag, columns| {
            style(set, |here| (here.width, here.columns) = (flag, columns)).width
        };
        assert_eq!(width(&[("COLUMNS", "100")], Some(60), Some(120)), 60);
        assert_eq!(width(&[("COLUMNS", "100")], None, Some(120)), 120);
        assert_eq!(width(&[("COLUMNS", "100")], None, None), 100);
        assert_eq!(width(&[("COLUMNS", "many")], None, None), 80);
        assert_eq!(width(&[("COLUMNS", "0")], None, None), 80);
        assert_eq!(width(&[], Some(1_000_000), None), 1000);
    }
}
