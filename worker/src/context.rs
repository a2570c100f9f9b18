//! The shared state for handling events.

use anyhow::Context as _;
use heyi_common::{
    config::{self, Config},
    gateway::Gateways,
    http,
    pending_orders::PendingOrders,
    queue::Queue,
    redis::Redis,
    scans::Scans,
    store::Store,
};

/// Handles to the stores and the gateways. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// Orders in Redis.
    pub orders: PendingOrders,
    /// The queue.
    pub queue: Queue,
    /// Codes in MongoDB.
    pub store: Store,
    /// Scans in Redis.
    pub scans: Scans,
    /// The gateways.
    pub gateways: Gateways,
    /// The share of Redis's memory above which new orders are refused.
    pub memory_share: f64,
    /// The settings of the queue.
    pub settings: config::Queue,
}

impl Context {
    /// Creates handles that connect on first use.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        let redis = Redis::new(&config.redis)?;
        let queue = Queue::new(redis.clone(), &config.redis, &config.queue);
        Ok(Self {
            orders: PendingOrders::new(redis.clone(), queue.keys().clone()),
            scans: Scans::new(redis, queue.keys().clone()),
            queue,
            store: Store::new(&config.mongo)
                .await
                .context("set up the store")?,
            gateways: Gateways::new(http::client()?, config),
            memory_share: config.orders.memory_share,
            settings: config.queue.clone(),
        })
    }
}
