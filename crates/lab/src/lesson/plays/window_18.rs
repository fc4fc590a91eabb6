//! `window-18`: a textbook exchange of eighteen segments, exactly.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "window-18",
    chapter: Chapter::Data,
    play: Play::beside(
        script,
        Staging { place: Place::Network(&["delay 10ms"]), actors: &[(Server, server), (Client, client)] },
    ),
    claims: &[
        Claim { name: "table", holds: table, broken_by: Disturbance::Plain(Client) },
        Claim { name: "options", holds: options, broken_by: Disturbance::Plain(Server) },
        Claim { name: "smaller", holds: smaller, broken_by: Disturbance::Plain(Server) },
        Claim { name: "stops", holds: stops, broken_by: Disturbance::Plain(Server) },
        Claim { name: "free", holds: free, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "two", holds: two, broken_by: Disturbance::Lose(Client, 9) },
    ],
    scenes: &[Scene::Ladders, Scene::Buffers],
    words: include_str!("../texts/en/window-18.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(Established, Send(8192)), on(Next, Close)];
    let server = [
        on(At(0), Listen),
        on(Received(6144), Read(2048)),
        later(1, Next, Read(2048)),
        later(1, PeerClosed, Read(2048)),
        later(1, Next, Read(2048)),
        on(Next, Close),
    ];
    let mut script = Script::of(&client, &server);
    script.client.0.receive_buffer = 4096;
    script.server.0 = Settings {
        receive_buffer: 6144,
        mtu: 1064,
        answers_together: true,
        updates_like_bsd: true,
        ..Settings::PLAIN
    };
    Script { until: 1000, ..script }
}

/// Milliseconds, sender, flags without PSH, number and length, acknowledgement, window.
type Told = (u64, Side, TcpFlags, u32, u32, Option<u32>, u32);

/// The table of the textbook; the server's numbers are counted from its SYN, which the textbook calls 8000.
const TABLE: [Told; 18] = [
    (0, Side::A, SYN, 0, 0, None, 4096),
    (10, Side::B, SYN_ACK, 0, 0, Some(1), 6144),
    (20, Side::A, ACK, 1, 0, Some(1), 4096),
    (20, Side::A, ACK, 1, 1024, Some(1), 4096),
    (20, Side::A, ACK, 1025, 1024, Some(1), 4096),
    (20, Side::A, ACK, 2049, 1024, Some(1), 4096),
    (20, Side::A, ACK, 3073, 1024, Some(1), 4096),
    (20, Side::A, ACK, 4097, 1024, Some(1), 4096),
    (20, Side::A, ACK, 5121, 1024, Some(1), 4096),
    (30, Side::B, ACK, 1, 0, Some(6145), 2048),
    (31, Side::B, ACK, 1, 0, Some(6145), 4096),
    (40, Side::A, ACK, 6145, 1024, Some(1), 4096),
    (40, Side::A, FIN_ACK, 7169, 1024, Some(1), 4096),
    (50, Side::B, ACK, 1, 0, Some(8194), 2048),
    (51, Side::B, ACK, 1, 0, Some(8194), 4096),
    (52, Side::B, ACK, 1, 0, Some(8194), 6144),
    (52, Side::B, FIN_ACK, 1, 0, Some(8194), 6144),
    (62, Side::A, ACK, 8194, 0, Some(2), 4096),
];

fn told(row: &Row) -> Told {
    (ms(row), row.from, bare(row), row.seq, row.len_bytes, row.ack, row.window_bytes)
}

fn table(seen: &Seen) -> Option<bool> {
    Some(rows(seen)?.iter().map(told).eq(TABLE))
}

fn options(seen: &Seen) -> Option<bool> {
    let [syn, answer, ..] = rows(seen)? else { return None };
    let said =
        [syn, answer].map(|row| (row.options.mss, row.options.window_scale, row.options.sack_permitted));
    Some(said == [(Some(1460), Some(0), true), (Some(1024), Some(0), true)])
}

fn smaller(seen: &Seen) -> Option<bool> {
    let sizes: Vec<u32> = rows(seen)?.iter().map(|row| row.len_bytes).filter(|len| *len > 0).collect();
    Some(sizes == [1024; 8])
}

fn stops(seen: &Seen) -> Option<bool> {
    let before: u32 =
        rows(seen)?.iter().filter(|row| row.from == Side::A && ms(row) < 30).map(|row| row.len_bytes).sum();
    Some(before == 6144)
}

fn free(seen: &Seen) -> Option<bool> {
    let windows: Vec<u32> =
        rows(seen)?.iter().filter(|row| row.from == Side::B).map(|row| row.window_bytes).collect();
    Some(windows == [6144, 2048, 4096, 2048, 4096, 6144, 6144])
}

fn two(seen: &Seen) -> Option<bool> {
    let acks: Vec<Option<u32>> =
        rows(seen)?.iter().filter(|row| row.from == Side::B && bare(row) == ACK).map(|row| row.ack).collect();
    Some(acks == [Some(6145), Some(6145), Some(8194), Some(8194), Some(8194)])
}

const PORT: u16 = 7777;

/// The kernel's TCP as the figure has it: no option but the MSS, and nothing of congestion control that is in the way.
fn set_up(actor: &mut Actor) -> io::Result<()> {
    for (name, value) in [
        ("tcp_timestamps", "0"),
        ("tcp_sack", "0"),
        ("tcp_window_scaling", "0"),
        ("tcp_ecn", "0"),
        ("tcp_congestion_control", "reno"),
        // Each segment by itself: TSO would hand over two as one.
        ("tcp_min_tso_segs", "1"),
    ] {
        actor.set_sysctl(&format!("net.ipv4.{name}"), value)?;
    }
    Ok(())
}

/// What makes Linux announce the figure's windows; how it counts its memory is its own business, so other kernels may
/// announce others.
fn server(actor: &mut Actor) -> io::Result<()> {
    set_up(actor)?;
    let listener = actor.tcp_socket()?;
    for setting in ["TCP_MAXSEG=1024", "SO_RCVBUF=7168", "TCP_WINDOW_CLAMP=6144"] {
        actor.set_option(&listener, setting)?;
    }
    actor.bind(&listener, everywhere(PORT))?;
    actor.listen(&listener, 1)?;
    actor.reach("listening");
    let session = actor.accept(&listener)?;
    actor.set_option(&session, "TCP_QUICKACK=0")?;
    actor.reach("accepted");
    actor.wait_until(|| Ok(kernel::socket::unread(&session) >= 6144))?;
    actor.read(&session, 2048)?;
    actor.read(&session, 2048)?;
    actor.poll(&session, PollFlags::RDHUP, 2000)?;
    // The kernel acknowledges before the program reads on: SYN ACK, two window updates, and this.
    actor.wait_for_packets(Server, 4);
    actor.read(&session, 2048)?;
    actor.read(&session, 2048)?;
    actor.close(session);
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    set_up(actor)?;
    actor.wait_for("listening");
    let socket = actor.tcp_socket()?;
    actor.set_option(&socket, "SO_RCVBUF=4096")?;
    actor.connect(&socket, at_server(PORT))?;
    actor.wait_for("accepted");
    // The FIN goes with the last bytes.
    actor.set_option(&socket, "TCP_CORK=1")?;
    actor.write(&socket, &[b'a'; 8192])?;
    actor.shutdown(&socket, Shutdown::Write)?;
    actor.read(&socket, 1)?;
    Ok(())
}
