//! The loop between socket pairs: they keep packet boundaries as devices do, and need no privilege.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::packet::{Transport, dissect};
use wire::tcp::{TcpFlags, TcpOptions};
use wire::virtio_net::{GsoType, LEN, VirtioNetHeader};
use wire::{Fate, Time};

use super::*;
use crate::config::Keep;
use crate::event::Role;
use crate::link::{Departure, Direction, Offered, Schedule};

mod joined;

/// A lab without hosts: what the client's and the server's kernel would hold.
struct Bench {
    client: OwnedFd,
    server: OwnedFd,
    running: Running,
    reports: Vec<Report>,
}

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

impl Bench {
    fn new(config: &Config) -> Bench {
        Bench::within(Budget::default(), 0, config)
    }

    fn within(budget: Budget, l2_len: usize, config: &Config) -> Bench {
        Bench::behind(budget, l2_len, &[], config)
    }

    /// With packets that the client sent before the loop was there: it finds all of them at once.
    fn behind(budget: Budget, l2_len: usize, packets: &[Vec<u8>], config: &Config) -> Bench {
        Bench::calibrated(budget, l2_len, packets, config, Calibrated::default())
    }

    fn calibrated(
        budget: Budget,
        l2_len: usize,
        packets: &[Vec<u8>],
        config: &Config,
        calibrated: Calibrated,
    ) -> Bench {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let pair = || socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let ((client, client_fd), (server, server_fd)) = (pair(), pair());
        let end = |fd| LinkEnd { fd, ring: None, vnet_header: true, l2_len };
        packets.iter().for_each(|packet| send(&client, packet));
        let (a, b) = (end(client_fd), end(server_fd));
        let link = Link::new(config.seed, config.link.clone());
        let prepared = prepare_link(budget, link, config.keep, calibrated).unwrap();
        let running = prepared.start([a, b]).unwrap();
        Bench { client, server, running, reports: Vec::new() }
    }

    /// Waits until so many reports are there.
    fn wait_for(&mut self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.reports.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} reports came", self.reports.len());
            wait(self.running.wake(), PollFlags::IN);
            self.running.take(&mut |report| self.reports.push(report));
        }
    }

    fn stop(self) -> (Stopped, Vec<Report>) {
        let mut reports = self.reports;
        let stopped = self.running.stop(&mut |report| reports.push(report));
        (stopped, reports)
    }
}

fn wait(fd: impl AsFd, flags: PollFlags) {
    let limit = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&fd, flags)], Some(&limit)).unwrap();
    assert_eq!(ready, 1, "nothing happened in {PATIENCE:?}");
}

fn send(fd: &OwnedFd, packet: &[u8]) {
    wait(fd, PollFlags::OUT);
    assert_eq!(rustix::io::write(fd, packet), Ok(packet.len()));
}

fn receive(fd: &OwnedFd) -> Vec<u8> {
    wait(fd, PollFlags::IN);
    receive_now(fd).expect("a packet that poll promised")
}

fn receive_now(fd: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 70_000];
    match rustix::io::read(fd, &mut buffer) {
        Ok(len) => Some(buffer[..len].to_vec()),
        Err(Errno::AGAIN) => None,
        Err(errno) => panic!("{errno}"),
    }
}

fn tcp(seq: u32, payload: &[u8]) -> Vec<u8> {
    TcpPacket {
        source: ([10, 0, 0, 1], 40_000).into(),
        destination: ([10, 0, 0, 2], 7).into(),
        seq,
        ack: 1,
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 1000,
        options: TcpOptions::default(),
        payload,
    }
    .to_bytes()
}

/// A packet of one segment as a device hands it out.
fn single(seq: u32, payload: &[u8]) -> Vec<u8> {
    behind(&VirtioNetHeader::default(), &tcp(seq, payload))
}

fn behind(vnet: &VirtioNetHeader, packet: &[u8]) -> Vec<u8> {
    [&vnet.to_bytes()[..], packet].concat()
}

fn gso(size: u16) -> VirtioNetHeader {
    VirtioNetHeader {
        flags: 1,
        gso_type: GsoType::TcpV4,
        gso_size: size,
        csum_start: 20,
        csum_offset: 16,
        ..VirtioNetHeader::default()
    }
}

fn frames(reports: &[Report]) -> Vec<&LinkFrame> {
    reports
        .iter()
        .filter_map(|report| if let Report::Frame(frame) = report { Some(frame) } else { None })
        .collect()
}

fn ruled(rules: &[&str]) -> Config {
    Config { link: Schedule::of(rules).unwrap(), ..Config::default() }
}

fn lossy(percent: u32, seed: u64) -> Config {
    Config { seed, ..ruled(&[&format!("loss {percent}%")]) }
}

#[test]
fn packets_cross_unchanged_and_in_order_and_are_told() {
    let mut bench = Bench::new(&Config::default());
    let packets: Vec<Vec<u8>> = (0..20).map(|i| single(i, &vec![i as u8; 100 * i as usize])).collect();
    for packet in &packets {
        send(&bench.client, packet);
    }
    for packet in &packets {
        assert_eq!(receive(&bench.server), *packet);
    }
    send(&bench.server, &packets[3]);
    assert_eq!(receive(&bench.client), packets[3]);
    bench.wait_for(21);
    let (stopped, reports) = bench.stop();
    let frames = frames(&reports);
    assert_eq!(frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), (1..=21).collect::<Vec<_>>());
    for (frame, packet) in frames.iter().zip(packets.iter().chain([&packets[3]])) {
        let ip = &packet[LEN..];
        assert_eq!((frame.link_type, frame.wire_len as usize), (LinkType::RAW, ip.len()));
        assert_eq!(frame.bytes, ip[..ip.len().min(128)]);
        assert_eq!((frame.passage.fate, frame.passage.segments), (Fate::Delivered, 1));
        assert!(frame.passage.arrived.unwrap() >= frame.time);
    }
    assert_eq!((frames[19].from, frames[20].from), (Role::Client, Role::Server));
    assert!(frames.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert_eq!((stopped.up.offered, stopped.up.delivered), (20, 20));
    assert_eq!((stopped.down.offered, stopped.down.delivered), (1, 1));
    assert!(
        stopped.up.lateness[0] <= stopped.up.lateness[1] && stopped.up.lateness[1] <= stopped.up.lateness[2]
    );
}

#[test]
fn nothing_arrives_before_its_time() {
    let delay = Duration::from_millis(30);
    let mut bench = Bench::new(&ruled(&["delay 30ms"]));
    let before = Instant::now();
    for i in 0..10 {
        send(&bench.client, &single(i, b"x"));
    }
    for i in 0..10 {
        assert_eq!(receive(&bench.server), single(i, b"x"));
        assert!(before.elapsed() >= delay);
    }
    bench.wait_for(10);
    let (_, reports) = bench.stop();
    for frame in frames(&reports) {
        assert!(frame.passage.arrived.unwrap().since(frame.time) >= delay);
    }
}

/// Beyond a switch it is another loop that carries the answer, and it may be read while this one still returns from its
/// write.
#[test]
fn a_packet_has_arrived_by_the_time_that_its_receiver_has_it() {
    const PACKETS: u32 = 2000;
    let mut bench = Bench::new(&Config::default());
    let server = bench.server.try_clone().unwrap();
    let receiver = thread::spawn(move || {
        let mut had = Vec::new();
        while had.len() < PACKETS as usize {
            if receive_now(&server).is_some() {
                had.push(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
            }
        }
        had
    });
    for i in 0..PACKETS {
        send(&bench.client, &single(i, b"x"));
        bench.wait_for(i as usize + 1);
    }
    let had = receiver.join().unwrap();
    let (_, reports) = bench.stop();
    let told = frames(&reports).into_iter().map(|frame| frame.passage.arrived.unwrap().0);
    let early: Vec<i64> =
        told.zip(had).map(|(told, had)| had as i64 - told as i64).filter(|by| *by < 0).collect();
    assert!(early.is_empty(), "received so many nanoseconds before it arrived: {early:?}");
}

#[test]
fn the_link_model_decides_what_is_lost() {
    let config = lossy(30, 11);
    let mut bench = Bench::new(&config);
    let mut model = Link::new(config.seed, config.link.clone());
    let mut expected = Vec::new();
    for i in 0..200u32 {
        let packet = single(i * 10, &[7; 10]);
        let plan = model.offer(Time::ZERO, Direction::Up, &Offered::new(gso(0), &packet[LEN..], 0));
        let survives = matches!(plan.runs[0].departure, Departure::Leaves(_));
        expected.push(survives);
        send(&bench.client, &packet);
        if survives {
            assert_eq!(receive(&bench.server), packet);
        }
    }
    bench.wait_for(200);
    let lost = expected.iter().filter(|survives| !**survives).count() as u64;
    let (stopped, reports) = bench.stop();
    let fates: Vec<bool> =
        frames(&reports).iter().map(|frame| frame.passage.fate == Fate::Delivered).collect();
    assert_eq!(fates, expected);
    assert!(lost > 30);
    assert_eq!(stopped.up.lost, [("loss 30%".to_owned(), lost)]);
    assert_eq!((stopped.up.offered, stopped.up.delivered), (200, 200 - lost));
    let rules = frames(&reports).into_iter().filter_map(|frame| frame.passage.rule.as_deref());
    assert!(rules.clone().all(|rule| rule == "loss 30%"));
    assert_eq!(rules.count() as u64, lost);
}

#[test]
fn a_buffer_of_segments_passes_whole_when_no_rule_needs_it_cut() {
    let mut bench = Bench::new(&Config { keep: Keep::Whole, ..Config::default() });
    let payload: Vec<u8> = (0..60_000u32).map(|i| (i % 251) as u8).collect();
    let sent = behind(&gso(1448), &tcp(1, &payload));
    send(&bench.client, &sent);
    assert_eq!(receive(&bench.server), sent);
    bench.wait_for(1);
    let (stopped, reports) = bench.stop();
    let frame = frames(&reports)[0].clone();
    assert_eq!((frame.passage.segments, frame.wire_len), (42, 60_040));
    assert_eq!(frame.bytes.len(), 60_040);
    assert_eq!(stopped.up.delivered, 42);
}

#[test]
fn a_cut_buffer_arrives_as_its_surviving_segments() {
    let mut bench = Bench::new(&lossy(30, 5));
    let payload: Vec<u8> = (0..60_000u32).map(|i| (i % 251) as u8).collect();
    send(&bench.client, &behind(&gso(1000), &tcp(1, &payload)));
    bench.running.ask_idle();
    let is_idle = |reports: &[Report]| matches!(reports.last(), Some(Report::Idle));
    while !is_idle(&bench.reports) {
        bench.wait_for(bench.reports.len() + 1);
    }
    let mut runs = Vec::new();
    while let Some(run) = receive_now(&bench.server) {
        runs.push(run);
    }
    let (stopped, reports) = bench.stop();
    let frames = frames(&reports);
    let delivered: Vec<&&LinkFrame> =
        frames.iter().filter(|frame| frame.passage.fate == Fate::Delivered).collect();
    assert!(frames.len() > delivered.len() && delivered.len() == runs.len());
    // All frames together are the buffer, in order.
    let mut next = 1;
    for frame in &frames {
        let (seq, len) = seq_and_len(&frame.bytes);
        assert_eq!((seq, len.div_ceil(1000)), (next, frame.passage.segments));
        next += len;
    }
    assert_eq!(next, 60_001);
    // What arrived is what is told as delivered, with the right bytes.
    for (run, frame) in runs.iter().zip(delivered) {
        let (seq, len) = seq_and_len(&run[LEN..]);
        assert_eq!((seq, len), seq_and_len(&frame.bytes));
        assert_eq!(run[run.len() - len as usize..], payload[seq as usize - 1..(seq - 1 + len) as usize]);
    }
    let lost: u64 = stopped.up.lost.iter().map(|(_, count)| count).sum();
    assert_eq!((stopped.up.offered, stopped.up.delivered + lost), (60, 60));
    assert!(lost > 5);
}

fn seq_and_len(ip: &[u8]) -> (u32, u32) {
    match dissect(LinkType::RAW, ip).unwrap().transport {
        Transport::Tcp(tcp) => (tcp.header.seq(), tcp.payload_len),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partial_checksum_is_completed_in_what_is_kept_whole() {
    let config = Config { keep: Keep::Whole, ..Config::default() };
    let mut bench = Bench::within(Budget::default(), 14, &config);
    let complete = tcp(1, &[9; 500]);
    let mut partial = complete.clone();
    partial[36..38].copy_from_slice(&pseudo_sum(&complete).to_be_bytes());
    let vnet = VirtioNetHeader { flags: 1, csum_start: 34, csum_offset: 16, ..VirtioNetHeader::default() };
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let sent = behind(&vnet, &[&ethernet[..], &partial].concat());
    send(&bench.client, &sent);
    assert_eq!(receive(&bench.server), sent, "what is delivered stays partial");
    bench.wait_for(1);
    let (_, reports) = bench.stop();
    assert_eq!(frames(&reports)[0].bytes, complete, "without Ethernet header, checksum complete");
}

fn pseudo_sum(packet: &[u8]) -> u16 {
    let (source, destination) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    wire::checksum::fold(wire::checksum::pseudo_header(source, destination, 6, packet.len() as u32 - 20))
}

#[test]
fn idle_is_told_once_when_all_has_arrived() {
    let mut bench = Bench::new(&ruled(&["delay 50ms"]));
    for i in 0..5 {
        send(&bench.client, &single(i, b"x"));
    }
    bench.running.ask_idle();
    bench.wait_for(6);
    let (_, reports) = bench.stop();
    assert_eq!(frames(&reports[..5]).len(), 5);
    assert!(matches!(reports[5..], [Report::Idle]));
}

#[test]
fn stopping_delivers_what_is_under_way() {
    let bench = Bench::new(&ruled(&["delay 100ms"]));
    send(&bench.client, &single(1, b"x"));
    let server = bench.server.try_clone().unwrap();
    let (stopped, reports) = bench.stop();
    assert_eq!(receive_now(&server), Some(single(1, b"x")));
    assert_eq!(frames(&reports)[0].passage.fate, Fate::Delivered);
    assert_eq!(stopped.up.delivered, 1);
}

#[test]
fn stopping_does_not_wait_for_what_is_far_away() {
    let bench = Bench::new(&ruled(&["delay 1h"]));
    send(&bench.client, &single(1, b"x"));
    let before = Instant::now();
    let (stopped, reports) = bench.stop();
    assert!(before.elapsed() < PATIENCE);
    assert_eq!((stopped.up.lost.as_slice(), stopped.up.stopped), ([].as_slice(), 1));
    assert_eq!((frames(&reports)[0].passage.fate, &frames(&reports)[0].passage.rule), (Fate::Stopped, &None));
}

#[test]
fn a_full_receiver_delays_packets_and_loses_none() {
    let mut bench = Bench::new(&Config::default());
    // More than a socket pair takes unread.
    for i in 0..500 {
        send(&bench.client, &single(i, &[1; 1000]));
    }
    for i in 0..500 {
        assert_eq!(receive(&bench.server), single(i, &[1; 1000]));
    }
    bench.wait_for(500);
    let (stopped, _) = bench.stop();
    assert_eq!((stopped.up.delivered, stopped.up.unplanned_drops), (500, 0));
}

#[test]
fn a_dead_end_is_left_alone() {
    let mut bench = Bench::new(&Config::default());
    bench.server = bench.client.try_clone().unwrap(); // closes the server's end
    send(&bench.client, &single(1, b"x"));
    bench.wait_for(1);
    // The loop is still there for the other end, and nothing of it waits.
    bench.running.ask_idle();
    bench.wait_for(2);
    let (stopped, reports) = bench.stop();
    assert_eq!((stopped.up.offered, stopped.up.unplanned_drops), (1, 1));
    assert!(frames(&reports)[0].passage.rule.as_deref().unwrap().starts_with("unplanned: "));
}

#[test]
fn who_does_not_fetch_misses_frames_and_is_told_how_many() {
    let mut bench = Bench::within(Budget::new(10, 1 << 20), 0, &Config::default());
    for i in 0..50 {
        send(&bench.client, &single(i, b"x"));
        assert_eq!(receive(&bench.server), single(i, b"x"));
    }
    bench.running.ask_idle();
    bench.wait_for(1);
    let (stopped, reports) = bench.stop();
    let told = frames(&reports);
    let missed: u64 =
        reports.iter().map(|report| if let Report::Missed(count) = report { *count } else { 0 }).sum();
    assert!(missed >= 30, "{missed}");
    assert_eq!((told.len() as u64 + missed, stopped.up.delivered), (50, 50));
    assert_eq!(told[9].number, 10);
}

#[test]
fn a_frame_too_short_for_its_header_is_counted_and_nothing_worse() {
    let mut bench = Bench::new(&Config::default());
    send(&bench.client, &[1, 2, 3]);
    send(&bench.client, &single(1, b"x"));
    assert_eq!(receive(&bench.server), single(1, b"x"));
    bench.wait_for(1);
    let (stopped, _) = bench.stop();
    assert_eq!((stopped.up.unplanned_drops, stopped.up.delivered), (1, 1));
}

#[test]
fn ends_that_frame_differently_are_refused() {
    let (fd, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let end = |fd, l2_len| LinkEnd { fd, ring: None, vnet_header: true, l2_len };
    let prepared = prepare(&Config::default(), Calibrated::default()).unwrap();
    assert!(prepared.start([end(fd, 0), end(other, 14)]).is_err());
}

/// What the gauge says is taken also while the last packets leave: left there, it would end every rest at once.
#[test]
fn the_gauge_is_heard_until_the_last_packet_has_left() {
    let (keeper, handing) = crate::control::Control::pair().unwrap();
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (program, link) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    handing.hand_over(crate::control::Report::Gauge, &[link.as_fd()]).unwrap();
    drop(link);
    let config = Config { link: Schedule::of(&["delay 900ms"]).unwrap(), ..Config::default() };
    let packet = single(1, b"last");
    let calibrated = Calibrated { gauge: Some(keeper), ..Calibrated::default() };
    let bench = Bench::calibrated(Budget::default(), 0, std::slice::from_ref(&packet), &config, calibrated);
    bench.running.control.stop.store(true, Ordering::Release);
    ring(&bench.running.control.call);
    // Many times more than the socket has room for; whoever waits for room in vain sees the loop's end.
    rustix::io::ioctl_fionbio(&program, false).unwrap();
    for _ in 0..5000 {
        rustix::io::write(&program, b"nothing that is to be measured").unwrap();
    }
    assert_eq!(receive(&bench.server), packet);
}
