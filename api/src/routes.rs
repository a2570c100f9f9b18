//! The route table and the middleware.

mod changes;
mod check_order;
mod decode;
mod del;
mod login;
mod new_order;
mod notify;
mod qr;
mod qr_picture;
mod qr_poster;
#[cfg(test)]
mod readings;
mod reflash;
mod report;
mod stats;
mod update;

use std::{net::SocketAddr, panic::AssertUnwindSafe};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::FutureExt;
use tokio::time::timeout;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{client_ip, error::Error, monitor, openapi, request_metrics::RequestMetrics, respond},
    meters,
    state::AppState,
};

/// Codes are shared by their owners; search engines must not index them.
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// The whole API as one value. It needs the peer's address (`ConnectInfo<SocketAddr>`).
pub fn router(state: AppState) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(login::login))
        .routes(routes!(qr::qr))
        .routes(routes!(qr_picture::qr_picture))
        .routes(routes!(qr_poster::poster_svg))
        .routes(routes!(qr_poster::poster_png))
        .routes(routes!(report::report_form, report::report))
        .routes(routes!(reflash::reflash))
        .routes(routes!(del::del))
        .routes(routes!(update::update))
        .routes(routes!(changes::changes))
        .routes(routes!(stats::stats))
        .routes(routes!(new_order::new_order))
        .routes(routes!(notify::notify))
        .routes(routes!(check_order::check_order))
        .routes(routes!(decode::decode))
        .split_for_parts();
    let document = openapi::finish(document);
    meters::declare_requests(&document);
    let document = document.to_pretty_json();
    let document = Bytes::from(document.unwrap_or_default());
    let routes = routes
        .route("/healthz", get(monitor::healthz))
        .route("/robots.txt", get(async || ROBOTS))
        .route(
            "/openapi.json",
            get(async move || openapi::answer(document.clone())),
        );
    layers(routes, &state).with_state(state)
}

/// All middleware is one layer: each layer costs every request a few copies and allocations.
fn layers(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), middleware))
}

/// From the outside in: metrics, format of failures, panics, rate limit, response bytes, timeout.
async fn middleware(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let metrics = RequestMetrics::start(&request);
    let preference = respond::Preference::of(&request);
    let trusted = &state.config.http.trusted_proxies;
    let peer = peer.ip().to_canonical();
    let client = client_ip::network(client_ip::client(peer, request.headers(), trusted));
    if !client_ip::is_in(peer, trusted) {
        state.untrusted.look(peer, request.headers());
    }
    let answer = async {
        state.limit.admit(client, &request)?;
        let limit = state.config.http.request_timeout;
        let answer = timeout(limit, next.run(request))
            .await
            .map_err(|_| Error::TimedOut)?;
        state.outbound.admit(client, answer)
    };
    let answer = AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            tracing::error!("a handler panicked");
            Err(Error::Panicked)
        });
    let response = respond::respond(&state, answer.into_response(), preference);
    metrics.end(&response);
    response
}

#[cfg(test)]
mod tests;
