//! Sets of real servers that fail over.
//!
//! Each topology has a URL for clients, and processes that a test may kill, pause and restart one by one. `hand_over`
//! is a planned failover. `settled` waits until every server has a role again.

mod cluster;
mod mongo_set;
mod redis_node;
mod sentinels;

pub use cluster::RedisCluster;
pub use mongo_set::MongoSet;
pub use sentinels::RedisPair;
