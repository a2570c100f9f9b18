//! Orders in Redis, which expire when they are not paid.

use std::time::Duration;

use redis::{AsyncCommands, Cmd};

use crate::{
    order::{Order, OutTradeNo},
    queue::Keys,
    redis::{Redis, WriteError},
};

/// The order cache.
#[derive(Debug, Clone)]
pub struct Orders {
    redis: Redis,
    keys: Keys,
}

/// Why an order could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Redis is out of reach or refused.
    #[error("the order cache is out of reach")]
    Redis(#[from] redis::RedisError),
    /// The order could not be written durably.
    #[error("the order cannot be kept")]
    NotKept(#[from] WriteError),
    /// What is stored is no order.
    #[error("the stored order cannot be read")]
    Broken(#[from] serde_json::Error),
}

impl Orders {
    /// The cache under `keys`.
    pub fn new(redis: Redis, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Stores a new order for `ttl`, on the replicas that are to have it too: who pays for an order that a
    /// failover lost has paid for nothing.
    pub async fn put(&self, order: &Order, ttl: Duration) -> Result<(), CacheError> {
        let json = serde_json::to_string(order)?;
        let key = self.keys.order(&order.out_trade_no);
        let write = vec![Cmd::set_ex(key, json, ttl.as_secs())];
        self.redis.write(write).await?;
        Ok(())
    }

    /// The order, unless it has expired or become a code.
    pub async fn get(&self, out_trade_no: &OutTradeNo) -> Result<Option<Order>, CacheError> {
        let json: Option<String> = self
            .redis
            .shared()
            .get(self.keys.order(out_trade_no))
            .await?;
        Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
    }

    /// Drops the order.
    pub async fn remove(&self, out_trade_no: &OutTradeNo) -> Result<(), CacheError> {
        let () = self
            .redis
            .shared()
            .del(self.keys.order(out_trade_no))
            .await?;
        Ok(())
    }
}
