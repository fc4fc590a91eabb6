//! What runs on a host: our own end of the conversation, in the forked process itself, or a command in its place.

use std::ffi::OsString;
use std::io::Error;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use ends::conversation;
use ends::event::Event;
use ends::listen::Place;
use ends::serve::{self, Engine};
use ends::service::Echo;
use ends::stop::Stop;
use kernel::{descriptors, namespace, process, signal};
use rustix::io::Errno;
use wire::{Doing, Fault};

use crate::config::{ECHO_PORT, LINES, Program, SERVER_ADDRESS};
use crate::control::{Control, Report};
use crate::event::Role;
use crate::keeper::Inside;

/// The writing ends of the pipes that take a program's standard output and standard error; none where it has the tool's.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) server: Option<[OwnedFd; 2]>,
    pub(crate) client: Option<[OwnedFd; 2]>,
}

/// Runs a host's program, in a process that init forked for it. Nothing here is dropped: the process ends, or becomes
/// another program.
pub(crate) fn run(role: Role, inside: &Inside<'_>, network: BorrowedFd<'_>) -> ! {
    let control = &inside.control;
    let (program, output) = match role {
        Role::Server => (&inside.config.server, &inside.outputs.server),
        Role::Client => (&inside.config.client, &inside.outputs.client),
    };
    if let Err(errno) = become_host(role, network, output.as_ref()) {
        let _ = control.report(Report::NotStarted(role, errno));
        process::exit_now(EXIT_NOT_STARTED);
    }
    descriptors::keep_only(&[control.as_fd()]);
    match (program, role) {
        (Program::Command(words), _) => execute(words, role, control),
        (Program::Conversation, Role::Server) => serve(control),
        (Program::Conversation, Role::Client) => converse(control),
    }
}

/// The status of a shell that could not execute a command (POSIX, Exit Status for Commands: 126; 127 when not found).
const EXIT_NOT_STARTED: i32 = 126;
const EXIT_NOT_FOUND: i32 = 127;

fn become_host(role: Role, network: BorrowedFd<'_>, output: Option<&[OwnedFd; 2]>) -> Result<(), i32> {
    let name = if role == Role::Server { c"lab server" } else { c"lab client" };
    let _ = rustix::thread::set_name(name);
    namespace::enter_network(network)?;
    namespace::drop_capabilities()?;
    if let Some([out, err]) = output {
        rustix::stdio::dup2_stdout(out).map_err(Errno::raw_os_error)?;
        rustix::stdio::dup2_stderr(err).map_err(Errno::raw_os_error)?;
    }
    if role == Role::Server {
        // Away from the terminal: what the terminal sends is for the client and the tool.
        rustix::process::setpgid(None, None).map_err(Errno::raw_os_error)?;
    }
    signal::unblock_all();
    Ok(())
}

fn execute(words: &[OsString], role: Role, control: &Control) -> ! {
    let error = match words.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            if role == Role::Server {
                command.stdin(Stdio::null());
            }
            command.exec()
        }
        None => Error::from_raw_os_error(Errno::NOENT.raw_os_error()),
    };
    let errno = error.raw_os_error().unwrap_or_default();
    let _ = control.report(Report::NotStarted(role, errno));
    process::exit_now(if errno == Errno::NOENT.raw_os_error() { EXIT_NOT_FOUND } else { EXIT_NOT_STARTED })
}

/// The conversation's server: the same that `serve echo` runs.
fn serve(control: &Control) -> ! {
    let place = Place::tcp(server_address());
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

/// The conversation's client: says its lines in lock-step, half-closes, and takes what is left.
fn converse(control: &Control) -> ! {
    let status = match conversation::hold(server_address(), &LINES) {
        Ok(_) => 0,
        Err(fault) => exit_status(fault.doing, report_trouble(Role::Client, &fault, control)),
    };
    process::exit_now(status)
}

fn server_address() -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(SERVER_ADDRESS, ECHO_PORT))
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
