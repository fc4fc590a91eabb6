//! What clients cost that are there and say nothing.

use std::net::TcpStream;

use ends::serve::Engine;

use crate::server::{Server, config, say, start};

pub(crate) const TESTS: [(&str, fn()); 1] =
    [("an_idle_thread_costs_what_it_used", an_idle_thread_costs_what_it_used)];

fn greeted(server: &Server, count: usize) -> Vec<TcpStream> {
    let mut clients: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| say(client, b"hello").expect("an echo"));
    clients
}

/// Its buffer is large, and a page of it that no arrival reached costs nothing; also where others were before.
fn an_idle_thread_costs_what_it_used() {
    const CLIENTS: usize = 200;
    let mut server = start(&config(Engine::Thread));
    let before = server.status("VmRSS");
    for _ in 0..3 {
        let clients = greeted(&server, CLIENTS);
        let each = (server.status("VmRSS").saturating_sub(before)) / CLIENTS as u64;
        assert!(each <= 48, "{each} kB for each thread");
        drop(clients);
        (0..CLIENTS).for_each(|_| _ = server.next_closed());
    }
    server.stop();
}
