//! Connections to Unix sockets, of streams and of packets.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SocketAddrAny, connect as connect_socket};
use wire::{Address, Doing, End, Fault, Transport};

use super::{Call, Dialled, fault_of, timed_out};
use crate::address::{new_socket, to_kernel};
use crate::options::Phase;
use crate::stop::{Asked, Stop};

/// How long the kernel is let wait in one go: until the next look at whether we are asked to stop.
const TURN: Duration = Duration::from_millis(50);

/// Connects to a socket file or an abstract name.
pub(super) fn connect(transport: Transport, address: &Address, call: &Call<'_>) -> Result<Dialled, Fault> {
    let failed = |errno: Errno| fault_of(address, errno);
    let socket = new_socket(transport, address)
        .map_err(|errno| Fault::errno(End::Us, Doing::Socket, address.to_string(), errno.raw_os_error()))?;
    let at = address.to_string();
    for phase in [Phase::BeforeBind, Phase::AfterBind] {
        call.options.socket.apply(socket.as_fd(), transport, phase, &at, call.tell)?;
    }
    let to = to_kernel(address).map_err(failed)?;
    match connect_socket(&socket, &to) {
        // The queue of the other end is full; poll does not tell when that changes, a waiting connect does (unix(7)).
        Err(Errno::AGAIN) => match wait_in_line(&socket, &to, call).map_err(failed)? {
            InLine::Through => {}
            InLine::Asked(asked) => return Ok(Dialled::Interrupted(asked)),
            InLine::TimedOut => return Err(timed_out(at)),
        },
        result => result.map_err(failed)?,
    }
    Ok(Dialled::Open(call.connected(socket, transport, address.clone())))
}

enum InLine {
    Through,
    Asked(Asked),
    TimedOut,
}

/// Waits for room in the other end's queue, in turns.
fn wait_in_line(socket: &OwnedFd, to: &SocketAddrAny, call: &Call<'_>) -> Result<InLine, Errno> {
    ioctl_fionbio(socket, false)?;
    loop {
        if let Some(asked) = call.stop.and_then(Stop::take) {
            return Ok(InLine::Asked(asked));
        }
        let left = call.until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(InLine::TimedOut);
        }
        // Zero would mean without end (socket(7)); the kernel rounds up to its own ticks.
        let turn = left.map_or(TURN, |left| left.min(TURN)).max(Duration::from_millis(1));
        set_socket_timeout(socket, Timeout::Send, Some(turn))?;
        match connect_socket(socket, to) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => {
                result?;
                break;
            }
        }
    }
    set_socket_timeout(socket, Timeout::Send, None)?;
    ioctl_fionbio(socket, true)?;
    Ok(InLine::Through)
}
