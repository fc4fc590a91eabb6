//! What runs on a host: our own end of the conversation, in the forked process itself, or a command in its place.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io::Error;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
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
use kernel::process::{self, Processors};
use kernel::signal::Mask;
use kernel::{descriptors, terminal};
use rustix::io::Errno;
use wire::{Doing, Fault, Transport};

use crate::config::{ECHO_PORT, Family, LINES, Program, SERVICE_PORTS};
use crate::control::{Control, Report};
use crate::event::Role;
use crate::keeper::Inside;
use crate::lines::Line;

/// The writing ends of the pipes that take the programs' standard output and standard error, in the order of the hosts;
/// none where one has the tool's.
pub(crate) type Outputs = Vec<Option<[OwnedFd; 2]>>;

/// Runs a host's program, in a process that init forked for it before its host stood: what can be done before that is done,
/// then it waits on its line. Nothing here is dropped: the process ends, or becomes another program.
pub(crate) fn run(inside: &Inside<'_>, line: &Line, processors: &Processors) -> ! {
    let (role, control) = (line.role, &inside.control);
    let (config, program) = (inside.config, inside.config.program(role));
    let part = inside.cast.iter().find(|part| part.role == role);
    let command = command(program, role, role == config.leader).filter(|_| part.is_none());
    let is_shell = matches!(program, Program::Shell(_));
    let become_program = || {
        become_host(role, inside.outputs.get(role.index()).and_then(Option::as_ref))?;
        // A command gets what is inherited, as outside; what is ours is closed when it is executed. An actor has more of
        // its own.
        if command.is_none() && part.is_none() {
            let [network, start] = line.descriptors();
            descriptors::keep_only(&[control.as_fd(), network, start]);
        }
        line.wait_for_start()?;
        namespace::enter(Namespace::Network, line.network()?.as_fd())?;
        // An actor may set its host otherwise: what it does is in this program.
        if part.is_none() {
            namespace::drop_capabilities()?;
        }
        processors.use_all();
        take_place(role == config.leader, is_shell, inside.namespaces.mask)
    };
    if let Err(errno) = become_program() {
        let _ = control.report(Report::NotStarted(role, errno));
        process::exit_now(EXIT_NOT_STARTED);
    }
    if let Some(part) = part {
        part.act();
    }
    if let Some(mut command) = command {
        not_executed(&command.exec(), role, control);
    }
    match (program, role) {
        (Program::Conversation, Role::Server) => serve(config.family, control),
        (Program::Conversation, _) => converse(config.family, control),
        (Program::Services, _) => offer_services(role, control),
        (Program::Idle | Program::Command(_) | Program::Shell(_), _) => process::exit_now(0),
    }
}

/// The status of a shell that could not execute a command (POSIX, Exit Status for Commands: 126; 127 when not found).
pub(crate) const EXIT_NOT_STARTED: i32 = 126;
const EXIT_NOT_FOUND: i32 = 127;

/// Has the host's name, and writes to where its output goes.
fn become_host(role: Role, output: Option<&[OwnedFd; 2]>) -> Result<(), i32> {
    let name = CString::new(format!("lab {}", role.name())).unwrap_or_default();
    let _ = rustix::thread::set_name(&name);
    // What `hostname` says, and with it most shells' prompts. Where it is refused, they say what they said before.
    let _ = namespace::unshare(Namespace::HostName).and_then(|()| namespace::set_host_name(role.name()));
    if let Some([out, err]) = output {
        rustix::stdio::dup2_stdout(out).map_err(Errno::raw_os_error)?;
        rustix::stdio::dup2_stderr(err).map_err(Errno::raw_os_error)?;
    }
    Ok(())
}

/// What the terminal sends is for the leader and the tool, and for a shell alone.
fn take_place(is_leader: bool, is_shell: bool, mask: Mask) -> Result<(), i32> {
    if !is_leader || is_shell {
        rustix::process::setpgid(None, None).map_err(Errno::raw_os_error)?;
    }
    if is_shell && is_leader && rustix::termios::isatty(rustix::stdio::stdin()) {
        // Refused where the terminal is not ours; then the shell goes without job control, and says so.
        let _ = terminal::take(rustix::stdio::stdin());
    }
    mask.restore();
    Ok(())
}

/// The command that a program is, if it is none of our own. Where it is, is looked up now: when it is to start, that is
/// known.
fn command(program: &Program, role: Role, is_leader: bool) -> Option<Command> {
    let words = match program {
        Program::Command(words) | Program::Shell(words) => words,
        Program::Conversation | Program::Services | Program::Idle => return None,
    };
    let none = OsString::new();
    let (name, arguments) =
        words.split_first().map_or((&none, &[][..]), |(name, arguments)| (name, arguments));
    let mut command = Command::new(found(name));
    command.arg0(name).args(arguments);
    match program {
        // A prompt for shells that have none of their own; those that have one usually name the host in it.
        Program::Shell(_) => {
            command.env("PS1", format!("{}$ ", role.name())).env("HOSTNAME", role.name());
        }
        _ if !is_leader => {
            command.stdin(Stdio::null());
        }
        _ => {}
    }
    Some(command)
}

/// Where execvp(3) would find a program; its name, for that to say what is wrong, if it would not.
fn found(name: &OsStr) -> PathBuf {
    let has_path = name.as_bytes().contains(&b'/');
    let path = env::var_os("PATH").filter(|_| !has_path && !name.is_empty()).unwrap_or_default();
    let is_program =
        |file: &PathBuf| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    env::split_paths(&path).map(|folder| folder.join(name)).find(is_program).unwrap_or_else(|| name.into())
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
