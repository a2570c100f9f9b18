//! Takeovers from dead workers; see also `failpoints.rs`.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::support::TestApp;

/// How many events a worker holds beside one that kills it.
const BESIDE: u32 = 40;
/// What a killed worker held must be running again within this.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn an_event_that_kills_every_worker_becomes_poison_and_those_beside_it_codes() -> Result<()> {
    let mut app = TestApp::new().await?;
    let deadly = app.order("小店").await?;
    app.enqueue(&deadly, app.notify(&deadly, 1)).await?;
    let harmless = app.paid_orders(BESIDE).await?;
    app.world.set("HEYI_FAILPOINT", "handle.before");
    app.world
        .set("HEYI_FAILPOINT_OF", deadly.out_trade_no.as_str());
    for _ in 0..3 {
        assert!(!app.world.start_worker()?.exited().await?.success());
    }
    app.world.set("HEYI_FAILPOINT", "");
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "poison");
    assert_eq!(
        app.queue.failure(&deadly.out_trade_no).await?.as_deref(),
        Some("poison")
    );
    app.quiet().await?;
    for order in &harmless {
        app.the_code(order).await?;
    }
    assert_eq!(app.queue.status().await?.dead, 1);
    app.close().await
}

#[tokio::test]
async fn what_a_killed_worker_held_runs_again_within_15_seconds() -> Result<()> {
    let app = TestApp::new().await?;
    let mut first = app.world.worker().await?;
    first.pause()?;
    let orders = app.paid_orders(200).await?;
    first.resume()?;
    first.kill().await?;
    let killed = Instant::now();
    let _second = app.world.worker().await?;
    app.quiet().await?;
    let took = killed.elapsed();
    assert!(took < TAKEN_OVER_WITHIN, "it took {took:?}");
    for order in &orders {
        app.the_code(order).await?;
    }
    app.close().await
}
