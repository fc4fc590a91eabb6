//! TUN devices: an interface whose packets are read and written by a program.
//! Read first: Documentation/networking/tuntap.rst; the offload bits and ioctls are in linux/if_tun.h.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::last_errno;

/// The bytes of the virtio-net header before each packet: the layout without `num_buffers`.
pub const VNET_HEADER_LEN: libc::c_int = 10;

// UDP segmentation offload, since Linux 6.2; newer than libc's own list.
const TUN_F_USO4: libc::c_uint = 0x20;
const TUN_F_USO6: libc::c_uint = 0x40;

/// Makes a TUN device in the current network namespace, where it stays, wherever the descriptor goes, until that is closed.
/// Reading gives a packet that the host sends, writing delivers one to it; neither waits. Each has a virtio-net header of
/// [`VNET_HEADER_LEN`] bytes before it and no other, and may be larger than the MTU, to be cut by the device (GSO),
/// where the kernel can do that.
///
/// # Errors
/// The kernel's errno: `ENOENT`, `EACCES` or `EPERM` where the device node is missing or may not be opened.
pub fn create(name: &str) -> Result<OwnedFd, i32> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = open("/dev/net/tun", flags, Mode::empty()).map_err(Errno::raw_os_error)?;
    attach(&fd, name)?;
    set_vnet_header_len(&fd)?;
    offer_offload(&fd);
    Ok(fd)
}

/// Whether the device node is there and may be opened.
///
/// # Errors
/// The kernel's errno, as [`create`].
pub fn may_be_opened() -> Result<(), i32> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open("/dev/net/tun", flags, Mode::empty()).map(drop).map_err(Errno::raw_os_error)
}

fn attach(fd: &OwnedFd, name: &str) -> Result<(), i32> {
    let mut request = interface_request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(|_| libc::EINVAL)?;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is, alive over the call.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

fn set_vnet_header_len(fd: &OwnedFd) -> Result<(), i32> {
    let len = VNET_HEADER_LEN;
    // SAFETY: TUNSETVNETHDRSZ reads one int, which `len` is, alive over the call.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &raw const len) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Tells the kernel the most that it takes: what this program can cut by itself.
fn offer_offload(fd: &OwnedFd) {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    let _accepted = [tcp | TUN_F_USO4 | TUN_F_USO6, tcp].into_iter().any(|offer| set_offload(fd, offer));
}

fn set_offload(fd: &OwnedFd, offer: libc::c_uint) -> bool {
    // SAFETY: TUNSETOFFLOAD takes its bits by value.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(offer)) };
    done == 0
}

fn interface_request(name: &str) -> Result<libc::ifreq, i32> {
    // SAFETY: an ifreq is plain numbers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays 0: the name ends there.
    if name.len() >= request.ifr_name.len() {
        return Err(libc::ENAMETOOLONG);
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        // Signed on some processors and not on others.
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_with_its_end() {
        assert!(interface_request("fifteen-letters").is_ok());
        assert_eq!(interface_request("sixteen-letters.").map(drop), Err(libc::ENAMETOOLONG));
    }
}
