//! `heyi-worker queue`

use std::{fmt::Write as _, time::Duration};

use heyi_common::queue::status::Status;
use serde::Serialize;

use super::output::{Out, count, duration};
use crate::Context;

/// The sample time of the rates.
const SAMPLE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    status: Status,
    /// Events added during the sample, including retries.
    added_per_second: u64,
    /// Events removed from the stream during the sample.
    left_per_second: u64,
}

pub(super) async fn run(context: &Context, out: &Out) -> anyhow::Result<()> {
    let before = context.queue.status().await?;
    tokio::time::sleep(SAMPLE).await;
    let status = context.queue.status().await?;
    let added_per_second = status.added.saturating_sub(before.added);
    let left_per_second = (before.waiting + added_per_second).saturating_sub(status.waiting);
    let report = Report {
        status,
        added_per_second,
        left_per_second,
    };
    out.show(&report, || text(&report))
}

fn text(report: &Report) -> String {
    let status = &report.status;
    let oldest = status.oldest_ms.map_or_else(|| "-".to_owned(), duration);
    let mut text = String::new();
    for (name, value) in [
        ("waiting", count(status.waiting)),
        ("oldest", oldest),
        (
            "retries",
            format!(
                "{}, {} of them due",
                count(status.retries),
                count(status.retries_due)
            ),
        ),
        ("confirms", count(status.confirms)),
        ("dead letters", count(status.dead)),
        ("rejected", count(status.rejected)),
        ("in", format!("{}/s", report.added_per_second)),
        ("out", format!("{}/s", report.left_per_second)),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<14}{value}");
    }
    for (consumer, pending) in &status.pending {
        let _ = writeln!(text, "in flight     {consumer}: {pending}");
    }
    text
}
