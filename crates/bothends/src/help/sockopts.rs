//! The topic `sockopts`: every option by level, with what this machine's kernel says of it.

use wire::sockopt::{Kind, Level, Sockopt, TABLE, When};

/// Errors by which a kernel says that it does not have an option, or a socket none such: asm-generic/errno.h.
const ABSENT: [i32; 2] = [92, 95];
/// Only a socket that has a peer can answer.
const NOT_CONNECTED: i32 = 107;

/// The table.
pub(super) fn text() -> String {
    let mut text = "\
Options of sockets, for --sockopt NAME=VALUE at every end; what the kernel made
of it is told. A name may be in any case, and without SO_, TCP_, IP_, IPV6_ or
UDP_ where that leaves no doubt.

  NAME, NUMBER                  TYPE         DEFAULT HERE       SET IT
"
    .to_owned();
    for level in Level::ALL {
        text.push_str(&format!("\n{} ({})\n\n", level.name(), level.number()));
        for option in TABLE.iter().filter(|option| option.level == level) {
            text.push_str(&row(option));
        }
    }
    text.push_str(
        "\nBytes may be written as 64K, times with their unit, bits as 0x10. A version in\n\
         brackets is the kernel that an option came with; those without have been there\n\
         since 5.10 at the latest.\n",
    );
    text
}

fn row(option: &Sockopt) -> String {
    let (name, number) = (option.name, option.number);
    let (kind, default, when) = (option.kind.name(), default(option), option.when.words());
    let mut row =
        format!("  {name:<24} {number:>4} {kind:<12} {default:<18} {when}\n      {}\n", option.help);
    if let (Kind::Choice(words), true) = (option.kind, option.when != When::ReadOnly) {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        row.push_str(&format!("      One of {}.\n", words.join(", ")));
    }
    row
}

/// What a new socket has here, in at most 18 columns.
fn default(option: &Sockopt) -> String {
    if !option.is_readable() {
        return "not readable".to_owned();
    }
    match kernel::sockopt::default_here(option).map(|value| option.show(&value)) {
        Ok(value) if value.is_empty() => "none".to_owned(),
        Ok(value) if value.chars().count() > 18 => format!("{}…", value.chars().take(17).collect::<String>()),
        Ok(value) => value,
        Err(errno) if ABSENT.contains(&errno) => "not here".to_owned(),
        Err(NOT_CONNECTED) => "with a peer only".to_owned(),
        Err(errno) => explain::errno::name(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_there_with_what_a_new_socket_has_here() {
        let text = text();
        for option in TABLE {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(option.name));
            let line = line.unwrap_or_else(|| panic!("{}", option.name));
            assert!(line.ends_with(option.when.words()) && line.contains(option.kind.name()), "{line}");
            assert!(text.contains(option.help));
        }
        let words = |name: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(words("SO_KEEPALIVE"), ["SO_KEEPALIVE", "9", "flag", "0", "any", "time"]);
        assert_eq!(words("IP_MULTICAST_TTL"), ["IP_MULTICAST_TTL", "33", "number", "1", "any", "time"]);
        assert_eq!(words("IP_MTU")[3..6], ["with", "a", "peer"]);
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = rustix::net::sockopt::socket_recv_buffer_size(&tcp).unwrap();
        assert_eq!(words("SO_RCVBUF")[3], tcp.to_string());
    }

    #[test]
    fn no_line_is_wider_than_a_page() {
        for line in text().lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
