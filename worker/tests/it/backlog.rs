//! Large backlogs.

use anyhow::Result;
use heyi_common::queue::{GROUP, Partition};

use crate::support::TestApp;

const THOUSAND: usize = 1000;

/// Queues the notify of an order a thousand times.
async fn a_thousand(app: &TestApp, partition: Partition, body: &str) -> Result<()> {
    let stream = app.queue.keys().notify(partition);
    let mut pipeline = redis::pipe();
    for _ in 0..THOUSAND {
        let fields = [
            ("gateway", "payjs"),
            ("body", body),
            ("attempt", "0"),
            ("received_at", "0"),
        ];
        pipeline.xadd(&stream, "*", &fields).ignore();
    }
    Ok(pipeline.exec_async(&mut app.queue.redis().shared()).await?)
}

#[tokio::test]
async fn all_that_a_dead_worker_held_is_taken_over_slice_after_slice() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let partition = app.queue.keys().partition(&order.out_trade_no);
    let body = app.notify(&order, 1);
    app.queue.ensure_group(partition).await?;
    a_thousand(&app, partition, &body).await?;
    let () = redis::cmd("XREADGROUP")
        .arg(&["GROUP", GROUP, "dead", "COUNT", "350", "STREAMS"])
        .arg(&[&app.queue.keys().notify(partition), ">"])
        .query_async(&mut app.queue.redis().shared())
        .await?;
    assert_eq!(app.queue.status().await?.pending["dead"], 350);
    let worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    let log = worker.log();
    let slices = log.matches("taking over the events of a dead worker");
    assert!(slices.count() >= 4, "{log}");
    app.close().await
}

#[tokio::test]
async fn twenty_thousand_events_that_wait_before_the_worker_starts_drain() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let partition = app.queue.keys().partition(&order.out_trade_no);
    let body = app.notify(&order, 1);
    for _ in 0..20 {
        a_thousand(&app, partition, &body).await?;
    }
    assert_eq!(app.queue.status().await?.waiting, 20_000);
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}
