//! Bytes ⇄ values: addresses as people write them, packet headers, capture files, and what went wrong where.
//!
//! Pure: no I/O, no clock, no threads. Every parser here takes bytes from strangers: none panics, none takes more
//! memory than it says, and each says in its header what it checks. Views (`TcpView`) borrow and are checked once by `new`;
//! values (`Passage`, `Endpoint`) are owned, comparable and printable.

pub mod address;
pub mod address_selection;
pub mod anatomy;
pub mod arp;
pub mod build;
pub mod byte_order;
pub mod capture;
pub mod checksum;
pub mod embedded;
pub mod endpoint;
pub mod errno;
pub mod ethernet;
pub mod fault;
pub mod frame;
pub mod gso;
pub mod icmp;
pub mod igmp;
pub mod inet;
pub mod ipv4;
pub mod ipv6;
mod link;
pub mod link_type;
pub mod network;
pub mod notation;
pub mod packet;
pub mod passage;
pub mod pcap;
pub mod pcapng;
pub mod port;
pub mod quantity;
pub mod reassembly;
pub mod refusal;
pub mod sock_diag;
pub mod sockaddr;
pub mod socket_filter;
pub mod socket_row;
pub mod sockopt;
pub mod sockstat;
pub mod special_purpose;
pub mod tcp;
pub mod tcp_info;
pub mod time;
pub mod tunnel;
pub mod udp;
pub mod undecoded;
pub mod virtio_net;
mod visible;

pub use address::{Address, Transport};
pub use fault::{Cause, Doing, End, Fault};
pub use passage::{Fate, Passage};
pub use time::Time;
pub use visible::{VisibleStream, visible, visible_bytes};
