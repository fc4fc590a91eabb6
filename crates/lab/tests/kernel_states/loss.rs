//! Segments that do not arrive, and what the kernels make of it.

use flow::State::{CloseWait, Established, FinWait1, FinWait2, LastAck, Listen, TimeWait};
use lab::event::Role::{Client, Server};

use crate::world::{World, data, fin, pure_ack};

pub(crate) fn of_data(world: &mut World) {
    let connection = world.opened();
    world.lose(1, Client, data);
    connection.send(Client, 100);
    world.until("it is there", |_| connection.read(Server) == 100);
    assert!(world.count(Client, data) >= 2);
    connection.is(world, Established, Established);
}

pub(crate) fn of_an_acknowledgement(world: &mut World) {
    let connection = world.opened();
    world.lose(1, Server, pure_ack);
    connection.send(Client, 100);
    world.until("it is sent again", |world| world.count(Client, data) == 2);
    connection.is(world, Established, Established);
}

pub(crate) fn of_the_first_fin(world: &mut World) {
    let mut connection = world.opened();
    world.lose(1, Client, fin);
    connection.close(Client);
    world.settle();
    connection.is(world, FinWait1, Established);
    connection.becomes(world, FinWait2, CloseWait);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

pub(crate) fn of_the_ack_of_the_first_fin(world: &mut World) {
    let mut connection = world.opened();
    world.lose(1, Server, pure_ack);
    connection.close(Client);
    world.until("the FIN is acknowledged, in vain", |world| world.count(Server, pure_ack) == 1);
    connection.is(world, FinWait1, CloseWait);
    connection.becomes(world, FinWait2, CloseWait);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

pub(crate) fn of_the_second_fin(world: &mut World) {
    let mut connection = world.opened();
    connection.close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    world.lose(1, Server, fin);
    connection.close(Server);
    world.settle();
    connection.is(world, FinWait2, LastAck);
    connection.becomes(world, TimeWait, Listen);
}

pub(crate) fn of_the_last_ack(world: &mut World) {
    let mut connection = world.opened();
    connection.close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    world.lose(1, Client, pure_ack);
    connection.close(Server);
    world.settle();
    connection.is(world, TimeWait, LastAck);
    connection.becomes(world, TimeWait, Listen);
}

/// A FIN behind a gap closes nothing yet.
pub(crate) fn of_data_before_the_fin(world: &mut World) {
    let mut connection = world.opened();
    world.lose(1, Client, data);
    connection.send(Client, 100);
    world.settle();
    connection.close(Client);
    world.settle();
    assert_eq!(connection.read(Server), 100);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

/// Data both ways and the first FIN, all while the link is cut.
pub(crate) fn of_everything_for_a_while(world: &mut World) {
    let mut connection = world.opened();
    world.cut();
    connection.send(Client, 3000);
    connection.send(Server, 3000);
    connection.half_close(Client);
    world.until("the client has tried twice", |world| world.count(Client, fin) >= 2);
    connection.is(world, FinWait1, Established);
    world.mend();
    connection.becomes(world, FinWait2, CloseWait);
    world.until("it is there", |_| connection.read(Client) == 0 && connection.read(Server) == 0);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}
