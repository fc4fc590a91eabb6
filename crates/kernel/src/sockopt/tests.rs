use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

use wire::sockopt::{Setting, TABLE, When};
use wire::tcp_info::{FIELDS, TcpInfo};

use super::*;

/// Names with libc's numbers.
macro_rules! of_libc {
    ($($name:ident)+) => { [$((stringify!($name), libc::$name),)+] };
}

#[test]
fn numbers_are_those_of_the_c_library() {
    let levels =
        [libc::SOL_SOCKET, libc::IPPROTO_TCP, libc::IPPROTO_IP, libc::IPPROTO_IPV6, libc::IPPROTO_UDP];
    assert_eq!(Level::ALL.map(Level::number), levels);
    let numbers = of_libc! {
        SO_ACCEPTCONN SO_BINDTODEVICE SO_BINDTOIFINDEX SO_BROADCAST SO_BUSY_POLL SO_DEBUG SO_DOMAIN SO_DONTROUTE
        SO_ERROR SO_KEEPALIVE SO_LINGER SO_MARK SO_NO_CHECK SO_OOBINLINE SO_PASSCRED SO_PASSSEC SO_PEEK_OFF
        SO_PEERCRED SO_PRIORITY SO_PROTOCOL SO_RCVBUF SO_RCVBUFFORCE SO_RCVLOWAT SO_RCVTIMEO SO_REUSEADDR
        SO_REUSEPORT SO_RXQ_OVFL SO_SNDBUF SO_SNDBUFFORCE SO_SNDTIMEO SO_TIMESTAMP SO_TIMESTAMPING SO_TIMESTAMPNS
        SO_TYPE
        TCP_CC_INFO TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_FASTOPEN_CONNECT TCP_FASTOPEN_KEY
        TCP_FASTOPEN_NO_COOKIE TCP_INFO TCP_INQ TCP_KEEPCNT TCP_KEEPIDLE TCP_KEEPINTVL TCP_LINGER2 TCP_MAXSEG
        TCP_NODELAY TCP_NOTSENT_LOWAT TCP_QUICKACK TCP_SAVE_SYN TCP_SYNCNT TCP_THIN_LINEAR_TIMEOUTS TCP_TIMESTAMP
        TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
        IP_ADD_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT IP_DROP_MEMBERSHIP IP_FREEBIND IP_MINTTL IP_MTU IP_MTU_DISCOVER
        IP_MULTICAST_ALL IP_MULTICAST_IF IP_MULTICAST_LOOP IP_MULTICAST_TTL IP_PKTINFO IP_RECVERR IP_RECVFRAGSIZE
        IP_RECVOPTS IP_RECVORIGDSTADDR IP_RECVTOS IP_RECVTTL IP_TOS IP_TRANSPARENT IP_TTL
        IPV6_ADD_MEMBERSHIP IPV6_DONTFRAG IPV6_DROP_MEMBERSHIP IPV6_MTU_DISCOVER IPV6_MULTICAST_HOPS
        IPV6_MULTICAST_IF IPV6_MULTICAST_LOOP IPV6_RECVERR IPV6_RECVPKTINFO IPV6_TCLASS IPV6_UNICAST_HOPS
        IPV6_V6ONLY IPV6_ADDR_PREFERENCES IPV6_AUTOFLOWLABEL IPV6_FREEBIND IPV6_MINHOPCOUNT IPV6_MTU IPV6_MULTICAST_ALL
        IPV6_RECVFRAGSIZE IPV6_RECVHOPLIMIT IPV6_RECVORIGDSTADDR IPV6_RECVTCLASS IPV6_TRANSPARENT
        UDP_CORK UDP_GRO UDP_SEGMENT
    };
    for (name, number) in numbers {
        assert_eq!(Sockopt::named(name).map(|option| option.number), Ok(number), "{name}");
    }
    let named = |name: &str| Sockopt::named(name).expect(name);
    let buffers = [libc::SO_SNDBUF, libc::SO_RCVBUF];
    assert_eq!(["SO_SNDBUFFORCE", "SO_RCVBUFFORCE"].map(|name| named(name).read_number()), buffers);
}

/// Sets and reads back.
fn round(socket: BorrowedFd<'_>, text: &str) -> String {
    let setting = Setting::parse(text).expect(text);
    let option = setting.option();
    set(socket, option.level.number(), option.number, &setting.encode()).expect(text);
    option.show(&get(socket, option.level.number(), option.read_number()).expect(text))
}

#[test]
fn values_set_are_read_back() {
    let tcp = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("TCP");
    for (text, is) in [
        ("SO_KEEPALIVE=1", "1"),
        ("SO_REUSEADDR", "1"),
        ("SO_REUSEPORT=on", "1"),
        ("SO_LINGER=off", "off"),
        ("SO_LINGER=3", "3"),
        ("SO_LINGER=0", "0"),
        ("SO_RCVBUF=8K", "16384"),
        ("SO_SNDBUF=16384", "32768"),
        ("SO_RCVTIMEO=1.5s", "1.5"),
        ("SO_SNDTIMEO=0", "0"),
        ("SO_PRIORITY=5", "5"),
        ("SO_RCVLOWAT=100", "100"),
        ("SO_MAX_PACING_RATE=1M", "1048576"),
        ("SO_MAX_PACING_RATE=unlimited", "unlimited"),
        ("SO_ZEROCOPY=1", "1"),
        ("SO_SELECT_ERR_QUEUE=1", "1"),
        ("SO_TIMESTAMPNS=1", "1"),
        ("TCP_NODELAY", "1"),
        ("TCP_CORK", "1"),
        ("TCP_CONGESTION=reno", "reno"),
        ("TCP_KEEPIDLE=2m", "120"),
        ("TCP_KEEPINTVL=10", "10"),
        ("TCP_KEEPCNT=3", "3"),
        ("TCP_USER_TIMEOUT=2s", "2000"),
        ("TCP_NOTSENT_LOWAT=16K", "16384"),
        ("TCP_FASTOPEN_CONNECT", "1"),
        ("TCP_FASTOPEN_KEY=000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f"),
        ("TCP_SYNCNT=2", "2"),
        ("TCP_MAXSEG=1000", "1000"),
        ("TCP_INQ=1", "1"),
        ("IP_TTL=5", "5"),
        ("IP_TOS=0x10", "0x10"),
        ("IP_MTU_DISCOVER=do", "do"),
        ("IP_FREEBIND=1", "1"),
        ("IP_MINTTL=3", "3"),
    ] {
        assert_eq!(round(tcp.as_fd(), text), is, "{text}");
    }
    let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    for (text, is) in [
        ("SO_BROADCAST", "1"),
        ("SO_RXQ_OVFL", "1"),
        ("SO_PEEK_OFF=4", "4"),
        ("IP_MULTICAST_TTL=7", "7"),
        ("IP_MULTICAST_LOOP=0", "0"),
        ("IP_MULTICAST_IF=127.0.0.1", "127.0.0.1"),
        ("IP_MULTICAST_ALL=0", "0"),
        ("IP_PKTINFO", "1"),
        ("IP_RECVTTL", "1"),
        ("UDP_SEGMENT=1200", "1200"),
        ("UDP_CORK=1", "1"),
        ("UDP_GRO=1", "1"),
    ] {
        assert_eq!(round(udp.as_fd(), text), is, "{text}");
    }
    if let Ok(six) = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None) {
        for (text, is) in [
            ("IPV6_V6ONLY", "1"),
            ("IPV6_UNICAST_HOPS=9", "9"),
            ("IPV6_MULTICAST_HOPS=8", "8"),
            ("IPV6_MULTICAST_LOOP=0", "0"),
            ("IPV6_TCLASS=0x20", "0x20"),
            ("IPV6_MTU_DISCOVER=want", "want"),
            ("IPV6_DONTFRAG=1", "1"),
            ("IPV6_RECVTCLASS", "1"),
            ("IPV6_RECVHOPLIMIT", "1"),
            ("IPV6_FREEBIND=1", "1"),
            ("SO_TIMESTAMPING=0x18", "0x18"),
        ] {
            assert_eq!(round(six.as_fd(), text), is, "{text}");
        }
    }
    let (unix, _peer) = UnixStream::pair().expect("a pair");
    assert_eq!(round(unix.as_fd(), "SO_PASSCRED=1"), "1");
}

#[test]
fn what_can_only_be_read_is_read() {
    let read = |socket: BorrowedFd<'_>, name: &str| {
        let option = Sockopt::named(name).expect(name);
        option.show(&get(socket, option.level.number(), option.number).expect(name))
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let fd = listener.as_fd();
    let words =
        ["SO_TYPE", "SO_DOMAIN", "SO_PROTOCOL", "SO_ACCEPTCONN", "SO_ERROR"].map(|name| read(fd, name));
    assert_eq!(words, ["stream", "inet", "tcp", "1", "0"]);
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (server, _) = listener.accept().expect("a client is there");
    assert_eq!(read(client.as_fd(), "IP_MTU"), loopback_mtu().to_string());
    assert_ne!(read(client.as_fd(), "SO_COOKIE"), read(server.as_fd(), "SO_COOKIE"));
    let (one, _other) = UnixStream::pair().expect("a pair");
    let id = std::process::id();
    assert!(read(one.as_fd(), "SO_PEERCRED").starts_with(&format!("{id} ")));
}

/// As the kernel gives it: a packet of IPv4 is no longer than its header can say (RFC 791 §3.1).
fn loopback_mtu() -> u32 {
    let text = std::fs::read_to_string("/sys/class/net/lo/mtu").expect("a loopback device");
    text.trim().parse::<u32>().expect("a number").min(65_535)
}

#[test]
fn the_default_here_is_what_a_new_socket_has() {
    // Each answers, or this kernel or this kind of socket does not have it: never a wrong kind of socket.
    for option in TABLE {
        let absent = [libc::ENOPROTOOPT, libc::ENOTCONN, libc::EOPNOTSUPP, libc::EAFNOSUPPORT];
        match default_here(option) {
            Ok(value) => assert!(value.len() <= 400, "{}: {} bytes", option.name, value.len()),
            Err(errno) => assert!(absent.contains(&errno), "{}: {errno}", option.name),
        }
        if option.when != When::ReadOnly && !option.is_readable() {
            assert_eq!(default_here(option), Err(libc::ENOPROTOOPT), "{}", option.name);
        }
    }
    let here =
        |name: &str| Sockopt::named(name).map(|option| default_here(option).map(|it| option.show(&it)));
    assert_eq!(here("SO_KEEPALIVE"), Ok(Ok("0".to_owned())));
    assert_eq!(here("SO_PASSCRED"), Ok(Ok("0".to_owned())));
    assert_eq!(here("IP_MULTICAST_TTL"), Ok(Ok("1".to_owned())));
    assert_eq!(here("SO_MAX_PACING_RATE"), Ok(Ok("unlimited".to_owned())));
    let congestion =
        std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").expect("a kernel with TCP");
    assert_eq!(here("TCP_CONGESTION"), Ok(Ok(congestion.trim().to_owned())));
}

#[test]
fn what_the_kernel_refuses_has_its_number() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let unix = UnixDatagram::unbound().expect("a socket");
    let one = 1i32.to_ne_bytes();
    assert_eq!(set(udp.as_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, &one), Err(libc::ENOPROTOOPT));
    assert_eq!(set(udp.as_fd(), libc::IPPROTO_IP, libc::IP_TTL, &1000i32.to_ne_bytes()), Err(libc::EINVAL));
    assert_eq!(get(unix.as_fd(), libc::IPPROTO_IP, libc::IP_TTL), Err(libc::EOPNOTSUPP));
    let file = tempfile::tempfile().expect("a file");
    assert_eq!(get(file.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE), Err(libc::ENOTSOCK));
}

/// Name and offset as the C library has them.
macro_rules! offsets_of_libc {
    ($($ours:literal $theirs:ident)+) => { [$(($ours, std::mem::offset_of!(libc::tcp_info, $theirs)),)+] };
}

#[test]
fn tcp_info_lies_where_the_c_library_has_it() {
    let offsets = offsets_of_libc! {
        "state" tcpi_state "wscales" tcpi_snd_rcv_wscale "rto_us" tcpi_rto "snd_mss_bytes" tcpi_snd_mss
        "unacked_segments" tcpi_unacked "last_data_sent_ms" tcpi_last_data_sent "pmtu_bytes" tcpi_pmtu
        "rtt_us" tcpi_rtt "rttvar_us" tcpi_rttvar "snd_cwnd_segments" tcpi_snd_cwnd "advmss_bytes" tcpi_advmss
        "rcv_space_bytes" tcpi_rcv_space "total_retrans_segments" tcpi_total_retrans
        "pacing_rate_bytes_per_s" tcpi_pacing_rate "bytes_acked" tcpi_bytes_acked
        "bytes_received" tcpi_bytes_received "segs_in" tcpi_segs_in "notsent_bytes" tcpi_notsent_bytes
        "min_rtt_us" tcpi_min_rtt "data_segs_out" tcpi_data_segs_out
        "delivery_rate_bytes_per_s" tcpi_delivery_rate "busy_time_us" tcpi_busy_time
        "rwnd_limited_us" tcpi_rwnd_limited "sndbuf_limited_us" tcpi_sndbuf_limited
        "delivered_segments" tcpi_delivered "bytes_sent" tcpi_bytes_sent "bytes_retrans" tcpi_bytes_retrans
        "dsack_dups_segments" tcpi_dsack_dups "rcv_ooopack_segments" tcpi_rcv_ooopack "snd_wnd_bytes" tcpi_snd_wnd
    };
    for (name, offset) in offsets {
        let ours = FIELDS.iter().find(|(ours, ..)| *ours == name).map(|(_, offset, ..)| *offset);
        assert_eq!(ours, Some(offset), "{name}");
    }
}

#[test]
fn tcp_info_of_a_connection_says_what_happened() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (mut server, _) = listener.accept().expect("a client is there");
    client.write_all(&[7; 1000]).expect("room");
    server.read_exact(&mut [0; 1000]).expect("they came");
    server.write_all(b"thanks").expect("room");
    client.read_exact(&mut [0; 6]).expect("they came");
    let info = |socket: &TcpStream| TcpInfo::decode(&crate::socket::tcp_info(socket).expect("TCP"));
    let (ours, theirs) = (info(&client), info(&server));
    assert_eq!((ours.state_name(), theirs.state_name()), (Some("ESTABLISHED"), Some("ESTABLISHED")));
    // The answer carried the acknowledgement; the SYN counts as one byte.
    assert_eq!((ours.bytes_sent, ours.bytes_acked, ours.bytes_received), (Some(1000), Some(1001), Some(6)));
    assert_eq!((theirs.bytes_sent, theirs.bytes_received), (Some(6), Some(1000)));
    assert_eq!((ours.data_segs_out, theirs.data_segs_in), (Some(1), Some(1)));
    assert!(ours.rtt_us.is_some_and(|rtt| rtt > 0 && rtt < 10_000_000), "{ours:?}");
    assert_eq!((ours.pmtu_bytes, ours.snd_wscale()), (Some(loopback_mtu()), theirs.rcv_wscale()));
    let listening = TcpInfo::decode(&crate::socket::tcp_info(&listener).expect("TCP"));
    assert_eq!(listening.state_name(), Some("LISTEN"));
    let (unix, _peer) = UnixStream::pair().expect("a pair");
    assert_eq!(crate::socket::tcp_info(&unix), None);
}
