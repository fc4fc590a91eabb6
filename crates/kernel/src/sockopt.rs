//! Socket options by number: setting and reading any of them as bytes. What the bytes mean, `wire::sockopt` knows.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use wire::Transport;
use wire::sockopt::{Level, Sockopt};

use crate::last_errno;

/// More bytes than any option has whose value is a structure; `TCP_INFO`, the longest, has 280 in Linux 6.18.
const VALUE_MAX: usize = 1024;

/// Sets an option: setsockopt(2).
///
/// # Errors
/// The kernel's error number: `ENOPROTOOPT` for an option that this kind of socket does not have, `EINVAL` for a value
/// that it does not take, `EPERM` without the privilege.
pub fn set(socket: BorrowedFd<'_>, level: i32, number: i32, value: &[u8]) -> Result<(), i32> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| libc::EINVAL)?;
    // SAFETY: the kernel reads `length` bytes of the value, which is so long and outlives the call. What options there
    // are that point to memory (filters) copy what they point to, and fail where they cannot.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, number, value.as_ptr().cast(), length) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Reads an option, as many bytes as the kernel has of it: getsockopt(2).
///
/// # Errors
/// The kernel's error number: `ENOPROTOOPT` for an option that this kind of socket, or this kernel, does not have.
pub fn get(socket: BorrowedFd<'_>, level: i32, number: i32) -> Result<Vec<u8>, i32> {
    // Zeros: one option that takes its buffer for a request (TCP_ZEROCOPY_RECEIVE) is asked for nothing by them.
    let mut value = [0u8; VALUE_MAX];
    let mut length = libc::socklen_t::try_from(value.len()).map_err(|_| libc::EINVAL)?;
    // SAFETY: the kernel writes at most `length` bytes, which the value has, and the new length to a valid place.
    let done = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, number, value.as_mut_ptr().cast(), &raw mut length)
    };
    if done != 0 {
        return Err(last_errno());
    }
    let length = usize::try_from(length).map_err(|_| libc::EINVAL)?;
    Ok(value.get(..length).unwrap_or(&value).to_vec())
}

/// What the option is here while nobody has set it: asked of a new socket of the first kind that has it.
///
/// # Errors
/// The kernel's error number: `ENOPROTOOPT` where this kernel does not have it, `ENOTCONN` where only sockets with a
/// peer do.
pub fn default_here(option: &Sockopt) -> Result<Vec<u8>, i32> {
    let socket = fresh(option)?;
    get(socket.as_fd(), option.level.number(), option.read_number())
}

/// A new socket that has the option.
fn fresh(option: &Sockopt) -> Result<OwnedFd, i32> {
    let family = match option.level {
        Level::Ipv6 => AddressFamily::INET6,
        _ if option.of.has(Transport::Tcp) || option.of.has(Transport::Udp) => AddressFamily::INET,
        _ => AddressFamily::UNIX,
    };
    let kind = match option.of.has(Transport::Tcp) || family == AddressFamily::UNIX {
        true => SocketType::STREAM,
        false => SocketType::DGRAM,
    };
    socket_with(family, kind, SocketFlags::CLOEXEC, None).map_err(Errno::raw_os_error)
}

#[cfg(test)]
mod tests;
