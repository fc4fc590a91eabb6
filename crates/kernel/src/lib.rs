//! What Linux is asked for: sockets, processes, namespaces, devices. The only crate with `unsafe`; no async runtime.

pub mod process;
