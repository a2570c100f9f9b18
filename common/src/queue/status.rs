//! The state of the queue at a glance.

use std::collections::BTreeMap;

use redis::{
    AsyncCommands, RedisResult,
    streams::{StreamInfoConsumersReply, StreamRangeReply},
};
use serde::Serialize;

use super::{GROUP, Partition, Queue};

/// The state of the queue, over all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Events in the stream, whether a worker holds them or not.
    pub waiting: u64,
    /// Age in ms of the oldest event in the stream.
    pub oldest_ms: Option<u64>,
    /// Events that each consumer holds.
    pub pending: BTreeMap<String, u64>,
    /// Events that wait for their next attempt.
    pub retries: u64,
    /// Of these, the ones whose time has come.
    pub retries_due: u64,
    /// Dead letters.
    pub dead: u64,
    /// Rejected events that are kept.
    pub rejected: u64,
    /// Events ever added to the stream, retries included.
    pub added: u64,
}

impl Queue {
    /// Reads the state of the queue.
    pub async fn status(&self) -> RedisResult<Status> {
        let mut status = Status::default();
        for partition in self.keys.partitions() {
            self.add_status(partition, &mut status).await?;
        }
        Ok(status)
    }

    async fn add_status(&self, partition: Partition, status: &mut Status) -> RedisResult<()> {
        self.ensure_group(partition).await?;
        let mut connection = self.connection();
        let stream = self.keys.notify(partition);
        let retry = self.keys.retry(partition);
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let now = seconds * 1000 + micros / 1000;

        status.waiting += connection.xlen::<_, u64>(&stream).await?;
        status.retries += connection.zcard::<_, u64>(&retry).await?;
        status.retries_due += connection
            .zcount::<_, _, _, u64>(&retry, "-inf", now)
            .await?;
        status.dead += connection.xlen::<_, u64>(self.keys.dead(partition)).await?;
        status.rejected += connection
            .xlen::<_, u64>(self.keys.rejected(partition))
            .await?;
        status.added += self.added(partition).await?;

        let oldest: StreamRangeReply = connection.xrange_count(&stream, "-", "+", 1).await?;
        let born = oldest
            .ids
            .first()
            .and_then(|entry| entry.id.split('-').next()?.parse::<u64>().ok());
        if let Some(age) = born.map(|born| now.saturating_sub(born)) {
            status.oldest_ms = Some(status.oldest_ms.map_or(age, |known| known.max(age)));
        }
        let group: StreamInfoConsumersReply = connection.xinfo_consumers(&stream, GROUP).await?;
        for consumer in group.consumers {
            *status.pending.entry(consumer.name).or_default() += consumer.pending as u64;
        }
        Ok(())
    }

    /// Events ever added; 0 before Redis 7, which does not tell.
    async fn added(&self, partition: Partition) -> RedisResult<u64> {
        let info: BTreeMap<String, redis::Value> = redis::cmd("XINFO")
            .arg("STREAM")
            .arg(self.keys.notify(partition))
            .query_async(&mut self.connection())
            .await?;
        Ok(info
            .get("entries-added")
            .and_then(|value| redis::from_redis_value_ref(value).ok())
            .unwrap_or(0))
    }
}
