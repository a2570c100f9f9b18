//! Counts and times every request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    response::Response,
};
use metrics::{SharedString, counter, histogram};

/// One request that is being answered.
pub(crate) struct Track {
    start: Instant,
    method: &'static str,
    /// Never the path itself: strangers could make up as many as they like.
    route: SharedString,
}

impl Track {
    /// Starts the clock.
    pub(crate) fn start(request: &Request) -> Self {
        let path = request.extensions().get::<MatchedPath>();
        Self {
            start: Instant::now(),
            method: method(request.method()),
            route: path.map_or("none".into(), |path| path.as_str().to_owned().into()),
        }
    }

    /// Counts the request by route, method and status, and records how long its answer took.
    pub(crate) fn end(self, response: &Response) {
        let elapsed = self.start.elapsed();
        let Self { method, route, .. } = self;
        let status = response.status();
        tracing::debug!(
            http.route = &*route,
            http.method = method,
            http.status = status.as_u16(),
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "request answered"
        );
        counter!("heyi_http_requests_total", "route" => route.clone(), "method" => method, "status" => text(status))
            .increment(1);
        histogram!("heyi_http_request_duration_seconds", "route" => route, "method" => method)
            .record(elapsed);
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn text(status: StatusCode) -> SharedString {
    match status {
        StatusCode::OK => "200".into(),
        other => other.as_str().to_owned().into(),
    }
}
