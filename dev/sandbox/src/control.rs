//! `/sandbox/…`: the knobs and the ledger, for developers and tests.

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::context::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sandbox/knobs", get(knobs).put(set_knobs))
        .route("/sandbox/ledger", get(ledger))
        .route("/sandbox/reset", post(reset))
}

async fn knobs(State(ctx): State<Shared>) -> Response {
    Json(ctx.books().knobs.clone()).into_response()
}

/// Sets the knobs that the body names and keeps the others.
async fn set_knobs(State(ctx): State<Shared>, body: Bytes) -> Response {
    let changes = serde_json::from_slice(&body);
    match changes.and_then(|changes| ctx.set_knobs(|knobs| knobs.with(changes))) {
        Ok(knobs) => Json(knobs).into_response(),
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(serde_json::json!({"errcode": 400, "errmsg": error.to_string()})),
        )
            .into_response(),
    }
}

async fn ledger(State(ctx): State<Shared>) -> Response {
    Json(ctx.books().ledger()).into_response()
}

async fn reset(State(ctx): State<Shared>) -> StatusCode {
    ctx.reset();
    StatusCode::NO_CONTENT
}
