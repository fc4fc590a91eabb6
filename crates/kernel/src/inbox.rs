//! Many datagrams by one call of the kernel: recvmmsg(2).

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::control::{Control, socklen};
use crate::last_errno;
use crate::packet_info::{Arrived, of_header};
use crate::pages::Pages;

/// How many datagrams are taken at once at most. More gained nothing that could be measured.
pub const AT_ONCE: usize = 16;

/// Datagrams that have come together, each with who sent it and where to.
pub struct Inbox {
    bytes: Pages,
    /// How long a datagram may be.
    longest: usize,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    arrived: Vec<Arrived>,
}

impl Inbox {
    /// For datagrams of at most so many bytes. What none of them has ever reached costs no memory.
    ///
    /// # Errors
    /// The kernel's errno: there is no room for it.
    pub fn new(longest: usize) -> Result<Inbox, i32> {
        let length = longest.checked_mul(AT_ONCE).ok_or(libc::ENOMEM)?;
        // SAFETY: all-zero bytes are a valid value of this plain structure.
        let name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        Ok(Inbox {
            bytes: Pages::new(length)?,
            longest,
            names: vec![name; AT_ONCE].into_boxed_slice(),
            controls: (0..AT_ONCE).map(|_| Control::new()).collect(),
            arrived: Vec::with_capacity(AT_ONCE),
        })
    }

    /// Takes what has come, and keeps at most `room` bytes of each; gives how many came. Never waits.
    ///
    /// # Errors
    /// The kernel's error number: `EAGAIN` where nothing has come.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, room: usize) -> Result<usize, Errno> {
        self.arrived.clear();
        let room = room.min(self.longest);
        // SAFETY: all-zero bytes are valid values of these plain structures: nothing is anywhere.
        let mut parts: [libc::iovec; AT_ONCE] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
        let slots = self.bytes.chunks_exact_mut(self.longest.max(1));
        let places = slots.zip(self.names.iter_mut()).zip(self.controls.iter_mut());
        for (((slot, name), control), (part, header)) in places.zip(parts.iter_mut().zip(&mut headers)) {
            *part = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: room };
            let header = &mut header.msg_hdr;
            header.msg_name = std::ptr::from_mut(name).cast();
            header.msg_namelen = socklen(size_of::<libc::sockaddr_storage>());
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = std::ptr::from_mut(control).cast();
            header.msg_controllen = size_of::<Control>();
        }
        // The type differs between C libraries.
        let flags = (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _;
        let count = AT_ONCE as libc::c_uint;
        // SAFETY: each header points to a name, a part and a control buffer of its own, which are as long as said and
        // outlive the call, and each part to `room` bytes of a slot of its own.
        let result = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, flags, std::ptr::null_mut())
        };
        let count = usize::try_from(result).map_err(|_| Errno::from_raw_os_error(last_errno()))?;
        for (header, name) in headers.iter().zip(&self.names).take(count) {
            // SAFETY: the kernel has filled in the header, and the control buffer is still here.
            let arrived = unsafe { of_header(&header.msg_hdr, name, header.msg_len as usize) };
            self.arrived.push(arrived);
        }
        Ok(count)
    }

    /// One of those that came last: what there is to know of it, and its bytes, as many as were kept.
    pub fn get(&self, number: usize, room: usize) -> Option<(Arrived, &[u8])> {
        let arrived = *self.arrived.get(number)?;
        let start = number * self.longest;
        let length = arrived.length.min(room).min(self.longest);
        Some((arrived, self.bytes.get(start..start + length)?))
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("arrived", &self.arrived).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_info;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn all_that_has_come_is_taken_in_order_and_cut_where_there_is_no_room() {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("loopback");
        packet_info::enable(socket.as_fd()).expect("a socket of the internet");
        let at = ("127.0.0.1", socket.local_addr().expect("bound").port());
        let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let mut inbox = Inbox::new(100).expect("memory");
        assert_eq!(inbox.receive(socket.as_fd(), 100), Err(Errno::AGAIN));
        assert!(inbox.get(0, 100).is_none());
        // More than are taken at once, an empty one and one that is too long among them.
        let message = |number: usize| vec![u8::try_from(number).expect("small"); number * 7];
        for number in 0..AT_ONCE + 3 {
            client.send_to(&message(number), at).expect("it leaves");
        }
        assert_eq!(inbox.receive(socket.as_fd(), 100), Ok(AT_ONCE));
        for number in 0..AT_ONCE {
            let (arrived, bytes) = inbox.get(number, 100).expect("it has come");
            let sent = message(number);
            assert_eq!((arrived.length, bytes), (sent.len(), &sent[..sent.len().min(100)]));
            assert_eq!(arrived.from, client.local_addr().ok());
            assert_eq!(arrived.to.map(|to| to.ip.to_string()).as_deref(), Some("127.0.0.1"));
        }
        assert_eq!(inbox.receive(socket.as_fd(), 0), Ok(3));
        let (arrived, bytes) = inbox.get(2, 0).expect("it has come");
        assert_eq!((arrived.length, bytes), ((AT_ONCE + 2) * 7, &[][..]));
        assert!(inbox.get(3, 0).is_none(), "what came before is gone");
    }
}
