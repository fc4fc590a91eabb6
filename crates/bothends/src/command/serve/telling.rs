//! What the server tells, on its way to narration, records, the port file and whoever supervises us.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ends::event::Event;
use ends::serve::{Config, Sink};
use ends::supervisor::Supervisor;
use wire::Fault;

use super::ports::Ports;
use crate::clock::Clock;
use crate::out::{Narrator, Out};
use crate::sink::Lines;
use crate::{narrate, record};

/// Where events go.
pub(super) struct Telling<'a> {
    out: &'a Out,
    clock: Arc<Clock>,
    narrator: Arc<Narrator>,
    lines: Arc<Lines>,
    ports: Ports,
    supervisor: Supervisor,
    /// Addresses that are not listened on yet.
    awaited: AtomicUsize,
    /// The number of `-v`, at least, with which sessions are told.
    sessions: u8,
    /// Clients whose arrivals are messages: only asked where records of them are wanted.
    messengers: Mutex<HashSet<u64>>,
}

impl<'a> Telling<'a> {
    pub(super) fn new(
        config: &Config,
        out: &'a Out,
        clock: &Arc<Clock>,
        narrator: &Arc<Narrator>,
        lines: &Arc<Lines>,
        ports: Ports,
    ) -> Telling<'a> {
        Telling {
            out,
            clock: Arc::clone(clock),
            narrator: Arc::clone(narrator),
            lines: Arc::clone(lines),
            ports,
            supervisor: Supervisor::from_environment(),
            awaited: AtomicUsize::new(config.places.len()),
            sessions: u8::from(config.tells.opened),
            messengers: Mutex::default(),
        }
    }

    /// Never waits.
    pub(super) fn tell(&self, event: &Event) {
        let is_end = matches!(event, Event::Closed { .. });
        if is_end {
            self.lines.flush();
        }
        if self.out.json {
            let record = record::of_event(&self.clock, event, self.keeps_messages(event));
            match is_end {
                // What a client said comes before its end.
                true => self.lines.record_behind(record),
                false => self.narrator.record(record),
            }
        }
        if !self.out.quiet {
            self.narrate(event);
        }
        match event {
            Event::Listening { address, .. } => {
                self.ports.listening(address);
                if self.awaited.fetch_sub(1, Ordering::Relaxed) == 1 {
                    self.supervisor.ready();
                }
            }
            Event::Stopping { .. } => self.supervisor.stopping(),
            _ => {}
        }
    }

    /// The fault of the port file.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.ports.fault()
    }

    fn narrate(&self, event: &Event) {
        let least = match event {
            Event::Opened { .. } | Event::Closed { .. } if !self.out.json => self.sessions,
            _ => 0,
        };
        let Some(line) = narrate::line(event, self.out.verbosity.max(least)) else { return };
        // The terminal shows ^C where the cursor stands.
        let is_behind_a_key = matches!(event, Event::Stopping { .. })
            && self.out.stderr_is_terminal
            && std::io::stdin().is_terminal();
        if is_behind_a_key {
            self.narrator.tell("\n");
        }
        self.narrator.tell(&line);
    }

    /// Whether an arrival is a message of its own, which has no line's end to miss.
    fn keeps_messages(&self, event: &Event) -> bool {
        let mut messengers = self.messengers.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Opened { client, transport, .. } if transport.keeps_messages() => {
                messengers.insert(*client)
            }
            Event::Closed { client, .. } => messengers.remove(client),
            Event::Data { client, .. } => messengers.contains(client),
            _ => false,
        }
    }
}
