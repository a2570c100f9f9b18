//! `/healthz`, `/readyz` and `/metrics`: for those who watch over the process.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{Error, redis_away},
    state::AppState,
};

/// The text format that Prometheus reads.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Serialize, ToSchema)]
pub(super) struct Well {
    errcode: u16,
    errmsg: &'static str,
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Well)))]
pub(super) async fn healthz() -> Json<Well> {
    Json(Well {
        errcode: 200,
        errmsg: "ok",
    })
}

/// Says whether Redis and MongoDB answer; when not, 503 and which.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Well)))]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<Json<Well>, Error> {
    let (redis, mongo) = tokio::join!(state.redis.ping(), state.store.ping());
    match (redis, mongo) {
        (Ok(()), Ok(())) => Ok(healthz().await),
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(redis_away(error)),
        (Err(redis), Err(mongo)) => Err(Error::Unavailable {
            what: "Redis and MongoDB",
            source: anyhow::anyhow!("{redis}; {mongo}"),
        }),
    }
}

/// Tells the metrics of this process, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}
