//! What else may pile up: retries that are due at once, events of a dead worker, dead letters.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use heyi_common::queue::Queue;
use heyi_testkit::world::World;
use tokio::time::{sleep, timeout};

use super::fill::Fill;
use crate::{
    memory::OfRedis,
    queue::{all, rate},
    report::{Row, Target},
    series::{Series, quantile_of},
    worker,
};

const MANY: u32 = 100_000;
/// A worker of the default settings holds 160. Each of these is claimed by itself, with a write to the disk.
const HELD: u32 = 5_000;
const FEW: u32 = 100;
/// What `dead list` shows when it is not told otherwise, and a head.
const LINES: usize = 51;
const LISTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_secs(300);
/// The longest that a write may take while retries are put back.
const LONGEST_WRITE_MS: f64 = 100.0;

/// Measures them, one after the other.
pub(super) async fn measure(world: &World, fill: &Fill) -> Result<Vec<Row>> {
    let mut rows = due(fill).await?;
    rows.push(taken_over(fill).await?);
    rows.push(listed(world, fill).await?);
    Ok(rows)
}

async fn due(fill: &Fill) -> Result<Vec<Row>> {
    println!("backlog: {MANY} retries due at once");
    let redis = fill.queue.redis();
    let before = OfRedis::read(redis).await?;
    fill.due(MANY).await?;
    let ended = AtomicBool::new(false);
    let start = Instant::now();
    let work = async {
        let drained = worker::beside(&fill.queue, async |starts| {
            all(starts, MANY).await?;
            Ok(rate(MANY, start))
        });
        let rate = timeout(LIMIT, drained).await;
        ended.store(true, Ordering::Relaxed);
        rate.context("they do not drain")?
    };
    let (rate, writes) = tokio::join!(work, writes(&fill.queue, &ended));
    let (rate, writes) = (rate?, writes?);
    let status = fill.queue.status().await?;
    ensure!(
        status.waiting + status.retries == 0,
        "some are left: {status:?}"
    );
    let after = OfRedis::read(redis).await?;
    let what = format!("{MANY} retries due at once");
    let row =
        |of: &str, unit, value| Row::new(format!("{what}: {of}"), unit, Series::new(vec![value]));
    Ok(vec![
        row("handled and acknowledged", "events/s", rate),
        row(
            "p99 of another's write meanwhile",
            "ms",
            quantile_of(&writes, 0.99),
        )
        .target(Target::Below(LONGEST_WRITE_MS)),
        row(
            "used_memory of Redis above that before",
            "KiB",
            (after.used_mib - before.used_mib) * 1024.0,
        ),
    ])
}

/// How long a write takes in ms, again and again.
async fn writes(queue: &Queue, ended: &AtomicBool) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let start = Instant::now();
        redis::cmd("SET")
            .arg("bench")
            .arg(1)
            .exec_async(&mut queue.redis().shared())
            .await?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        sleep(PAUSE).await;
    }
    Ok(times)
}

async fn taken_over(fill: &Fill) -> Result<Row> {
    println!("backlog: {HELD} events of a dead worker");
    fill.held(HELD).await?;
    let drained = worker::beside(&fill.queue, async |starts| {
        // It lets others send heartbeats first.
        all(starts, 1).await?;
        let start = Instant::now();
        all(starts, HELD - 1).await?;
        Ok(rate(HELD - 1, start))
    });
    let rate = timeout(LIMIT, drained).await.context("they stay")??;
    let what = format!("{HELD} events of a dead worker: taken over, handled and acknowledged");
    Ok(Row::new(what, "events/s", Series::new(vec![rate])))
}

async fn listed(world: &World, fill: &Fill) -> Result<Row> {
    let mut times = Vec::new();
    for count in [FEW, MANY] {
        println!("backlog: {count} dead letters");
        fill.dead(count).await?;
        let mut rounds = Vec::new();
        for _ in 0..LISTS {
            let start = Instant::now();
            let output = world.operate(&["dead", "list"]).await?;
            rounds.push(start.elapsed().as_secs_f64() * 1000.0);
            let lines = String::from_utf8(output.stdout)?.lines().count();
            ensure!(lines == LINES, "{lines} lines, not {LINES}");
        }
        times.push(Series::new(rounds));
        fill.bury_no_more().await?;
    }
    let [few, many] = <[Series; 2]>::try_from(times).ok().context("two counts")?;
    Ok(
        Row::new(format!("`dead list` with {MANY} dead letters"), "ms", many)
            .beside("with 100", few)
            .target(Target::RatioAtMost(1.5)),
    )
}
