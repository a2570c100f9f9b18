//! The metrics of the worker. All are declared here, so that each exists before its first event.

use heyi_common::{
    queue::{DeadReason, Outcome, status::Status},
    telemetry::{counter, counters, gauge, gauges, histogram},
};

/// Gauges read from Redis, with their help texts.
const QUEUE: [(&str, &str); 8] = [
    (
        "heyi_queue_waiting",
        "Events in the stream, whether a worker holds them or not. NaN while Redis is away.",
    ),
    (
        "heyi_queue_oldest_seconds",
        "Time since the api received the event that is first in the stream; 0 without one. NaN while Redis is away.",
    ),
    (
        "heyi_queue_pending",
        "Events that workers hold. NaN while Redis is away.",
    ),
    (
        "heyi_queue_retries",
        "Events that wait for their next attempt. NaN while Redis is away.",
    ),
    (
        "heyi_queue_retry_oldest_seconds",
        "Time since the api received the oldest event that waits for its next attempt; 0 without one. NaN while Redis is away.",
    ),
    (
        "heyi_queue_confirms",
        "Payments that payers named, of which the gateway has not been asked yet. NaN while Redis is away.",
    ),
    ("heyi_queue_dead", "Dead letters. NaN while Redis is away."),
    (
        "heyi_queue_rejected",
        "Rejected events that are kept. NaN while Redis is away.",
    ),
];

/// Declares all metrics.
pub(crate) fn declare() {
    counters(
        "heyi_events_total",
        "outcome",
        &Outcome::NAMES,
        "Events by outcome: promoted, nothing, retry, dead or rejected.",
    );
    counters(
        "heyi_dead_total",
        "reason",
        &DeadReason::ALL.map(DeadReason::name),
        "Dead letters that this process made, by reason.",
    );
    counter(
        "heyi_scans_aggregated_total",
        "Scans of codes that were added to MongoDB.",
    );
    histogram(
        "heyi_event_seconds",
        "Time to decide on an event, in seconds.",
    );
    histogram(
        "heyi_promotion_seconds",
        "Time from receiving a payment to its code, in seconds.",
    );
    histogram(
        "heyi_queue_read_seconds",
        "Time in which Redis handed out as many events as the worker had room for, in seconds.",
    );
    gauge(
        "heyi_last_promotion_timestamp_seconds",
        "Unix time of the last promotion by this process; 0 before the first.",
    );
    for (name, help) in QUEUE {
        gauges(name, help);
    }
    set_queue(None);
}

/// Sets the gauges of the queue; clears them while its state is unknown.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating; these numbers are far below 2^52"
)]
pub(crate) fn set_queue(status: Option<&Status>) {
    let seconds = |ms: Option<u64>| ms.unwrap_or(0) as f64 / 1000.0;
    let values = status.map_or([f64::NAN; 8], |status| {
        [
            status.waiting as f64,
            seconds(status.oldest_ms),
            status.pending.values().sum::<u64>() as f64,
            status.retries as f64,
            seconds(status.oldest_retry_ms),
            status.confirms as f64,
            status.dead as f64,
            status.rejected as f64,
        ]
    });
    for ((name, _), value) in QUEUE.into_iter().zip(values) {
        metrics::gauge!(name).set(value);
    }
}
