//! The state of the queue in numbers.

use std::collections::BTreeMap;

use redis::RedisResult;
use serde::Serialize;

use super::{GROUP, Partition, Queue};
use crate::redis::Script;

/// The state of the queue, over all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Events in the stream, in flight or not.
    pub waiting: u64,
    /// Age in ms of the first event in the stream, since the api received it.
    pub oldest_ms: Option<u64>,
    /// Events in flight at each consumer.
    pub pending: BTreeMap<String, u64>,
    /// Events that wait for their next attempt.
    pub retries: u64,
    /// Number of these that are due.
    pub retries_due: u64,
    /// Age in ms of the oldest of these, since the api received it. With more than 200, only those that are due first and
    /// last are examined.
    pub oldest_retry_ms: Option<u64>,
    /// Confirms that wait for their turn.
    pub confirms: u64,
    /// Dead letters.
    pub dead: u64,
    /// Rejected events that are stored.
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
        let read: Read = Script::new(include_str!("lua/status.lua"))
            .key(self.keys.notify(partition))
            .key(self.keys.retry(partition))
            .key(self.keys.dead(partition))
            .key(self.keys.rejected(partition))
            .key(self.keys.confirms(partition))
            .arg(GROUP)
            .invoke_async(&mut self.connection())
            .await?;
        let (
            now,
            waiting,
            received,
            retries,
            due,
            parked,
            confirms,
            dead,
            rejected,
            added,
            consumers,
        ) = read;
        status.waiting += waiting;
        status.retries += retries;
        status.retries_due += due;
        status.confirms += confirms;
        status.dead += dead;
        status.rejected += rejected;
        status.added += added;
        // `None` is less than any age.
        status.oldest_ms = status.oldest_ms.max(age(now, &received));
        status.oldest_retry_ms = status.oldest_retry_ms.max(age(now, &parked));
        for (consumer, pending) in consumers {
            *status.pending.entry(consumer).or_default() += pending;
        }
        Ok(())
    }
}

fn age(now: u64, received: &str) -> Option<u64> {
    let received: u64 = received.parse().ok()?;
    Some(now.saturating_sub(received))
}

/// What `status.lua` returns.
type Read = (
    u64,
    u64,
    String,
    u64,
    u64,
    String,
    u64,
    u64,
    u64,
    u64,
    Vec<(String, u64)>,
);
