//! Aggregates scan counts into MongoDB, in a separate task.

use std::time::Duration;

use heyi_common::{
    backoff::{Backoff, jitter},
    outage,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Context;

/// Interval of the aggregation.
const EVERY: Duration = Duration::from_secs(5);
/// Batch size: about 10 MiB in memory.
const AT_ONCE: u64 = 100_000;
/// The maximum backoff.
const LONGEST: Duration = Duration::from_secs(60);

/// Aggregates until `stop`. Any number of workers may aggregate concurrently.
pub(crate) async fn watch(context: Context, stop: CancellationToken) {
    stop.run_until_cancelled(keep_aggregating(&context)).await;
}

async fn keep_aggregating(context: &Context) {
    let mut backoff = Backoff::new(EVERY, LONGEST);
    loop {
        match context.scans.aggregate(&context.store, AT_ONCE).await {
            Ok(scans) => {
                metrics::counter!("heyi_scans_aggregated_total").increment(scans);
                backoff.reset();
                sleep(jitter(EVERY)).await;
            }
            Err(error) => {
                outage::report("scans cannot be aggregated, trying again", error.as_ref());
                backoff.wait().await;
            }
        }
    }
}
