//! Counts and times every request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use metrics::{counter, histogram};

/// Counts the request by route, method and status, and measures how long its answer took.
pub(crate) async fn track(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method(request.method());
    // Never the path itself: strangers could make up as many as they like.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let elapsed = start.elapsed();
    let status = response.status().as_u16();
    tracing::debug!(
        http.route = route,
        http.method = method,
        http.status = status,
        duration_ms = elapsed.as_secs_f64() * 1000.0,
        "request answered"
    );
    counter!("heyi_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!("heyi_http_request_duration_seconds", "route" => route, "method" => method)
        .record(elapsed);
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}
