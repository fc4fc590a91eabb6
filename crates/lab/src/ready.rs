//! What the kernel puts off although it has said yes: until then, first packets would be lost.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use kernel::rtnetlink::Rtnetlink;

/// How long the kernel may take, and how often to look. Not for ever: a network that loses a first packet is better than
/// none.
const LIMIT: Duration = Duration::from_secs(1);
const LOOKS: Duration = Duration::from_micros(50);

/// Waits until a host takes in what is for its address. Linux leaves the last step of giving an IPv6 address, the route
/// that makes it the host's own, to a worker.
///
/// # Errors
/// The kernel's errno.
pub(crate) fn to_receive(interfaces: &mut Rtnetlink, address: IpAddr) -> Result<(), i32> {
    wait(|| interfaces.has_address(address))
}

/// Waits until a bridge lets packets through a port of it: that the port is up is news that a worker brings, too.
///
/// # Errors
/// The kernel's errno.
pub(crate) fn to_forward(interfaces: &mut Rtnetlink, port: &str) -> Result<(), i32> {
    wait(|| interfaces.is_forwarding(port))
}

fn wait(mut is_ready: impl FnMut() -> Result<bool, i32>) -> Result<(), i32> {
    let limit = Instant::now() + LIMIT;
    while !is_ready()? && Instant::now() < limit {
        thread::sleep(LOOKS);
    }
    Ok(())
}
