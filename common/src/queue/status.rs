//! The state of the queue at a glance.

use std::collections::BTreeMap;

use redis::{
    RedisResult,
    streams::{StreamInfoConsumersReply, StreamRangeReply},
};
use serde::Serialize;

use super::{GROUP, Partition, Queue};

/// The state of the queue, over all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Events in the stream, whether a worker holds them or not.
    pub waiting: u64,
    /// Time in ms since the api received the event that is first in the stream.
    pub oldest_ms: Option<u64>,
    /// Events that each consumer holds.
    pub pending: BTreeMap<String, u64>,
    /// Events that wait for their next attempt.
    pub retries: u64,
    /// Of these, the ones whose time has come.
    pub retries_due: u64,
    /// Confirms that wait for their turn.
    pub confirms: u64,
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
        // Beside a key, so that the server tells its time that has the partition.
        let (_, (seconds, micros)): (bool, (u64, u64)) = redis::pipe()
            .exists(&stream)
            .cmd("TIME")
            .query_async(&mut connection)
            .await?;
        let now = seconds * 1000 + micros / 1000;

        // One transaction, so that an event on its way from one place to another is seen once.
        let mut read = redis::pipe();
        read.atomic()
            .xlen(&stream)
            .zcard(&retry)
            .zcount(&retry, "-inf", now)
            .zcard(self.keys.confirms(partition))
            .xlen(self.keys.dead(partition))
            .xlen(self.keys.rejected(partition))
            .xrange_count(&stream, "-", "+", 1)
            .xinfo_consumers(&stream, GROUP)
            .cmd("XINFO")
            .arg("STREAM")
            .arg(&stream);
        let (waiting, retries, due, confirms, dead, rejected, oldest, group, stream): Read =
            read.query_async(&mut connection).await?;
        status.waiting += waiting;
        status.retries += retries;
        status.retries_due += due;
        status.confirms += confirms;
        status.dead += dead;
        status.rejected += rejected;
        status.added += added(&stream);
        let received = oldest
            .ids
            .first()
            .and_then(|entry| entry.get::<u64>("received_at"));
        if let Some(age) = received.map(|received| now.saturating_sub(received)) {
            status.oldest_ms = Some(status.oldest_ms.map_or(age, |known| known.max(age)));
        }
        for consumer in group.consumers {
            *status.pending.entry(consumer.name).or_default() += consumer.pending as u64;
        }
        Ok(())
    }
}

/// What one partition answers.
type Read = (
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    StreamRangeReply,
    StreamInfoConsumersReply,
    BTreeMap<String, redis::Value>,
);

/// Events ever added; 0 before Redis 7, which does not tell.
fn added(stream: &BTreeMap<String, redis::Value>) -> u64 {
    stream
        .get("entries-added")
        .and_then(|value| redis::from_redis_value_ref(value).ok())
        .unwrap_or(0)
}
