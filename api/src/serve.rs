//! The listener and the background tasks.

mod connections;
mod paced;
mod patience;
mod thread;

use std::{convert::Infallible, time::Duration};

use anyhow::Context;
use heyi_common::{
    config::Config,
    installation::Installation,
    outage,
    watchdog::{self, Watchdog},
};
use tokio::{
    net::TcpListener,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    connections::Connections,
    thread::{Thread, end},
};
use crate::{
    http::{monitor::Monitor, untrusted_proxy},
    pictures::cpu_permits::processors,
    state::AppState,
};

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Timeout of the last flush of scan counts.
const LAST_FLUSH: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled and all requests in flight have ended.
pub async fn serve(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    for warning in config.warnings() {
        tracing::warn!(once = true, "{warning}");
    }
    let listen = config.http.listen;
    let monitor = Monitor::bind(&config.http).await?;
    let state = AppState::new(config).await?;
    let listener = paced::listen(listen).with_context(|| format!("listen on {listen}"))?;
    tracing::info!(http.address = %listener.local_addr()?, "listening");
    let ended = CancellationToken::new();
    // Runs until all requests have ended, so that a slow shutdown can be monitored.
    tokio::spawn(monitor.serve(state.clone(), ended.clone()));
    let _ended = ended.drop_guard();
    start_side_tasks(&state, &stop);
    let refused = tokio::spawn(check_installation(state.clone(), stop.clone()));
    let watchdog = Watchdog::default();
    let threads = start_threads(&state, &stop, &watchdog)?;
    watchdog::announce_ready(stop.clone(), watchdog, None)?;

    let connections = Connections::new(&state.config.http);
    let accepting = accept(&listener, &connections, &threads);
    let accepting = stop.run_until_cancelled(accepting).await;
    stop.cancel();
    drop(listener);
    let ended = spawn_blocking(|| end(threads)).await;
    flush_scans(&state).await;
    tracing::info!("stopped");
    ended.context("wait for the threads")??;
    refused.await.context("compare the settings")??;
    accepting.transpose().map(|_| ())
}

/// Compares the settings with those of the installation, at startup and periodically. Stops the process when they
/// differ.
async fn check_installation(state: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let (redis, store) = (state.redis.clone(), state.store.clone());
    let installation = Installation::new(&state.config, redis, state.queue.keys(), store);
    let differs = async {
        // Redis's record is enough for orders and notifies, which do not need MongoDB.
        let agreed = async {
            installation.until_redis_agrees().await?;
            state.set_installed();
            Ok(())
        };
        match tokio::try_join!(agreed, installation.until_checked(|_| {})) {
            Ok(_) => installation.keep_checking().await,
            Err(error) => error,
        }
    };
    let Some(error) = stop.run_until_cancelled(differs).await else {
        return Ok(());
    };
    stop.cancel();
    Err(error.into())
}

/// Starts one thread for each core.
fn start_threads(
    state: &AppState,
    stop: &CancellationToken,
    watchdog: &Watchdog,
) -> anyhow::Result<Vec<Thread>> {
    (0..processors())
        .map(|number| {
            let name = format!("http-{number}");
            let pulse = watchdog.part("http", &name);
            Thread::start(name, state, stop.clone(), pulse)
        })
        .collect()
}

/// Distributes connections round-robin over the threads.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    threads: &[Thread],
) -> anyhow::Result<Infallible> {
    let mut threads = threads.iter().cycle();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                // When too many are open, wait for some to end.
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Some(open) = connections.open(peer.ip()) else {
            continue;
        };
        // If the client has already disconnected, the first read reports it.
        let _ = stream.set_nodelay(true);
        let thread = threads.next().context("there are no threads")?;
        thread.serve((stream.into_std()?, peer, open)).await?;
    }
}

/// Flushes the scans counted since the last flush.
async fn flush_scans(state: &AppState) {
    let flushed = timeout(LAST_FLUSH, state.counter.flush()).await;
    let flushed = flushed.map_err(anyhow::Error::from);
    if let Err(error) = flushed.and_then(|flushed| Ok(flushed?)) {
        outage::report("the last scans are not counted", error.as_ref());
    }
}

async fn keep_flushing_scans(state: AppState) {
    state.counter.keep_flushing().await;
}

async fn warn_of_redis(state: AppState) {
    state.redis.warn_of_risks().await;
}

async fn watch_room(state: AppState) {
    let share = state.config.orders.memory_share;
    state.room.watch(&state.redis, share).await;
}

async fn watch_stores(state: AppState) {
    Box::pin(outage::watch(state.redis.clone(), state.store.clone())).await;
}

async fn watch_codes(state: AppState) {
    state.codes.watch(&state.store).await;
}

fn start_side_tasks(state: &AppState, stop: &CancellationToken) {
    let tasks = [
        tokio::spawn(stop.clone().run_until_cancelled_owned(sweep(state.clone()))),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(warn_of_redis(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(make_indexes(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(keep_flushing_scans(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(watch_codes(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(untrusted_proxy::keep_noting(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(watch_room(state.clone())),
        ),
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(watch_stores(state.clone())),
        ),
    ];
    // They end by themselves or when `stop` is cancelled.
    drop(tasks);
}

/// Bounds the memory of the rate limit and of the metrics.
async fn sweep(state: AppState) {
    loop {
        sleep(SWEEP_EVERY).await;
        state.limit.sweep();
        state.budgets.sweep();
        state.metrics.run_upkeep();
    }
}

/// Creates the indexes as soon as MongoDB is available.
async fn make_indexes(state: AppState) {
    loop {
        let Err(error) = state.store.ensure_indexes().await else {
            return;
        };
        let why = state.store.explain(&error).await;
        outage::report_explained("the indexes cannot be made yet", &error, &why);
        sleep(RETRY_EVERY).await;
    }
}
