//! What travels beside a datagram in recvmsg(2) and sendmsg(2): control messages (cmsg(3)), and addresses as the kernel
//! writes them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Room for control messages, aligned as they want it: for an error report and one more small message.
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; 256]);

impl Control {
    pub(crate) fn new() -> Control {
        Control([0; 256])
    }
}

/// One control message.
pub(crate) struct ControlMessage<'a> {
    pub(crate) level: libc::c_int,
    pub(crate) kind: libc::c_int,
    pub(crate) data: &'a [u8],
}

/// The first of the control messages of which `take` makes something.
///
/// # Safety
/// The header must be one that recvmsg has filled in, or zeroed, and the buffer that it points to must still be there.
pub(crate) unsafe fn find<T>(
    message: &libc::msghdr,
    take: impl Fn(ControlMessage<'_>) -> Option<T>,
) -> Option<T> {
    // SAFETY: the kernel has filled in the control buffer that the header points to, and its length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: not null, so within the control buffer and whole.
        let plain = unsafe { *header };
        // SAFETY: the header is one of the buffer's, and so is its data.
        let data = unsafe { libc::CMSG_DATA(header) };
        // SAFETY: CMSG_LEN is arithmetic.
        let length = plain.cmsg_len.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        // SAFETY: the kernel has written so many bytes there, and nobody changes them while `take` looks.
        let data = unsafe { std::slice::from_raw_parts(data, length) };
        let found = take(ControlMessage { level: plain.cmsg_level, kind: plain.cmsg_type, data });
        if found.is_some() {
            return found;
        }
        // SAFETY: as for the first header.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// The address of the internet in a buffer for any address.
pub(crate) fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = std::ptr::from_ref(storage);
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_storage is larger than, and aligned for, every kind of address.
            let four = unsafe { *start.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(four.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let six = unsafe { *start.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(six.sin6_addr.s6_addr);
            let port = u16::from_be(six.sin6_port);
            Some(SocketAddrV6::new(ip, port, u32::from_be(six.sin6_flowinfo), six.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The lengths here are those of small structures.
pub(crate) fn socklen(length: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(length).unwrap_or(libc::socklen_t::MAX)
}

/// Writes one control message into an empty buffer; gives its length.
pub(crate) fn put<const N: usize>(
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    data: &[u8; N],
) -> usize {
    let size = u32::try_from(N).unwrap_or(u32::MAX);
    // SAFETY: CMSG_SPACE is arithmetic.
    let space = unsafe { libc::CMSG_SPACE(size) } as usize;
    assert!(space <= size_of::<Control>(), "the messages sent here are small");
    let header = std::ptr::from_mut(control).cast::<libc::cmsghdr>();
    // SAFETY: all-zero bytes are a valid header.
    let mut plain: libc::cmsghdr = unsafe { std::mem::zeroed() };
    // SAFETY: CMSG_LEN is arithmetic.
    plain.cmsg_len = unsafe { libc::CMSG_LEN(size) } as _;
    (plain.cmsg_level, plain.cmsg_type) = (level, kind);
    // SAFETY: the buffer is aligned for a header and larger than one.
    unsafe { header.write(plain) };
    // SAFETY: the header lies in the buffer, and so do its data, which have been seen to fit.
    let place = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), place, N) };
    space
}
