//! How connections end in order. Read first: RFC 9293 §3.6.

use flow::State::{CloseWait, Closed, Closing, Established, FinWait1, FinWait2, Listen, TimeWait};
use lab::event::Role::{Client, Server};
use rustix::net::sockopt;

use crate::sockets::{CLIENT_PORT, Connection, PORT};
use crate::world::{World, data, pure_ack};

/// RFC 9293 figure 12.
pub(crate) fn by_the_client(world: &mut World) {
    let mut connection = world.opened();
    connection.close(Client);
    world.settle();
    connection.becomes(world, FinWait2, CloseWait);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

pub(crate) fn by_the_server(world: &mut World) {
    let mut connection = world.opened();
    close_by_server(world, &mut connection);
}

fn close_by_server(world: &mut World, connection: &mut Connection) {
    connection.close(Server);
    connection.becomes(world, CloseWait, FinWait2);
    connection.close(Client);
    connection.becomes(world, Closed, TimeWait);
}

/// RFC 9293 figure 13: both FINs cross.
pub(crate) fn simultaneous(world: &mut World) {
    let connection = crossing(world);
    world.release();
    connection.becomes(world, TimeWait, TimeWait);
}

pub(crate) fn simultaneous_with_acks_lost(world: &mut World) {
    let connection = crossing(world);
    world.lose(1, Client, pure_ack);
    world.lose(1, Server, pure_ack);
    world.release();
    world.settle();
    connection.is(world, Closing, Closing);
    connection.becomes(world, TimeWait, TimeWait);
}

fn crossing(world: &mut World) -> Connection {
    let mut connection = world.opened();
    world.hold(Client);
    world.hold(Server);
    connection.close(Client);
    connection.close(Server);
    world.settle();
    connection.is(world, FinWait1, FinWait1);
    connection
}

/// The server goes on sending after the client's FIN.
pub(crate) fn half(world: &mut World) {
    let mut connection = world.opened();
    connection.send(Client, 10);
    connection.half_close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    connection.send(Server, 1000);
    world.settle();
    connection.is(world, FinWait2, CloseWait);
    assert_eq!((connection.read(Client), connection.read(Server)), (1000, 10));
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

/// The server closes before its kernel has acknowledged the client's FIN, which it may put off for 40 ms: several tries,
/// because this process may not get to it in time.
pub(crate) fn in_three_segments(world: &mut World) {
    let mut listener = Some(world.listens(8));
    for port in CLIENT_PORT..CLIENT_PORT + 20 {
        let client = world.connects(Client, port, PORT);
        world.settle();
        let mut connection = Connection::accepted(listener.take(), client, port);
        sockopt::set_tcp_quickack(connection.socket(Server), false).expect("an option");
        let acknowledged = world.count(Server, pure_ack);
        connection.close(Client);
        world.settle();
        connection.close(Server);
        connection.becomes(world, TimeWait, Listen);
        listener = connection.listener.take();
        if world.count(Server, pure_ack) == acknowledged {
            return;
        }
    }
    panic!("the FIN is always acknowledged at once");
}

/// Both have sent data that is still under way.
pub(crate) fn with_data_still_to_come(world: &mut World) {
    let mut connection = world.opened();
    world.hold(Client);
    connection.send(Client, 100);
    connection.half_close(Client);
    connection.send(Server, 100);
    world.settle();
    world.release();
    connection.becomes(world, FinWait2, CloseWait);
    assert_eq!((connection.read(Client), connection.read(Server)), (100, 100));
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

/// A FIN that has to wait for the window is not on the link yet: its sender is in FIN_WAIT_1 by itself only.
pub(crate) fn behind_a_closed_window(world: &mut World) {
    let mut connection = world.opened();
    connection.fill(world, Client);
    world.cannot_be_seen(Client, Established, FinWait1);
    connection.close(Client);
    world.settle();
    connection.is(world, FinWait1, Established);
    world.until("all is read", |world| {
        connection.read(Server);
        connection.state(world, Server) == CloseWait
    });
    world.can_be_seen();
    connection.becomes(world, FinWait2, CloseWait);
    assert!(world.count(Client, data) > 1);
}

/// The server is in TIME_WAIT, and the client's port free: RFC 9293 §3.6.1, RFC 6191.
pub(crate) fn and_open_again_from_the_same_port(world: &mut World) {
    let mut connection = world.opened();
    close_by_server(world, &mut connection);
    let client = world.connects(Client, CLIENT_PORT, PORT);
    world.settle();
    let mut again = Connection::accepted(connection.listener.take(), client, CLIENT_PORT);
    again.is(world, Established, Established);
    again.send(Client, 10);
    world.settle();
    again.close(Client);
    world.settle();
    again.close(Server);
    world.settle();
}
