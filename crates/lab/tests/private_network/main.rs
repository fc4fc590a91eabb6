//! The lab on the real kernel: made by this process, in namespaces of its own, over both back-ends, as root and as an
//! ordinary user. What the system does not allow is named and left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod clean_up;
mod commands;
mod conversation;
mod cut_off;
mod left_out;
mod more_hosts;
#[path = "../../../kernel/tests/one_thread/mod.rs"]
mod one_thread;
mod refusals;
mod ring;
mod seen;
mod users;

fn main() {
    one_thread::run(&[
        ("a_conversation_is_carried_whole", || users::each(conversation::is_carried_whole)),
        ("a_delayed_conversation_is_waited_for", || users::each(conversation::is_waited_for_when_delayed)),
        ("the_same_seed_loses_the_same", conversation::loses_the_same_with_the_same_seed),
        (
            "a_conversation_is_carried_whole_through_damage_and_copies",
            conversation::is_carried_whole_through_damage_and_copies,
        ),
        ("senders_of_what_is_too_large_are_told", conversation::senders_of_what_is_too_large_are_told),
        ("a_command_is_its_users_without_privilege", || users::each(commands::have_no_privilege)),
        ("a_client_alone_has_services", commands::client_alone_has_services),
        ("all_hosts_are_reached_by_groups_and_broadcasts", || {
            users::each(more_hosts::are_all_reached_by_groups_and_broadcasts);
        }),
        ("more_hosts_pass_the_rules_once", more_hosts::pass_the_rules_once),
        ("more_hosts_are_told_what_is_too_large", more_hosts::are_told_what_is_too_large),
        ("more_hosts_leave_a_conversation_alone", more_hosts::leave_a_conversation_alone),
        ("the_clients_end_is_the_labs", commands::client_decides),
        ("a_server_is_waited_for_and_ended", commands::server_is_waited_for_and_ended),
        (
            "a_server_that_never_listens_is_not_waited_for_for_ever",
            commands::server_that_never_listens_is_not_waited_for_for_ever,
        ),
        ("a_server_that_will_not_end_is_killed", commands::stubborn_server_is_killed),
        ("a_talker_left_behind_is_not_waited_for", commands::left_behind_talker_is_not_waited_for),
        ("what_is_cut_off_for_good_is_not_waited_for", cut_off::for_good_is_not_waited_for),
        ("what_is_cut_off_for_a_time_is_waited_for", cut_off::for_a_time_is_waited_for),
        ("what_cannot_be_started_is_told", commands::what_cannot_be_started_is_told),
        ("a_signal_ends_the_lab_in_order", || users::each(clean_up::signal_ends_the_lab_in_order)),
        ("nothing_survives_a_killed_tool", || users::each(clean_up::nothing_survives_a_killed_tool)),
        ("nothing_is_left_after_a_hundred_kills", || {
            users::each(clean_up::nothing_is_left_after_a_hundred_kills);
        }),
        ("a_refusal_names_the_step", || users::each(refusals::name_the_step)),
        ("without_tun_packet_sockets_carry", || users::each(refusals::without_tun_packet_sockets_carry)),
        ("a_ring_keeps_the_order_of_all_sizes", || users::each(ring::keeps_the_order_of_all_sizes)),
        ("a_ring_holds_many_small_packets", || users::each(ring::holds_many_small_packets)),
        ("a_ring_tells_what_is_lost", || users::each(ring::tells_what_is_lost)),
        ("a_full_process_table_is_a_refusal", refusals::full_process_table),
        ("threads_are_refused", refusals::threads_are_refused),
    ]);
}
