//! Counts and times every request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    response::Response,
};
use metrics::{SharedString, counter, histogram};

use crate::meters;

/// The metrics of one request in flight.
pub(crate) struct RequestMetrics {
    start: Instant,
    method: &'static str,
    /// Never the path itself, of which clients could invent any number.
    route: Option<MatchedPath>,
}

impl RequestMetrics {
    /// Starts the timer.
    pub(crate) fn start(request: &Request) -> Self {
        Self {
            start: Instant::now(),
            method: method(request.method()),
            route: request.extensions().get().cloned(),
        }
    }

    /// Counts the request by route, method and status, and records its duration.
    pub(crate) fn end(self, response: &Response) {
        let elapsed = self.start.elapsed();
        let method = self.method;
        let route = self
            .route
            .as_ref()
            .map_or(meters::NO_ROUTE, MatchedPath::as_str);
        let status = response.status();
        tracing::debug!(
            http.route = route,
            http.method = method,
            http.status = status.as_u16(),
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "request answered"
        );
        let route = SharedString::from(route.to_owned());
        let status = status.as_str().to_owned();
        counter!(meters::REQUESTS, "route" => route.clone(), "method" => method, "status" => status)
            .increment(1);
        histogram!(meters::REQUEST_SECONDS, "route" => route, "method" => method).record(elapsed);
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
