//! The binary as people run it, against programs that others wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

mod addr;
mod agreement;
mod bad_input;
mod chat;
mod connect;
mod datagrams;
mod endings;
mod endings_told;
mod hints;
mod lab;
mod lab_commands;
mod lab_hosts;
mod lab_link;
mod lab_real_programs;
mod lab_repeats;
mod lessons;
mod listen;
mod many_clients;
mod matrix;
mod packet_bytes;
mod routes;
mod running;
mod serve;
mod sockets;
mod streams;
mod trace;
mod trace_views;
mod trace_writing;
