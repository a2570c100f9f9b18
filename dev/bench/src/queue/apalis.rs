//! The other side: `apalis-redis`, with a handler that does as little as ours and the same layers.

use std::{io, time::Instant};

use anyhow::{Context as _, Result, ensure};
use apalis::{
    layers::WorkerBuilderExt as _,
    prelude::{BoxDynError, Data, TaskSink as _, WorkerBuilder},
};
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{all, rate};
use crate::worker::{CONCURRENCY, TIMEOUT};

const QUEUE: &str = "bench";

/// As it comes.
pub(super) fn plain() -> Config {
    Config::default().queue(QUEUE)
}

/// Fetching as many as can be worked on, and without what a worker can do without. Not without
/// `persist_results`: then it acknowledges nothing.
pub(super) fn tuned() -> Config {
    plain()
        .batch_size(CONCURRENCY)
        .lock_tasks(false)
        .emit_events(false)
}

/// Fills its queue, then empties it. Jobs a second of the second.
pub(super) async fn drain(url: &str, config: Config, bodies: Vec<String>) -> Result<f64> {
    let jobs = u32::try_from(bodies.len())?;
    let mut connection = apalis_redis::connect(url).await?;
    let mut storage = RedisStorage::new(connection.clone()).with_config(config.clone());
    for body in bodies {
        storage.push(body).await?;
    }
    let (begun, mut starts) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let start = Instant::now();
    let scenario = async {
        let result = all(&mut starts, jobs).await;
        stop.cancel();
        result
    };
    let (work, result) = tokio::join!(work(storage, begun, stop.clone()), scenario);
    work?;
    result?;
    let rate = rate(jobs, start);
    let done: u32 = redis::cmd("SCARD")
        .arg(config.done_jobs_set())
        .query_async(&mut connection)
        .await?;
    ensure!(done == jobs, "only {done} of {jobs} jobs are done");
    Ok(rate)
}

async fn work(
    storage: RedisStorage<String, ConnectionManager>,
    begun: mpsc::UnboundedSender<Instant>,
    stop: CancellationToken,
) -> Result<()> {
    let worker = WorkerBuilder::new("bench")
        .backend(storage)
        .data(begun)
        .catch_panic()
        .timeout(TIMEOUT)
        .concurrency(CONCURRENCY)
        .build(handle);
    let stopped = async move {
        stop.cancelled().await;
        io::Result::Ok(())
    };
    worker.run_until(stopped).await.context("the worker ended")
}

async fn handle(_: String, begun: Data<mpsc::UnboundedSender<Instant>>) -> Result<(), BoxDynError> {
    begun.send(Instant::now())?;
    Ok(())
}
