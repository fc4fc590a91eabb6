//! Receiving one message of a connection that keeps messages apart (`SOCK_SEQPACKET`).
//!
//! recv(2) gives 0 for an empty message and for the end. What tells them apart: with `SO_PASSCRED` every message brings
//! its sender's credentials along, and the end brings nothing (unix(7)).

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg, sockopt};

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message: how much of it is in the buffer, and how long it was.
    Message {
        /// What is in the buffer.
        length: usize,
        /// What was sent.
        whole: usize,
    },
    /// The peer will say no more.
    End,
}

/// Prepares a socket so that [`receive`] can tell the end from an empty message.
pub(super) fn prepare(socket: impl AsFd) -> Result<(), Errno> {
    sockopt::set_socket_passcred(socket, true)
}

/// Receives one message.
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Received, Errno> {
    // Descriptors that a client passes along are closed at once: RecvAncillaryBuffer drops what it holds.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1), ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let room = buffer.len();
    let flags = RecvFlags::TRUNC | RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let came_with_anything = control.drain().count() > 0 || message.flags.contains(ReturnFlags::CTRUNC);
    if message.bytes == 0 && !came_with_anything {
        return Ok(Received::End);
    }
    Ok(Received::Message { length: message.bytes.min(room), whole: message.bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    #[test]
    fn an_empty_message_is_not_the_end() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("a pair");
        // Before it is prepared as well: a client may be quicker than we.
        for message in [&b"first"[..], b""] {
            send(&theirs, message, SendFlags::empty()).expect("room");
        }
        prepare(&ours).expect("a Unix socket");
        for message in [&b""[..], b"longer than the buffer", b""] {
            send(&theirs, message, SendFlags::empty()).expect("room");
        }
        drop(theirs);
        let mut buffer = [0; 8];
        let received: Vec<Received> =
            (0..6).map(|_| receive(&ours, &mut buffer).expect("nothing fails")).collect();
        let message = |length, whole| Received::Message { length, whole };
        let expected =
            [message(5, 5), message(0, 0), message(0, 0), message(8, 22), message(0, 0), Received::End];
        assert_eq!(received, expected);
    }
}
