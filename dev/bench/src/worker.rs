//! A worker as `heyi-worker` builds it, around a handler that does nothing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use apalis::{
    layers::WorkerBuilderExt as _,
    prelude::{BoxDynError, Data, WorkerBuilder},
};
use heyi_common::{
    config,
    queue::{Consumer, Delivery, Outcome, Queue, backend::StreamBackend, due},
    watchdog::Watchdog,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How many handlers run at the same time: the default of `queue.concurrency`.
pub(crate) const CONCURRENCY: usize = 256;
/// The default of `queue.timeout`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Receives when each handler started.
pub(crate) type Starts = mpsc::UnboundedReceiver<Instant>;

/// Runs `scenario` beside a worker over the whole queue, until it and all that was handled are done.
pub(crate) async fn beside<T>(
    queue: &Queue,
    scenario: impl AsyncFnOnce(&mut Starts) -> Result<T>,
) -> Result<T> {
    let stop = CancellationToken::new();
    let (begun, mut starts) = mpsc::unbounded_channel();
    let work = run(queue.clone(), begun, stop.clone());
    let scenario = async {
        let result = scenario(&mut starts).await;
        stop.cancel();
        result
    };
    // In one task, as `heyi-worker` does: its handlers have tasks of their own.
    let (work, result) = tokio::join!(work, scenario);
    work?;
    result
}

async fn run(
    queue: Queue,
    begun: mpsc::UnboundedSender<Instant>,
    stop: CancellationToken,
) -> Result<()> {
    let (_intake, open) = watch::channel(true);
    let settings = config::Queue {
        concurrency: CONCURRENCY,
        partitions: 1,
        timeout: TIMEOUT,
        missing_for: TIMEOUT,
        drain_timeout: TIMEOUT,
    };
    let (consumer, deliveries) = Consumer::new(
        queue.clone(),
        &settings,
        open,
        Watchdog::default(),
        stop.clone(),
    );
    for partition in queue.keys().partitions() {
        tokio::spawn(consumer.clone().read(partition));
    }
    tokio::spawn(consumer.clone().send_heartbeats());
    tokio::spawn(consumer.clone().take_over());
    tokio::spawn(due::watch(queue, stop.clone()));
    let worker = WorkerBuilder::new("bench")
        .backend(StreamBackend::new(consumer, deliveries, after_failure))
        .data(begun)
        .catch_panic()
        .concurrency(CONCURRENCY)
        .timeout(TIMEOUT)
        .build(handle);
    let stopped = async move {
        stop.cancelled().await;
        std::io::Result::Ok(())
    };
    worker.run_until(stopped).await.context("the worker ended")
}

/// Its outcome is the one that costs the queue most: the order goes as well.
async fn handle(
    delivery: Delivery,
    begun: Data<mpsc::UnboundedSender<Instant>>,
) -> Result<Outcome, BoxDynError> {
    begun.send(Instant::now())?;
    Ok(delivery
        .event
        .out_trade_no()
        .map_or(Outcome::Nothing, Outcome::Promoted))
}

fn after_failure(_: &Delivery, _: &BoxDynError) -> Outcome {
    Outcome::Nothing
}
