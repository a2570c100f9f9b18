//! The least that a queue over a stream does: read, acknowledge, read again.

use std::time::Instant;

use anyhow::{Result, ensure};
use heyi_common::{
    config, form,
    queue::{GROUP, Queue},
};
use redis::streams::{StreamReadOptions, StreamReadReply};

use super::{heyi, rate};

/// As many as Heyi reads and acknowledges at once.
const BATCH: usize = 256;

/// Fills the queue, then reads and acknowledges all of it. Events a second of the second.
pub(super) async fn drain(queue: &Queue, config: &config::PayJs, events: u32) -> Result<f64> {
    heyi::fill(queue, config, events).await?;
    let start = Instant::now();
    let mut left = events;
    for partition in queue.keys().partitions() {
        queue.ensure_group(partition).await?;
        let stream = queue.keys().notify(partition);
        let mut connection = queue
            .redis()
            .blocking(&stream, std::time::Duration::ZERO)
            .await?;
        let options = StreamReadOptions::default()
            .group(GROUP, "plain")
            .count(BATCH);
        let read = redis::Cmd::xread_options(&[&stream], &[">"], &options);
        loop {
            let reply: Option<StreamReadReply> = read.query_async(&mut connection).await?;
            let keys = reply.map(|reply| reply.keys).unwrap_or_default();
            let entries: Vec<_> = keys.into_iter().flat_map(|key| key.ids).collect();
            if entries.is_empty() {
                break;
            }
            let mut orders = Vec::new();
            for entry in &entries {
                let body: String = entry.get("form").unwrap_or_default();
                let params = form::parse(body.as_bytes())?;
                let number = params
                    .get("out_trade_no")
                    .cloned()
                    .unwrap_or_default()
                    .parse()?;
                orders.extend([queue.keys().order(&number), queue.keys().failed(&number)]);
            }
            let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            redis::pipe()
                .atomic()
                .del(orders)
                .xack(&stream, GROUP, &ids)
                .xdel(&stream, &ids)
                .exec_async(&mut connection)
                .await?;
            left -= u32::try_from(ids.len())?;
        }
    }
    ensure!(left == 0, "{left} events were not read");
    Ok(rate(events, start))
}
