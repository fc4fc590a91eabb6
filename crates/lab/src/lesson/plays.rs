//! One file for each lesson: what is played and what is claimed.

mod address_in_use;
mod any_address;
mod backlog;
mod blocking;
mod broadcast;
mod broken_pipe;
mod bufferbloat;
mod byte_order;
mod calls;
mod close_and_shutdown;
mod close_four_way;
mod close_in_three;
mod congestion_window;
mod datagram_calls;
mod encapsulation;
mod engines;
mod fast_retransmit;
mod five_tuple;
mod fork_and_descriptors;
mod half_close;
mod handshake;
mod handshake_with_data;
mod header_bytes;
mod keep_alive;
mod multicast;
mod nagle_and_delayed_ack;
mod no_answer;
mod old_duplicate;
mod on_kernel;
mod pipe_and_socket;
mod ports;
mod processes;
mod refused;
mod reordering;
mod reset_unread;
mod retransmission;
mod reuse_port;
mod server_killed;
mod simultaneous_close;
mod simultaneous_open;
mod sliding_window;
mod socket_types;
mod states;
mod stream_not_messages;
mod time_wait;
mod udp_and_tcp;
mod why_four;
mod why_three;
mod window_18;
mod zero_window;
mod zombies_and_eintr;

use flow::transfer::transfer;
use flow::{AnalysisFlags, ClosedBy, Closing, Flow, Row, Side, State};
use wire::tcp::TcpFlags;
use wire::{Time, checksum};

use super::program::Call::{
    Close, Connect, GiveUp, KeepAlive, Listen, ListenOnly, NoDelay, OpenDatagrams, Read, ReadAll,
    ReceiveFrom, Restart, Say, Send, SendTo, ShutDown,
};
use super::program::When::{At, Established, Next, PeerClosed, Received};
use super::program::{Settings, Step, later, on};
use super::stage::{CLIENT, DELAY, Mishap, SERVER, Script, Stray};
use super::{Chapter, Claim, Disturbance, Lesson, Play, Scene, Seen};
use crate::event::Role::{Client, Server};

/// In the order in which they are to be read.
pub(super) const ALL: &[&Lesson] = &[
    &calls::LESSON,
    &datagram_calls::LESSON,
    &blocking::LESSON,
    &pipe_and_socket::LESSON,
    &five_tuple::LESSON,
    &ports::LESSON,
    &any_address::LESSON,
    &byte_order::LESSON,
    &socket_types::LESSON,
    &stream_not_messages::LESSON,
    &udp_and_tcp::LESSON,
    &broadcast::LESSON,
    &multicast::LESSON,
    &encapsulation::LESSON,
    &handshake::LESSON,
    &why_three::LESSON,
    &header_bytes::LESSON,
    &refused::LESSON,
    &no_answer::LESSON,
    &backlog::LESSON,
    &simultaneous_open::LESSON,
    &handshake_with_data::LESSON,
    &sliding_window::LESSON,
    &window_18::LESSON,
    &zero_window::LESSON,
    &retransmission::LESSON,
    &fast_retransmit::LESSON,
    &reordering::LESSON,
    &nagle_and_delayed_ack::LESSON,
    &congestion_window::LESSON,
    &bufferbloat::LESSON,
    &keep_alive::LESSON,
    &close_four_way::LESSON,
    &why_four::LESSON,
    &close_in_three::LESSON,
    &half_close::LESSON,
    &close_and_shutdown::LESSON,
    &states::LESSON,
    &time_wait::LESSON,
    &old_duplicate::LESSON,
    &address_in_use::LESSON,
    &reuse_port::LESSON,
    &simultaneous_close::LESSON,
    &reset_unread::LESSON,
    &broken_pipe::LESSON,
    &server_killed::LESSON,
    &engines::LESSON,
    &zombies_and_eintr::LESSON,
    &fork_and_descriptors::LESSON,
];

/// The first conversation.
fn flow(seen: &Seen) -> Option<&Flow> {
    seen.flows.first()
}

/// Each end says one line; then the client closes, and the server as it does.
fn line_each_way(server_closes: Step) -> Script {
    let client = [
        on(At(0), Connect),
        on(Established, ReadAll),
        on(Next, Say("hello, server!!\n")),
        on(Received(16), Close),
    ];
    let server = [
        on(At(0), Listen),
        on(Established, ReadAll),
        on(Received(16), Say("hello, client!!\n")),
        server_closes,
    ];
    Script { until: 1000, ..Script::of(&client, &server) }
}

/// Its rows.
fn rows(seen: &Seen) -> Option<&[Row]> {
    flow(seen).map(|flow| flow.rows.as_slice())
}

/// The only call of this side that begins with these words, or the one of this number among several, from 0.
fn call<'a>(seen: &'a Seen, side: Side, words: &str, number: usize) -> Option<&'a flow::calls::Call> {
    seen.calls.iter().filter(|call| call.side == side && call.text.starts_with(words)).nth(number)
}

/// The row whose arrival a call waited for.
fn ended_by<'a>(seen: &'a Seen, call: &flow::calls::Call) -> Option<&'a Row> {
    let flow = flow(seen)?;
    flow.rows.get(call.ended_by(flow)?)
}

/// What a call returned.
fn result(call: &flow::calls::Call) -> Option<&str> {
    call.result.as_deref()
}

/// The states that an end went through, the first one included.
fn way(flow: &Flow, side: Side) -> Vec<State> {
    let steps = flow::path::path(flow, side);
    std::iter::once(flow.before[side.index()]).chain(steps.iter().map(|step| step.to)).collect()
}

/// The flags of a row without PSH, which depends on how the program wrote.
fn bare(row: &Row) -> TcpFlags {
    row.flags.without(TcpFlags::PSH)
}

/// Milliseconds from the beginning.
fn ms(row: &Row) -> u64 {
    ms_of(row.time)
}

/// The same of any time.
fn ms_of(time: Time) -> u64 {
    time.0 / 1_000_000
}

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const SYN_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
