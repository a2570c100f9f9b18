//! Our side.

use std::time::Instant;

use anyhow::{Result, ensure};
use futures::{TryStreamExt as _, stream};
use heyi_common::{config, queue::Queue};

use super::{all, rate};
use crate::{notify::notify, worker};

/// How many notifies are on their way into the queue at the same time.
const AT_ONCE: usize = 256;

/// Fills the queue, then empties it. Events a second of the second.
pub(super) async fn drain(queue: &Queue, config: &config::PayJs, events: u32) -> Result<f64> {
    fill(queue, config, events).await?;
    let start = Instant::now();
    worker::beside(queue, async |starts| all(starts, events).await).await?;
    let rate = rate(events, start);
    let left = queue.status().await?.waiting;
    ensure!(left == 0, "{left} events are still there");
    Ok(rate)
}

/// Events that wait.
pub(super) async fn fill(queue: &Queue, config: &config::PayJs, events: u32) -> Result<()> {
    stream::iter((0..events).map(anyhow::Ok))
        .try_for_each_concurrent(AT_ONCE, async |number| {
            let (out_trade_no, form) = notify(config, number);
            let out_trade_no = out_trade_no.parse()?;
            Ok(queue.enqueue_notify(&out_trade_no, form).await?)
        })
        .await
}
