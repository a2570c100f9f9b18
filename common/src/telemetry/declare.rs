//! Declares metrics, so that each has a help text and exists with 0 before its first event. Otherwise the first increase
//! would be invisible to Prometheus, and no alarm would fire.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Declares a counter without labels.
pub fn counter(name: &'static str, help: &'static str) {
    describe_counter!(name, help);
    metrics::counter!(name).absolute(0);
}

/// Declares a counter with a label whose values are all known.
pub fn counters(
    name: &'static str,
    label: &'static str,
    values: &[&'static str],
    help: &'static str,
) {
    describe_counter!(name, help);
    for value in values {
        metrics::counter!(name, label => *value).absolute(0);
    }
}

/// Declares a gauge without labels, with 0 as its first value.
pub fn gauge(name: &'static str, help: &'static str) {
    describe_gauge!(name, help);
    metrics::gauge!(name).set(0.0);
}

/// Declares gauges with labels.
pub fn gauges(name: &'static str, help: &'static str) {
    describe_gauge!(name, help);
}

/// Declares a histogram.
pub fn histogram(name: &'static str, help: &'static str) {
    describe_histogram!(name, help);
}

/// Declares the metrics that both processes have.
pub(super) fn common() {
    gauges("heyi_build_info", "1, with the version of this program.");
    metrics::gauge!("heyi_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    counter(
        "heyi_log_lines_dropped_total",
        "Log lines that could not be written, or not fast enough.",
    );
    gauges(
        "heyi_store_up",
        "Whether the store answers this process: 1 or 0. Asked every 2 seconds.",
    );
    counters(
        "heyi_store_errors_total",
        "store",
        &["redis", "mongodb"],
        "Failures of Redis and MongoDB that this process met.",
    );
    gauges(
        "heyi_redis_memory_bytes",
        "Memory that a master of Redis uses, as it compares it with maxmemory. NaN while it is unknown.",
    );
    gauges(
        "heyi_redis_maxmemory_bytes",
        "maxmemory of a master of Redis; 0 is no limit. NaN while it is unknown.",
    );
}
