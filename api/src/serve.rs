//! Listening, and what happens beside it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum_server::{Handle, accept::NoDelayAcceptor};
use heyi_common::{config::Config, shutdown};
use hyper_util::rt::TokioTimer;
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{routes::router, state::AppState};

/// What requests may take to finish when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled and what was begun has ended.
pub async fn serve(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let listen = config.http.listen;
    let header_timeout = config.http.header_timeout;
    let state = AppState::new(config).await?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen}"))?;
    tracing::info!(http.address = %listener.local_addr()?, "listening");
    start_side_tasks(&state, &stop);
    shutdown::announce_ready(stop.clone());

    let handle = Handle::new();
    tokio::spawn(drain(stop.clone(), handle.clone()));
    let mut server = axum_server::from_tcp(listener.into_std()?)?
        .handle(handle)
        .acceptor(NoDelayAcceptor)
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_LIMIT);
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    let outcome = server.serve(service).await.context("serve");
    stop.cancel();
    tracing::info!("stopped");
    outcome
}

async fn warn_of_redis(state: AppState) {
    state.redis.warn_of_risks().await;
}

async fn drain(stop: CancellationToken, handle: Handle<SocketAddr>) {
    stop.cancelled().await;
    handle.graceful_shutdown(Some(DRAIN));
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
    ];
    // They end by themselves or with `stop`.
    drop(tasks);
}

/// Keeps the memory of the rate limit and of the metrics bounded.
async fn sweep(state: AppState) {
    loop {
        sleep(SWEEP_EVERY).await;
        state.limit.sweep();
        state.metrics.run_upkeep();
    }
}

/// Makes the indexes as soon as MongoDB is there.
async fn make_indexes(state: AppState) {
    loop {
        match state.store.ensure_indexes().await {
            Ok(()) => return,
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the indexes cannot be made yet"
                );
            }
        }
        sleep(RETRY_EVERY).await;
    }
}
