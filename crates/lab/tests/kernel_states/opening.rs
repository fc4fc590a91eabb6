//! How connections begin. Read first: RFC 9293 §3.5.

use flow::State::{Closed, Established, Listen, SynReceived, SynSent};
use lab::event::Role::{Client, Server};

use crate::hosts::socket_address;
use crate::sockets::{CLIENT_PORT, Connection, PORT, accept};
use crate::world::{World, data, pure_ack, syn};

pub(crate) fn refused(world: &mut World) {
    let client = world.connects(Client, CLIENT_PORT, PORT);
    let server = world.socket(Server);
    let connection = Connection::between(client, server, [CLIENT_PORT, PORT]);
    connection.becomes(world, Closed, Closed);
}

pub(crate) fn unanswered(world: &mut World) {
    world.cut();
    let connection = world.opening();
    world.until("the SYN is sent again", |world| world.count(Client, syn) == 2);
    connection.is(world, SynSent, Listen);
    // Nobody can see how it is given up.
    world.keep(connection.into_client());
}

pub(crate) fn syn_lost(world: &mut World) {
    world.lose(1, Client, syn);
    let connection = world.opening();
    world.settle();
    connection.is(world, SynSent, Listen);
    connection.becomes(world, Established, Established);
}

pub(crate) fn syn_ack_lost(world: &mut World) {
    world.lose(1, Server, syn);
    let connection = world.opening();
    world.settle();
    connection.is(world, SynSent, SynReceived);
    connection.becomes(world, Established, Established);
}

/// The client has nothing to say; so the server asks again.
pub(crate) fn last_ack_lost(world: &mut World) {
    world.lose(1, Client, pure_ack);
    let connection = world.opening();
    world.settle();
    connection.is(world, Established, SynReceived);
    connection.becomes(world, Established, Established);
}

/// Data acknowledges as well.
pub(crate) fn last_ack_lost_and_data_sent(world: &mut World) {
    world.lose(1, Client, pure_ack);
    let mut connection = world.opening();
    world.settle();
    connection.is(world, Established, SynReceived);
    connection.send(Client, 100);
    connection.becomes(world, Established, Established);
    connection.accept();
    assert_eq!((connection.read(Server), world.count(Client, data)), (100, 1));
}

/// RFC 9293 figure 7: both SYNs cross.
pub(crate) fn simultaneous(world: &mut World) {
    let mut connection = crossing(world);
    world.release();
    connection.becomes(world, Established, Established);
    connection.close(Client);
    world.settle();
    connection.close(Server);
    connection.becomes(world, flow::State::TimeWait, Closed);
}

pub(crate) fn simultaneous_with_answers_lost(world: &mut World) {
    let connection = crossing(world);
    world.lose(1, Client, syn);
    world.lose(1, Server, syn);
    world.release();
    world.settle();
    connection.is(world, SynReceived, SynReceived);
    connection.becomes(world, Established, Established);
}

fn crossing(world: &mut World) -> Connection {
    world.hold(Client);
    world.hold(Server);
    let client = world.connects(Client, 7000, 7000);
    let server = world.connects(Server, 7000, 7000);
    world.until("both SYNs", |world| world.count(Client, syn) + world.count(Server, syn) == 2);
    Connection::between(client, server, [7000, 7000])
}

/// A listener whose queue is full does not hear SYNs.
pub(crate) fn backlog_full(world: &mut World) {
    let listener = world.listens(0);
    let _first = world.connects(Client, 40_001, PORT);
    world.settle();
    let _second = world.connects(Client, 40_002, PORT);
    let ends = [socket_address(Client, 40_002), socket_address(Server, PORT)];
    world.until("the SYN is sent again", |world| world.count(Client, syn) == 3);
    assert_eq!(world.kernel(Client, ends[0], ends[1]), SynSent);
    assert_eq!(world.kernel(Server, ends[1], ends[0]), Listen);
    let _accepted = accept(&listener);
    world.until("the second is open", |world| {
        world.kernel(Client, ends[0], ends[1]) == Established
            && world.kernel(Server, ends[1], ends[0]) == Established
    });
}

/// The last acknowledgement of a handshake that finds the queue full is ignored: nothing on the link tells so before the
/// SYN ACK is sent again.
pub(crate) fn backlog_filled_meanwhile(world: &mut World) {
    // Room for three to be accepted and for two to be answered.
    let listener = world.listens(2);
    let _accepted_soon = [40_001, 40_002].map(|port| world.connects(Client, port, PORT));
    world.settle();
    world.hold(Server);
    let _late = [40_003, 40_004].map(|port| world.connects(Client, port, PORT));
    world.until("all are answered", |world| world.count(Server, syn) == 4);
    world.cannot_be_seen(Server, Established, SynReceived);
    world.release();
    world.settle();
    let ends = [socket_address(Client, 40_004), socket_address(Server, PORT)];
    assert_eq!(world.kernel(Server, ends[1], ends[0]), SynReceived);
    let _accepted = accept(&listener);
    world.until("the last is open", |world| world.kernel(Server, ends[1], ends[0]) == Established);
    world.can_be_seen();
}
