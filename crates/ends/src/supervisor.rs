//! What a supervisor such as systemd is told: that we are ready, that we stop, how it goes (sd_notify(3)). Without one
//! nothing is told, and nobody waits for one that does not listen.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where a supervisor waits for news: a socket file, or an abstract name behind an `@`.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// The bytes of a status; systemd shows one line.
const STATUS_MAX: usize = 512;

/// The supervisor, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` names.
    pub fn from_environment() -> Supervisor {
        Supervisor::at(std::env::var_os(VARIABLE).as_deref())
    }

    /// We serve: what is started after us may start.
    pub fn ready(&self) {
        self.notify("READY=1");
    }

    /// We stop.
    pub fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    /// How it goes, in one line.
    pub fn status(&self, line: &str) {
        let mut end = line.len().min(STATUS_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = line.get(..end).unwrap_or_default();
        // A line break would begin another assignment.
        self.notify(&format!("STATUS={}", wire::visible(line, false)));
    }

    fn at(address: Option<&OsStr>) -> Supervisor {
        let address = address.and_then(|address| match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            [b'/', ..] => SocketAddr::from_pathname(address).ok(),
            _ => None,
        });
        let to = address.and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        Supervisor { to }
    }

    /// Nothing can be done about a supervisor that does not take it.
    fn notify(&self, assignment: &str) {
        if let Some((socket, address)) = &self.to {
            let _ = socket.send_to_addr(assignment.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).expect("it was sent");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_supervisor_at_a_file_hears_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a new file");
        socket.set_nonblocking(true).expect("a socket");
        let supervisor = Supervisor::at(Some(path.as_os_str()));
        supervisor.ready();
        supervisor.status("3 clients\nREADY=0");
        supervisor.stopping();
        let told = [heard(&socket), heard(&socket), heard(&socket)];
        assert_eq!(told, ["READY=1", "STATUS=3 clients\\nREADY=0", "STOPPING=1"]);
        supervisor.status(&"ä".repeat(400));
        assert_eq!(heard(&socket).len(), "STATUS=".len() + STATUS_MAX);
    }

    #[test]
    fn a_supervisor_at_an_abstract_name_hears_all() {
        let name = format!("bothends-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("short enough");
        let socket = UnixDatagram::bind_addr(&address).expect("a name of our own");
        socket.set_nonblocking(true).expect("a socket");
        Supervisor::at(Some(OsStr::new(&format!("@{name}")))).ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn without_a_supervisor_nothing_happens_and_nobody_waits() {
        let long = format!("/{}", "x".repeat(200));
        for address in
            [None, Some(""), Some("relative"), Some("vsock:2:1"), Some("/nowhere/at/all"), Some(&long)]
        {
            let supervisor = Supervisor::at(address.map(OsStr::new));
            supervisor.ready();
            supervisor.stopping();
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let _never_reads = UnixDatagram::bind(&path).expect("a new file");
        let supervisor = Supervisor::at(Some(path.as_os_str()));
        // More than its queue takes (net.unix.max_dgram_qlen): a send that waited would hang here.
        for _ in 0..2000 {
            supervisor.status("still here");
        }
    }
}
