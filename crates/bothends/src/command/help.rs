//! `help`: all about a command, or a topic.

use clap::Args;

use crate::exit::Exit;
use crate::help::{TOPICS, of_command};
use crate::out::Out;

/// What `help` understands.
#[derive(Clone, Debug, Args)]
#[command(about = "Tell all about a command, or about exit-codes, addresses, records, sockets or sockopts.")]
pub struct Flags {
    #[arg(value_name = "SUBJECT", help = "A command, exit-codes, addresses, records, sockets or sockopts.")]
    subject: Option<String>,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let subject = flags.subject.as_deref();
    let topic = TOPICS.iter().find(|topic| Some(topic.name) == subject).map(|topic| (topic.text)());
    let command = of_command(subject, out.stdout.color);
    let told = match (topic, &command) {
        // A topic may have the name of a command.
        (Some(topic), Some(_)) => {
            let name = subject.unwrap_or_default();
            Some(format!("{topic}\nAll about the command: bothends {name} --help\n"))
        }
        (topic, _) => topic.or(command),
    };
    match told {
        Some(text) => {
            out.print(&text);
            out.finish(Exit::Ok)
        }
        None => {
            let topics = TOPICS.map(|topic| topic.name).join(", ");
            let hint = format!("there is help for every command, and for {topics}");
            out.usage(&format!("there is no help for {}", subject.unwrap_or_default()), Some(hint))
        }
    }
}
