//! The sockets of a network namespace, from wherever this system and this user can have them: sock_diag, or where that is
//! not there or not allowed, the text of /proc (proc_pid_net(5)), which knows less.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use wire::sock_diag::Extensions;
use wire::socket_row::{Kind, SocketRow, States, packet_rows, rows_of, unix_rows};

use crate::namespace::{Network, in_network, open_network};
use crate::sock_diag::{Reading, SockDiag, Table};

/// The sockets of a network namespace.
#[derive(Debug)]
pub struct Sockets {
    diag: Option<SockDiag>,
    texts: Option<Texts>,
    fell_back: bool,
}

/// Where the tables lie as text.
#[derive(Debug)]
enum Texts {
    /// In a folder that everybody may read, also of other users' processes.
    Folder(PathBuf),
    /// In /proc/net of whoever is in this network namespace: a name has no process.
    Within(OwnedFd),
}

impl Texts {
    /// Without reading a whole table.
    fn are_there(&self) -> bool {
        match self {
            Texts::Folder(folder) => folder.join("tcp").exists(),
            Texts::Within(_) => self.read("sockstat").is_some(),
        }
    }

    fn read(&self, file: &str) -> Option<Vec<u8>> {
        match self {
            Texts::Folder(folder) => std::fs::read(folder.join(file)).ok(),
            Texts::Within(network) => {
                let path = Path::new("/proc/thread-self/net").join(file);
                in_network(network.as_fd(), || std::fs::read(path).map_err(|_| libc::ENOENT)).ok()
            }
        }
    }
}

impl Sockets {
    /// Those of the current network namespace, or of another.
    ///
    /// # Errors
    /// The kernel's errno: `ENOENT` where there is no such process or name, `EPERM` where this user may not look.
    pub fn open(network: Option<&Network>) -> Result<Sockets, i32> {
        let diag = match network {
            None => SockDiag::open(),
            Some(network) => open_network(network).and_then(|fd| in_network(fd.as_fd(), SockDiag::open)),
        };
        let texts = match network {
            None => Some(Texts::Folder("/proc/net".into())),
            Some(Network::OfProcess(pid)) => Some(Texts::Folder(format!("/proc/{pid}/net").into())),
            Some(named) => open_network(named).ok().map(Texts::Within),
        };
        match (diag, texts.filter(Texts::are_there)) {
            (Ok(diag), texts) => Ok(Sockets { diag: Some(diag), texts, fell_back: false }),
            (Err(_), Some(texts)) => Ok(Sockets { diag: None, texts: Some(texts), fell_back: true }),
            (Err(errno), None) => Err(errno),
        }
    }

    /// Whether a table had to be read as text: counters, timers and peers of Unix sockets are not in it.
    pub fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// How many sockets this one is itself, by the kernel's counting (`used` of /proc/net/sockstat).
    pub fn own_sockets(&self) -> u64 {
        u64::from(self.diag.is_some())
    }

    /// Hands over the rows of a table, one after the other.
    ///
    /// # Errors
    /// The kernel's errno, where there is no text either.
    pub fn rows(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
        mut each: impl FnMut(SocketRow),
    ) -> Result<Reading, i32> {
        let errno = match &mut self.diag {
            Some(diag) => match diag.rows(table, states, extensions, &mut each) {
                Ok(reading) => return Ok(reading),
                Err(errno) => errno,
            },
            None => libc::EPROTONOSUPPORT,
        };
        let has_texts = is_absence(errno) && self.texts.is_some();
        if !has_texts {
            return Err(errno);
        }
        self.fell_back |= self.read_texts(table, states, each);
        Ok(Reading::Whole)
    }

    /// The same, read again where the table changed meanwhile, and then handed over at once.
    ///
    /// # Errors
    /// As [`Sockets::rows`].
    pub fn all(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
    ) -> Result<(Vec<SocketRow>, Reading), i32> {
        if let Some(diag) = &mut self.diag {
            match diag.all(table, states, extensions) {
                Err(errno) if is_absence(errno) => {}
                answer => return answer,
            }
        }
        let mut rows = Vec::new();
        let reading = self.rows(table, states, extensions, |row| rows.push(row))?;
        Ok((rows, reading))
    }

    /// Hands over the rows of TCP or UDP that have this port as their own, over IPv4 and IPv6.
    ///
    /// # Errors
    /// The kernel's errno, where there is no text either.
    pub fn at_port(
        &mut self,
        kind: Kind,
        states: States,
        port: u16,
        mut each: impl FnMut(SocketRow),
    ) -> Result<(), i32> {
        for ipv6 in [false, true] {
            let errno = match &mut self.diag {
                Some(diag) => match diag.at_port(kind, ipv6, states, port, &mut each) {
                    Ok(_) => continue,
                    Err(errno) => errno,
                },
                None => libc::EPROTONOSUPPORT,
            };
            if !is_absence(errno) || self.texts.is_none() {
                return Err(errno);
            }
            let mut chosen = |row: SocketRow| {
                if row.local_port() == port {
                    each(row);
                }
            };
            self.fell_back |= self.read_texts(Table::Internet { kind, ipv6 }, states, &mut chosen);
        }
        Ok(())
    }

    /// The rows of a table with the bytes of the kernel's messages about them: [`SockDiag::answers`].
    ///
    /// # Errors
    /// The kernel's errno: `EPROTONOSUPPORT` where it has no sock_diag; text is no answer.
    pub fn answers(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
        each: impl FnMut(&[u8], SocketRow),
    ) -> Result<Reading, i32> {
        let diag = self.diag.as_mut().ok_or(libc::EPROTONOSUPPORT)?;
        diag.answers(table, states, extensions, each)
    }

    /// Ends a socket: [`SockDiag::destroy`].
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn destroy(&mut self, row: &SocketRow) -> Result<(), i32> {
        self.diag.as_mut().map_or(Err(libc::EPROTONOSUPPORT), |diag| diag.destroy(row))
    }

    /// A file of that namespace's /proc/net, where it can be read.
    pub fn text(&self, file: &str) -> Option<String> {
        String::from_utf8(self.texts.as_ref()?.read(file)?).ok()
    }

    /// The name of an interface of that namespace.
    pub fn interface_name(&self, index: u32) -> Option<String> {
        match &self.diag {
            Some(diag) => rustix::net::netdevice::index_to_name(diag, index).ok(),
            None => None,
        }
    }

    /// The index of an interface of that namespace.
    pub fn interface_index(&self, name: &str) -> Option<u32> {
        match &self.diag {
            Some(diag) => rustix::net::netdevice::name_to_index(diag, name).ok(),
            None => None,
        }
    }

    /// True where there was any text; a kernel without packet sockets has none of them either way.
    fn read_texts(&self, table: Table, states: States, mut each: impl FnMut(SocketRow)) -> bool {
        let mut found = false;
        for (file, kind) in files(table) {
            let text = self.texts.as_ref().and_then(|texts| texts.read(file));
            let Some(text) = text.map(|text| String::from_utf8_lossy(&text).into_owned()) else { continue };
            found = true;
            let mut chosen = |row: SocketRow| {
                if row.kind.is_packet() || states.has(row.state) {
                    each(row);
                }
            };
            match table {
                Table::Unix => unix_rows(&text).for_each(&mut chosen),
                Table::Packet => packet_rows(&text).for_each(&mut chosen),
                Table::Internet { .. } | Table::Tcp => rows_of(*kind, &text).for_each(&mut chosen),
            }
        }
        found
    }
}

/// What kernels answer that were built without this table: it may still be there as text.
fn is_absence(errno: i32) -> bool {
    matches!(errno, libc::ENOENT | libc::EINVAL | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP)
}

fn files(table: Table) -> &'static [(&'static str, Kind)] {
    match table {
        Table::Tcp => &[("tcp", Kind::Tcp), ("tcp6", Kind::Tcp)],
        Table::Internet { kind: Kind::Udp, ipv6: false } => &[("udp", Kind::Udp)],
        Table::Internet { kind: Kind::Udp, ipv6: true } => &[("udp6", Kind::Udp)],
        Table::Internet { kind: Kind::Raw, ipv6: false } => &[("raw", Kind::Raw)],
        Table::Internet { kind: Kind::Raw, ipv6: true } => &[("raw6", Kind::Raw)],
        Table::Internet { ipv6: false, .. } => &[("tcp", Kind::Tcp)],
        Table::Internet { ipv6: true, .. } => &[("tcp6", Kind::Tcp)],
        Table::Unix => &[("unix", Kind::UnixStream)],
        Table::Packet => &[("packet", Kind::PacketRaw)],
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// As where the kernel has no sock_diag.
    fn by_text() -> Sockets {
        Sockets { diag: None, texts: Some(Texts::Folder("/proc/net".into())), fell_back: false }
    }

    /// Both ways tell the same of what both know.
    #[test]
    fn text_tells_what_sock_diag_tells() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(folder.path().join("a socket")).unwrap();
        let inodes = [rustix::fs::fstat(&tcp).unwrap().st_ino, rustix::fs::fstat(&unix).unwrap().st_ino];
        let mut by_diag = Sockets::open(None).expect("sockets");
        let mut by_text = by_text();
        for (table, inode) in [(Table::Tcp, inodes[0]), (Table::Unix, inodes[1])] {
            let find = |sockets: &mut Sockets| {
                let (rows, _) = sockets.all(table, States::ALL, Extensions::default()).expect("rows");
                let row = rows.into_iter().find(|row| row.inode == inode).expect("the listener");
                (row.kind, row.state, row.local, row.to_read_bytes)
            };
            assert_eq!(find(&mut by_diag), find(&mut by_text));
        }
        assert!(by_text.fell_back() && !by_diag.fell_back());
    }

    #[test]
    fn one_port_is_found_both_ways() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let address = listener.local_addr().unwrap();
        let by_diag = Sockets::open(None).expect("sockets");
        for mut sockets in [by_diag, by_text()] {
            let mut found = Vec::new();
            let each = |row: SocketRow| found.push((row.local, row.state));
            sockets.at_port(Kind::Tcp, States::ALL, address.port(), each).expect("rows");
            assert!(found.iter().any(|(local, _)| *local == address.into()), "{found:?}");
            assert!(found.iter().all(|(local, _)| local.port() == Some(address.port())), "{found:?}");
        }
    }

    #[test]
    fn the_namespace_of_a_process_is_found_by_its_number() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = Sockets::open(Some(&Network::OfProcess(std::process::id()))).expect("one's own");
        let (rows, _) = sockets.all(Table::Tcp, States::ALL, Extensions::default()).expect("rows");
        let local = wire::Address::Internet(listener.local_addr().unwrap());
        assert!(rows.iter().any(|row| row.local == local));
        assert_eq!(Sockets::open(Some(&Network::Named("no/such".to_owned()))).err(), Some(libc::ENOENT));
    }
}
