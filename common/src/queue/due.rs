//! Moves parked events back when they are due.

use std::time::Duration;

use futures::future::join_all;
use redis::RedisResult;
use tokio_util::sync::CancellationToken;

use super::{Partition, Queue, confirms::BEHIND_AFTER_RETRY};
use crate::{
    backoff::Backoff,
    failpoint::{self, Failpoint},
    outage,
    redis::Script,
};

/// How often to check for due events.
const EVERY: Duration = Duration::from_millis(250);
/// Maximum number of events that one step moves, so that a step never blocks Redis for long.
const SLICE: usize = 200;
/// Maximum delay until the next attempt: the longest delay is 300 s, with 20 % of jitter.
const LONGEST_WAIT: Duration = Duration::from_secs(400);

impl Queue {
    /// Moves due events back into the stream, and due confirms to the waiting ones, in slices. Returns how many it moved.
    pub async fn move_due(&self, partition: Partition) -> RedisResult<usize> {
        let script = Script::new(concat!(
            include_str!("lua/fields_of.lua"),
            include_str!("lua/move_due.lua")
        ));
        let mut moved = 0;
        loop {
            failpoint::reach(Failpoint::DueBefore);
            let slice: usize = script
                .key(self.keys.retry(partition))
                .key(self.keys.notify(partition))
                .key(self.keys.confirms(partition))
                .key(self.keys.confirm_turns(partition))
                .arg(SLICE)
                .arg(u64::try_from(LONGEST_WAIT.as_millis()).unwrap_or(u64::MAX))
                .arg(BEHIND_AFTER_RETRY)
                .invoke_async(&mut self.connection())
                .await?;
            if slice > 0 {
                failpoint::reach(Failpoint::DueAfter);
            }
            moved += slice;
            if slice < SLICE {
                return Ok(moved);
            }
        }
    }

    /// Watches one partition. Each has its own loop, so that an unavailable master does not delay the others.
    async fn watch_due(&self, partition: Partition, stop: &CancellationToken) {
        let mut backoff = Backoff::reconnect();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            match self.move_due(partition).await {
                Ok(_) => backoff.reset(),
                Err(error) => {
                    outage::report("cannot move due events, trying again", &error);
                    backoff.wait().await;
                }
            }
        }
    }
}

/// Moves due events until stopped. Any number of workers may do so concurrently.
pub async fn watch(queue: Queue, stop: CancellationToken) {
    let partitions = queue.keys.partitions();
    join_all(partitions.map(|partition| queue.watch_due(partition, &stop))).await;
}
