//! `any-address`: INADDR_ANY, 0.0.0.0, and which addresses that is.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "any-address",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "all", holds: all_addresses, broken_by: Disturbance::Change(LOOPBACK) },
        Claim { name: "told", holds: told, broken_by: Disturbance::Change(OTHER_WAY) },
        Claim { name: "only", holds: only, broken_by: Disturbance::Change(ALL) },
        Claim { name: "reset", holds: reset, broken_by: Disturbance::Change(ALL) },
        Claim { name: "self", holds: to_any, broken_by: Disturbance::Change(OUTSIDE) },
    ],
    scenes: &[Scene::Facts, Scene::Sockets, Scene::Ladder(2)],
    words: include_str!("../texts/en/any-address.txt"),
};

const LOOPBACK: &str = "127.0.0.1 in place of 0.0.0.0";
const OTHER_WAY: &str = "both come by the loopback";
const ALL: &str = "0.0.0.0 in place of 127.0.0.1";
const OUTSIDE: &str = "10.0.0.2 in place of 0.0.0.0";

const PORT: u16 = 7777;
/// The port of the listener that has the loopback only.
const INSIDE: u16 = PORT + 1;

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn server(actor: &mut Actor) -> io::Result<()> {
    let any = if actor.is_changed(LOOPBACK) {
        loopback(PORT)
    } else if actor.is_changed(OUTSIDE) {
        at_server(PORT)
    } else {
        everywhere(PORT)
    };
    let listener = listening(actor, any)?;
    let inside = if actor.is_changed(ALL) { everywhere(INSIDE) } else { loopback(INSIDE) };
    let _inside = listening(actor, inside)?;
    actor.fact("here", addresses()?.join(", "));
    actor.reach("listening");
    actor.wait_for("came");
    // A program on the server's own host; and one that connects to 0.0.0.0.
    let by_loopback = actor.tcp_socket()?;
    let came = actor.connect(&by_loopback, loopback(PORT)).map(|()| 0);
    actor.fact("loopback", returned(&came));
    let to_any = actor.tcp_socket()?;
    let came = actor.connect(&to_any, everywhere(PORT)).map(|()| 0);
    let whom = came.and_then(|_| actor.peer_name(&to_any));
    actor.fact("self", returned(&whom));
    let mut names = Vec::new();
    actor.set_nonblocking(&listener)?;
    while let Ok(connection) = actor.accept(&listener) {
        names.push(actor.local_name(&connection)?.ip().to_string());
    }
    actor.fact("told", names.join(", "));
    actor.reach("accepted");
    Ok(())
}

/// The IPv4 addresses of this host.
fn addresses() -> io::Result<Vec<String>> {
    let interfaces = kernel::interfaces::all().map_err(io::Error::from_raw_os_error)?;
    let addresses =
        interfaces.iter().flat_map(|interface| &interface.addresses).map(|address| address.address);
    Ok(addresses.filter(IpAddr::is_ipv4).map(|ip| ip.to_string()).collect())
}

fn listening(actor: &mut Actor, address: SocketAddr) -> io::Result<OwnedFd> {
    let listener = actor.tcp_socket()?;
    actor.bind(&listener, address)?;
    actor.listen(&listener, 8)?;
    Ok(listener)
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let mut kept = Vec::new();
    for (port, fact) in [(PORT, "outside"), (INSIDE, "only")] {
        let socket = actor.tcp_socket()?;
        if actor.is_changed(OTHER_WAY) && port == PORT {
            continue;
        }
        let came = actor.connect(&socket, at_server(port)).map(|()| 0);
        actor.fact(fact, returned(&came));
        kept.push(socket);
    }
    actor.reach("came");
    actor.wait_for("accepted");
    Ok(())
}

fn all_addresses(seen: &Seen) -> Option<bool> {
    Some(
        seen.fact("here")? == "127.0.0.1, 10.0.0.2"
            && seen.fact("outside")? == "0"
            && seen.fact("loopback")? == "0",
    )
}

/// No accepted socket is at 0.0.0.0: each has the address that its client asked for.
fn told(seen: &Seen) -> Option<bool> {
    Some(seen.fact("told")? == "10.0.0.2, 127.0.0.1, 127.0.0.1")
}

fn only(seen: &Seen) -> Option<bool> {
    Some(seen.fact("only")? == "-1 ECONNREFUSED")
}

fn reset(seen: &Seen) -> Option<bool> {
    let refused = seen.flows.iter().find(|flow| flow.b.port() == INSIDE)?;
    let last = refused.rows.last()?;
    Some(refused.rows.len() == 2 && last.from == Side::B && last.flags.has(TcpFlags::RST))
}

fn to_any(seen: &Seen) -> Option<bool> {
    Some(seen.fact("self")? == "127.0.0.1:7777")
}
