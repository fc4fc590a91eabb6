//! What Linux is asked for: sockets, processes, namespaces, devices. The only crate with `unsafe`; no async runtime.

mod control;
pub mod descriptors;
pub mod disposition;
pub mod error_queue;
pub mod families;
pub mod inbox;
pub mod inherited;
pub mod interfaces;
pub mod mount;
pub mod namespace;
pub mod owners;
pub mod packet_info;
pub mod packet_ring;
pub mod packet_socket;
pub mod pages;
pub mod ports;
pub mod process;
pub mod restrictions;
pub mod route;
pub mod rtnetlink;
pub mod shared_memory;
pub mod signal;
pub mod sock_diag;
pub mod socket;
pub mod sockets;
pub mod sockopt;
pub mod terminal;
pub mod tun;

/// The error number of the libc call just made.
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
