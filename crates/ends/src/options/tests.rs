use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::{SocketFlags, SocketType, bind, socket_with};
use wire::sockopt::Sockopt;

use super::*;

const BOTH: [Phase; 2] = [Phase::BeforeBind, Phase::AfterBind];

fn udp(family: AddressFamily) -> OwnedFd {
    socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None).expect("a socket")
}

fn set(options: &SocketOptions, socket: &OwnedFd, phase: Phase) -> Result<(), Fault> {
    options.apply(socket.as_fd(), Transport::Udp, phase, "udp://here", &|event| panic!("{event:?}"))
}

fn read(socket: &OwnedFd, name: &str) -> String {
    let option = Sockopt::named(name).expect(name);
    option.show(&kernel::sockopt::get(socket.as_fd(), option.level.number(), option.number).expect(name))
}

fn group(multicast: Multicast) -> SocketOptions {
    SocketOptions { multicast, ..SocketOptions::default() }
}

#[test]
fn what_is_asked_for_by_name_is_set_in_order_and_told_as_it_is() {
    let socket = udp(AddressFamily::INET);
    let texts =
        ["SO_RCVBUF=8K", "broadcast", "IP_TTL=9", "IP_TTL=5", "IP_ADD_MEMBERSHIP=239.1.2.3@127.0.0.1"];
    let settings = texts.map(|text| Setting::parse(text).expect(text)).to_vec();
    let options = SocketOptions { settings, ..SocketOptions::default() };
    let told = RefCell::new(Vec::new());
    for phase in BOTH {
        options
            .apply(socket.as_fd(), Transport::Udp, phase, "udp://here", &|event| match event {
                Event::OptionSet { at, name, asked, is } => {
                    told.borrow_mut().push(format!("{at} {name} {asked} {is}"));
                }
                other => panic!("{other:?}"),
            })
            .expect("all can be set");
    }
    let expected = [
        "udp://here SO_RCVBUF 8K 16384",
        "udp://here SO_BROADCAST 1 1",
        "udp://here IP_TTL 9 9",
        "udp://here IP_TTL 5 5",
        "udp://here IP_ADD_MEMBERSHIP 239.1.2.3@127.0.0.1 not readable",
    ];
    assert_eq!(told.into_inner(), expected);
}

#[test]
fn what_cannot_be_set_names_the_option_the_value_and_the_error() {
    let socket = udp(AddressFamily::INET);
    let invalid = Setting::parse("IP_TTL=1000").expect("a number");
    let options = SocketOptions { settings: vec![invalid], ..SocketOptions::default() };
    let fault = set(&options, &socket, Phase::BeforeBind).expect_err("a TTL has eight bits");
    assert_eq!((fault.at.as_str(), fault.doing), ("udp://here (IP_TTL=1000)", Doing::SetOption));
    assert_eq!(fault.raw_errno(), Some(Errno::INVAL.raw_os_error()));

    let tcp = Setting::parse("TCP_NODELAY").expect("a flag");
    let options = SocketOptions { settings: vec![tcp], ..SocketOptions::default() };
    let fault = set(&options, &socket, Phase::BeforeBind).expect_err("UDP has no such option");
    assert_eq!(fault.raw_errno(), Some(Errno::NOPROTOOPT.raw_os_error()));

    let device = SocketOptions { device: Some("nowhere".to_owned()), ..SocketOptions::default() };
    let fault = set(&device, &socket, Phase::BeforeBind).expect_err("no such device");
    assert_eq!((fault.at.as_str(), fault.end), ("udp://here (SO_BINDTODEVICE=nowhere)", End::You));

    let interface = group(Multicast { interface: Some("nowhere".to_owned()), ..Multicast::default() });
    let fault = set(&interface, &socket, Phase::BeforeBind).expect_err("no such interface");
    assert_eq!(fault.at, "udp://here (interface nowhere)");
    assert_eq!(fault.raw_errno(), Some(Errno::NODEV.raw_os_error()));

    let name = SocketOptions { device: Some("x".repeat(40)), ..SocketOptions::default() };
    let fault = set(&name, &socket, Phase::BeforeBind).expect_err("no device has such a name");
    assert!(matches!(&fault.cause, Cause::Words(words) if words.contains("15 bytes")), "{fault}");
}

#[test]
fn a_socket_is_bound_to_its_device() {
    let socket = udp(AddressFamily::INET);
    let options =
        SocketOptions { device: Some("lo".to_owned()), broadcast: true, ..SocketOptions::default() };
    set(&options, &socket, Phase::BeforeBind).expect("its first device needs no privilege");
    assert_eq!((read(&socket, "SO_BINDTODEVICE"), read(&socket, "SO_BROADCAST")), ("lo".into(), "1".into()));
}

#[test]
fn multicast_is_not_for_connections() {
    let socket = udp(AddressFamily::INET);
    let broadcast = SocketOptions { broadcast: true, ..SocketOptions::default() };
    let multicast = group(Multicast { ttl: Some(2), ..Multicast::default() });
    for options in [broadcast, multicast] {
        let fault = options.apply(socket.as_fd(), Transport::Tcp, Phase::BeforeBind, "tcp://here", &|_| ());
        assert!(fault.expect_err("TCP").to_string().ends_with("are for udp"));
    }
}

#[test]
fn sending_to_groups_is_set_for_the_families_that_the_socket_has() {
    let multicast =
        Multicast { interface: Some("lo".to_owned()), ttl: Some(7), loopback: Some(false), join: Vec::new() };
    let four = udp(AddressFamily::INET);
    set(&group(multicast.clone()), &four, Phase::BeforeBind).expect("IPv4");
    assert_eq!((read(&four, "IP_MULTICAST_TTL"), read(&four, "IP_MULTICAST_LOOP")), ("7".into(), "0".into()));
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let six = udp(AddressFamily::INET6);
    set(&group(multicast), &six, Phase::BeforeBind).expect("IPv6");
    for (name, is) in [
        ("IPV6_MULTICAST_HOPS", "7"),
        ("IPV6_MULTICAST_LOOP", "0"),
        ("IPV6_MULTICAST_IF", "1"),
        ("IP_MULTICAST_TTL", "7"),
        ("IP_MULTICAST_LOOP", "0"),
    ] {
        assert_eq!(read(&six, name), is, "{name}");
    }
}

/// A receiver at a free port that has joined the groups on the loopback device.
fn member(family: AddressFamily, join: &[IpAddr]) -> UdpSocket {
    let socket = udp(family);
    let multicast = Multicast { join: join.to_vec(), interface: Some("lo".into()), ..Multicast::default() };
    let options = group(multicast);
    set(&options, &socket, Phase::BeforeBind).expect("a socket");
    let any: SocketAddr = match family {
        AddressFamily::INET => (Ipv4Addr::UNSPECIFIED, 0).into(),
        _ => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    bind(&socket, &any).expect("a port");
    set(&options, &socket, Phase::AfterBind).expect("groups");
    let socket = UdpSocket::from(socket);
    // Only for a test that fails: over loopback a datagram is there once it is sent.
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    socket
}

fn send_to_group(to: IpAddr, port: u16) {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let sender = udp(family);
    let by = Multicast { interface: Some("lo".into()), ..Multicast::default() };
    set(&group(by), &sender, Phase::BeforeBind).expect("loopback");
    UdpSocket::from(sender).send_to(b"all", (to, port)).expect("it leaves");
}

#[test]
fn a_member_receives_what_is_sent_to_its_groups() {
    let (ours, other): (IpAddr, IpAddr) = ([239, 255, 77, 1].into(), [239, 255, 77, 2].into());
    let member = member(AddressFamily::INET, &[ours]);
    // Linux hands out the groups of others here as well, unless told not to (ip(7)).
    let own_only = Setting::parse("IP_MULTICAST_ALL=0").expect("a flag");
    let number = own_only.option().number;
    kernel::sockopt::set(member.as_fd(), 0, number, &own_only.encode()).expect("a flag");
    let port = member.local_addr().expect("bound").port();
    send_to_group(other, port);
    send_to_group(ours, port);
    let mut bytes = [0; 8];
    assert_eq!(member.recv(&mut bytes).expect("a datagram"), 3);
    member.set_nonblocking(true).expect("a socket");
    assert!(member.recv(&mut bytes).is_err(), "the other group's is not here");
}

#[test]
fn a_socket_for_both_families_joins_groups_of_both() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let (four, six): (IpAddr, IpAddr) = ([239, 255, 77, 3].into(), "ff02::4d:4".parse().expect("a group"));
    let member = member(AddressFamily::INET6, &[four, six]);
    let port = member.local_addr().expect("bound").port();
    send_to_group(four, port);
    assert_eq!(member.recv(&mut [0; 8]).expect("a datagram"), 3);
    // The loopback device has no way to IPv6 groups. But the kernel knows the memberships: joining again is an error.
    let socket = OwnedFd::from(member);
    for (group_of, at) in
        [(four, "udp://here (join 239.255.77.3 by lo)"), (six, "udp://here (join ff02::4d:4 by lo)")]
    {
        let again = Multicast { join: vec![group_of], interface: Some("lo".into()), ..Multicast::default() };
        let fault = set(&group(again), &socket, Phase::AfterBind).expect_err("it is a member");
        assert_eq!((fault.at.as_str(), fault.raw_errno()), (at, Some(Errno::ADDRINUSE.raw_os_error())));
    }
}
