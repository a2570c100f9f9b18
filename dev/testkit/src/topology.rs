//! Real servers that stand in for each other: what a failover is tried on.
//!
//! Each topology has a URL for clients, its processes, which a test may kill, pause and restart one by one, a planned
//! failover (`hand_over`), and a way to wait until everybody has a role again (`settled`).

mod cluster;
mod mongo_set;
mod redis_node;
mod sentinels;

pub use cluster::RedisCluster;
pub use mongo_set::MongoSet;
pub use sentinels::RedisPair;
