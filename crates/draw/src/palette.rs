//! One table of colours: what a thing *is* (its role), how a terminal of sixteen colours shows it, and which CSS
//! variable with which values shows it in a picture. Colour is never the only sign: each role also differs in form.

use anstyle::{AnsiColor, Style};
use flow::{Side, State};
use wire::anatomy::Family;

/// What a piece of a drawing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Text without a colour of its own.
    Plain,
    /// Names and headings.
    Heading,
    /// Lifelines, rules, column heads, times: there, but in the background.
    Frame,
    /// What the opener does.
    Client,
    /// What the other end does.
    Server,
    /// What was lost.
    Lost,
    /// What is worth a look.
    Finding,
    /// Bytes and fields of a link layer's header.
    LinkLayer,
    /// Of IP's.
    NetworkLayer,
    /// Of TCP's and UDP's.
    TransportLayer,
    /// Of ICMP's, IGMP's, ARP's.
    ControlLayer,
    /// Of a tunnel's.
    TunnelLayer,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// What it is for.
    pub role: Role,
    /// In a terminal.
    pub terminal: Style,
    /// The CSS variable, without the two dashes.
    pub css: &'static str,
    /// Its value on a light page.
    pub light: &'static str,
    /// Its value on a dark page.
    pub dark: &'static str,
}

/// The table, in the order of [`Role`].
pub const LOOKS: [Look; 12] = [
    look(Role::Plain, Style::new(), "ink", "#1f2328", "#e6edf3"),
    look(Role::Heading, Style::new().bold(), "heading", "#1f2328", "#f0f6fc"),
    look(Role::Frame, Style::new().dimmed(), "frame", "#6b7480", "#8b949e"),
    look(Role::Client, color(AnsiColor::Cyan), "client", "#0e7490", "#39c5e0"),
    look(Role::Server, color(AnsiColor::Magenta), "server", "#a21caf", "#e07bf0"),
    look(Role::Lost, color(AnsiColor::Red), "lost", "#cf222e", "#ff7b72"),
    look(Role::Finding, color(AnsiColor::Yellow), "finding", "#8a5a00", "#e3b341"),
    look(Role::LinkLayer, color(AnsiColor::BrightBlue), "link-layer", "#0550ae", "#79c0ff"),
    look(Role::NetworkLayer, color(AnsiColor::Green), "network-layer", "#116329", "#56d364"),
    look(Role::TransportLayer, color(AnsiColor::Cyan), "transport-layer", "#0b6b83", "#4fd1e5"),
    look(Role::ControlLayer, color(AnsiColor::Magenta), "control-layer", "#8250df", "#d2a8ff"),
    look(Role::TunnelLayer, color(AnsiColor::BrightMagenta), "tunnel-layer", "#99286e", "#ff9bce"),
];

const fn color(color: AnsiColor) -> Style {
    color.on_default()
}

const fn look(
    role: Role,
    terminal: Style,
    css: &'static str,
    light: &'static str,
    dark: &'static str,
) -> Look {
    Look { role, terminal, css, light, dark }
}

impl Role {
    /// How it looks.
    pub fn look(self) -> &'static Look {
        &LOOKS[self as usize]
    }

    /// The role of a header of this family.
    pub fn of_layer(family: Family) -> Role {
        match family {
            Family::Link => Role::LinkLayer,
            Family::Network => Role::NetworkLayer,
            Family::Transport => Role::TransportLayer,
            Family::Control => Role::ControlLayer,
            Family::Tunnel => Role::TunnelLayer,
            Family::Data => Role::Plain,
        }
    }

    /// The role of what this side does.
    pub fn of(side: Side) -> Role {
        match side {
            Side::A => Role::Client,
            Side::B => Role::Server,
        }
    }
}

/// The colour of the bar along a lifeline: which part of its life an end is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tint {
    /// No connection: unknown, CLOSED, LISTEN.
    Idle,
    /// SYN_SENT, SYN_RECEIVED.
    Opening,
    /// ESTABLISHED.
    Open,
    /// From the first FIN on.
    Closing,
    /// TIME_WAIT.
    Waiting,
}

/// CSS variable, light and dark value of each [`Tint`], in its order.
pub const TINTS: [(Tint, &str, &str, &str); 5] = [
    (Tint::Idle, "idle", "#c5ccd3", "#484f58"),
    (Tint::Opening, "opening", "#54aeff", "#388bfd"),
    (Tint::Open, "open", "#4ac26b", "#2ea043"),
    (Tint::Closing, "closing", "#e8a33d", "#d29922"),
    (Tint::Waiting, "waiting", "#a475f9", "#8957e5"),
];

impl Tint {
    /// The tint of a state.
    pub fn of(state: State) -> Tint {
        match state {
            State::Unknown | State::Closed | State::Listen => Tint::Idle,
            State::SynSent | State::SynReceived => Tint::Opening,
            State::Established => Tint::Open,
            State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {
                Tint::Closing
            }
            State::TimeWait => Tint::Waiting,
        }
    }

    /// Its CSS variable, without the two dashes.
    pub fn css(self) -> &'static str {
        TINTS[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_stand_in_the_order_of_their_types() {
        for look in LOOKS {
            assert_eq!(look.role.look().css, look.css);
        }
        for (tint, css, _, _) in TINTS {
            assert_eq!(tint.css(), css);
        }
    }

    #[test]
    fn css_variables_are_not_used_twice() {
        let mut names: Vec<&str> =
            LOOKS.iter().map(|look| look.css).chain(TINTS.iter().map(|tint| tint.1)).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
