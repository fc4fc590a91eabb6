//! The scripted client of the lab: says its lines to an echo server in lock-step and checks what comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use wire::{Cause, Doing, End, Fault};

use crate::event::{Account, ClosedBy, How};

/// Connects, says each line once the one before has come back, half-closes, reads to the peer's FIN, and gives the
/// account. Waits for as long as the kernel tries.
///
/// # Errors
/// When a call fails, or when what comes back is not what was said.
pub fn hold<L: AsRef<[u8]>>(address: SocketAddr, lines: &[L]) -> Result<Account, Fault> {
    let failed =
        |end: End, doing: Doing| move |error: io::Error| Fault::io(end, doing, address.to_string(), &error);
    let mut stream = TcpStream::connect(address).map_err(failed(End::Path, Doing::Connect))?;
    let opened = Instant::now();
    stream.set_nodelay(true).map_err(failed(End::Us, Doing::SetOption))?;
    let mut said = 0;
    for line in lines.iter().map(AsRef::as_ref) {
        stream.write_all(line).map_err(failed(End::Peer, Doing::Send))?;
        let mut echo = vec![0; line.len()];
        stream.read_exact(&mut echo).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => wrong(address, "it ended before it had sent everything back"),
            _ => failed(End::Peer, Doing::Receive)(error),
        })?;
        if echo != line {
            return Err(wrong(address, "what came back is not what was sent"));
        }
        said += line.len() as u64;
    }
    stream.shutdown(Shutdown::Write).map_err(failed(End::Peer, Doing::Send))?;
    if stream.read(&mut [0]).map_err(failed(End::Peer, Doing::Receive))? > 0 {
        return Err(wrong(address, "more came back than was sent"));
    }
    Ok(Account {
        closed_by: ClosedBy::Us,
        how: How::Fin,
        in_bytes: said,
        out_bytes: said,
        unsent_bytes: 0,
        never_sent_bytes: 0,
        unread_bytes: 0,
        open: opened.elapsed(),
    })
}

fn wrong(address: SocketAddr, words: &str) -> Fault {
    Fault {
        end: End::Peer,
        doing: Doing::Receive,
        at: address.to_string(),
        cause: Cause::Words(words.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    type Answer = fn(&[u8]) -> Vec<u8>;

    /// A server for one client that answers each read with what `answer` makes of it.
    fn server(answer: Answer) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let serve = move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = client.read(&mut bytes) {
                let answer = answer(&bytes[..length]);
                if answer.is_empty() || client.write_all(&answer).is_err() {
                    return;
                }
            }
        };
        (address, std::thread::spawn(serve))
    }

    #[test]
    fn an_echo_server_gives_an_account() {
        let (address, server) = server(<[u8]>::to_vec);
        let account = hold(address, &["hello\n", "good\0bye\n"]).expect("an echo server");
        assert_eq!((account.closed_by, account.how), (ClosedBy::Us, How::Fin));
        assert_eq!((account.in_bytes, account.out_bytes), (15, 15));
        server.join().expect("the server ends");
    }

    #[test]
    fn wrong_answers_are_told_apart() {
        let cases: [(Answer, &str); 3] = [
            (|said| said.to_ascii_uppercase(), "what came back is not what was sent"),
            (|_| Vec::new(), "it ended before it had sent everything back"),
            (|said| [said, b"!"].concat(), "more came back than was sent"),
        ];
        for (answer, words) in cases {
            let (address, server) = server(answer);
            let fault = hold(address, &["hello"]).expect_err(words);
            assert_eq!((fault.end, fault.cause), (End::Peer, Cause::Words(words.into())));
            server.join().expect("the server ends");
        }
    }
}
