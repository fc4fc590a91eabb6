//! Talking by datagrams: no connection, so everybody who sends one is a peer, and what goes wrong with one of them is
//! told and ends nothing.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use ends::datagrams::{self, Admits, Arrival};
use ends::event::Event;
use ends::listen::DatagramSocket;
use ends::stop::Stop;
use wire::frame::Frame;
use wire::{Address, Fault};

use super::ending::{self, Ended};
use super::expectation::Expectation;
use super::looks::Looks;
use super::{Accounted, Talk};
use crate::exit::Exit;
use crate::out::Narrator;
use crate::{narrate, record};

/// How long an answer may take, behind the input's end, where nothing else was said.
const LINGER: Duration = Duration::from_secs(1);

/// With whom there is talk.
pub(in crate::command) enum With<'a> {
    /// A server that was called.
    Server(Address),
    /// Whoever comes and may; the first one within this time.
    Everybody {
        /// Says who may, and tells who may not.
        admits: Admits<'a>,
        /// None: however long it takes.
        patience: Option<Duration>,
    },
}

impl Talk<'_> {
    /// Sends and receives datagrams to the end: with the server that was called, or with whoever comes.
    pub(in crate::command) fn by_datagrams(
        &self,
        socket: DatagramSocket,
        with: With<'_>,
        stop: Stop,
    ) -> Result<Exit, Fault> {
        let (out, saying, hearing) = (self.out, &self.flags.saying, &self.flags.hearing);
        let (transport, local) = (socket.transport, socket.address.clone());
        let (server, admits, patience) = match with {
            With::Server(server) => (Some(server), None, None),
            With::Everybody { admits, patience } => (None, Some(admits), patience),
        };
        let peer = server.as_ref().unwrap_or(&local).in_full(transport);
        if let Some(server) = &server {
            out.narrate(1, &format!("datagrams go to {peer} from {local}\n"));
            out.record(&record::opened(self.clock, 1, transport, &local, server));
            out.flush();
        }
        let narrator = Narrator::with_thread(out.stderr.ascii);
        let looks = Looks::of(self.clock, out);
        let shown = |arrival: &Arrival<'_>| looks.datagram(arrival, transport, hearing.label);
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        let mut expectation = hearing.expect.clone().map(Expectation::of);
        let mut expect = expectation.as_mut().map(|pattern| |bytes: &[u8]| pattern.has_come_with(bytes));
        let linger = hearing.linger.or_else(|| server.is_some().then_some(LINGER));
        let options = datagrams::Options {
            input: self.input(stdin.as_fd()),
            by_hand: stdin.is_terminal(),
            until: self.until(),
            crlf: saying.crlf,
            frame: saying.frame.unwrap_or(Frame::None),
            output: Some(stdout.as_fd()),
            shown: Some(&shown),
            tell_data: out.verbosity >= 2,
            admits,
            expect: expect.as_mut().map(|expect| expect as &mut dyn FnMut(&[u8]) -> bool),
            once: hearing.once,
            send_only: saying.send_only,
            recv_only: hearing.recv_only,
            patience,
            linger,
            idle: hearing.idle,
            total: hearing.max_time,
        };
        let outcome = datagrams::converse(socket, server, options, Some(&stop), &|event| {
            if !out.quiet
                && let Some(line) = told(&event, out.verbosity)
            {
                narrator.tell(&line);
            }
        })?;
        drop(stop);
        narrator.finish();
        let accounted = Accounted {
            over: outcome.over,
            account: &outcome.account,
            words: narrate::talk::datagrams(&outcome),
            half_open: None,
            output_was_cut: outcome.output_was_cut,
            first_byte: outcome.first_byte,
            tcp_info: None,
        };
        self.account(&accounted, &looks, &peer);
        let account = &outcome.account;
        let (over, peer) = (outcome.over, peer.as_str());
        let ended = Ended { over, account, input_was_cut: false, errno: None, peer, has_connection: false };
        Ok(ending::exit(&ended, self.flags, out))
    }
}

/// The line for what happened with one peer.
fn told(event: &Event, verbosity: u8) -> Option<String> {
    match event {
        Event::Trouble(fault) => Some(narrate::talk::trouble(fault)),
        Event::Data { remote, bytes, whole_bytes: Some(whole), .. } => {
            Some(narrate::talk::cut(remote, bytes.len() as u64, *whole))
        }
        Event::Opened { client, remote, local, .. } => {
            (verbosity >= 1).then(|| format!("client {client}, {remote}: sends to {local}\n"))
        }
        other => narrate::line(other, verbosity),
    }
}
