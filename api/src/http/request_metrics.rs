//! Counts and times every request.

use std::{cell::RefCell, collections::HashMap, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    response::Response,
};
use metrics::{Counter, Histogram, SharedString, counter, histogram};

use crate::meters;

/// One request that is being answered.
pub(crate) struct RequestMetrics {
    start: Instant,
    method: &'static str,
    /// Never the path itself: strangers could make up as many as they like.
    route: Option<MatchedPath>,
}

/// What is told of the requests to one route that ended alike.
struct Told {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

thread_local! {
    /// By route. To look one up among all metrics, and to name it for that, takes longer than to count.
    static TOLD: RefCell<HashMap<Box<str>, Vec<Told>>> = RefCell::default();
}

impl RequestMetrics {
    /// Starts the clock.
    pub(crate) fn start(request: &Request) -> Self {
        Self {
            start: Instant::now(),
            method: method(request.method()),
            route: request.extensions().get().cloned(),
        }
    }

    /// Counts the request by route, method and status, and records how long its answer took.
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
        TOLD.with_borrow_mut(|told| {
            let of_route = match told.get_mut(route) {
                Some(of_route) => of_route,
                None => told.entry(route.into()).or_default(),
            };
            let is_this = |told: &Told| told.method == method && told.status == status;
            let place = of_route.iter().position(is_this).unwrap_or_else(|| {
                of_route.push(Told::new(route, method, status));
                of_route.len() - 1
            });
            of_route[place].requests.increment(1);
            of_route[place].duration.record(elapsed);
        });
    }
}

impl Told {
    fn new(route: &str, method: &'static str, status: StatusCode) -> Self {
        let route = SharedString::from(route.to_owned());
        let text = SharedString::from(status.as_str().to_owned());
        Self {
            method,
            status,
            requests: counter!(meters::REQUESTS, "route" => route.clone(), "method" => method, "status" => text),
            duration: histogram!(meters::REQUEST_SECONDS, "route" => route, "method" => method),
        }
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
