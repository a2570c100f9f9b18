//! The worker's health, metrics, and warnings about risky settings.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use heyi_common::{
    config, outage,
    redis::{MemoryGauges, Room, room},
    telemetry::{self, PROMETHEUS},
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Context, admission_gate::AdmissionGate, meters};

const PATIENCE: Duration = Duration::from_secs(3);

/// The worker's own HTTP server: `/healthz`, `/readyz`, `/metrics`.
pub(crate) struct Server {
    listener: TcpListener,
    context: Context,
    gate: AdmissionGate,
    metrics: telemetry::Metrics,
}

/// The state that the routes share.
#[derive(Clone)]
struct Handles {
    context: Context,
    gate: AdmissionGate,
    metrics: telemetry::Metrics,
    memory: Arc<MemoryGauges>,
}

impl Server {
    pub(crate) async fn bind(
        config: &config::Worker,
        context: Context,
        gate: AdmissionGate,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on worker.listen {}", config.listen))?;
        let address: SocketAddr = listener.local_addr().context("no address")?;
        tracing::info!(http.address = %address, "listening");
        let metrics = telemetry::metrics();
        meters::declare();
        Ok(Self {
            listener,
            context,
            gate,
            metrics,
        })
    }

    pub(crate) async fn serve(self, end: CancellationToken) {
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(Handles {
                context: self.context,
                gate: self.gate,
                metrics: self.metrics,
                memory: Arc::default(),
            });
        if let Err(error) = axum::serve(self.listener, routes)
            .with_graceful_shutdown(end.cancelled_owned())
            .await
        {
            tracing::error!(error = %error, "cannot serve health and metrics");
        }
    }
}

/// Returns 200 when Redis answers and the worker takes events, else 503 with the reason. Reports when Redis has no
/// memory for new orders. Returns 503 when Redis has no memory at all.
async fn readyz(State(handles): State<Handles>) -> Response {
    let Handles { context, gate, .. } = handles;
    let mut problems = Vec::new();
    let redis = context.queue.redis();
    if !matches!(timeout(PATIENCE, redis.ping()).await, Ok(Ok(()))) {
        problems.push("Redis does not answer".to_owned());
    }
    problems.extend(gate.problem().await);
    // Where INFO is forbidden, the memory usage is unknown.
    let masters = timeout(PATIENCE, redis.memory()).await;
    let masters = masters.ok().and_then(Result::ok).unwrap_or_default();
    let room = room(&masters, context.memory_share);
    if let Some(full) = room.problem().filter(|_| room == Room::Full) {
        problems.push(full);
    }
    if problems.is_empty() {
        let ok = || "ok".to_owned();
        room.problem().unwrap_or_else(ok).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.join("; ")).into_response()
    }
}

/// Returns the metrics of this process and of the queue.
async fn metrics(State(handles): State<Handles>) -> Response {
    let Handles {
        context,
        metrics,
        memory,
        ..
    } = handles;
    let redis = context.queue.redis();
    let (masters, status) = tokio::join!(
        timeout(PATIENCE, redis.memory()),
        timeout(PATIENCE, context.queue.status())
    );
    memory.tell(&masters.ok().and_then(Result::ok).unwrap_or_default());
    match status {
        Ok(Ok(status)) => meters::set_queue(Some(&status)),
        Ok(Err(error)) => {
            outage::report("cannot read the state of the queue", &error);
            meters::set_queue(None);
        }
        Err(_) => meters::set_queue(None),
    }
    ([(header::CONTENT_TYPE, PROMETHEUS)], metrics.render()).into_response()
}

/// Monitors whether the stores answer.
pub(crate) async fn watch_stores(context: Context, stop: CancellationToken) {
    let watch = outage::watch(context.queue.redis().clone(), context.store);
    Box::pin(stop.run_until_cancelled(watch)).await;
}

/// Warns at startup about settings that could lose a payment.
pub(crate) async fn warn_of_risks(context: Context, stop: CancellationToken) {
    stop.run_until_cancelled(context.queue.redis().warn_of_risks())
        .await;
    // A side task that ends before `stop` counts as a failure.
    stop.cancelled().await;
}
