//! `engines`: the same echo server with a process, a thread and nothing at all for each client, counted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use ends::event::Event;
use ends::listen::Place as ListensAt;
use ends::serve::{Config, Engine, serve};
use ends::service::Echo;
use ends::stop::Stop;
use kernel::process::{Pid, Signal};
use wire::Address;

use super::on_kernel::*;
use super::processes::{SOON_MS, children, descriptors, kill, state, threads, wait};

pub(super) const LESSON: Lesson = Lesson {
    id: "engines",
    chapter: Chapter::Servers,
    play: Play::on_kernel(Staging { place: Place::Machine, actors: &[(Server, server)] }),
    claims: &[
        Claim { name: "process", holds: process, broken_by: Disturbance::Change(TURNED) },
        Claim { name: "thread", holds: thread, broken_by: Disturbance::Change(TURNED) },
        Claim { name: "event", holds: event, broken_by: Disturbance::Change(TURNED) },
        Claim { name: "killed", holds: killed, broken_by: Disturbance::Change(NOT_KILLED) },
        Claim { name: "again", holds: again, broken_by: Disturbance::Change(ONE_STAYS) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/engines.txt"),
};

const TURNED: &str = "the engines change places";
const NOT_KILLED: &str = "no child is killed";
const ONE_STAYS: &str = "one of the four stays";

/// How many come beside the first, who is there so that everything is in its place before it is counted.
const CLIENTS: usize = 4;

fn server(actor: &mut Actor) -> io::Result<()> {
    let mut engines = [Engine::Process, Engine::Thread, Engine::Event { workers: 1 }];
    let names = engines.map(Engine::name);
    if actor.is_changed(TURNED) {
        engines.rotate_left(1);
    }
    actor.fact("columns", "processes\tthreads\tdescriptors\tzombies");
    for (engine, name) in engines.into_iter().zip(names) {
        is_counted(actor, engine, name)?;
    }
    Ok(())
}

fn is_counted(actor: &mut Actor, engine: Engine, name: &str) -> io::Result<()> {
    let (port, told) = rustix::pipe::pipe()?;
    let server = actor.fork(|_| serves(engine, &told))?;
    drop(told);
    let mut bytes = [0; 2];
    std::fs::File::from(port).read_exact(&mut bytes)?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, u16::from_be_bytes(bytes));
    let mut clients = vec![comes(address)?];
    let before = count(actor, server)?;
    for _ in 0..CLIENTS {
        clients.push(comes(address)?);
    }
    let with_all = count(actor, server)?;
    actor.fact(&format!("{name}: with 1"), before);
    actor.fact(&format!("{name}: with 5"), with_all);
    if engine == Engine::Process && !actor.is_changed(NOT_KILLED) {
        kills_one(actor, server, &mut clients)?;
    }
    let stay = if actor.is_changed(ONE_STAYS) { 2 } else { 1 };
    clients.truncate(stay);
    // The server hears of it when it does.
    let _ = actor.wait_until(|| Ok(Counted::of(server) == before || stay > 1));
    actor.fact(&format!("{name}: with 1 again"), Counted::of(server));
    drop(clients);
    kill(actor, server, Signal::TERM)?;
    wait(actor, server)?;
    Ok(())
}

/// Counts when it has done what there was to do, and sleeps: after a fork, the parent may still have to close its copy.
fn count(actor: &mut Actor, server: Pid) -> io::Result<Counted> {
    actor.wait_until(|| Ok(state(server) == Some('S')))?;
    Ok(Counted::of(server))
}

/// In a process of its own: the server of `bothends serve echo`. Tells its port.
fn serves(engine: Engine, told: &OwnedFd) -> io::Result<()> {
    let at = ListensAt::tcp((Ipv4Addr::LOCALHOST, 0).into());
    let stop = Stop::by_signals().map_err(io::Error::other)?;
    let listens = |event: Event| {
        if let Event::Listening { address: Address::Internet(address), .. } = event {
            // Without an answer the other end reads to the end.
            let _ = rustix::io::write(told, &address.port().to_be_bytes());
        }
    };
    serve(&Config::new(vec![at], engine, Echo::default), &stop, &listens).map_err(io::Error::other)?;
    Ok(())
}

/// A client that is served: it has said a byte and got it back.
fn comes(address: SocketAddrV4) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_millis(SOON_MS.into())))?;
    is_answered(&mut client)?;
    Ok(client)
}

fn is_answered(client: &mut TcpStream) -> io::Result<()> {
    client.write_all(b"?")?;
    client.read_exact(&mut [0])
}

/// Kills the child that came last; the clients that hear the end go, the others are asked whether they are still answered.
fn kills_one(actor: &mut Actor, server: Pid, clients: &mut Vec<TcpStream>) -> io::Result<()> {
    let Some(child) = children(server).pop() else { return Ok(()) };
    kill(actor, child, Signal::KILL)?;
    // Its parent waits for it.
    actor.wait_until(|| Ok(state(child).is_none()))?;
    let all = clients.len();
    let mut answered = Vec::new();
    for mut client in clients.drain(..) {
        if is_answered(&mut client).is_ok() {
            answered.push(client);
        }
    }
    actor.fact("killed", format!("{} lost, {} answered", all - answered.len(), answered.len()));
    *clients = answered;
    Ok(())
}

/// A server, as /proc shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    /// It and its children.
    processes: usize,
    /// Of the first process.
    threads: usize,
    /// Of the first process.
    descriptors: usize,
    /// Among its children.
    zombies: usize,
}

impl Counted {
    fn of(server: Pid) -> Counted {
        let children = children(server);
        Counted {
            processes: 1 + children.len(),
            threads: threads(server),
            descriptors: descriptors(server),
            zombies: children.iter().filter(|child| state(**child) == Some('Z')).count(),
        }
    }

    fn parse(shown: &str) -> Option<Counted> {
        let numbers: Vec<usize> = shown.split('\t').filter_map(|word| word.parse().ok()).collect();
        let &[processes, threads, descriptors, zombies] = numbers.as_slice() else { return None };
        Some(Counted { processes, threads, descriptors, zombies })
    }
}

/// As cells of a table.
impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counted { processes, threads, descriptors, zombies } = self;
        write!(f, "{processes}\t{threads}\t{descriptors}\t{zombies}")
    }
}

fn counted(seen: &Seen, engine: &str, when: &str) -> Option<Counted> {
    Counted::parse(seen.fact(&format!("{engine}: {when}"))?)
}

/// What four more clients made more: processes, threads and descriptors of the first process.
fn more(seen: &Seen, engine: &str) -> Option<(usize, usize, usize)> {
    let (before, with_all) = (counted(seen, engine, "with 1")?, counted(seen, engine, "with 5")?);
    Some((
        with_all.processes.checked_sub(before.processes)?,
        with_all.threads.checked_sub(before.threads)?,
        with_all.descriptors.checked_sub(before.descriptors)?,
    ))
}

fn process(seen: &Seen) -> Option<bool> {
    Some(more(seen, "process")? == (CLIENTS, 0, 0))
}

fn thread(seen: &Seen) -> Option<bool> {
    Some(more(seen, "thread")? == (0, CLIENTS, CLIENTS))
}

fn event(seen: &Seen) -> Option<bool> {
    Some(more(seen, "event")? == (0, 0, CLIENTS))
}

fn killed(seen: &Seen) -> Option<bool> {
    Some(seen.fact("killed")? == "1 lost, 4 answered")
}

fn again(seen: &Seen) -> Option<bool> {
    let is_as_before = |engine| {
        let after = counted(seen, engine, "with 1 again")?;
        Some(Some(after) == counted(seen, engine, "with 1") && after.zombies == 0)
    };
    Some(is_as_before("process")? && is_as_before("thread")? && is_as_before("event")?)
}
