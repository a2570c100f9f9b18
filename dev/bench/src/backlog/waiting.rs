//! One size of backlog: what api, worker and Redis need while so many events wait, and afterwards.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use heyi_common::{config::Process, http};
use heyi_testkit::world::{Service, World, eventually};
use tokio::time::timeout;

use super::{
    fill::{Fill, REPEATED},
    reads::Reads,
};
use crate::{
    http::{load, requests},
    memory::{self, OfRedis},
    queue::{all, rate},
    series::quantile_of,
    worker,
};

/// Of the backlog, these come through the api.
const THROUGH_THE_API: u32 = 5_000;
/// Of the backlog, the released worker handles these, each with a read from MongoDB.
const WITH_MONGO: u64 = 4_000;
const SCRAPES: u32 = 20;
const LIMIT: Duration = Duration::from_secs(300);

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) api_mib: f64,
    pub(super) worker_mib: f64,
    pub(super) worker_peak_mib: f64,
    pub(super) scrape_ms: f64,
    pub(super) read_ms: f64,
    pub(super) per_second: f64,
    pub(super) redis_full_mib: f64,
    pub(super) redis_left_kib: f64,
    pub(super) redis_resident_mib: f64,
}

/// Builds a backlog of `size`, has the worker begin on it, and drains the rest with a handler that does nothing.
/// Drains it `drains` times in all, so that few events make enough reads too.
pub(super) async fn one(
    world: &World,
    fill: &Fill,
    reads: &Reads,
    size: u32,
    drains: u32,
) -> Result<Seen> {
    let redis = fill.queue.redis();
    let before = OfRedis::read(redis).await?;
    let api = world.api().await?;
    fill.stream(size - THROUGH_THE_API).await?;
    through_the_api(world).await?;
    let api_mib = memory::resident_mib(&api)?;
    api.stop().await?;
    let at_most = OfRedis::read(redis).await?;
    let (worker_mib, worker_peak_mib, scrape_ms) = begin(world, fill).await?;
    let mut per_second = drain(fill).await?;
    for _ in 1..drains {
        fill.stream(size).await?;
        per_second = drain(fill).await?;
    }
    let after = OfRedis::read(redis).await?;
    Ok(Seen {
        api_mib,
        worker_mib,
        worker_peak_mib,
        scrape_ms,
        read_ms: quantile_of(&reads.take(), 0.99),
        per_second,
        redis_full_mib: at_most.used_mib,
        redis_left_kib: (after.used_mib - before.used_mib) * 1024.0,
        redis_resident_mib: after.resident_mib,
    })
}

async fn through_the_api(world: &World) -> Result<()> {
    let config = world.config(Process::Api)?;
    let notify = requests::notify(&config, REPEATED);
    let notifies = vec![notify; usize::try_from(THROUGH_THE_API)?];
    load::rate(config.http.listen, &Arc::new(notifies)).await?;
    Ok(())
}

/// The released worker begins on the backlog. Its memory then, the most it had, and the time of a scrape.
async fn begin(world: &World, fill: &Fill) -> Result<(f64, f64, f64)> {
    let waiting = fill.queue.status().await?.waiting;
    let worker = world.worker().await?;
    eventually("some events to be handled", async || {
        Ok(fill.queue.status().await?.waiting + WITH_MONGO <= waiting)
    })
    .await?;
    let scrape = scrape(&worker).await?;
    let resident = memory::resident_mib(&worker)?;
    let peak = memory::peak_mib(&worker)?;
    let ended = worker.stop().await?;
    ensure!(ended.success(), "the worker ended with {ended}");
    Ok((resident, peak, scrape))
}

async fn scrape(worker: &Service) -> Result<f64> {
    let client = http::client()?;
    let url = format!("{}/metrics", worker.url());
    let mut times = Vec::new();
    for _ in 0..SCRAPES {
        let start = Instant::now();
        let text = client.get(&url).send().await?.text().await?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        ensure!(text.contains("heyi_queue_waiting"), "no gauges: {text}");
    }
    Ok(quantile_of(&times, 0.5))
}

/// Drains the queue. Events a second, but for those that the worker before gave back: their takeover waits.
pub(super) async fn drain(fill: &Fill) -> Result<f64> {
    let status = fill.queue.status().await?;
    let given_back = status.pending.get("released").copied().unwrap_or(0);
    let free = u32::try_from(status.waiting - given_back)?;
    let start = Instant::now();
    let drained = worker::beside(&fill.queue, async |starts| {
        all(starts, free).await?;
        let rate = rate(free, start);
        all(starts, u32::try_from(given_back)?).await?;
        Ok(rate)
    });
    let rate = timeout(LIMIT, drained)
        .await
        .context("it does not drain")??;
    let left = fill.queue.status().await?.waiting;
    ensure!(left == 0, "{left} events are still there");
    Ok(rate)
}
