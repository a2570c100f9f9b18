//! Single values of the worker's histogram `heyi_queue_read_seconds`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// A metrics recorder that keeps one histogram.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads(Arc<Times>);

#[derive(Debug, Default)]
struct Times(Mutex<Vec<f64>>);

impl Reads {
    /// Installs the recorder.
    pub(super) fn record() -> Result<Self> {
        let reads = Self::default();
        metrics::set_global_recorder(reads.clone()).map_err(|error| anyhow!("{error}"))?;
        Ok(reads)
    }

    /// The values since the last call, in ms.
    pub(super) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HistogramFn for Times {
    fn record(&self, seconds: f64) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(seconds * 1000.0);
    }
}

impl Recorder for Reads {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() == "heyi_queue_read_seconds" {
            Histogram::from_arc(Arc::clone(&self.0))
        } else {
            Histogram::noop()
        }
    }
}
