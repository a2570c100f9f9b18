//! Test environments: servers, processes, and clients.
//!
//! A [`World`](world::World) is a temporary Heyi: a sandbox that plays PayJS and WeChat, its own stores, and the settings of
//! our binaries. [`servers`] starts Redis, MongoDB and others as child processes. [`topology`] combines them into sets that
//! fail over. A [`tcp_proxy`] damages connections.

pub mod servers;
pub mod tcp_proxy;
pub mod topology;
pub mod world;
