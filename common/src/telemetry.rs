//! Logs and metrics.

mod declare;
mod throttle;
mod writer;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    sync::OnceLock,
    thread,
};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

pub use self::declare::{counter, counters, gauge, gauges, histogram};
use self::{throttle::Throttle, writer::LogWriter};
use crate::config::{Log, LogFormat};

/// The upper bounds of histogram buckets, in seconds.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
];
/// The same for durations that an outage can extend.
const LONG_SECONDS: [f64; 10] = [
    0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 3600.0, 86_400.0,
];
/// The histogram of the duration of promotions.
const PROMOTION: &str = "heyi_promotion_seconds";
/// The media type of Prometheus's text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The log of this process, after it is started.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Flushes the log when it is dropped.
#[must_use]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts logging to standard error.
pub fn start(config: &Log) -> anyhow::Result<LogGuard> {
    let filter = EnvFilter::try_new(&config.filter).context("read log.filter")?;
    let throttle = Throttle::default();
    let summaries = throttle.clone();
    let writer = LogWriter::start(io::stderr(), move |now| summaries.summarize(now))
        .context("start the thread of the log")?;
    let writer = LOG.get_or_init(|| writer).clone();
    let text = fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // They would go to standard error, and panic if the write fails.
        .log_internal_errors(false)
        .with_target(false);
    match config.format {
        LogFormat::Json => text
            .json()
            .flatten_event(true)
            .finish()
            .with(throttle)
            .init(),
        LogFormat::Text => text
            .with_ansi(io::stderr().is_terminal())
            .finish()
            .with(throttle)
            .init(),
    }
    panic::set_hook(Box::new(log_panic));
    Ok(LogGuard(()))
}

/// Waits until the log is written, at most a second.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Logs why this process ends, or prints it to standard error if the log is not started. Without a backtrace, which does
/// not help an operator.
pub fn report_end(error: &anyhow::Error) {
    if LOG.get().is_some() {
        tracing::error!(once = true, "{error:#}");
        flush();
    } else {
        // The reader may be gone.
        let _ = writeln!(io::stderr(), "Error: {error:#}");
    }
}

/// Logs a panic. The default hook writes to standard error itself, which may block.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    let thread = thread::current();
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        panic.location = panic.location().map(tracing::field::display),
        panic.thread = thread.name(),
        panic.backtrace = backtrace.as_ref().map(tracing::field::display),
        "a thread panicked: {}",
        text.unwrap_or("no message")
    );
}

/// The metrics of this process, in Prometheus's format. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// All metrics in the text format.
    pub fn render(&self) -> String {
        let dropped = LOG.get().map_or(0, LogWriter::dropped);
        metrics::counter!("heyi_log_lines_dropped_total").absolute(dropped);
        self.run_upkeep();
        self.0.render()
    }

    /// Limits their memory. Call it periodically.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Creates the metrics of this process. Counters that are made before this count nothing.
pub fn metrics() -> Metrics {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        #[expect(clippy::expect_used, reason = "neither list of buckets is empty")]
        let builder = PrometheusBuilder::new()
            .set_buckets(&SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Full(PROMOTION.to_owned()), &LONG_SECONDS)
            })
            .expect("the buckets are not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder takes the metrics of this process");
        }
        declare::common();
        handle
    };
    Metrics(HANDLE.get_or_init(install).clone())
}
