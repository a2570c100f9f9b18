//! What tests start.
//!
//! A [`World`](world::World) is a throw-away Heyi: a sandbox that plays PayJS and WeChat, stores of its own, and the settings of
//! our binaries. [`servers`] are Redis, mongod and their like as child processes, [`topology`] makes sets of them that fail over,
//! and a [`tcp_proxy`] is a connection that can be damaged.

pub mod servers;
pub mod tcp_proxy;
pub mod topology;
pub mod world;
