//! What the hosts of a lab run, by the words of the command line.

use std::ffi::OsString;

use lab::config::Program;
use lab::event::Role;

use super::Flags;

/// The hosts' programs, and whose end is the lab's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scene {
    pub(super) leader: Role,
    pub(super) server: Program,
    pub(super) client: Program,
    pub(super) others: Vec<Program>,
}

/// What is wrong with the words, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) sentence: String,
    pub(super) hint: &'static str,
}

const TWO: &str = "two commands belong here: bothends lab -- SERVER... -- CLIENT...; for one: --client-only";
const ONE: &str = "one command belongs here: bothends lab --client-only -- CLIENT...";
const SHELL: &str = "a shell runs on a host: bothends lab shell server";

impl Scene {
    /// By the flags; `json` says that standard output is for records.
    pub(super) fn of(flags: &Flags, json: bool) -> Result<Scene, Wrong> {
        let hosts = usize::from(flags.hosts);
        let words = &flags.commands;
        let scene = match flags.rules.shell() {
            Some(host) => Scene::shell(host, shell_words(), hosts, words, flags.client_only, json),
            None if flags.client_only => Scene::client_only(hosts, words),
            None => Scene::commands(hosts, words),
        }?;
        let hint = "without --simulated they run on a private network of the real kernel";
        if flags.simulated && scene.client != Program::Conversation {
            return Err(wrong("no commands can run on the simulated network: it has no kernel", hint));
        }
        if flags.simulated && hosts > 2 {
            return Err(wrong("the simulated network has two hosts", "leave out --hosts, or --simulated"));
        }
        Ok(scene)
    }

    /// The first lone `--` behind the server's words separates, and with more hosts as many more as there are; none without
    /// words.
    fn commands(hosts: usize, words: &[OsString]) -> Result<Scene, Wrong> {
        if words.is_empty() {
            return Ok(Scene::new(hosts, Role::Client, Program::Conversation, Program::Conversation));
        }
        let mut scene = Scene::new(hosts, Role::Client, Program::Idle, Program::Idle);
        scene.assign(in_order(hosts), words, TWO)?;
        match scene.client {
            Program::Idle => Err(wrong("the client's command is missing", TWO)),
            _ => Ok(scene),
        }
    }

    fn client_only(hosts: usize, words: &[OsString]) -> Result<Scene, Wrong> {
        if words.is_empty() {
            return Err(wrong("the client's command is missing", ONE));
        }
        Ok(Scene::new(hosts, Role::Client, Program::Services, Program::Command(words.to_vec())))
    }

    fn shell(
        host: Option<&str>,
        shell: Vec<OsString>,
        hosts: usize,
        words: &[OsString],
        client_only: bool,
        json: bool,
    ) -> Result<Scene, Wrong> {
        let leader = match host {
            None => Role::Client,
            Some(name) => Role::all(hosts)
                .find(|role| role.name() == name || role.letter().to_string() == name)
                .ok_or_else(|| wrong(&no_host(name, hosts), SHELL))?,
        };
        if json {
            return Err(wrong("a shell has the terminal and makes no records", "leave out --json"));
        }
        if client_only {
            return Err(wrong("the words behind -- are those of the other hosts", "leave out --client-only"));
        }
        let mut scene = Scene::new(hosts, leader, Program::Idle, Program::Idle);
        *scene.place(leader) = Program::Shell(shell);
        if leader != Role::Server {
            scene.server = Program::Services;
        }
        if !words.is_empty() {
            scene.assign(in_order(hosts).filter(|role| *role != leader), words, SHELL)?;
        }
        Ok(scene)
    }

    fn new(hosts: usize, leader: Role, server: Program, client: Program) -> Scene {
        Scene { leader, server, client, others: vec![Program::Idle; hosts.saturating_sub(2)] }
    }

    /// Gives each of these hosts its words, as far as there are some.
    fn assign(
        &mut self,
        roles: impl Iterator<Item = Role> + Clone,
        words: &[OsString],
        hint: &'static str,
    ) -> Result<(), Wrong> {
        let parts = words.splitn(roles.clone().count(), |word| word == "--");
        for (role, part) in roles.zip(parts) {
            if part.is_empty() {
                return Err(wrong(&format!("{}'s command is missing", the(role)), hint));
            }
            *self.place(role) = Program::Command(part.to_vec());
        }
        Ok(())
    }

    fn place(&mut self, role: Role) -> &mut Program {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
            Role::Other(number) => &mut self.others[usize::from(number) - 3],
        }
    }
}

fn no_host(name: &str, hosts: usize) -> String {
    let names = Role::all(hosts).map(|role| format!("{} or {}", role.name(), role.letter()));
    format!("there is no host {name:?} among {}", names.collect::<Vec<_>>().join(", "))
}

/// The server first.
fn in_order(hosts: usize) -> impl Iterator<Item = Role> + Clone {
    [Role::Server, Role::Client].into_iter().chain(Role::all(hosts).skip(2))
}

fn the(role: Role) -> String {
    match role {
        Role::Client | Role::Server => format!("the {}", role.name()),
        Role::Other(_) => role.name().to_owned(),
    }
}

/// The user's shell.
fn shell_words() -> Vec<OsString> {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    vec![shell.unwrap_or_else(|| "/bin/sh".into())]
}

fn wrong(sentence: &str, hint: &'static str) -> Wrong {
    Wrong { sentence: sentence.to_owned(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    /// Server, client, others.
    fn shown(scene: Result<Scene, Wrong>) -> Result<Vec<String>, String> {
        let scene = scene.map_err(|wrong| wrong.sentence)?;
        let all = [&scene.server, &scene.client].into_iter().chain(&scene.others);
        Ok(all.map(|program| program.words(Role::Client)).collect())
    }

    fn split(text: &str) -> Result<Vec<String>, String> {
        shown(Scene::commands(2, &words(text)))
    }

    #[test]
    fn the_first_lone_double_dash_separates() {
        let said = "say 3 lines".to_owned();
        assert_eq!(split(""), Ok(vec![said.clone(), said]));
        assert_eq!(split("nc -l 7 -- nc server 7"), Ok(vec!["nc -l 7".into(), "nc server 7".into()]));
        assert_eq!(split("a --x -- b -- c"), Ok(vec!["a --x".into(), "b -- c".into()]));
        assert_eq!(split("a"), Err("the client's command is missing".into()));
        assert_eq!(split("a --"), Err("the client's command is missing".into()));
        assert_eq!(split("-- b"), Err("the server's command is missing".into()));
    }

    #[test]
    fn more_hosts_have_more_commands() {
        let split = |text: &str| shown(Scene::commands(4, &words(text)));
        let expected = |all: [&str; 4]| Ok(all.map(str::to_owned).to_vec());
        assert_eq!(split("a -- b -- c"), expected(["a", "b", "c", ""]));
        assert_eq!(split("a -- b -- c -- d -- e"), expected(["a", "b", "c", "d -- e"]));
        assert_eq!(split("a -- b --"), Err("host3's command is missing".into()));
    }

    #[test]
    fn all_words_are_the_clients_where_it_is_alone() {
        let services = "serve echo, discard, daytime and source".to_owned();
        let alone = shown(Scene::client_only(2, &words("nc server 7 -- x")));
        assert_eq!(alone, Ok(vec![services, "nc server 7 -- x".into()]));
        assert_eq!(shown(Scene::client_only(2, &[])), Err("the client's command is missing".into()));
    }

    #[test]
    fn a_shell_leads_and_the_words_are_the_others() {
        let shell =
            |host, hosts, text: &str| Scene::shell(host, words("sh"), hosts, &words(text), false, false);
        let scene = shell(None, 2, "").expect("a scene");
        assert_eq!((scene.leader, &scene.server), (Role::Client, &Program::Services));
        assert_eq!(shown(Ok(scene)).expect("shown")[1], "sh");
        assert_eq!(
            shown(shell(Some("server"), 2, "ping server")),
            Ok(vec!["sh".into(), "ping server".into()])
        );
        let three = shown(shell(Some("host3"), 3, "a -- b"));
        assert_eq!(three, Ok(vec!["a".into(), "b".into(), "sh".into()]));
        assert!(shown(shell(Some("host3"), 2, "")).is_err());
    }
}
