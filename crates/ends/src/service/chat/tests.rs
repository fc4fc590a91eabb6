use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::service::Action;

/// An engine without sockets: clients who read everything at once, and some who do not read at all.
struct World {
    chat: Chat,
    heard: BTreeMap<u64, String>,
    deaf: Vec<u64>,
    closed: Vec<u64>,
    shown: Vec<Line>,
}

impl World {
    /// `clients` of them, who have heard and shown what there is to hear at first.
    fn with(clients: u64) -> World {
        let chat = Chat::new(1000);
        let mut world =
            World { chat, heard: BTreeMap::new(), deaf: Vec::new(), closed: Vec::new(), shown: Vec::new() };
        (1..=clients).for_each(|client| world.open(client, Shape::Stream));
        world.forget_what_was_heard();
        world
    }

    fn forget_what_was_heard(&mut self) {
        self.heard.clear();
        self.shown.clear();
    }

    fn open(&mut self, client: u64, shape: Shape) {
        self.ask(|chat, output| chat.opened(Client(client), shape, output));
    }

    fn says(&mut self, client: u64, bytes: &[u8]) {
        self.ask(|chat, output| chat.received(Client(client), Arrival::Bytes(bytes), output));
    }

    fn operator(&mut self, line: &str) {
        self.ask(|chat, output| chat.operator(line.as_bytes(), output));
    }

    /// Asks, and then asks those for room to whom something is offered, as an engine does.
    fn ask<'a>(&mut self, ask: impl FnOnce(&mut Chat, &mut Output<'a>)) {
        let mut output = Output::new();
        ask(&mut self.chat, &mut output);
        let mut offered = self.perform(output);
        while let Some(client) = offered.pop() {
            if !self.deaf.contains(&client.0) {
                let mut output = Output::new();
                self.chat.room(client, 64 * 1024, &mut output);
                offered.extend(self.perform(output));
            }
        }
    }

    fn perform(&mut self, output: Output<'_>) -> Vec<Client> {
        let mut offered = Vec::new();
        for action in output.drain() {
            match action {
                Action::SendOwned(to, bytes) => self.hears(to, &bytes),
                Action::SendShared(to, bytes) => self.hears(to, &bytes),
                Action::Offer(client) => offered.push(client),
                Action::Show(line) => self.shown.push(line),
                Action::Close(client) | Action::OverLimit(client) => self.closed.push(client.0),
                other => panic!("{other:?}"),
            }
        }
        offered
    }

    fn hears(&mut self, client: Client, bytes: &[u8]) {
        assert!(!self.closed.contains(&client.0), "what comes behind the close is lost");
        self.heard.entry(client.0).or_default().push_str(std::str::from_utf8(bytes).expect("text"));
    }

    fn heard(&self, client: u64) -> &str {
        self.heard.get(&client).map_or("", String::as_str)
    }

    /// What the operator is shown, as it is shown.
    fn shown(&self) -> Vec<String> {
        let part =
            |text: Option<&str>, before, after| text.map_or(String::new(), |t| format!("{before}{t}{after}"));
        let line = |line: &Line| {
            let (room, name) = (part(line.room.as_deref(), "[", "] "), part(line.name.as_deref(), "", ": "));
            format!("{room}{name}{}", String::from_utf8_lossy(&line.bytes))
        };
        self.shown.iter().map(line).collect()
    }
}

#[test]
fn who_comes_is_greeted_and_announced() {
    let mut world = World::with(1);
    world.open(2, Shape::Stream);
    assert_eq!(world.heard(2), "* you are client-2 in lobby; /help says what you can do\n");
    assert_eq!(world.heard(1), "* client-2 has joined\n");
    assert_eq!(world.shown(), ["[lobby] * client-2 has joined"]);
}

#[test]
fn what_is_said_is_heard_by_the_room_and_shown_to_the_operator() {
    let mut world = World::with(3);
    world.says(3, b"/join attic\r\n");
    world.forget_what_was_heard();
    world.says(1, b"good ");
    world.says(1, b"day\n\nand bye\n");
    assert_eq!(world.heard(2), "client-1: good day\nclient-1: and bye\n");
    assert_eq!((world.heard(1), world.heard(3)), ("", ""));
    assert_eq!(world.shown(), ["[lobby] client-1: good day", "[lobby] client-1: and bye"]);
    assert_eq!(world.shown[0].client, Some(Client(1)));
}

#[test]
fn names_change_and_say_so() {
    let mut world = World::with(2);
    world.says(1, b"/name ada\n/name ada\n/name a b\n/name\n");
    let told = "* you are ada\n* you are ada already\n* a name has 1 to 32 letters, digits, and characters of - _ .\n\
                * a name is missing\n";
    assert_eq!(world.heard(1), told);
    world.says(2, b"/name ADA\n/name operator\nhello\n");
    assert_eq!(
        world.heard(2),
        "* client-1 is now ada\n* somebody else is called ada\n* that name is reserved\n"
    );
    assert!(world.heard(1).ends_with("\nclient-2: hello\n"));
}

#[test]
fn rooms_are_joined_and_left_in_hearing() {
    let mut world = World::with(3);
    world.says(2, b"/join attic\n");
    world.forget_what_was_heard();
    world.says(1, b"/join attic\n/join attic\n/join\n/who\n");
    let told = "* you are in attic\n* you are in attic already\n* the name of a room is missing\n\
                * in attic: client-1, client-2\n";
    assert_eq!(world.heard(1), told);
    assert_eq!(world.heard(2), "* client-1 has joined\n");
    assert_eq!(world.heard(3), "* client-1 has left\n");
}

#[test]
fn help_tells_and_what_there_is_not_is_said() {
    let mut world = World::with(2);
    world.says(1, b"/help\n/fly \x1b\n/\x1b[2J\n//etc/hosts\n");
    assert!(world.heard(1).starts_with(HELP));
    assert!(world.heard(1).ends_with(
        "no /fly; /help says what there is\n* there is no /\\u{1b}[2J; /help says what there is\n"
    ));
    assert_eq!(world.heard(2), "client-1: /etc/hosts\n");
}

#[test]
fn who_quits_hears_the_last_words_and_is_closed() {
    for end in [&b"/who\n/quit\nnever said\n"[..], b"/who"] {
        let mut world = World::with(2);
        world.deaf.push(2); // What it was not sent yet comes before the close.
        world.says(1, b"good day\n");
        world.says(2, end);
        if end == b"/who" {
            world.ask(|chat, output| chat.ended(Client(2), output));
        }
        assert_eq!(world.heard(2), "client-1: good day\n* in lobby: operator, client-1, client-2\n");
        assert_eq!((world.heard(1), &world.closed[..]), ("* client-2 has left\n", &[2][..]));
        world.ask(|chat, output| chat.gone(Client(2), output));
        assert_eq!(world.heard(1), "* client-2 has left\n", "it leaves once");
    }
}

#[test]
fn who_dies_is_seen_off_and_nothing_is_kept() {
    let mut world = World::with(50);
    (1..=50).for_each(|client| {
        world.says(client, format!("/name n{client}\n/join r{client}\nunfinished").as_bytes());
    });
    (1..=50).for_each(|client| world.ask(|chat, output| chat.gone(Client(client), output)));
    assert_eq!(world.chat.people.sizes(), [1, 1, 1]);
    assert!(world.chat.guests.is_empty() && world.chat.lines.is_empty());
    assert!(world.shown().iter().all(|line| !line.contains("unfinished")));
}

#[test]
fn the_operator_takes_part() {
    let mut world = World::with(2);
    world.operator("good day");
    assert_eq!((world.heard(1), world.heard(2)), ("operator: good day\n", "operator: good day\n"));
    assert_eq!(world.shown(), ["[lobby] operator: good day"]);
    world.says(2, b"/join attic\n");
    world.forget_what_was_heard();
    for line in ["/name root", "/join attic", "/who", "hello", "/quit"] {
        world.operator(line);
    }
    assert_eq!(world.heard(1), "* operator is now root\n* root has left\n");
    assert_eq!(world.heard(2), "* root has joined\nroot: hello\n");
    let shown = world.shown();
    for line in ["* in attic: root, client-2", "[attic] root: hello", "* the server ends with ^C"] {
        assert!(shown.contains(&line.to_owned()), "{line} in {shown:?}");
    }
    assert!(world.closed.is_empty());
    world.says(1, b"still shown\n");
    assert_eq!(world.shown().last().map(String::as_str), Some("[lobby] client-1: still shown"));
}

#[test]
fn strangers_cannot_steer_others_terminals() {
    let mut world = World::with(2);
    world.says(1, b"\x1b[31mred\x07 \xff \xe2\x80\xae.\n");
    let safe = "\\u{1b}[31mred\\u{7} \u{fffd} \\u{202e}.";
    assert_eq!(world.heard(2), format!("client-1: {safe}\n"));
    assert_eq!(world.shown(), [format!("[lobby] client-1: {safe}")]);
}

#[test]
fn a_long_line_comes_in_pieces() {
    let mut world = World::with(2);
    world.says(1, &[&[b'x'; 1500][..], b"\n"].concat());
    let expected = format!("client-1: {} …\nclient-1: {}\n", "x".repeat(1000), "x".repeat(500));
    assert_eq!(world.heard(2), expected);
    assert_eq!(world.shown.iter().map(|line| line.cut).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_line_beyond_the_limit_is_not_said_and_ends_the_session() {
    let mut world = World::with(2);
    let chat = std::mem::replace(&mut world.chat, Chat::with_limit(5));
    world.chat = Chat { lines: Lines::new(5), ends_if_longer: true, ..chat };
    world.says(1, b"short\nlonger\nshort\n");
    assert_eq!(world.heard(2), "client-1: short\n");
    assert_eq!(world.closed, [1]);
}

#[test]
fn where_messages_are_kept_apart_each_is_heard_as_one() {
    let mut world = World::with(1);
    world.open(2, Shape::Datagrams);
    world.deaf.push(2);
    world.forget_what_was_heard();
    world.says(2, b"no line's end");
    assert_eq!(world.heard(1), "client-2: no line's end\n");
    world.says(1, b"one\ntwo\n");
    let mut output = Output::new();
    world.chat.room(Client(2), 65_507, &mut output);
    let each = |text: &str| Action::SendOwned(Client(2), text.as_bytes().to_vec());
    let expected = [each("client-1: one\n"), each("client-1: two\n")];
    assert_eq!(output.drain().collect::<Vec<_>>(), expected);
}

/// Many short lines in one arrival, and many who hear them: each hears all, as few messages, and what it misses is
/// counted in lines.
#[test]
fn lines_that_come_together_are_passed_on_together() {
    let mut world = World::with(3);
    world.deaf.push(3);
    world.says(1, &b"x\n".repeat(2000));
    assert_eq!(world.heard(2), "client-1: x\n".repeat(2000));
    assert_eq!(world.shown.len(), 2000);
    let mut waiting = Vec::new();
    while let Some(message) = world.chat.guests.get_mut(&Client(3)).and_then(|guest| guest.mailbox.take()) {
        waiting.push(message);
    }
    assert!(waiting.len() <= 4, "{}", waiting.len());
    assert_eq!(waiting.iter().map(|message| message.lines).sum::<u32>(), 2000);
    // What is said before another room is joined is heard in the old one, and the rest in the new one.
    world.forget_what_was_heard();
    world.says(2, b"here\nand here\n/join attic\nnot here\n");
    assert_eq!(world.heard(1), "client-2: here\nclient-2: and here\n* client-2 has left\n");
}

#[test]
fn a_message_that_is_too_long_is_told_to_be() {
    let mut world = World::with(1);
    world.open(2, Shape::Messages);
    world.forget_what_was_heard();
    world.says(2, &b"x\n".repeat(5000));
    assert_eq!((world.heard(1), world.heard(2)), ("", "* not said: a message has at most 8192 bytes\n"));
    world.says(2, &[b'x'; 100]);
    assert!(world.heard(1).len() > 100);
}

/// The longest line, spelled out, and the longest list fit into a datagram.
#[test]
fn no_message_is_longer_than_a_datagram() {
    let mut world = World::with(0);
    world.chat = Chat::new(usize::MAX);
    (1..=1000).for_each(|client| world.open(client, Shape::Datagrams));
    let names: Vec<String> = (1..=1000).map(|client| format!("/name {client:ü>32}")).collect();
    (1..=1000).for_each(|client| world.says(client, names[client as usize - 1].as_bytes()));
    world.forget_what_was_heard();
    world.says(1, &[1; 8 * 1024]);
    world.says(2, b"/who");
    let longest = world.heard(2).split_inclusive('\n').map(str::len).max();
    assert!(longest > Some(30_000) && longest < Some(65_507), "{longest:?}");
    assert!(world.heard(2).ends_with("and 501 more\n"), "the operator and 1,000 are 1,001");
}

#[test]
fn a_thousand_of_whom_ten_never_read_cost_the_others_nothing() {
    const MESSAGES: u64 = 2000;
    let mut world = World::with(1000);
    world.deaf = (1..=10).collect();
    let line = |number: u64| format!("message {number} {}\n", "x".repeat(200));
    (0..MESSAGES).for_each(|number| world.says(1000, line(number).as_bytes()));
    let all: String = (0..MESSAGES).map(|number| format!("client-1000: {}", line(number))).collect();
    assert!((11..1000).all(|client| world.heard(client) == all), "nothing is lost, in order");
    assert!(all.len() > mailbox::KEPT);

    // Those who read again hear first how much they have missed, then the newest, to the last.
    world.deaf.clear();
    for client in 1..=10 {
        world.ask(|chat, output| chat.room(Client(client), 64 * 1024, output));
        let heard = world.heard(client);
        let (notice, kept) = heard.split_once('\n').expect("a notice");
        let missed = MESSAGES - kept.lines().count() as u64;
        assert_eq!(notice, format!("… {missed} messages missed"));
        assert!(all.ends_with(kept) && kept.len() > mailbox::KEPT / 2);
    }
}

/// One arrival can hold more than a mailbox keeps: those who read lose nothing of it.
#[test]
fn one_arrival_is_heard_whole() {
    let mut world = World::with(2);
    let lines = [&[b'x'; 60][..], b"\n"].concat().repeat(64 * 1024 / 61);
    world.says(1, &lines);
    world.says(1, &lines);
    assert_eq!(world.heard(2).lines().count(), 2 * (64 * 1024 / 61));
    assert!(!world.heard(2).contains("missed"));
}

proptest! {
    /// Whatever bytes come, in whatever pieces: each line that is heard is one, and harmless.
    #[test]
    fn nothing_harmful_is_relayed(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
        let mut world = World::with(2);
        bytes.chunks(step).for_each(|chunk| world.says(1, chunk));
        prop_assert!(world.heard(2).chars().all(|c| c == '\n' || !c.is_control()));
        for line in world.heard(2).lines() {
            prop_assert!(line.starts_with("client-1: ") || line.starts_with("* "), "{line}");
        }
    }
}
