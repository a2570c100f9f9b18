//! After the last fault: waiting until nothing is left to do.

use std::time::Duration;

use anyhow::Result;
use heyi_common::queue::{Queue, status::Status};
use heyi_sandbox::{Sandbox, Series};
use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Consumers that may be there in the end: one a worker.
const CONSUMERS: usize = 2;

/// Waits until all events are done, dead consumers are gone and PayJS has no notify left to send, or `limit` is
/// over. Parked events are made due at once, as an operator could; a wait of 5 min proves nothing more.
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

/// Gives every parked event another due time, made of its own one.
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
            // XX: it may have left meanwhile.
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
