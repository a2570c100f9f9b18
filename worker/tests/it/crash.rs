//! The worker dies between any two steps.

use std::time::Duration;

use anyhow::Result;
use heyi_sandbox::world::eventually;
use tokio::time::Instant;

use crate::support::Shop;

/// What a killed worker held must be running again within this.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_death_at_any_step_leaves_one_code_and_one_mapping() -> Result<()> {
    let walks = [
        "handle.before",
        "promote.code_written",
        "settle.before",
        "settle.after",
    ]
    .map(dies_at);
    futures::future::try_join_all(walks).await?;
    Ok(())
}

/// A worker dies at `point`, the next one too, and the third finishes, while duplicates are in flight.
async fn dies_at(point: &str) -> Result<()> {
    let mut shop = Shop::new().await?;
    let order = shop.order("小店").await?;
    shop.world.set("HEYI_CRASH_AT", point);
    for _ in 0..2 {
        shop.enqueue(&order, shop.notify(&order, 1)).await?;
        shop.enqueue(&order, shop.notify(&order, 1)).await?;
        let mut worker = shop.world.start_worker()?;
        let ended = tokio::time::timeout(Duration::from_secs(30), worker.exited()).await;
        assert!(
            !ended.expect("it did not die")?.success(),
            "{point}: {}",
            worker.log()
        );
    }
    shop.world.set("HEYI_CRASH_AT", "");
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    assert_eq!(
        shop.store.codes_of(order.openid.as_str()).await?.len(),
        1,
        "{point}"
    );
    assert_eq!(shop.queue.status().await?.dead, 0, "{point}");
    shop.close().await
}

#[tokio::test]
async fn a_death_while_due_events_move_loses_none() -> Result<()> {
    for point in ["due.before", "due.after"] {
        let mut shop = Shop::new().await?;
        let order = shop.unsaved_order("小店");
        shop.enqueue(&order, shop.notify(&order, 1)).await?;
        let worker = shop.world.worker().await?;
        eventually("a parked event", async || {
            Ok(shop.queue.status().await?.retries == 1)
        })
        .await?;
        worker.stop().await?;
        shop.orders.put(&order, Duration::from_secs(60)).await?;
        shop.world.set("HEYI_CRASH_AT", point);
        let mut worker = shop.world.start_worker()?;
        assert!(!worker.exited().await?.success(), "{point}");
        shop.world.set("HEYI_CRASH_AT", "");
        let _worker = shop.world.worker().await?;
        shop.quiet().await?;
        shop.the_code(&order).await?;
        shop.close().await?;
    }
    Ok(())
}

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
