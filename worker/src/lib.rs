//! The queue worker: it verifies notifies, promotes paid orders to codes, and retries what fails.
//!
//! [`run`] is the worker itself; [`operator`] has the operator's commands.

mod admission_gate;
mod aggregate;
mod blocks;
mod confirm;
mod context;
mod handle;
mod meters;
mod monitor;
mod promote;
mod retry_delay;

pub mod operator;

use std::time::Duration;

use anyhow::{Context as _, bail};
use apalis::{layers::WorkerBuilderExt, prelude::WorkerBuilder};
use heyi_common::{
    config::Config,
    installation::Installation,
    queue::{Consumer, backend::StreamBackend, confirms, due},
    watchdog::{self, Watchdog},
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::admission_gate::AdmissionGate;

pub use context::Context;
pub use handle::decide;

/// Processes the queue until `stop`, then drains the events in flight within `queue.drain_timeout`.
pub async fn run(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let context = Context::new(&config).await?;
    let ended = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (gate, open) = AdmissionGate::new(context.store.clone());
    let server = monitor::Server::bind(&config.worker, context.clone(), gate.clone()).await?;
    tasks.spawn(server.serve(ended.clone()));
    tasks.spawn(monitor::watch_stores(context.clone(), ended.clone()));
    let redis = context.queue.redis().clone();
    let watchdog = Watchdog::default();
    watchdog::announce_ready(ended.clone(), watchdog.clone(), Some(&config.redis))?;
    let store = context.store.clone();
    let installation = Installation::new(&config, redis, context.queue.keys(), store);
    let checked = stop
        .run_until_cancelled(installation.until_checked(|why| gate.starting(why)))
        .await;
    let result = match checked {
        Some(Ok(())) => {
            let work = work(context, &config, (gate, open), tasks, watchdog, stop);
            tokio::select! {
                worked = work => worked,
                error = installation.keep_checking() => Err(error.into()),
            }
        }
        Some(Err(error)) => Err(error.into()),
        None => Ok(()),
    };
    ended.cancel();
    result
}

async fn work(
    context: Context,
    config: &Config,
    (gate, open): (AdmissionGate, watch::Receiver<bool>),
    mut tasks: JoinSet<()>,
    watchdog: Watchdog,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (consumer, deliveries) = Consumer::new(
        context.queue.clone(),
        &config.queue,
        open.clone(),
        watchdog,
        stop.clone(),
    );
    for partition in context.queue.keys().partitions() {
        tasks.spawn(consumer.clone().read(partition));
    }
    tasks.spawn(consumer.clone().send_heartbeats());
    tasks.spawn(consumer.clone().take_over());
    tasks.spawn(due::watch(context.queue.clone(), stop.clone()));
    tasks.spawn(confirms::watch(context.queue.clone(), open, stop.clone()));
    tasks.spawn(gate.clone().watch(stop.clone()));
    tasks.spawn(aggregate::watch(context.clone(), stop.clone()));
    tasks.spawn(blocks::watch(context.clone(), stop.clone()));
    tasks.spawn(monitor::warn_of_risks(context.clone(), stop.clone()));
    tracing::info!(consumer = consumer.name(), "working");

    let name = consumer.name().to_owned();
    let worker = WorkerBuilder::new(name.as_str())
        .backend(StreamBackend::new(
            consumer,
            deliveries,
            handle::after_failure,
        ))
        .data(handle::Handler { context, gate })
        .catch_panic()
        .concurrency(config.queue.concurrency)
        .timeout(config.queue.timeout)
        .build(handle::handle);
    let work = Box::pin(worker.run_until(wait_for(stop.clone())));
    until_drained(work, tasks, &stop, config.queue.drain_timeout).await
}

async fn wait_for(stop: CancellationToken) -> std::io::Result<()> {
    stop.cancelled().await;
    Ok(())
}

/// Runs the worker. Fails if a side task ends early or the drain times out.
async fn until_drained(
    work: impl Future<Output = Result<(), apalis::prelude::WorkerError>>,
    mut tasks: JoinSet<()>,
    stop: &CancellationToken,
    drain_timeout: Duration,
) -> anyhow::Result<()> {
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(drain_timeout).await;
    };
    let side_task_ended = async {
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() || !stop.is_cancelled() {
                return ended;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        done = work => done.context("the worker ended"),
        () = too_long => bail!("events were still being worked on after {drain_timeout:?}; others take them over"),
        ended = side_task_ended => {
            ended.context("a task of the worker failed")?;
            bail!("a task of the worker ended by itself")
        }
    }
}
