//! `blocking`: accept, read and write wait, each for something else; or say at once that they would.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "blocking",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&["delay 5ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "accept", holds: accept_waits, broken_by: Disturbance::Change(EARLY) },
        Claim { name: "read", holds: read_waits, broken_by: Disturbance::Change(EARLY) },
        Claim { name: "at-once", holds: at_once, broken_by: Disturbance::Change(EARLY) },
        Claim { name: "full", holds: full, broken_by: Disturbance::Change(ROOM) },
        Claim { name: "write", holds: write_waits, broken_by: Disturbance::Change(STAYS) },
    ],
    scenes: &[Scene::Sockets, Scene::Calls],
    words: include_str!("../texts/en/blocking.txt"),
};

const EARLY: &str = "the client comes first";
const ROOM: &str = "large buffers";
const STAYS: &str = "O_NONBLOCK stays";

const PORT: u16 = 7777;
/// What the client writes at a time, until nothing more fits.
const PIECE: usize = 4096;
/// Far more than small buffers hold, and less than large ones do.
const MOST_PIECES: usize = 24;
/// What it writes then; another length, so that this call is known by it.
const LAST: usize = 5000;
/// How long it looks whether there is room again, in milliseconds: longer than an acknowledgement may wait for company.
const PATIENCE_MS: u32 = 100;

fn server(actor: &mut Actor) -> io::Result<()> {
    let listener = actor.tcp_socket()?;
    // Accepted sockets have it from the listener.
    actor
        .set_option(&listener, if actor.is_changed(ROOM) { "SO_RCVBUF=200000" } else { "SO_RCVBUF=4096" })?;
    actor.bind(&listener, everywhere(PORT))?;
    actor.listen(&listener, 1)?;
    actor.reach("listening");
    if actor.is_changed(EARLY) {
        actor.wait_for("written");
    }
    actor.set_nonblocking(&listener)?;
    let connection = match actor.accept(&listener) {
        Ok(connection) => connection,
        Err(_) => {
            actor.set_blocking(&listener)?;
            actor.accept(&listener)?
        }
    };
    if actor.receive_at_once(&connection, 4096).is_err() {
        actor.read(&connection, 4096)?;
    }
    actor.reach("busy");
    actor.wait_for_call(Client, &format!("write(3, {LAST} "), 1);
    while !actor.read(&connection, 65_536)?.is_empty() {}
    actor.close(connection);
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    if !actor.is_changed(EARLY) {
        actor.wait_for_call(Server, "accept", 2);
    }
    let socket = actor.tcp_socket()?;
    actor.set_option(&socket, if actor.is_changed(ROOM) { "SO_SNDBUF=200000" } else { "SO_SNDBUF=4096" })?;
    actor.connect(&socket, at_server(PORT))?;
    if !actor.is_changed(EARLY) {
        actor.wait_for_call(Server, "read", 1);
    }
    actor.write(&socket, b"hello\n")?;
    actor.reach("written");
    actor.wait_for("busy");
    actor.set_nonblocking(&socket)?;
    let mut pieces = 0;
    loop {
        while pieces < MOST_PIECES && actor.write(&socket, &[b'x'; PIECE]).is_ok() {
            pieces += 1;
        }
        if pieces == MOST_PIECES || !actor.poll(&socket, PollFlags::OUT, PATIENCE_MS)? {
            break;
        }
    }
    actor.reach("full");
    if !actor.is_changed(STAYS) {
        actor.set_blocking(&socket)?;
    }
    // That it does not wait is what a claim finds out.
    let _ = actor.write(&socket, &[b'y'; LAST]);
    actor.close(socket);
    Ok(())
}

/// It began before the client called, and returned after the last segment of the handshake was sent.
fn accept_waits(seen: &Seen) -> Option<bool> {
    let accept = calls(seen, Side::B, "accept").into_iter().next_back()?;
    let connect = calls(seen, Side::A, "connect").into_iter().next()?;
    let last = rows(seen)?.iter().find(|row| row.from == Side::A && bare(row) == ACK)?;
    Some(accept.began <= connect.began && accept.ended? >= last.time)
}

fn read_waits(seen: &Seen) -> Option<bool> {
    let read = calls(seen, Side::B, "read").into_iter().next()?;
    let write = calls(seen, Side::A, "write").into_iter().next()?;
    let data = rows(seen)?.iter().find(|row| row.len_bytes > 0)?;
    Some(read.began <= write.began && read.ended? >= data.time && read.result.as_deref() == Some("6"))
}

fn at_once(seen: &Seen) -> Option<bool> {
    let first = |call| seen.results(Side::B, call).into_iter().next().flatten();
    Some(first("accept")? == "-1 EAGAIN" && first("recv")? == "-1 EAGAIN")
}

fn full(seen: &Seen) -> Option<bool> {
    let of = |role| sockets_at(seen, "full", role, PORT)?.into_iter().next();
    let is_full = of(Client)?.to_send_bytes > 0 && of(Server)?.to_read_bytes > 0;
    Some(is_full && seen.results(Side::A, "write").contains(&Some("-1 EAGAIN")))
}

/// It began before the server read on, and returned, with all written, after that.
fn write_waits(seen: &Seen) -> Option<bool> {
    let write = calls(seen, Side::A, &format!("write(3, {LAST} ")).into_iter().next()?;
    let read = calls(seen, Side::B, "read(4, 65536)").into_iter().next()?;
    Some(write.began <= read.began && write.ended? >= read.began && write.result.as_deref() == Some("5000"))
}
