//! The flags that say what to set on a socket. Each is also an option behind an address: none has a default value, and
//! what stands behind the address goes before what stands on its own.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU32};

use clap::Args;
use ends::listen::Options;
use ends::options::{Multicast, SocketOptions};
use wire::sockopt::Setting;

/// For sockets of any kind, listening or dialling.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sockets")]
pub struct SocketFlags {
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting,
          help = "Set this socket option and tell what the kernel made of it; several may be set. `bothends help sockopts` lists them.")]
    sockopt: Vec<Setting>,
    #[arg(long, value_name = "NAME", help = "Use this network device only (SO_BINDTODEVICE).")]
    device: Option<String>,
    #[arg(long, help = "Let datagrams go to broadcast addresses (SO_BROADCAST).")]
    broadcast: bool,
    #[arg(long, value_name = "GROUP", value_parser = group,
          help = "Receive what is sent to this multicast group too; several may be joined.")]
    join: Vec<IpAddr>,
    #[arg(long, value_name = "NAME", help = "Join groups and send to groups by this network interface.")]
    interface: Option<String>,
    #[arg(long, value_name = "N", help = "Let datagrams to groups pass N-1 routers; 1 by itself: none.")]
    ttl: Option<NonZeroU8>,
    #[arg(long, help = "Keep datagrams to groups from being received on this machine too.")]
    no_loop: bool,
}

/// For sockets that listen.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sockets")]
pub struct ListenFlags {
    #[arg(
        long,
        value_name = "N",
        help = "Let this many clients wait to be accepted; the kernel's net.core.somaxconn stands above it."
    )]
    backlog: Option<NonZeroU32>,
    #[arg(
        long,
        help = "Do without SO_REUSEADDR: connections of an earlier run in TIME_WAIT then block the port."
    )]
    no_reuse_addr: bool,
    #[arg(long, help = "Share the port with other servers that ask for it too (SO_REUSEPORT).")]
    reuse_port: bool,
    #[arg(long, value_name = "MODE", value_parser = mode,
          help = "Give a Unix socket's file these permissions, such as 660; by itself those that the umask leaves.")]
    mode: Option<u32>,
    #[command(flatten)]
    socket: SocketFlags,
}

impl SocketFlags {
    /// What to set.
    pub fn options(&self) -> SocketOptions {
        SocketOptions {
            device: self.device.clone(),
            broadcast: self.broadcast,
            multicast: Multicast {
                join: self.join.clone(),
                interface: self.interface.clone(),
                ttl: self.ttl.map(NonZeroU8::get),
                loopback: self.no_loop.then_some(false),
            },
            settings: self.sockopt.clone(),
        }
    }

    /// These before those: a value given here stands, lists are joined, those first.
    #[must_use]
    pub fn over(self, those: &SocketFlags) -> SocketFlags {
        SocketFlags {
            sockopt: joined(&those.sockopt, self.sockopt),
            device: self.device.or_else(|| those.device.clone()),
            broadcast: self.broadcast || those.broadcast,
            join: joined(&those.join, self.join),
            interface: self.interface.or_else(|| those.interface.clone()),
            ttl: self.ttl.or(those.ttl),
            no_loop: self.no_loop || those.no_loop,
        }
    }
}

impl ListenFlags {
    /// How to listen.
    pub fn options(&self) -> Options {
        let default = Options::default();
        let backlog = self.backlog.map(|n| i32::try_from(n.get()).unwrap_or(i32::MAX));
        Options {
            reuse_address: !self.no_reuse_addr,
            reuse_port: self.reuse_port,
            backlog: backlog.unwrap_or(default.backlog),
            mode: self.mode,
            socket: self.socket.options(),
        }
    }

    /// These before those: see [`SocketFlags::over`].
    #[must_use]
    pub fn over(self, those: &ListenFlags) -> ListenFlags {
        ListenFlags {
            backlog: self.backlog.or(those.backlog),
            no_reuse_addr: self.no_reuse_addr || those.no_reuse_addr,
            reuse_port: self.reuse_port || those.reuse_port,
            mode: self.mode.or(those.mode),
            socket: self.socket.over(&those.socket),
        }
    }
}

fn joined<T: Clone>(first: &[T], then: Vec<T>) -> Vec<T> {
    first.iter().cloned().chain(then).collect()
}

/// The option and its value as `wire` knows them.
fn setting(text: &str) -> Result<Setting, String> {
    Setting::parse(text).map_err(|error| error.to_string())
}

/// A multicast group: RFC 5771 (224.0.0.0/4), RFC 4291 §2.7 (ff00::/8).
fn group(text: &str) -> Result<IpAddr, String> {
    match text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(group) if group.is_multicast() => Ok(group),
        Ok(other) => Err(format!("{other} is no multicast group: those are 224.0.0.0/4 and ff00::/8")),
        Err(_) => Err("it has to be the IP address of a group".to_owned()),
    }
}

/// Permissions in octal, as chmod(1) has them.
fn mode(text: &str) -> Result<u32, String> {
    let read = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+'));
    read.ok_or_else(|| "it has to be three octal digits, as chmod has them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::address::{read, url_options};

    fn url(text: &str) -> ListenFlags {
        let Ok(endpoint) = read(text, wire::endpoint::Use::Listen, false, "serve") else { panic!("{text}") };
        let Ok(flags) = url_options(&endpoint, text) else { panic!("{text}") };
        flags
    }

    #[test]
    fn what_stands_behind_the_address_goes_before_the_flags() {
        let flags = url("udp://:53?ttl=3&join=239.1.2.3&interface=lo&reuse-port");
        let all = url("udp://:53?ttl=4&join=[ff02::1234]&no-loop&backlog=5&mode=660").over(&flags).options();
        assert_eq!((all.reuse_port, all.reuse_address, all.backlog, all.mode), (true, true, 5, Some(0o660)));
        let multicast = all.socket.multicast;
        let groups: Vec<String> = multicast.join.iter().map(IpAddr::to_string).collect();
        assert_eq!(groups, ["239.1.2.3", "ff02::1234"]);
        assert_eq!((multicast.ttl, multicast.loopback), (Some(4), Some(false)));
        assert_eq!(multicast.interface.as_deref(), Some("lo"));
        assert_eq!(ListenFlags::default().options(), Options::default());
    }

    #[test]
    fn what_is_no_group_or_mode_is_told() {
        assert!(group("10.0.0.1").unwrap_err().contains("no multicast group"));
        assert!(group("lo").unwrap_err().contains("IP address"));
        assert_eq!((mode("0660"), mode("8").is_err(), mode("+7").is_err()), (Ok(0o660), true, true));
        assert!(mode("1777").is_err());
    }
}
