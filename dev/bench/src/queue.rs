//! How fast a worker empties a full queue, beside apalis' own Redis backend and a plain loop on the same Redis.

mod apalis;
mod heyi;
mod plain;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use heyi_common::config::Process;
use heyi_testkit::world::World;
use tokio::time::timeout;

use crate::{
    notify::notify,
    report::{Row, Target},
    series::Series,
    server,
    worker::Starts,
};

const ROUNDS: u32 = 5;
const EVENTS: u32 = 20_000;
/// Fewer, since its script fails when about 8,000 jobs wait.
const JOBS: u32 = 5_000;
const LIMIT: Duration = Duration::from_secs(120);

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let queue = world.queue()?;
    let redis = queue.redis();
    let url = world.setting("HEYI_REDIS__URL");
    let payjs = world.config(Process::Worker)?.payjs;
    let bodies: Vec<String> = (0..JOBS).map(|number| notify(&payjs, number).1).collect();
    let (mut ours, mut plain, mut tuned, mut bare) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        println!("queue: round {round} of {ROUNDS}");
        ours.push(timeout(LIMIT, heyi::drain(&queue, &payjs, EVENTS)).await??);
        server::clear(redis).await?;
        plain.push(timeout(LIMIT, apalis::drain(url, apalis::plain(), bodies.clone())).await??);
        server::clear(redis).await?;
        tuned.push(timeout(LIMIT, apalis::drain(url, apalis::tuned(), bodies.clone())).await??);
        server::clear(redis).await?;
        bare.push(timeout(LIMIT, plain::drain(&queue, &payjs, EVENTS)).await??);
        server::clear(redis).await?;
    }
    let [ours, plain, tuned, bare] = [ours, plain, tuned, bare].map(Series::new);
    let what = "waiting events, handled and acknowledged";
    Ok(vec![
        Row::new(what, "events/s", ours.clone())
            .beside("apalis-redis", plain)
            .target(Target::RatioAtLeast(5.0)),
        Row::new(what, "events/s", ours.clone()).beside("apalis-redis, tuned", tuned),
        Row::new(what, "events/s", ours)
            .beside("a plain XREADGROUP loop", bare)
            .target(Target::RatioAtLeast(0.7)),
    ])
}

/// Events a second out of a queue of so many, in relation to a plain loop.
pub(crate) async fn beside_plain(world: &World, events: u32) -> Result<f64> {
    let queue = world.queue()?;
    let payjs = world.config(Process::Worker)?.payjs;
    let ours = heyi::drain(&queue, &payjs, events).await?;
    server::clear(queue.redis()).await?;
    let bare = plain::drain(&queue, &payjs, events).await?;
    server::clear(queue.redis()).await?;
    Ok(ours / bare)
}

/// Waits until `count` handlers have started.
pub(crate) async fn all(starts: &mut Starts, count: u32) -> Result<()> {
    for _ in 0..count {
        starts.recv().await.context("the worker ended")?;
    }
    Ok(())
}

/// So many a second since `start`.
pub(crate) fn rate(count: u32, start: Instant) -> f64 {
    f64::from(count) / start.elapsed().as_secs_f64()
}
