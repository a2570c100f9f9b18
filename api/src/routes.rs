//! The route table, and what is around every route.

mod check_order;
mod del;
mod login;
mod new_order;
mod notify;
mod ops;
mod qr;
mod qr_picture;
mod reflash;

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::Error, limit::limit, openapi, present, state::AppState, track::track};

/// The whole API as one value. It wants to be told the peer's address (`ConnectInfo<SocketAddr>`).
pub fn router(state: AppState) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(login::login))
        .routes(routes!(qr::qr))
        .routes(routes!(qr_picture::qr_picture))
        .routes(routes!(reflash::reflash))
        .routes(routes!(del::del))
        .routes(routes!(new_order::new_order))
        .routes(routes!(notify::notify))
        .routes(routes!(check_order::check_order))
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .split_for_parts();
    let document = openapi::finish(document)
        .to_pretty_json()
        .unwrap_or_default();
    let routes = routes.route(
        "/openapi.json",
        get(async move || openapi::answer(document.clone())),
    );
    around(routes, &state).with_state(state)
}

/// From the outside in: counting, format of failures, panics, time limit, rate limit.
fn around(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        // `params::read_body` has the limit.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), limit))
        .layer(from_fn_with_state(
            state.config.http.request_timeout,
            present::within,
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), present::present))
        .layer(from_fn(track))
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Error::Panicked.into_response()
}

#[cfg(test)]
mod tests;
