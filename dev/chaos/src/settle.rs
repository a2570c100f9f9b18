//! Waiting until the queue is empty after the last fault.

use std::time::Duration;

use anyhow::Result;
use heyi_common::queue::{Queue, status::Status};
use heyi_sandbox::{Sandbox, Series};
use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The final number of consumers: one for each worker.
const CONSUMERS: usize = 2;

/// Waits until all events are done, dead consumers are removed and PayJS has no notify left, or until `limit`.
///
/// Parked events become due immediately, as an operator could do: a backoff of 5 min proves nothing more.
pub async fn until_quiet(queue: &Queue, sandbox: &Sandbox, limit: Duration) -> Result<Status> {
    let end = Instant::now() + limit;
    loop {
        let status = queue.status().await?;
        let held: u64 = status.pending.values().sum();
        let is_quiet = status.waiting == 0
            && status.retries == 0
            && status.confirms == 0
            && held == 0
            && status.pending.len() <= CONSUMERS;
        if (is_quiet && !has_notifies_left(sandbox)) || Instant::now() > end {
            return Ok(status);
        }
        move_retries(queue, |_| 0).await?;
        sleep(LOOK_EVERY).await;
    }
}

/// Changes the due time of every parked event.
pub async fn move_retries(queue: &Queue, due: impl Fn(i64) -> i64) -> Result<()> {
    let mut redis = queue.redis().shared();
    for partition in queue.keys().partitions() {
        let key = queue.keys().retry(partition);
        let parked: Vec<(String, i64)> = redis::cmd("ZRANGE")
            .arg(&key)
            .arg(&[0, -1])
            .arg("WITHSCORES")
            .query_async(&mut redis)
            .await?;
        for (event, score) in parked {
            // XX: another worker may have moved it meanwhile.
            redis::cmd("ZADD")
                .arg(&key)
                .arg("XX")
                .arg(due(score))
                .arg(event)
                .exec_async(&mut redis)
                .await?;
        }
    }
    Ok(())
}

fn has_notifies_left(sandbox: &Sandbox) -> bool {
    let orders = sandbox.ledger().orders;
    orders.iter().any(|order| order.series == Series::Running)
}
