//! Answers of the kernel, kept in a file: messages one behind the other as they came, and one that says that all has been
//! said. It is what ss(8) writes with `-D` and reads from `$TCPDIAG_FILE`, in the byte order of the machine that wrote it.

use super::inet::TCP;
use super::request::message;
use super::{BY_FAMILY, Content, DONE, HEADER_BYTES, messages, row, u32_at};
use crate::socket_row::SocketRow;

/// `NLM_F_MULTI`: netlink(7).
const MULTI: u16 = 0x2;
/// No message about a socket comes near to this: the longest name is 108 bytes, TCP_INFO some 300.
const MOST_BYTES: usize = 64 * 1024;

/// A message about a socket as it is kept.
pub fn stored(body: &[u8]) -> Vec<u8> {
    let mut bytes = message(BY_FAMILY, MULTI, 0, body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// What stands behind the last one.
pub fn stored_end() -> Vec<u8> {
    message(DONE, MULTI, 0, &0i32.to_ne_bytes())
}

/// Reads what was kept, piece by piece; no more of it is remembered than an unfinished message.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    rest: Vec<u8>,
    /// Where `rest` begins, in bytes from the start.
    offset: u64,
    /// Whether the last message said that all had been said.
    is_done: bool,
}

/// What is wrong with what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the damaged message begins, in bytes from the start.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "damaged at byte {}: {}", self.offset, self.what)
    }
}

impl Stored {
    /// Takes the next piece and hands over the sockets in it; where the protocol is not told, it is TCP. More may stand
    /// behind the message that says that all has been said: ss(8) writes the answers for IPv4 and IPv6 one after the other.
    ///
    /// # Errors
    /// The first message that cannot be one; what came before it was handed over.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(SocketRow)) -> Result<(), Damage> {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        let damage = loop {
            let rest = self.rest.get(at..).unwrap_or_default();
            if rest.len() < HEADER_BYTES {
                break None;
            }
            let len = u32_at(rest, 0).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
            if !(HEADER_BYTES..=MOST_BYTES).contains(&len) {
                break Some(format!("no message is {len} bytes long"));
            }
            let Some(whole) = rest.get(..len.next_multiple_of(4)) else { break None };
            let content = messages(whole).next().map(|message| message.content);
            self.is_done = matches!(content, Some(Content::Done(_)));
            match content {
                Some(Content::Socket(body)) => match row(body, TCP) {
                    Some(row) => each(row),
                    None => break Some("this is no socket".to_owned()),
                },
                Some(Content::Error(errno)) => break Some(format!("the kernel answered with error {errno}")),
                Some(Content::Done(_) | Content::Other(_)) | None => {}
            }
            at += whole.len();
        };
        self.rest.drain(..at);
        self.offset += at as u64;
        damage.map_or(Ok(()), |what| Err(Damage { offset: self.offset, what }))
    }

    /// Says that no more comes.
    ///
    /// # Errors
    /// The last message is cut, or the one that says that all has been said is missing.
    pub fn end(self) -> Result<(), Damage> {
        let what = match (self.rest.is_empty(), self.is_done) {
            (true, true) => return Ok(()),
            (true, false) => "it ends before all was said",
            (false, _) => "the last message is cut",
        };
        Err(Damage { offset: self.offset, what: what.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A socket of TCP over IPv4 in this state, without attributes: struct inet_diag_msg is 72 bytes long.
    fn body(port: u16) -> Vec<u8> {
        let mut body = vec![super::super::AF_INET, 1, 0, 0];
        body.extend(port.to_be_bytes());
        body.resize(72, 0);
        body
    }

    fn ports_in(pieces: &[&[u8]]) -> (Vec<u16>, Result<(), Damage>) {
        let (mut stored, mut ports) = (Stored::default(), Vec::new());
        for piece in pieces {
            if let Err(damage) = stored.take(piece, |row| ports.push(row.local_port())) {
                return (ports, Err(damage));
            }
        }
        (ports, stored.end())
    }

    #[test]
    fn what_was_kept_comes_back_however_it_is_cut() {
        let kept =
            [stored(&body(1)), stored(&body(2)), stored_end(), stored(&body(3)), stored_end()].concat();
        for at in 0..kept.len() {
            assert_eq!(ports_in(&[&kept[..at], &kept[at..]]), (vec![1, 2, 3], Ok(())), "{at}");
        }
        let bytes: Vec<&[u8]> = kept.chunks(1).collect();
        assert_eq!(ports_in(&bytes), (vec![1, 2, 3], Ok(())));
    }

    #[test]
    fn damage_is_told_with_its_place_behind_all_that_could_be_read() {
        let whole = [stored(&body(1)), stored(&body(2))].concat();
        let told = |bytes: &[u8]| {
            let (ports, answer) = ports_in(&[bytes]);
            (ports.len(), answer.expect_err("damage").to_string())
        };
        assert_eq!(told(&whole), (2, "damaged at byte 176: it ends before all was said".to_owned()));
        assert_eq!(told(&whole[..150]), (1, "damaged at byte 88: the last message is cut".to_owned()));
        let with = |len: u32| {
            let mut bent = whole.clone();
            bent[88..92].copy_from_slice(&len.to_ne_bytes());
            bent
        };
        for len in [0, 15, 65_537, u32::MAX] {
            assert_eq!(told(&with(len)), (1, format!("damaged at byte 88: no message is {len} bytes long")));
        }
        assert_eq!(told(&with(20)), (1, "damaged at byte 88: this is no socket".to_owned()));
        assert_eq!(told(&message(2, 0, 0, &(-1i32).to_ne_bytes())).0, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..600) {
            let at = at.min(bytes.len());
            let pieces = ports_in(&[&bytes[..at], &bytes[at..]]);
            prop_assert_eq!(pieces, ports_in(&[&bytes]));
        }
    }
}
