//! Health and metrics of the worker, and warnings about risky settings.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use heyi_common::{
    config,
    queue::status::Status,
    redis::{MemoryGauges, Room, room},
    telemetry,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Context, intake::Intake};

const PATIENCE: Duration = Duration::from_secs(3);

/// The worker's own HTTP server: `/healthz`, `/readyz`, `/metrics`.
pub(crate) struct Server {
    listener: TcpListener,
    context: Context,
    intake: Intake,
    metrics: PrometheusHandle,
}

/// What the routes share.
#[derive(Clone)]
struct Handles {
    context: Context,
    intake: Intake,
    metrics: PrometheusHandle,
    memory: Arc<MemoryGauges>,
}

impl Server {
    pub(crate) async fn bind(
        config: &config::Worker,
        context: Context,
        intake: Intake,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on worker.listen {}", config.listen))?;
        let address: SocketAddr = listener.local_addr().context("no address")?;
        tracing::info!(http.address = %address, "listening");
        Ok(Self {
            listener,
            context,
            intake,
            metrics: telemetry::metrics(),
        })
    }

    pub(crate) async fn serve(self, end: CancellationToken) {
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(Handles {
                context: self.context,
                intake: self.intake,
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

/// Answers 200 when Redis answers and events are taken, else 503 and why not. Says it when Redis has no room for new orders,
/// and answers 503 when it has none at all.
async fn readyz(State(handles): State<Handles>) -> Response {
    let Handles {
        context, intake, ..
    } = handles;
    let mut trouble = Vec::new();
    let redis = context.queue.redis();
    if !matches!(timeout(PATIENCE, redis.ping()).await, Ok(Ok(()))) {
        trouble.push("Redis does not answer".to_owned());
    }
    trouble.extend(intake.trouble().await);
    // Where INFO is forbidden, nobody knows.
    let masters = timeout(PATIENCE, redis.memory()).await;
    let masters = masters.ok().and_then(Result::ok).unwrap_or_default();
    let room = room(&masters, context.memory_share);
    if let Some(full) = room.trouble().filter(|_| room == Room::Full) {
        trouble.push(full);
    }
    if trouble.is_empty() {
        let ok = || "ok".to_owned();
        room.trouble().unwrap_or_else(ok).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, trouble.join("; ")).into_response()
    }
}

async fn metrics(State(handles): State<Handles>) -> String {
    let Handles {
        context,
        metrics,
        memory,
        ..
    } = handles;
    let masters = context.queue.redis().memory().await;
    memory.tell(&masters.unwrap_or_default());
    match context.queue.status().await {
        Ok(status) => gauge(&status),
        Err(error) => tracing::warn!(error = %error, "cannot read the state of the queue"),
    }
    metrics.run_upkeep();
    metrics.render()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating; these numbers are far below 2^52"
)]
fn gauge(status: &Status) {
    metrics::gauge!("heyi_queue_waiting").set(status.waiting as f64);
    metrics::gauge!("heyi_queue_oldest_seconds").set(status.oldest_ms.unwrap_or(0) as f64 / 1000.0);
    metrics::gauge!("heyi_queue_pending").set(status.pending.values().sum::<u64>() as f64);
    metrics::gauge!("heyi_queue_retries").set(status.retries as f64);
    metrics::gauge!("heyi_queue_confirms").set(status.confirms as f64);
    metrics::gauge!("heyi_queue_dead").set(status.dead as f64);
    metrics::gauge!("heyi_queue_rejected").set(status.rejected as f64);
}

/// Says loudly at start what could lose a payment.
pub(crate) async fn warn_of_risks(context: Context, stop: CancellationToken) {
    stop.run_until_cancelled(context.queue.redis().warn_of_risks())
        .await;
    // A side task that ends before it is told to counts as a failure.
    stop.cancelled().await;
}
