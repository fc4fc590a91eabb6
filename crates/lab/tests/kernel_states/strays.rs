//! Segments that come once more, or only to see whether anybody is there.

use std::cell::Cell;
use std::time::Duration;

use flow::State::{CloseWait, Closed, Established, FinWait2, Listen, SynReceived, SynSent, TimeWait};
use lab::event::Role::{Client, Server};
use rustix::net::sockopt;

use crate::sockets::Connection;
use crate::world::{World, data, fin, pure_ack, rst, syn};

pub(crate) fn syn_again_before_the_answer(world: &mut World) {
    world.lose(1, Server, syn);
    let connection = world.opening();
    world.settle();
    connection.is(world, SynSent, SynReceived);
    world.repeat_first(Client, syn);
    connection.becomes(world, Established, Established);
}

/// RFC 5961 §4: it is answered, and changes nothing.
pub(crate) fn syn_again_when_open(world: &mut World) {
    let connection = world.opened();
    world.repeat_first(Client, syn);
    world.settle();
    connection.is(world, Established, Established);
    assert!(world.count(Server, pure_ack) >= 1);
}

pub(crate) fn syn_ack_again_when_open(world: &mut World) {
    let connection = world.opened();
    world.repeat_first(Server, syn);
    world.settle();
    connection.is(world, Established, Established);
}

pub(crate) fn data_again_when_open(world: &mut World) {
    let connection = world.opened();
    connection.send(Client, 100);
    world.settle();
    connection.send(Client, 100);
    world.settle();
    world.repeat_first(Client, data);
    world.settle();
    connection.is(world, Established, Established);
    assert_eq!(connection.read(Server), 200);
}

/// It comes to a port where only the listener is left, and is refused; what it is refused with is too old for the end in
/// TIME_WAIT.
pub(crate) fn data_again_when_closed(world: &mut World) {
    let mut connection = world.opened();
    connection.send(Client, 100);
    world.settle();
    connection.send(Server, 100);
    world.settle();
    connection.read(Client);
    connection.read(Server);
    close(world, &mut connection);
    world.repeat_first(Client, data);
    world.settle();
    connection.is(world, TimeWait, Listen);
    assert_eq!(world.count(Server, rst), 1);
}

pub(crate) fn fin_again_in_close_wait(world: &mut World) {
    let connection = world.opened();
    connection.half_close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    world.repeat_first(Client, fin);
    world.settle();
    connection.is(world, FinWait2, CloseWait);
}

/// RFC 9293 §3.5.1: an old SYN wakes the listener, and the end in TIME_WAIT helps it to see that it is old.
pub(crate) fn syn_again_when_closed(world: &mut World) {
    let mut connection = world.opened();
    close(world, &mut connection);
    world.repeat_first(Client, syn);
    world.until("the listener listens again", |world| {
        world.count(Client, rst) + world.count(Server, rst) > 0 && connection.state(world, Server) == Listen
    });
}

/// RFC 1337 §2: the refusal of an old acknowledgement ends TIME_WAIT early.
pub(crate) fn last_ack_again_when_closed(world: &mut World) {
    let mut connection = world.opened();
    close(world, &mut connection);
    world.repeat_last(Client, pure_ack);
    connection.becomes(world, Closed, Listen);
    assert_eq!(world.count(Server, rst), 1);
}

fn close(world: &mut World, connection: &mut Connection) {
    connection.close(Client);
    connection.becomes(world, FinWait2, CloseWait);
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

/// The server does not read; the client asks from time to time whether there is room again.
pub(crate) fn zero_window_held(world: &mut World) {
    let mut connection = world.opened();
    let sent = connection.fill(world, Client);
    let before = world.count(Client, pure_ack);
    world.until("two probes", |world| world.count(Client, pure_ack) >= before + 2);
    connection.is(world, Established, Established);
    let read = Cell::new(0);
    world.until("all is read", |_| {
        read.set(read.get() + connection.read(Server));
        read.get() == sent
    });
    connection.close(Client);
    world.settle();
    connection.close(Server);
    connection.becomes(world, TimeWait, Listen);
}

/// The first probe is answered; then the link is cut, and the client gives up with a reset that nobody hears.
pub(crate) fn keep_alive_until_the_peer_is_gone(world: &mut World) {
    let connection = world.opened();
    let client = connection.socket(Client);
    let second = Duration::from_secs(1);
    sockopt::set_tcp_keepidle(client, second).expect("an option");
    sockopt::set_tcp_keepintvl(client, second).expect("an option");
    sockopt::set_tcp_keepcnt(client, 1).expect("an option");
    sockopt::set_socket_keepalive(client, true).expect("an option");
    world.until("an answer", |world| world.count(Server, pure_ack) == 1);
    connection.is(world, Established, Established);
    world.cut();
    world.until("the reset", |world| world.count(Client, rst) == 1);
    connection.is(world, Closed, Established);
}
