//! Packet sockets: whole Ethernet frames of one interface. Read first: packet(7).

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{last_errno, sockopt};

/// How much the socket is to hold, in bytes, when the link is slower than its sender.
const BUFFER: usize = 16 << 20;

/// Opens a socket on one interface of the current network namespace: reading gives the frames that come in there,
/// writing sends one out. Each is preceded by a virtio-net header of 10 bytes; frames to be cut by the device pass
/// whole. Non-blocking.
///
/// # Errors
/// The kernel's errno: `EPERM` without CAP_NET_RAW in the namespace.
pub fn open(interface: u32) -> Result<OwnedFd, i32> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol yet: it takes nothing in until it is bound, so nothing of another interface either.
    let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).map_err(Errno::raw_os_error)?;
    set_option(fd.as_fd(), libc::PACKET_VNET_HDR, 1)?;
    set_option(fd.as_fd(), libc::PACKET_IGNORE_OUTGOING, 1)?;
    // Past the interface's queue: that of an interface whose other end came up later drops everything until the kernel
    // has got round to noticing, which may be after the first packets.
    set_option(fd.as_fd(), libc::PACKET_QDISC_BYPASS, 1)?;
    // Beyond net.core.rmem_max the kernel takes what it allows; `grow_buffers` asks again where that may be forced.
    net::sockopt::set_socket_recv_buffer_size(&fd, BUFFER).map_err(Errno::raw_os_error)?;
    net::sockopt::set_socket_send_buffer_size(&fd, BUFFER).map_err(Errno::raw_os_error)?;
    bind(&fd, interface)?;
    Ok(fd)
}

/// Makes the buffers as large as they should be, beyond net.core.rmem_max: only outside of user namespaces and with
/// privilege, so whether it did.
pub fn grow_buffers(fd: BorrowedFd<'_>) -> bool {
    net::sockopt::set_socket_recv_buffer_size_force(fd, BUFFER).is_ok()
}

/// Frames that came in and found no room, since this was last asked.
///
/// # Errors
/// The kernel's errno.
pub fn dropped(fd: BorrowedFd<'_>) -> Result<u32, i32> {
    let statistics = sockopt::get(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
    // struct tpacket_stats: packets, drops.
    let dropped = statistics.get(4..).and_then(|drops| drops.first_chunk()).ok_or(libc::EPROTO)?;
    Ok(u32::from_ne_bytes(*dropped))
}

/// Sets an option of packet sockets whose value is a number.
pub(crate) fn set_option(fd: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> Result<(), i32> {
    sockopt::set(fd, libc::SOL_PACKET, option, &value.to_ne_bytes())
}

fn bind(fd: &OwnedFd, interface: u32) -> Result<(), i32> {
    let family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(|_| libc::EAFNOSUPPORT)?;
    let everything = u16::try_from(libc::ETH_P_ALL).map_err(|_| libc::EPROTO)?;
    // SAFETY: a sockaddr_ll is plain numbers, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = family;
    address.sll_protocol = everything.to_be();
    address.sll_ifindex = libc::c_int::try_from(interface).map_err(|_| libc::ENODEV)?;
    // No struct of the socket interface comes near the limit.
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the address is the `len` bytes of a sockaddr_ll, alive over the call.
    let done = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}
