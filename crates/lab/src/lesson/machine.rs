//! A machine of a lesson: a kernel, and a program that makes the calls of its list, each when what it waits for has
//! come. A call that must wait is under way until what it waits for is there.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use flow::calls;
use smoltcp::socket::tcp::State;
use wire::Time;
use wire::link_type::LinkType;
use wire::packet::{Transport, dissect};
use wire::tcp::TcpFlags;

use super::kernel::Kernel;
use super::program::{Call, Settings, Step, Told, When};
use super::recorder::{MUCH, Recorder, Waiting};
use crate::event::Role;

/// One machine.
pub(crate) struct Machine {
    settings: Settings,
    kernel: Kernel,
    program: VecDeque<Step>,
    recorder: Recorder,
    /// Since when what the first call waits for is there.
    ready: Option<Time>,
    /// When the last call returned.
    done_at: Time,
    to_send: Vec<u8>,
    closes: bool,
    told: Told,
    /// What was read from the present connection.
    taken: usize,
    last_state: State,
    last_flags: TcpFlags,
    coming: BTreeMap<(Time, u64), Vec<u8>>,
    received: u64,
    timer: Option<Time>,
}

impl Machine {
    pub(crate) fn new(role: Role, settings: Settings, program: &[Step]) -> Machine {
        Machine {
            settings,
            kernel: Kernel::boot(role, settings, 0),
            program: program.iter().copied().collect(),
            recorder: Recorder::new(role),
            ready: None,
            done_at: Time::ZERO,
            to_send: Vec::new(),
            closes: false,
            told: Told::default(),
            taken: 0,
            last_state: State::Closed,
            last_flags: TcpFlags::NONE,
            coming: BTreeMap::new(),
            received: 0,
            timer: None,
        }
    }

    /// A packet will arrive.
    pub(crate) fn receive(&mut self, arrives: Time, packet: Vec<u8>) {
        self.coming.insert((arrives, self.received), packet);
        self.received += 1;
    }

    /// When something happens here next.
    pub(crate) fn next(&self, now: Time) -> Option<Time> {
        let arrival = self.coming.first_key_value().map(|((arrives, _), _)| *arrives);
        let program = self.program.front().and_then(|step| match (step.when, self.ready) {
            (_, Some(ready)) => Some(ready + milliseconds(step.later)),
            (When::At(at), None) => Some(Time::ZERO + milliseconds(at)),
            (When::Next, None) if !self.recorder.is_blocked() => Some(self.done_at),
            _ => None,
        });
        [arrival, program, self.timer].into_iter().flatten().min().map(|time| time.max(now))
    }

    /// Handles what is due; gives the packets that are sent, in order.
    pub(crate) fn act(&mut self, now: Time) -> Vec<Vec<u8>> {
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 <= now
        {
            let packet = entry.remove();
            self.note(&packet);
            self.kernel.arrived(packet);
            // A program that waits for it is as quick as the packets are.
            if !self.settings.answers_together {
                self.take_in(now);
                self.answer(now);
                self.go_on(now);
            }
        }
        self.take_in(now);
        if !self.settings.answers_together {
            self.answer(now);
        }
        self.run_program(now);
        self.timer = self.kernel.timer(now);
        self.kernel.leave()
    }

    /// How its packets begin.
    pub(crate) fn link_type(&self) -> LinkType {
        self.kernel.link_type()
    }

    pub(crate) fn told(&self) -> Told {
        let unread_bytes = self.kernel.tcp().recv_queue();
        Told { unread_bytes, ..self.told.clone() }
    }

    /// What its program called, in order.
    pub(crate) fn calls(&self) -> &[calls::Call] {
        self.recorder.calls()
    }

    /// What the last segment that arrived says; a connection that ends without a RST was given up.
    fn note(&mut self, packet: &[u8]) {
        if let Ok(Transport::Tcp(segment)) =
            dissect(self.kernel.link_type(), packet).map(|packet| packet.transport)
        {
            self.last_flags = segment.header.flags();
        }
    }

    fn take_in(&mut self, now: Time) {
        while self.kernel.take_in(now) {
            self.look_at_state();
        }
    }

    fn answer(&mut self, now: Time) {
        self.kernel.answer(now);
        self.look_at_state();
    }

    fn look_at_state(&mut self) {
        let state = self.kernel.tcp().state();
        let before = std::mem::replace(&mut self.last_state, state);
        if state == State::Closed && before != state {
            let reset = self.last_flags.has(TcpFlags::RST);
            self.told.error = match before {
                State::SynSent if reset => Some("ECONNREFUSED"),
                State::SynSent => Some("ETIMEDOUT"),
                State::LastAck | State::TimeWait | State::Listen => self.told.error,
                _ if self.closes && !reset => self.told.error,
                _ if reset => Some("ECONNRESET"),
                _ => Some("ETIMEDOUT"),
            };
        }
    }

    /// Makes every call whose time has come. A kernel that answers together with its program waits for these calls.
    fn run_program(&mut self, now: Time) {
        loop {
            self.go_on(now);
            if !self.settings.answers_together {
                self.answer(now);
            }
            let Some(call) = self.due(now) else { break };
            self.call(call, now);
        }
        self.answer(now);
    }

    /// The next call, if its time has come.
    fn due(&mut self, now: Time) -> Option<Call> {
        let step = self.program.front().copied()?;
        if self.ready.is_none() && self.has_come(step.when, now) {
            self.ready = Some(now);
        }
        if self.ready? + milliseconds(step.later) > now {
            return None;
        }
        self.program.pop_front();
        self.ready = None;
        self.done_at = now;
        Some(step.call)
    }

    fn has_come(&self, when: When, now: Time) -> bool {
        let socket = self.kernel.tcp();
        match when {
            When::At(at) => Time::ZERO + milliseconds(at) <= now,
            When::Next => !self.recorder.is_blocked(),
            When::Established => is_connected(socket.state()),
            When::Received(bytes) => self.taken + socket.recv_queue() >= bytes,
            When::PeerClosed => {
                matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
            }
        }
    }

    fn call(&mut self, call: Call, now: Time) {
        let before = self.kernel.to_leave();
        self.recorder.called(call, now);
        match call {
            Call::Listen | Call::ListenOnly => self.kernel.listen(),
            Call::Connect => self.kernel.connect(),
            Call::Say(text) => self.to_send.extend(text.as_bytes()),
            Call::Send(bytes) => self.to_send.extend(letters(bytes)),
            Call::ShutDown => self.closes = true,
            Call::Close => self.close(),
            Call::KeepAlive(quiet) => self.kernel.tcp_mut().set_keep_alive(Some(milliseconds(quiet).into())),
            Call::NoDelay => self.kernel.tcp_mut().set_nagle_enabled(false),
            Call::GiveUp(after) => self.kernel.tcp_mut().set_timeout(Some(milliseconds(after).into())),
            Call::OpenDatagrams => self.kernel.open_datagrams(),
            Call::SendTo(text) => self.kernel.send_to(text.as_bytes()),
            Call::Restart(below) => self.restart(below),
            // These wait, at least for what is there already.
            Call::Read(_) | Call::ReadAll | Call::ReceiveFrom(_) => {}
        }
        self.look_at_state();
        self.go_on(now);
        self.answer(now);
        if matches!(call, Call::Read(_)) && self.kernel.to_leave() == before {
            self.kernel.update_window();
        }
    }

    /// A socket of TCP with unread bytes is reset; otherwise what is to be sent is sent, and then a FIN.
    fn close(&mut self) {
        self.kernel.close_datagrams();
        match self.kernel.tcp().recv_queue() {
            0 => self.closes = true,
            _ => self.kernel.tcp_mut().abort(),
        }
    }

    fn restart(&mut self, below: u32) {
        self.kernel.restart(below);
        (self.closes, self.taken) = (false, 0);
        self.to_send.clear();
        self.told.read.clear();
        self.last_state = State::Closed;
    }

    /// Sends what there is room for; lets every call return that has what it waited for.
    fn go_on(&mut self, now: Time) {
        self.send_on();
        for waiting in self.recorder.waiting() {
            while let Some(result) = self.result(waiting) {
                let reads_on = waiting == Waiting::ReadAll && result != "0" && !result.starts_with('-');
                self.recorder.returns(waiting, result, now);
                self.done_at = now;
                if !reads_on {
                    break;
                }
            }
        }
        // What was read may have made room for nothing here, but a FIN may follow what was written.
        self.send_on();
    }

    /// What a call that waits returns, if it need not wait any longer.
    fn result(&mut self, waiting: Waiting) -> Option<String> {
        let state = self.kernel.tcp().state();
        let failed = self.told.error.filter(|_| state == State::Closed).map(|errno| format!("-1 {errno}"));
        match waiting {
            Waiting::Connect => is_connected(state).then(|| "0".to_owned()).or(failed),
            Waiting::Accept => is_connected(state).then(|| "4".to_owned()),
            Waiting::Read(most) => self.read(most).or(failed).or_else(|| self.end_of_file()),
            Waiting::ReadAll => self.read(MUCH).or(failed).or_else(|| self.end_of_file()),
            Waiting::Write(bytes) => self.to_send.is_empty().then(|| bytes.to_string()).or(failed),
            Waiting::ReceiveFrom(most) => {
                let (datagram, from) = self.kernel.receive_from()?;
                let kept = datagram.len().min(most);
                self.told.read.extend(&datagram[..kept]);
                Some(format!("{kept} from {from}"))
            }
        }
    }

    /// Reads at most so many bytes; none where nothing is there.
    fn read(&mut self, most: usize) -> Option<String> {
        let mut left = most;
        // The ring gives its two halves one after the other.
        while left > 0
            && let Ok(bytes) = self
                .kernel
                .tcp_mut()
                .recv(|bytes| (bytes.len().min(left), bytes[..bytes.len().min(left)].to_vec()))
            && !bytes.is_empty()
        {
            left -= bytes.len();
            self.taken += bytes.len();
            self.told.read.extend(bytes);
        }
        (left < most).then(|| (most - left).to_string())
    }

    /// What read returns when the peer has sent its FIN and all before it is read.
    fn end_of_file(&self) -> Option<String> {
        let ended = [State::CloseWait, State::LastAck, State::Closing, State::TimeWait];
        ended.contains(&self.kernel.tcp().state()).then(|| "0".to_owned())
    }

    fn send_on(&mut self) {
        let socket = self.kernel.tcp_mut();
        if socket.may_send() {
            let sent = socket.send_slice(&self.to_send).unwrap_or(0);
            self.to_send.drain(..sent);
            if self.closes && self.to_send.is_empty() {
                socket.close();
            }
        }
    }
}

fn is_connected(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
}

/// The bytes that are sent where their content does not matter.
fn letters(count: usize) -> Vec<u8> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    let mut letters = LETTERS.repeat(count.div_ceil(LETTERS.len()));
    letters.truncate(count);
    letters
}

pub(crate) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
