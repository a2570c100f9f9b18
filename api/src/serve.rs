//! Listening, and what happens beside it.

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
/// What the scans of the last moment may take to be counted.
const LAST_FLUSH: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled and what was begun has ended.
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
    // Until nothing is served any more, so that a slow end can be watched.
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

/// Compares the settings with those of the installation, also later. A process that differs ends.
async fn check_installation(state: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let (redis, store) = (state.redis.clone(), state.store.clone());
    let installation = Installation::new(&state.config, redis, state.queue.keys(), store);
    let differs = async {
        // Redis's record is enough for orders and notifies, which need nothing of MongoDB.
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

/// One thread for each core.
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

/// Gives connections to the threads in turn.
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
                // Where there are too many, some must end first.
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Some(open) = connections.open(peer.ip()) else {
            continue;
        };
        // A client that has left already shows when it is read from.
        let _ = stream.set_nodelay(true);
        let thread = threads.next().context("there are no threads")?;
        thread.serve((stream.into_std()?, peer, open)).await?;
    }
}

/// The scans of the last moment.
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
    // They end by themselves or with `stop`.
    drop(tasks);
}

/// Keeps the memory of the rate limit and of the metrics bounded.
async fn sweep(state: AppState) {
    loop {
        sleep(SWEEP_EVERY).await;
        state.limit.sweep();
        state.budgets.sweep();
        state.metrics.run_upkeep();
    }
}

/// Makes the indexes as soon as MongoDB is there.
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
