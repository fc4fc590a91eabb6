//! What can be set on a socket of any kind, listening or dialling.
//!
//! Everything is set before the socket is bound: there is no option here that would have to wait longer, and some that
//! may not. Groups are joined afterwards, so that nothing that a failed bind would have left undone has to be undone.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, netdevice, sockopt};
use wire::sockopt::Setting;
use wire::{Cause, Doing, End, Fault, Transport};

use crate::event::Event;

/// What to set on a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The interface that it is bound to (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// `SO_BROADCAST`: datagrams may go to broadcast addresses.
    pub broadcast: bool,
    /// Multicast.
    pub multicast: Multicast,
    /// Options by name, in the order in which they were asked for.
    pub settings: Vec<Setting>,
}

/// Multicast, sent and received: ip(7), RFC 3376, RFC 3493 §5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multicast {
    /// The groups to join.
    pub join: Vec<IpAddr>,
    /// The interface, by name, to join on and to send by; none: the kernel chooses by its routes.
    pub interface: Option<String>,
    /// How many routers a datagram may pass, plus one; none: 1.
    pub ttl: Option<u8>,
    /// Whether what is sent is also received on this machine; none: it is.
    pub loopback: Option<bool>,
}

/// How far a socket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has no address yet.
    BeforeBind,
    /// It has its address, and neither listens nor calls yet.
    AfterBind,
}

impl SocketOptions {
    /// Sets what belongs to this phase on a socket of this transport, called `at` before people. What was asked for by
    /// name is read back and told.
    ///
    /// # Errors
    /// The first that cannot be set: which option of which socket, the value, and the kernel's error number. What was set
    /// before it stays set.
    pub fn apply(
        &self,
        socket: BorrowedFd<'_>,
        transport: Transport,
        phase: Phase,
        at: &str,
        tell: &dyn Fn(Event),
    ) -> Result<(), Fault> {
        let making = Making { socket, at };
        if self.is_for_datagrams() && transport != Transport::Udp {
            return Err(making.wrong("broadcast and multicast are for udp"));
        }
        match phase {
            Phase::BeforeBind => self.set_all(&making, tell),
            Phase::AfterBind => self.multicast.join(&making),
        }
    }

    /// Whether there is something among them that only UDP has: broadcast or multicast.
    pub fn is_for_datagrams(&self) -> bool {
        self.broadcast || self.multicast != Multicast::default()
    }

    fn set_all(&self, making: &Making<'_>, tell: &dyn Fn(Event)) -> Result<(), Fault> {
        if let Some(device) = &self.device {
            making.set_named("SO_BINDTODEVICE", device)?;
        }
        if self.broadcast {
            making.set_named("SO_BROADCAST", "1")?;
        }
        self.multicast.set_sending(making)?;
        self.settings.iter().try_for_each(|setting| making.set_and_tell(setting, tell))
    }
}

impl Multicast {
    /// How datagrams to groups are sent. A socket for both families has the options of both.
    fn set_sending(&self, making: &Making<'_>) -> Result<(), Fault> {
        if *self == Multicast::default() {
            return Ok(());
        }
        let six = making.is_ipv6()?;
        let ttl = self.ttl.map(|ttl| ttl.to_string());
        let loopback = self.loopback.map(|is_on| u8::from(is_on).to_string());
        let four = [("IP_MULTICAST_TTL", &ttl), ("IP_MULTICAST_LOOP", &loopback)];
        let both = [("IPV6_MULTICAST_HOPS", &ttl), ("IPV6_MULTICAST_LOOP", &loopback)];
        for (name, value) in four.into_iter().chain(both.into_iter().filter(|_| six)) {
            if let Some(value) = value {
                making.set_named(name, value)?;
            }
        }
        if let Some(interface) = &self.interface {
            making.send_by(interface, six)?;
        }
        Ok(())
    }

    fn join(&self, making: &Making<'_>) -> Result<(), Fault> {
        if self.join.is_empty() {
            return Ok(());
        }
        let interface = self.interface.as_deref();
        let index = interface.map_or(Ok(0), |name| making.interface(name))?;
        for group in &self.join {
            let joined = match group {
                IpAddr::V4(four) => sockopt::set_ip_add_membership_with_ifindex(
                    making.socket,
                    four,
                    &std::net::Ipv4Addr::UNSPECIFIED,
                    index,
                ),
                IpAddr::V6(six) => sockopt::set_ipv6_add_membership(making.socket, six, index),
            };
            let by = interface.map(|name| format!(" by {name}")).unwrap_or_default();
            joined.map_err(|errno| making.failed(&format!("join {group}{by}"), errno.raw_os_error()))?;
        }
        Ok(())
    }
}

/// A socket in the making.
struct Making<'a> {
    socket: BorrowedFd<'a>,
    at: &'a str,
}

impl Making<'_> {
    /// One of our own: not told.
    fn set_named(&self, name: &str, value: &str) -> Result<(), Fault> {
        let setting =
            Setting::parse(&format!("{name}={value}")).map_err(|error| self.wrong(&error.sentence))?;
        self.set(&setting)
    }

    fn set_and_tell(&self, setting: &Setting, tell: &dyn Fn(Event)) -> Result<(), Fault> {
        self.set(setting)?;
        let option = setting.option();
        let is = match kernel::sockopt::get(self.socket, option.level.number(), option.read_number()) {
            Ok(value) => option.show(&value),
            // Memberships, for example.
            Err(_) => "not readable".to_owned(),
        };
        let asked = wire::visible(setting.asked(), false).into_owned();
        tell(Event::OptionSet { at: self.at.to_owned(), name: option.name, asked, is });
        Ok(())
    }

    fn set(&self, setting: &Setting) -> Result<(), Fault> {
        let option = setting.option();
        kernel::sockopt::set(self.socket, option.level.number(), option.number, &setting.encode())
            .map_err(|errno| self.failed(&setting.to_string(), errno))
    }

    /// Sends to groups by this interface.
    fn send_by(&self, name: &str, six: bool) -> Result<(), Fault> {
        let index = self.interface(name)?;
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        let mut done = sockopt::set_ip_multicast_if_with_ifindex(self.socket, &any, &any, index);
        if six {
            done = done.and_then(|()| sockopt::set_ipv6_multicast_if(self.socket, index));
        }
        done.map_err(|errno| self.failed(&format!("multicast by {name}"), errno.raw_os_error()))
    }

    /// The interface's number.
    fn interface(&self, name: &str) -> Result<u32, Fault> {
        netdevice::name_to_index(self.socket, name)
            .map_err(|errno| self.failed(&format!("interface {name}"), errno.raw_os_error()))
    }

    fn is_ipv6(&self) -> Result<bool, Fault> {
        let family = sockopt::socket_domain(self.socket);
        let family = family.map_err(|errno: Errno| self.failed("SO_DOMAIN", errno.raw_os_error()))?;
        Ok(family == AddressFamily::INET6)
    }

    /// What was asked for, and the kernel's answer. What people ask for and may not have is on their side.
    fn failed(&self, what: &str, errno: i32) -> Fault {
        Fault::errno(End::You, Doing::SetOption, format!("{} ({what})", self.at), errno)
    }

    fn wrong(&self, words: &str) -> Fault {
        let cause = Cause::Words(words.to_owned());
        Fault { end: End::You, doing: Doing::SetOption, at: self.at.to_owned(), cause }
    }
}

#[cfg(test)]
mod tests;
