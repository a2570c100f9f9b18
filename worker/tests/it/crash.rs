//! Workers die; see also `crash_points.rs`.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::support::Shop;

/// What a killed worker held must be running again within this.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn an_event_that_kills_every_worker_becomes_poison() -> Result<()> {
    let mut shop = Shop::new().await?;
    let order = shop.order("小店").await?;
    shop.enqueue(&order, shop.notify(&order, 1)).await?;
    shop.world.set("HEYI_CRASH_AT", "handle.before");
    for _ in 0..3 {
        assert!(!shop.world.start_worker()?.exited().await?.success());
    }
    shop.world.set("HEYI_CRASH_AT", "");
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "poison");
    assert_eq!(
        shop.queue.failure(&order.out_trade_no).await?.as_deref(),
        Some("poison")
    );
    shop.close().await
}

#[tokio::test]
async fn what_a_killed_worker_held_runs_again_within_15_seconds() -> Result<()> {
    let shop = Shop::new().await?;
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
