//! The monitoring address: `/healthz`, `/readyz` and `/metrics`.
//!
//! `/readyz` queries both stores and `/metrics` renders every metric, so they are not public.

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use heyi_common::{
    config,
    redis::{Room, room},
    telemetry::PROMETHEUS,
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    http::error::{Error, redis_away},
    state::AppState,
};

/// The server on `http.monitor`.
pub(crate) struct Monitor(Option<TcpListener>);

impl Monitor {
    /// Listens on `http.monitor`, unless it is empty.
    pub(crate) async fn bind(config: &config::Http) -> anyhow::Result<Self> {
        let Some(address) = config.monitor else {
            return Ok(Self(None));
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on http.monitor {address}"))?;
        tracing::info!(http.address = %listener.local_addr()?, "monitor listening");
        Ok(Self(Some(listener)))
    }

    /// Serves until `end` is cancelled.
    pub(crate) async fn serve(self, state: AppState, end: CancellationToken) {
        let Some(listener) = self.0 else {
            return;
        };
        let routes = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .fallback(async || Error::NotFound)
            .method_not_allowed_fallback(async || Error::MethodNotAllowed)
            .with_state(state);
        let served = axum::serve(listener, routes).with_graceful_shutdown(end.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the monitor has stopped");
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Health {
    errcode: u16,
    errmsg: String,
}

/// Returns 200 while the process runs.
pub(crate) async fn healthz() -> Json<Health> {
    health(StatusCode::OK, "ok")
}

/// Returns 200 when Redis and MongoDB answer, else 503 with the store that does not. Reports when Redis has no memory
/// for new orders. Returns 503 when Redis has no memory at all.
async fn readyz(State(state): State<AppState>) -> Response {
    let (redis, mongo, memory) =
        tokio::join!(state.redis.ping(), state.store.ping(), state.redis.memory());
    match (redis, mongo) {
        (Ok(()), Ok(())) => {
            if let Err(error) = state.check_installed() {
                return error.into_response();
            }
        }
        (Ok(()), Err(error)) => return unavailable(state.store.explain(&error).await),
        (Err(error), Ok(())) => return redis_away(error).into_response(),
        (Err(redis), Err(mongo)) => {
            let mongo = state.store.explain(&mongo).await;
            return unavailable(format!("Redis did not answer: {redis}; {mongo}"));
        }
    }
    // Where INFO is forbidden, the memory usage is unknown.
    let room = room(
        &memory.unwrap_or_default(),
        state.config.orders.memory_share,
    );
    let problem = room.problem();
    match room {
        Room::Full => unavailable(problem.unwrap_or_default()),
        Room::Enough | Room::NoOrders { .. } => {
            health(StatusCode::OK, problem.unwrap_or_else(|| "ok".to_owned())).into_response()
        }
    }
}

fn unavailable(why: String) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    (status, health(status, why)).into_response()
}

fn health(status: StatusCode, errmsg: impl Into<String>) -> Json<Health> {
    Json(Health {
        errcode: status.as_u16(),
        errmsg: errmsg.into(),
    })
}

/// Returns the metrics of this process in the Prometheus format.
async fn metrics(State(state): State<AppState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}
