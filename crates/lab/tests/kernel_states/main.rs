//! The tracker's states against the kernels' own: situations that are made between two hosts in a private network, each
//! compared at every moment at which no segment is in flight, and at its end.
//!
//! The tracker knows only what went over the link; the kernels are asked by /proc/net/tcp. Every comparison must agree.
//! The few differences that no observer of segments could know of are declared where they occur, and counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod closing;
mod hosts;
#[path = "../private_network/left_out.rs"]
mod left_out;
mod loss;
#[path = "../../../kernel/tests/one_thread/mod.rs"]
mod one_thread;
mod opening;
mod resets;
mod sockets;
mod strays;
#[path = "../private_network/users.rs"]
mod users;
mod world;

use std::io::Write;

use world::World;

/// Plays a situation in a process of its own, which it leaves the namespaces with.
fn play(situation: fn(&mut World)) {
    let status = users::in_child(|| play_here(situation));
    assert_eq!(status, Some(0));
}

fn play_here(situation: fn(&mut World)) {
    let hosts = match hosts::make() {
        Ok(hosts) => hosts,
        Err((what, errno)) => {
            let reason = format!("{what} is refused: {}", std::io::Error::from_raw_os_error(errno));
            return left_out::left_out("states against the kernel", &reason);
        }
    };
    let mut world = World::new(hosts);
    situation(&mut world);
    let score = world.finish();
    print!("({} states compared, {} not to be seen) ", score.compared, score.unseen);
    // This process ends without writing out what is buffered.
    std::io::stdout().flush().expect("stdout");
}

macro_rules! situations {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), || play($module::$name))),+]
    };
}

const SITUATIONS: &[(&str, fn())] = situations![
    opening::refused,
    opening::unanswered,
    opening::syn_lost,
    opening::syn_ack_lost,
    opening::last_ack_lost,
    opening::last_ack_lost_and_data_sent,
    opening::simultaneous,
    opening::simultaneous_with_answers_lost,
    opening::backlog_full,
    opening::backlog_filled_meanwhile,
    closing::by_the_client,
    closing::by_the_server,
    closing::simultaneous,
    closing::simultaneous_with_acks_lost,
    closing::half,
    closing::in_three_segments,
    closing::with_data_still_to_come,
    closing::behind_a_closed_window,
    closing::and_open_again_from_the_same_port,
    resets::of_a_half_open_handshake,
    resets::by_the_client,
    resets::for_unread_data,
    resets::sent_in_fin_wait_1,
    resets::received_in_fin_wait_1,
    resets::sent_in_fin_wait_2,
    resets::received_in_fin_wait_2,
    resets::received_in_last_ack,
    resets::lost,
    resets::of_a_forgotten_connection,
    loss::of_data,
    loss::of_an_acknowledgement,
    loss::of_the_first_fin,
    loss::of_the_ack_of_the_first_fin,
    loss::of_the_second_fin,
    loss::of_the_last_ack,
    loss::of_data_before_the_fin,
    loss::of_everything_for_a_while,
    strays::syn_again_before_the_answer,
    strays::syn_again_when_open,
    strays::syn_ack_again_when_open,
    strays::data_again_when_open,
    strays::data_again_when_closed,
    strays::fin_again_in_close_wait,
    strays::syn_again_when_closed,
    strays::last_ack_again_when_closed,
    strays::zero_window_held,
    strays::keep_alive_until_the_peer_is_gone,
];

/// One of them as an ordinary user too: nothing differs once the hosts are made.
fn as_any_user() {
    users::each(|| play(closing::by_the_client));
}

fn main() {
    let mut tests = SITUATIONS.to_vec();
    tests.push(("closing::by_the_client_as_any_user", as_any_user));
    one_thread::run(&tests);
}
