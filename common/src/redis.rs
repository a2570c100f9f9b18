//! Connections to Redis: a single server, a master behind Sentinel, or the masters of a cluster.

mod cluster;
mod connection;
mod durable;
mod error;
mod failover;
mod masters;
mod memory;
mod node;
mod persistence;
mod refreshable;
mod script;
mod sentinel;
mod shared;
mod slot;
mod write_batch;

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use redis::{RedisResult, aio::MultiplexedConnection};

pub use error::WriteError;
pub use memory::{Memory, MemoryGauges, Room, is_forbidden, room};
pub use persistence::{FORBIDDEN, Persistence};
pub use script::{Call, Script};
pub use shared::Shared;

use self::{
    connection::{RESPONSE_TIMEOUT, Request},
    masters::{Masters, all, master_of},
    refreshable::Versioned,
};
use crate::{
    config::{self, RedisUrl},
    http,
    outage::StoreName,
};

/// A handle to Redis that finds the master and reconnects. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    masters: Arc<Masters>,
    wait_replicas: u32,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// A handle that connects when it is first used, so that a process starts while Redis is unavailable.
    pub fn new(config: &config::Redis) -> anyhow::Result<Self> {
        http::install_tls();
        let url = RedisUrl::of(config).map_err(|mistake| anyhow::anyhow!("{mistake}"))?;
        StoreName::Redis.set_address(url.addresses());
        Ok(Self {
            masters: Arc::new(Masters::new(url)),
            wait_replicas: config.wait_replicas,
        })
    }

    /// The number of the database that `redis.url` names.
    pub fn database(&self) -> i64 {
        self.masters.database()
    }

    /// The shared connection for all non-blocking commands.
    pub fn shared(&self) -> Shared {
        Shared {
            masters: self.masters.clone(),
        }
    }

    /// A dedicated connection to the master of `key`, for commands that block for up to `longest`.
    pub async fn blocking(
        &self,
        key: &str,
        longest: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let Versioned {
            version,
            value: map,
        } = self.masters.map().await?;
        let node = master_of(&map, slot::of_key(key.as_bytes()))?;
        let connection = node.connect(longest + RESPONSE_TIMEOUT).await;
        if connection.is_err() {
            self.masters.forget(version).await;
        }
        connection
    }

    /// Succeeds if every master answers.
    pub async fn ping(&self) -> RedisResult<()> {
        let Versioned {
            version,
            value: map,
        } = self.masters.map().await?;
        let ping = redis::cmd("PING");
        let nodes = all(&map);
        let asked = nodes.iter().map(|node| node.send(Request::One(&ping)));
        let answered = try_join_all(asked).await;
        if answered.is_err() {
            self.masters.forget(version).await;
        }
        answered.map(drop)
    }
}
