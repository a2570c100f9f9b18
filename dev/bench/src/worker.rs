//! A worker as `heyi-worker` builds it, with an empty handler.

use std::time::Instant;

use anyhow::{Context as _, Result};
use apalis::{
    layers::WorkerBuilderExt as _,
    prelude::{BoxDynError, Data, WorkerBuilder},
};
use heyi_common::{
    queue::{Consumer, Delivery, Outcome, backend::StreamBackend, due},
    watchdog::Watchdog,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::frame::Setup;

/// Sends the start time of each handler.
type Started = mpsc::UnboundedSender<Instant>;

/// Receives the start time of each handler.
pub(crate) struct Starts(mpsc::UnboundedReceiver<Instant>);

impl Starts {
    pub(crate) async fn next(&mut self) -> Result<Instant> {
        self.0.recv().await.context("the worker ended")
    }

    /// Waits until `count` handlers have started.
    pub(crate) async fn wait_for(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            self.next().await?;
        }
        Ok(())
    }
}

/// Runs `work` while a worker drains the queue. Ends once `work` and all events in flight are done.
pub(crate) async fn during<T>(
    setup: &Setup,
    work: impl AsyncFnOnce(&mut Starts) -> Result<T>,
) -> Result<T> {
    let stop = CancellationToken::new();
    let (started, starts) = mpsc::unbounded_channel();
    let work = async {
        let result = work(&mut Starts(starts)).await;
        stop.cancel();
        result
    };
    // In one task, as in `heyi-worker`. Its handlers have their own tasks.
    let (ended, result) = tokio::join!(run(setup, started, stop.clone()), work);
    ended?;
    result
}

async fn run(setup: &Setup, started: Started, stop: CancellationToken) -> Result<()> {
    let (_gate, open) = watch::channel(true);
    let (queue, settings) = (setup.queue.clone(), &setup.config.queue);
    let watchdog = Watchdog::default();
    let (consumer, deliveries) =
        Consumer::new(queue.clone(), settings, open, watchdog, stop.clone());
    for partition in queue.keys().partitions() {
        tokio::spawn(consumer.clone().read(partition));
    }
    tokio::spawn(consumer.clone().send_heartbeats());
    tokio::spawn(consumer.clone().take_over());
    tokio::spawn(due::watch(queue, stop.clone()));
    let worker = WorkerBuilder::new("bench")
        .backend(StreamBackend::new(consumer, deliveries, after_failure))
        .data(started)
        .catch_panic()
        .concurrency(settings.concurrency)
        .timeout(settings.timeout)
        .build(handle);
    let stopped = async move {
        stop.cancelled().await;
        std::io::Result::Ok(())
    };
    worker.run_until(stopped).await.context("the worker ended")
}

/// Returns the outcome that costs the queue most: it also removes the order.
async fn handle(delivery: Delivery, started: Data<Started>) -> Result<Outcome, BoxDynError> {
    started.send(Instant::now())?;
    let out_trade_no = delivery.event.out_trade_no();
    Ok(out_trade_no.map_or(Outcome::Nothing, Outcome::Promoted))
}

fn after_failure(_: &Delivery, _: &BoxDynError) -> Outcome {
    Outcome::Nothing
}
