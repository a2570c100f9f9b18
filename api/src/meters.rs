//! The metrics of the api. All are declared here, so that each exists before its first event.

use std::time::{SystemTime, UNIX_EPOCH};

use heyi_common::{
    store::Recorded,
    telemetry::{counter, counters, gauge, histogram},
};
use metrics::{Counter, Gauge};
use utoipa::openapi::{OpenApi, path::Operation};

/// Answers to requests, by route, method and status.
pub(crate) const REQUESTS: &str = "heyi_http_requests_total";
/// Duration of requests.
pub(crate) const REQUEST_SECONDS: &str = "heyi_http_request_duration_seconds";
/// The label `route` of requests that match no route.
pub(crate) const NO_ROUTE: &str = "none";
/// Refused connections.
pub(crate) const CONNECTIONS_REFUSED: &str = "heyi_http_connections_refused_total";
/// Reports of abuse.
pub(crate) const REPORTS: &str = "heyi_reports_total";
const NOTIFIES: &str = "heyi_notify_total";
const LAST_NOTIFY: &str = "heyi_last_notify_timestamp_seconds";

/// The statuses of [`Error`](crate::http::error::Error), which any route may return.
const FAILURES: [&str; 14] = [
    "400", "403", "404", "405", "408", "409", "410", "413", "415", "422", "429", "500", "502",
    "503",
];

/// Declares the metrics that do not depend on a route.
pub(crate) fn declare() {
    counters(
        NOTIFIES,
        "outcome",
        &["queued", "refused", "unavailable"],
        "Notifies of payments by outcome: queued, refused (4xx) or unavailable (503).",
    );
    gauge(
        LAST_NOTIFY,
        "Unix time of the last notify that this process queued; 0 before the first.",
    );
    counters(
        "heyi_orders_refused_total",
        "reason",
        &["too_many_open", "memory"],
        "Orders that were refused although the request was valid, by reason.",
    );
    counters(
        REPORTS,
        "outcome",
        &Recorded::ALL.map(Recorded::name),
        "Reports of abuse by outcome: kept, repeated or counted.",
    );
    counters(
        "heyi_codes_read_total",
        "from",
        &["memory", "mongodb"],
        "Codes read for pages and pictures, by where they were read from.",
    );
    counter(
        CONNECTIONS_REFUSED,
        "Connections that were refused because their client, its /48 or /24, or all have too many open.",
    );
    counter(
        "heyi_scans_lost_total",
        "Scans that were not counted because too many waited for Redis.",
    );
    histogram(REQUEST_SECONDS, "Time to answer a request, in seconds.");
}

/// Declares the metrics of every route in the OpenAPI document.
pub(crate) fn declare_requests(document: &OpenApi) {
    metrics::describe_counter!(REQUESTS, "Answers by route, method and status.");
    for (route, item) in &document.paths.paths {
        for (method, operation) in [("GET", &item.get), ("POST", &item.post)] {
            if let Some(operation) = operation {
                let documented = statuses(operation).chain(FAILURES.map(str::to_owned));
                documented.for_each(|status| declare_request(route, method, status));
            }
        }
    }
    for method in ["GET", "POST"] {
        for status in FAILURES {
            declare_request(NO_ROUTE, method, status.to_owned());
        }
    }
}

fn declare_request(route: &str, method: &'static str, status: String) {
    metrics::counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => status)
        .absolute(0);
}

/// The documented statuses, without `default`.
fn statuses(operation: &Operation) -> impl Iterator<Item = String> {
    let statuses = operation.responses.responses.keys();
    statuses
        .filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()))
        .cloned()
}

/// Counters of notifies.
pub(crate) struct Notifies {
    queued: Counter,
    last: Gauge,
    pub(crate) refused: Counter,
    pub(crate) unavailable: Counter,
}

impl Notifies {
    pub(crate) fn new() -> Self {
        Self {
            queued: metrics::counter!(NOTIFIES, "outcome" => "queued"),
            last: metrics::gauge!(LAST_NOTIFY),
            refused: metrics::counter!(NOTIFIES, "outcome" => "refused"),
            unavailable: metrics::counter!(NOTIFIES, "outcome" => "unavailable"),
        }
    }

    /// Counts an enqueued notify.
    pub(crate) fn queued(&self) {
        self.queued.increment(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.last.set(now.unwrap_or_default().as_secs_f64());
    }
}
