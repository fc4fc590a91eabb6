//! What Linux is asked for: sockets, processes, namespaces, devices. The only crate with `unsafe`; no async runtime.

pub mod descriptors;
pub mod process;
pub mod shared_memory;
pub mod signal;
pub mod socket;
