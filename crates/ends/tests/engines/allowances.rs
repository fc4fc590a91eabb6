//! What one client may do: bytes, silence, time, rate.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use ends::event::How;
use ends::serve::{Config, Engine, Limits};

use crate::server::{Closed, ENGINES, Server, config, noise, say, start};
use crate::services::{SOURCE, Source};

pub(crate) const TESTS: [(&str, fn()); 8] = [
    ("a_client_may_send_so_many_bytes", a_client_may_send_so_many_bytes),
    ("exactly_so_many_bytes_are_no_offence", exactly_so_many_bytes_are_no_offence),
    ("silence_is_ended", silence_is_ended),
    ("who_does_not_read_is_silent", who_does_not_read_is_silent),
    ("a_session_has_so_much_time", a_session_has_so_much_time),
    ("time_runs_for_those_who_never_pause", time_runs_for_those_who_never_pause),
    ("bytes_are_taken_at_the_rate", bytes_are_taken_at_the_rate),
    ("bytes_are_given_at_the_rate", bytes_are_given_at_the_rate),
];

const NONE: Limits =
    Limits { max_bytes: None, max_message: None, idle: None, total: None, bytes_per_s: None };

fn with(engine: Engine, limits: Limits) -> Server {
    start(&Config { limits, ..config(engine) })
}

fn ended(server: &mut Server, how: How) -> Closed {
    let closed = server.next_closed();
    assert!(closed.is(how) && closed.closed_by == "Us", "{closed:?}");
    closed
}

/// One hostile client costs only itself.
fn a_client_may_send_so_many_bytes() {
    for engine in ENGINES {
        let mut server = with(engine, Limits { max_bytes: Some(100_000), ..NONE });
        let mut other = server.connect();
        say(&mut other, b"before").expect("an echo");
        let mut client = server.connect();
        let mut reader = client.try_clone().expect("a descriptor");
        let echo = std::thread::scope(|scope| {
            // It fails once the server has let go.
            scope.spawn(move || while client.write_all(&[7; 10_000]).is_ok() {});
            let mut echo = Vec::new();
            let _ = reader.read_to_end(&mut echo);
            echo
        });
        assert!(echo.len() <= 100_000 && echo.iter().all(|byte| *byte == 7), "{engine:?}");
        let closed = ended(&mut server, How::Limit);
        assert_eq!((closed.client, closed.in_bytes), (2, 100_000), "{engine:?}: {closed:?}");
        say(&mut other, b"after").expect("an echo");
        drop(other);
        server.stop();
    }
}

fn exactly_so_many_bytes_are_no_offence() {
    for engine in ENGINES {
        let mut server = with(engine, Limits { max_bytes: Some(100_000), ..NONE });
        let sent = noise(3, 100_000);
        assert!(crate::server::exchange(server.connect(), &sent) == sent);
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.in_bytes == 100_000, "{engine:?}: {closed:?}");
        server.stop();
    }
}

fn silence_is_ended() {
    for engine in ENGINES {
        let idle = Duration::from_millis(300);
        let mut server = with(engine, Limits { idle: Some(idle), ..NONE });
        let mut silent = server.connect();
        server.wait_for("opened ");
        let mut talker = server.connect();
        // Whoever says something now and then is not silent.
        let start = Instant::now();
        let mut silence = [0; 1];
        silent.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        loop {
            say(&mut talker, b"x").expect("an echo");
            match silent.read(&mut silence) {
                Ok(0) => break,
                Ok(_) => unreachable!("it never spoke"),
                Err(_) => assert!(start.elapsed() < Duration::from_secs(20), "{engine:?}"),
            }
        }
        assert!(start.elapsed() >= idle - Duration::from_millis(50), "{:?}", start.elapsed());
        assert_eq!(ended(&mut server, How::Idle).client, 1);
        say(&mut talker, b"y").expect("an echo");
        drop(talker);
        server.stop();
    }
}

/// The server has something to say that is not taken.
fn who_does_not_read_is_silent() {
    for engine in ENGINES {
        let limits = Limits { idle: Some(Duration::from_millis(200)), ..NONE };
        let mut server = with(engine, limits);
        let mut client = server.connect();
        let mut written = 0;
        while let Ok(length) = client.write(&[1; 65536]) {
            written += length;
        }
        let closed = ended(&mut server, How::Idle);
        assert!(closed.unsent_bytes > 0 && closed.in_bytes < written as u64, "{engine:?}: {closed:?}");
        server.stop();
    }
}

fn a_session_has_so_much_time() {
    for engine in ENGINES {
        let total = Duration::from_millis(200);
        let mut server = with(engine, Limits { total: Some(total), ..NONE });
        let mut client = server.connect();
        let start = Instant::now();
        while say(&mut client, b"on and on").is_ok() {}
        assert!(start.elapsed() >= total - Duration::from_millis(50), "{engine:?}: {:?}", start.elapsed());
        ended(&mut server, How::Limit);
        server.stop();
    }
}

fn time_runs_for_those_who_never_pause() {
    let limits = Limits { total: Some(Duration::from_millis(200)), ..NONE };
    for engine in ENGINES {
        let mut server = start(&Config {
            limits,
            service: Box::new(|| Box::<crate::services::Counter>::default()),
            ..config(engine)
        });
        let mut client = server.connect();
        while client.write_all(&[1; 65536]).is_ok() {}
        ended(&mut server, How::Limit);
        server.stop();

        let service: fn() -> Box<dyn ends::service::Service> = || Box::new(crate::services::Fountain);
        let mut server = start(&Config { limits, service: Box::new(service), ..config(engine) });
        let mut client = server.connect();
        let mut water = vec![0; 1 << 20];
        while client.read(&mut water).is_ok_and(|length| length > 0) {}
        ended(&mut server, How::Limit);
        server.stop();
    }
}

fn bytes_are_taken_at_the_rate() {
    for engine in ENGINES {
        let mut server = with(engine, Limits { bytes_per_s: Some(200_000), ..NONE });
        let sent = noise(4, 100_000);
        let start = Instant::now();
        assert!(crate::server::exchange(server.connect(), &sent) == sent);
        // A bucket holds what comes in a tenth of a second.
        assert!(start.elapsed() >= Duration::from_millis(390), "{engine:?}: {:?}", start.elapsed());
        assert!(server.next_closed().is(How::Fin));
        server.stop();
    }
}

fn bytes_are_given_at_the_rate() {
    let rate = SOURCE as u64 * 2;
    for engine in ENGINES {
        let limits = Limits { bytes_per_s: Some(rate), ..NONE };
        let mut server = start(&Config { limits, service: Box::new(Source::make), ..config(engine) });
        let mut client = server.connect();
        let start = Instant::now();
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("all of it");
        assert_eq!(received.len(), SOURCE);
        assert!(start.elapsed() >= Duration::from_millis(390), "{engine:?}: {:?}", start.elapsed());
        client.shutdown(Shutdown::Write).expect("open");
        assert!(server.next_closed().is(How::Fin));
        server.stop();
    }
}
