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
    let mut shop = TestApp::new().await?;
    let deadly = shop.order("小店").await?;
    shop.enqueue(&deadly, shop.notify(&deadly, 1)).await?;
    let harmless = shop.paid_orders(BESIDE).await?;
    shop.world.set("HEYI_FAILPOINT", "handle.before");
    shop.world
        .set("HEYI_FAILPOINT_OF", deadly.out_trade_no.as_str());
    for _ in 0..3 {
        assert!(!shop.world.start_worker()?.exited().await?.success());
    }
    shop.world.set("HEYI_FAILPOINT", "");
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "poison");
    assert_eq!(
        shop.queue.failure(&deadly.out_trade_no).await?.as_deref(),
        Some("poison")
    );
    shop.quiet().await?;
    for order in &harmless {
        shop.the_code(order).await?;
    }
    assert_eq!(shop.queue.status().await?.dead, 1);
    shop.close().await
}

#[tokio::test]
async fn what_a_killed_worker_held_runs_again_within_15_seconds() -> Result<()> {
    let shop = TestApp::new().await?;
    let mut first = shop.world.worker().await?;
    first.pause()?;
    let orders = shop.paid_orders(200).await?;
    first.resume()?;
    first.kill().await?;
    let killed = Instant::now();
    let _second = shop.world.worker().await?;
    shop.quiet().await?;
    let took = killed.elapsed();
    assert!(took < TAKEN_OVER_WITHIN, "it took {took:?}");
    for order in &orders {
        shop.the_code(order).await?;
    }
    shop.close().await
}
