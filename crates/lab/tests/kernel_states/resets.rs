//! How connections are given up. Read first: RFC 9293 §3.5.2 and §3.5.3.

use flow::State::{CloseWait, Closed, Established, FinWait1, FinWait2, LastAck, Listen, SynSent};
use lab::event::Role::{Client, Server};

use crate::sockets::{CLIENT_PORT, Connection, PORT};
use crate::world::{World, fin, rst, syn};

/// The client has gone by the time that it is answered.
pub(crate) fn of_a_half_open_handshake(world: &mut World) {
    world.hold(Server);
    let mut connection = world.opening();
    world.until("it is answered", |world| world.count(Server, syn) == 1);
    connection.close(Client);
    world.release();
    connection.becomes(world, Closed, Listen);
    assert_eq!(world.count(Client, rst), 1);
}

pub(crate) fn by_the_client(world: &mut World) {
    let mut connection = world.opened();
    connection.abort(Client);
    connection.becomes(world, Closed, Listen);
}

/// RFC 2525 §2.17: who closes with data unread resets.
pub(crate) fn for_unread_data(world: &mut World) {
    let mut connection = world.opened();
    connection.send(Client, 10);
    world.settle();
    connection.close(Server);
    connection.becomes(world, Closed, Listen);
    assert_eq!((world.count(Server, fin), world.count(Server, rst)), (0, 1));
}

pub(crate) fn sent_in_fin_wait_1(world: &mut World) {
    let mut connection = in_fin_wait_1(world);
    connection.abort(Client);
    connection.becomes(world, Closed, Listen);
}

pub(crate) fn received_in_fin_wait_1(world: &mut World) {
    let mut connection = in_fin_wait_1(world);
    connection.abort(Server);
    connection.becomes(world, Closed, Listen);
}

fn in_fin_wait_1(world: &mut World) -> Connection {
    let connection = world.opened();
    world.lose(1, Client, fin);
    connection.half_close(Client);
    world.settle();
    connection.is(world, FinWait1, Established);
    connection
}

pub(crate) fn sent_in_fin_wait_2(world: &mut World) {
    let mut connection = in_fin_wait_2(world);
    connection.abort(Client);
    connection.becomes(world, Closed, Listen);
}

/// And sent in CLOSE_WAIT.
pub(crate) fn received_in_fin_wait_2(world: &mut World) {
    let mut connection = in_fin_wait_2(world);
    connection.abort(Server);
    connection.becomes(world, Closed, Listen);
}

pub(crate) fn received_in_last_ack(world: &mut World) {
    let mut connection = in_fin_wait_2(world);
    world.lose(1, Server, fin);
    connection.half_close(Server);
    world.settle();
    connection.is(world, FinWait2, LastAck);
    connection.abort(Client);
    connection.becomes(world, Closed, Listen);
}

fn in_fin_wait_2(world: &mut World) -> Connection {
    let connection = world.opened();
    connection.half_close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    connection
}

/// The server learns of it only when it sends.
pub(crate) fn lost(world: &mut World) {
    let connection = forgotten(world);
    connection.send(Server, 10);
    connection.becomes(world, Closed, Listen);
}

/// RFC 9293 figure 9: one end knows nothing of the connection any more, and opens it again.
pub(crate) fn of_a_forgotten_connection(world: &mut World) {
    let mut connection = forgotten(world);
    let client = world.connects(Client, CLIENT_PORT, PORT);
    world.settle();
    connection.is(world, SynSent, Listen);
    world.until("the SYN is sent again", |world| world.count(Client, syn) == 3);
    let again = Connection::accepted(connection.listener.take(), client, CLIENT_PORT);
    again.is(world, Established, Established);
}

fn forgotten(world: &mut World) -> Connection {
    let mut connection = world.opened();
    world.lose(1, Client, rst);
    connection.abort(Client);
    world.settle();
    connection.is(world, Closed, Established);
    connection
}
