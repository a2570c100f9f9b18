//! Connections to Redis.

mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use redis::{
    AsyncConnectionConfig, Client, InfoDict, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};
use secrecy::ExposeSecret;
pub use shared::Shared;

use crate::{backoff::Backoff, config, http};

/// Redis takes 16 KiB at most from one connection before it writes to disk, about a dozen orders; over several
/// connections more of them share one write.
const CONNECTIONS: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const RECONNECT_DELAY: Duration = Duration::from_millis(50);
const RECONNECT_ATTEMPTS: usize = 1;

/// A handle to Redis that reconnects by itself. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shared: Arc<[Shared]>,
    turn: Arc<AtomicUsize>,
    waiting: Shared,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

/// How Redis keeps what it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Persistence {
    /// Whether the append-only file is on.
    pub append_only: bool,
    /// When the append-only file reaches the disk: `always`, `everysec` or `no`; empty when not told.
    pub append_fsync: String,
    /// What happens when the memory is full; anything but `noeviction` may drop orders and events.
    pub eviction: String,
}

impl Persistence {
    /// What an operator should change, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.append_only {
            found.push("Redis has appendonly off: a crash of Redis loses acknowledged payments; set appendonly yes".to_owned());
        } else if self.append_fsync != "always" {
            found.push(format!(
                "Redis has appendfsync {:?}: a power cut loses the last second of acknowledged payments; set appendfsync always",
                self.append_fsync
            ));
        }
        if !matches!(self.eviction.as_str(), "" | "noeviction") {
            found.push(format!(
                "Redis has maxmemory-policy {}: it may drop orders; set maxmemory-policy noeviction",
                self.eviction
            ));
        }
        found
    }
}

impl Redis {
    /// A handle that connects when it is first used, so that a process starts while Redis is away.
    pub fn new(config: &config::Redis) -> anyhow::Result<Self> {
        http::install_tls();
        let client = Client::open(config.url.expose_secret()).context("read redis.url")?;
        let connect = || {
            let settings = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_response_timeout(Some(RESPONSE_TIMEOUT))
                .set_min_delay(RECONNECT_DELAY)
                .set_number_of_retries(RECONNECT_ATTEMPTS);
            ConnectionManager::new_lazy_with_config(client.clone(), settings)
                .map(Shared)
                .context("set up Redis")
        };
        Ok(Self {
            shared: (0..CONNECTIONS)
                .map(|_| connect())
                .collect::<anyhow::Result<_>>()?,
            turn: Arc::default(),
            waiting: connect()?,
            client,
        })
    }

    /// One of the connections that all commands but blocking ones share.
    pub fn shared(&self) -> Shared {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.shared.len();
        self.shared[turn].clone()
    }

    /// The connection that commands share which wait for replicas, and so hold up those behind them.
    pub fn waiting(&self) -> Shared {
        self.waiting.clone()
    }

    /// A connection of its own for commands that block for up to `longest`.
    pub async fn blocking(&self, longest: Duration) -> RedisResult<MultiplexedConnection> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(longest + RESPONSE_TIMEOUT));
        self.client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> RedisResult<()> {
        redis::cmd("PING").exec_async(&mut self.shared()).await
    }

    /// How Redis keeps what it acknowledged. Where `CONFIG` is forbidden, only what `INFO` tells.
    pub async fn persistence(&self) -> RedisResult<Persistence> {
        let mut connection = self.shared();
        let info: InfoDict = redis::cmd("INFO").query_async(&mut connection).await?;
        let append_fsync: RedisResult<Vec<String>> = redis::cmd("CONFIG")
            .arg("GET")
            .arg("appendfsync")
            .query_async(&mut connection)
            .await;
        Ok(Persistence {
            append_only: info.get::<u8>("aof_enabled") == Some(1),
            append_fsync: append_fsync
                .ok()
                .and_then(|pair| pair.into_iter().nth(1))
                .unwrap_or_default(),
            eviction: info.get("maxmemory_policy").unwrap_or_default(),
        })
    }

    /// Says loudly what could lose a payment, as soon as Redis answers.
    pub async fn warn_of_risks(&self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        loop {
            match self.persistence().await {
                Ok(persistence) => {
                    for warning in persistence.warnings() {
                        tracing::error!("{warning}");
                    }
                    return;
                }
                Err(error) => tracing::warn!(%error, "Redis is out of reach"),
            }
            backoff.wait().await;
        }
    }
}
