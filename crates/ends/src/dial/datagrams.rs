//! A socket to send datagrams from, and whom to send them to. It is not connected: others may answer too, and what goes
//! wrong with one peer does not break the socket.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, bind, connect, getpeername};
use wire::{Address, Cause, Doing, End, Fault, Transport};

use super::attempt::{bound, source};
use super::{Options, Target, fault_of, is_the_routes};
use crate::address::{from_kernel, new_socket, to_kernel};
use crate::event::Event;
use crate::listen::DatagramSocket;
use crate::listen::inherited::{Inherited, Nature};
use crate::options::Phase;

/// Opens a socket for datagrams to the target, and says at which of its addresses that is: of several the first to which
/// there is a way. Each failure before is told as [`Event::Trouble`], each option as [`Event::OptionSet`].
///
/// # Errors
/// When there is no way to any address, no such Unix socket, or our own address cannot be used.
pub fn dial_datagrams(
    target: &Target,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<(DatagramSocket, Address), Fault> {
    match target {
        Target::Internet { transport: Transport::Udp, addresses } => {
            let mut last = wrong(target, "no address was given");
            for (number, address) in addresses.iter().enumerate() {
                if number > 0 {
                    tell(Event::Trouble(last));
                }
                match to_host(*address, options, tell) {
                    Ok(socket) => return Ok((socket, (*address).into())),
                    Err(fault) => last = fault,
                }
            }
            Err(last)
        }
        Target::Unix { transport: Transport::UnixDgram, address } => {
            Ok((to_unix(address, options, tell)?, address.clone()))
        }
        Target::Inherited(number) => inherited(*number, options, tell),
        Target::Internet { .. } | Target::Unix { .. } => {
            Err(wrong(target, "it is for connections, and not for datagrams"))
        }
    }
}

fn wrong(target: &Target, words: &str) -> Fault {
    let cause = Cause::Words(words.into());
    Fault { end: End::You, doing: Doing::Connect, at: target.to_string(), cause }
}

fn to_host(to: SocketAddr, options: &Options, tell: &dyn Fn(Event)) -> Result<DatagramSocket, Fault> {
    let at = Address::Internet(to);
    let apply = |socket: std::os::fd::BorrowedFd<'_>, phase| {
        options.socket.apply(socket, Transport::Udp, phase, &at.to_string(), tell)
    };
    if let Some(source) = options.source
        && source.is_ipv6() != to.is_ipv6()
    {
        return Err(fault_of(&at, Errno::AFNOSUPPORT));
    }
    let socket = bound(Transport::Udp, to, options, apply)?;
    there_is_a_way(to, options)?;
    if source(to, options).is_none() {
        // Now rather than with the first datagram: our port is told before anything is sent.
        let any = match to.is_ipv6() {
            true => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            false => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        bind(&socket, &any)
            .map_err(|errno| Fault::errno(End::Us, Doing::Bind, any.to_string(), errno.raw_os_error()))?;
    }
    Ok(DatagramSocket::of(socket, Transport::Udp))
}

/// Asks the kernel by a second socket that is connected, and never used: connecting one for datagrams sends nothing, but
/// looks for a way (udp(7)). It is made as the first: by which interface and from which address decides about the way, and
/// groups need no route where it is known (ip(7), `IP_MULTICAST_IF`).
fn there_is_a_way(to: SocketAddr, options: &Options) -> Result<(), Fault> {
    let at = Address::Internet(to);
    let failed = |errno: Errno| fault_of(&at, errno);
    let probe = new_socket(Transport::Udp, &at).map_err(failed)?;
    options.socket.apply(probe.as_fd(), Transport::Udp, Phase::BeforeBind, &at.to_string(), &|_| ())?;
    if let Some(mut source) = source(to, options) {
        // The port is the first socket's.
        source.set_port(0);
        bind(&probe, &source).map_err(failed)?;
    }
    match connect(&probe, &to) {
        // Without SO_BROADCAST nothing is sent there. Sending will say so, with the advice that belongs to it.
        Err(Errno::ACCESS) if !is_the_routes(&at, Errno::ACCESS) => Ok(()),
        result => result.map_err(failed),
    }
}

/// With a name of its own, which the kernel chooses: who has none cannot be answered (unix(7), autobind).
fn to_unix(address: &Address, options: &Options, tell: &dyn Fn(Event)) -> Result<DatagramSocket, Fault> {
    let transport = Transport::UnixDgram;
    let failed = |doing: Doing| {
        move |errno: Errno| Fault::errno(End::Us, doing, address.to_string(), errno.raw_os_error())
    };
    let socket = new_socket(transport, address).map_err(failed(Doing::Socket))?;
    let at = address.to_string();
    options.socket.apply(socket.as_fd(), transport, Phase::BeforeBind, &at, tell)?;
    bind(&socket, &SocketAddrUnix::new_unnamed()).map_err(failed(Doing::Bind))?;
    options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &at, tell)?;
    // By a second socket, which is never used: whether anybody is there, and we may send to it.
    let probe = new_socket(transport, address).map_err(failed(Doing::Socket))?;
    let reached = to_kernel(address).and_then(|to| connect(&probe, &to));
    reached.map_err(|errno| fault_of(address, errno))?;
    Ok(DatagramSocket::of(socket, transport))
}

fn inherited(
    number: u32,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<(DatagramSocket, Address), Fault> {
    let Inherited { socket, transport, .. } =
        Inherited::take(number, Doing::Connect, &[Nature::DatagramsWithPeer])?;
    options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &format!("fd:{number}"), tell)?;
    let peer = from_kernel(getpeername(&socket).ok().flatten());
    Ok((DatagramSocket::of(socket, transport), peer))
}
