//! The monitoring address: `/healthz`, `/readyz` and `/metrics`.
//!
//! `/readyz` asks both stores and `/metrics` renders every metric, so the public address does not serve them.

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use heyi_common::config;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, redis_away},
    state::AppState,
};

/// The text format that Prometheus reads.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The server at `http.monitor`.
pub(crate) struct Monitor(Option<TcpListener>);

impl Monitor {
    /// Listens at `http.monitor`, unless it is empty.
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
pub(crate) struct Healthy {
    errcode: u16,
    errmsg: &'static str,
}

/// Answers 200 while the process runs.
pub(crate) async fn healthz() -> Json<Healthy> {
    Json(Healthy {
        errcode: 200,
        errmsg: "ok",
    })
}

/// Answers 200 when Redis and MongoDB answer, else 503 with the store that does not.
async fn readyz(State(state): State<AppState>) -> Result<Json<Healthy>, Error> {
    let (redis, mongo) = tokio::join!(state.redis.ping(), state.store.ping());
    match (redis, mongo) {
        (Ok(()), Ok(())) => {
            state.check_installed()?;
            Ok(healthz().await)
        }
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(redis_away(error)),
        (Err(redis), Err(mongo)) => Err(Error::Unavailable {
            what: "Redis and MongoDB",
            source: anyhow::anyhow!("{redis}; {mongo}"),
        }),
    }
}

/// Answers the metrics of this process in the format of Prometheus.
async fn metrics(State(state): State<AppState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}
