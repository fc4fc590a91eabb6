//! What runs on a host: our own end of the conversation, in the forked process itself, or a command in its place.

use std::ffi::{CString, OsString};
use std::io::Error;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use ends::conversation;
use ends::event::Event;
use ends::listen::{At, Place};
use ends::serve::{self, Engine};
use ends::service::{Discard, Echo, Source, TimeOfDay};
use ends::stop::{Stop, StopHandle};
use kernel::namespace::{self, Namespace};
use kernel::{descriptors, process, signal, terminal};
use rustix::io::Errno;
use wire::{Doing, Fault, Transport};

use crate::config::{ECHO_PORT, Family, LINES, Program, SERVICE_PORTS};
use crate::control::{Control, Report};
use crate::event::Role;
use crate::keeper::Inside;

/// The writing ends of the pipes that take the programs' standard output and standard error, in the order of the hosts;
/// none where one has the tool's.
pub(crate) type Outputs = Vec<Option<[OwnedFd; 2]>>;

/// Whether a host's program is another than this one, which a process for it does nothing but execute.
pub(crate) fn executes(role: Role, inside: &Inside<'_>) -> bool {
    let is_command = matches!(inside.config.program(role), Program::Command(_) | Program::Shell(_));
    is_command && inside.cast.iter().all(|part| part.role != role)
}

/// Runs a host's program, in a process that init forked for it. Nothing here is dropped: the process ends, or becomes
/// another program.
pub(crate) fn run(role: Role, inside: &Inside<'_>, network: BorrowedFd<'_>) -> ! {
    let control = &inside.control;
    let _ = control.report(Report::Started(role));
    let (config, program) = (inside.config, inside.config.program(role));
    let output = inside.outputs.get(role.index()).and_then(Option::as_ref);
    let part = inside.cast.iter().find(|part| part.role == role);
    let become_host = || {
        become_host(role, network, output)?;
        // An actor may set its host otherwise: what it does is in this program.
        if part.is_none() {
            namespace::drop_capabilities()?;
        }
        take_place(role == config.leader, matches!(program, Program::Shell(_)))
    };
    if let Err(errno) = become_host() {
        let _ = control.report(Report::NotStarted(role, errno));
        process::exit_now(EXIT_NOT_STARTED);
    }
    if let Some(part) = part {
        part.act();
    }
    descriptors::keep_only(&[control.as_fd()]);
    match (program, role) {
        (Program::Command(words), _) => execute(words, role, role == config.leader, control),
        (Program::Shell(words), _) => execute_shell(words, role, control),
        (Program::Conversation, Role::Server) => serve(config.family, control),
        (Program::Conversation, _) => converse(config.family, control),
        (Program::Idle, _) => process::exit_now(0),
        (Program::Services, _) => offer_services(role, control),
    }
}

/// The status of a shell that could not execute a command (POSIX, Exit Status for Commands: 126; 127 when not found).
const EXIT_NOT_STARTED: i32 = 126;
const EXIT_NOT_FOUND: i32 = 127;

fn become_host(role: Role, network: BorrowedFd<'_>, output: Option<&[OwnedFd; 2]>) -> Result<(), i32> {
    let name = CString::new(format!("lab {}", role.name())).unwrap_or_default();
    let _ = rustix::thread::set_name(&name);
    namespace::enter_network(network)?;
    // What `hostname` says, and with it most shells' prompts. Where it is refused, they say what they said before.
    let _ = namespace::unshare(Namespace::HostName).and_then(|()| namespace::set_host_name(role.name()));
    if let Some([out, err]) = output {
        rustix::stdio::dup2_stdout(out).map_err(Errno::raw_os_error)?;
        rustix::stdio::dup2_stderr(err).map_err(Errno::raw_os_error)?;
    }
    Ok(())
}

/// What the terminal sends is for the leader and the tool, and for a shell alone.
fn take_place(is_leader: bool, is_shell: bool) -> Result<(), i32> {
    if !is_leader || is_shell {
        rustix::process::setpgid(None, None).map_err(Errno::raw_os_error)?;
    }
    if is_shell && is_leader && rustix::termios::isatty(rustix::stdio::stdin()) {
        // Refused where the terminal is not ours; then the shell goes without job control, and says so.
        let _ = terminal::take(rustix::stdio::stdin());
    }
    signal::unblock_all();
    Ok(())
}

/// A prompt for shells that have none of their own; those that have one usually name the host in it.
fn execute_shell(words: &[OsString], role: Role, control: &Control) -> ! {
    let error = match words.split_first() {
        Some((program, arguments)) => Command::new(program)
            .args(arguments)
            .env("PS1", format!("{}$ ", role.name()))
            .env("HOSTNAME", role.name())
            .exec(),
        None => Error::from_raw_os_error(Errno::NOENT.raw_os_error()),
    };
    not_executed(&error, role, control)
}

fn execute(words: &[OsString], role: Role, is_leader: bool, control: &Control) -> ! {
    let error = match words.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            if !is_leader {
                command.stdin(Stdio::null());
            }
            command.exec()
        }
        None => Error::from_raw_os_error(Errno::NOENT.raw_os_error()),
    };
    not_executed(&error, role, control)
}

fn not_executed(error: &Error, role: Role, control: &Control) -> ! {
    let errno = error.raw_os_error().unwrap_or_default();
    let _ = control.report(Report::NotStarted(role, errno));
    process::exit_now(if errno == Errno::NOENT.raw_os_error() { EXIT_NOT_FOUND } else { EXIT_NOT_STARTED })
}

/// The conversation's server: the same that `serve echo` runs.
fn serve(family: Family, control: &Control) -> ! {
    let place = Place::tcp(server_address(family));
    let config = serve::Config::new(vec![place], Engine::Event { workers: 1 }, Echo::default);
    let tell = |event| {
        if matches!(event, Event::Listening { .. }) {
            let _ = control.report(Report::Listening(Role::Server));
        }
    };
    let served = Stop::by_signals().and_then(|stop| serve::serve(&config, &stop, &tell));
    let status = match served {
        Ok(_) => 0,
        Err(fault) => {
            report_trouble(Role::Server, &fault, control);
            1
        }
    };
    process::exit_now(status)
}

/// What a server of old offers, each service a server of its own, all on every interface and in this one process.
fn offer_services(role: Role, control: &Control) -> ! {
    let services = services();
    let unheard = AtomicUsize::new(services.iter().map(|service| service.places.len()).sum());
    let tell = |event| {
        if matches!(event, Event::Listening { .. }) && unheard.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _ = control.report(Report::Listening(role));
        }
    };
    match serve_all(&services, role, control, &tell) {
        Ok(()) => process::exit_now(0),
        Err(fault) => fail(role, &fault, control),
    }
}

/// In the order of their ports. No source of datagrams: `ends::service::refusal` says why.
fn services() -> [serve::Config; 4] {
    let [echo, discard, daytime, source] = SERVICE_PORTS;
    let engine = Engine::Event { workers: 1 };
    let places = |port| [Transport::Tcp, Transport::Udp].map(|by| Place::new(At::EveryInterface(by, port)));
    [
        serve::Config::new(places(echo).into(), engine, Echo::default),
        serve::Config::new(places(discard).into(), engine, Discard::default),
        serve::Config::new(places(daytime).into(), engine, || TimeOfDay::daytime(SystemTime::now)),
        serve::Config::new(places(source)[..1].to_vec(), engine, || Source::new(None)),
    ]
}

/// Serves until a signal says stop. What fails in a thread ends the process.
fn serve_all(
    services: &[serve::Config],
    role: Role,
    control: &Control,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), Fault> {
    let Some((first, others)) = services.split_first() else { return Ok(()) };
    // Before the threads, which are to have the signals blocked.
    let signalled = Stop::by_signals()?;
    let stops = others.iter().map(|_| Stop::by_handle()).collect::<Result<Vec<_>, _>>()?;
    let (stops, handles): (Vec<Stop>, Vec<StopHandle>) = stops.into_iter().unzip();
    std::thread::scope(|scope| {
        for (service, stop) in others.iter().zip(&stops) {
            scope.spawn(move || {
                if let Err(fault) = serve::serve(service, stop, tell) {
                    fail(role, &fault, control)
                }
            });
        }
        let served = serve::serve(first, &signalled, tell).map(drop);
        handles.iter().for_each(StopHandle::stop);
        served
    })
}

/// The conversation's client: says its lines in lock-step, half-closes, and takes what is left.
fn converse(family: Family, control: &Control) -> ! {
    let status = match conversation::hold(server_address(family), &LINES) {
        Ok(_) => 0,
        Err(fault) => exit_status(fault.doing, report_trouble(Role::Client, &fault, control)),
    };
    process::exit_now(status)
}

fn server_address(family: Family) -> SocketAddr {
    SocketAddr::new(Role::Server.address(family), ECHO_PORT)
}

fn fail(role: Role, fault: &Fault, control: &Control) -> ! {
    report_trouble(role, fault, control);
    process::exit_now(1)
}

/// Tells the tool what our own program ran into, and gives the errno it told.
fn report_trouble(role: Role, fault: &Fault, control: &Control) -> i32 {
    // Without an errno it is an answer that no echo server gives.
    let errno = fault.raw_errno().unwrap_or(Errno::PROTO.raw_os_error());
    let _ = control.report(Report::Trouble(role, fault.end, fault.doing, errno));
    errno
}

/// The exit statuses that `connect` has too.
fn exit_status(doing: Doing, errno: i32) -> i32 {
    match (doing, Errno::from_raw_os_error(errno)) {
        (Doing::Connect, Errno::TIMEDOUT) => 28,
        (Doing::Connect, _) => 7,
        (Doing::Send, _) => 55,
        _ => 56,
    }
}
