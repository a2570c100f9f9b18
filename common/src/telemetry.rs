//! Logs and metrics.

use std::{io::IsTerminal, sync::OnceLock};

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Upper bounds of the buckets of every histogram of seconds.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
];

/// Starts logging to standard error.
pub fn start(config: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).context("read log.filter")?;
    let text = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match config.format {
        LogFormat::Json => text.json().flatten_event(true).init(),
        LogFormat::Text => text.with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}

/// The metrics of this process, in Prometheus's format.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        #[expect(clippy::expect_used, reason = "SECONDS is not empty")]
        let builder = PrometheusBuilder::new()
            .set_buckets(&SECONDS)
            .expect("SECONDS is not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder takes the metrics of this process");
        }
        handle
    };
    HANDLE.get_or_init(install).clone()
}
