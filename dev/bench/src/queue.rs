//! How fast a worker drains a full queue, compared with a plain loop on the same Redis.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use heyi_common::{form, queue::GROUP};
use redis::{
    Cmd,
    streams::{StreamReadOptions, StreamReadReply},
};
use tokio::time::timeout;

use crate::{
    frame::{Scenario, Setup, per_second},
    worker,
};

const ROUNDS: u32 = 5;
const EVENTS: u32 = 20_000;
const LIMIT: Duration = Duration::from_secs(120);
/// Heyi's batch size for reads and acknowledgements.
const BATCH: usize = 256;

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let what = "waiting events, handled and acknowledged";
    for _ in scenario.rounds(ROUNDS, what) {
        let both = rates(&setup, scenario.count(EVENTS)).await?;
        let row = scenario.compare(what, "events/s", both, "a plain XREADGROUP loop");
        row.at_least(0.7);
    }
    Ok(())
}

/// Events a second from a queue of this size: ours, and the plain loop.
pub(crate) async fn rates(setup: &Setup, events: u32) -> Result<[f64; 2]> {
    setup.events(events).await?;
    let start = Instant::now();
    let all = worker::during(setup, async |starts| starts.wait_for(events).await);
    timeout(LIMIT, all).await??;
    let ours = per_second(events, start);
    let left = setup.queue.status().await?.waiting;
    ensure!(left == 0, "{left} events are still there");
    setup.clear().await?;
    setup.events(events).await?;
    let start = Instant::now();
    timeout(LIMIT, plain_loop(setup, events)).await??;
    let plain = per_second(events, start);
    setup.clear().await?;
    Ok([ours, plain])
}

/// The minimum of a queue over a stream: read, acknowledge, repeat.
async fn plain_loop(setup: &Setup, mut left: u32) -> Result<()> {
    let (queue, keys) = (&setup.queue, setup.queue.keys());
    let partition = keys.first();
    queue.ensure_group(partition).await?;
    let stream = keys.notify(partition);
    let mut connection = queue.redis().blocking(&stream, Duration::ZERO).await?;
    let options = StreamReadOptions::default().group(GROUP, "plain");
    let read = Cmd::xread_options(&[&stream], &[">"], &options.count(BATCH));
    while left > 0 {
        let reply: StreamReadReply = read.query_async(&mut connection).await?;
        let mut orders = Vec::new();
        let entries = reply.keys.into_iter().flat_map(|stream| stream.ids);
        let entries: Vec<_> = entries.collect();
        for entry in &entries {
            let body: String = entry.get("body").unwrap_or_default();
            let params = form::parse(body.as_bytes())?;
            let number = params.get("out_trade_no").map_or("", String::as_str);
            let number = number.parse()?;
            orders.extend([keys.order(&number), keys.failed(&number)]);
        }
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        left -= u32::try_from(ids.len())?;
        redis::pipe()
            .atomic()
            .del(orders)
            .xack(&stream, GROUP, &ids)
            .xdel(&stream, &ids)
            .exec_async(&mut connection)
            .await?;
    }
    Ok(())
}
