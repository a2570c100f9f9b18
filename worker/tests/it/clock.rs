//! Redis's wall clock is set back by an hour.

use anyhow::Result;
use heyi_common::queue::Confirming;
use heyi_sandbox::Knobs;
use heyi_testkit::world::World;

use crate::{confirm::paid_in_silence, support::TestApp};

const AN_HOUR: i64 = 3600;

async fn shop() -> Result<TestApp> {
    TestApp::open(World::with_redis_clock().await?).await
}

fn set_back(shop: &TestApp) -> Result<()> {
    let redis = shop.world.redis.as_ref().unwrap();
    redis.clock().unwrap().set(-AN_HOUR)
}

#[tokio::test]
async fn events_of_a_dead_worker_are_taken_over() -> Result<()> {
    let mut shop = shop().await?;
    let order = shop.paid_orders(1).await?.remove(0);
    shop.world.set("HEYI_FAILPOINT", "handle.before");
    assert!(!shop.world.start_worker()?.exited().await?.success());
    shop.world.set("HEYI_FAILPOINT", "");
    set_back(&shop)?;
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    shop.close().await
}

#[tokio::test]
async fn what_never_reached_a_worker_is_recovered() -> Result<()> {
    let shop = shop().await?;
    let _worker = shop.world.worker().await?;
    shop.paid_orders(1).await?;
    shop.quiet().await?;
    let name = shop
        .queue
        .status()
        .await?
        .pending
        .into_keys()
        .next()
        .unwrap();
    shop.enqueue_for(&name, "小店").await?;
    set_back(&shop)?;
    shop.quiet().await?;
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn confirms_are_asked_about_and_queued() -> Result<()> {
    let shop = shop().await?;
    let (first, first_payment) = paid_in_silence(&shop).await?;
    let (second, second_payment) = paid_in_silence(&shop).await?;
    let worker = shop.world.worker().await?;
    shop.world.sandbox.set_knobs(Knobs {
        answer_delay_ms: u64::MAX,
        ..Knobs::default()
    });
    // Its question takes the turn, and its mark says that it was asked about now.
    shop.confirm(&first, &first_payment).await?;
    shop.holds(1).await?;
    set_back(&shop)?;
    shop.confirm(&second, &second_payment).await?;
    shop.holds(2).await?;
    shop.world.sandbox.set_knobs(Knobs::default());
    shop.quiet().await?;
    shop.the_code(&first).await?;
    shop.the_code(&second).await?;
    // The mark of the first question is from the time before.
    let third = shop.order("小店").await?;
    let unpaid = shop.world.sandbox.order(&shop.params(&third))?;
    assert_eq!(shop.confirm(&third, &unpaid).await?, Confirming::Queued);
    shop.quiet().await?;
    drop(worker);
    shop.close().await
}

#[tokio::test]
async fn a_fold_whose_worker_died_is_taken_up() -> Result<()> {
    let mut shop = shop().await?;
    let code = crate::scans::codes(1);
    shop.scan(&code).await?;
    shop.world.set("HEYI_FAILPOINT", "aggregation.begun");
    assert!(!shop.world.start_worker()?.exited().await?.success());
    shop.world.set("HEYI_FAILPOINT", "");
    set_back(&shop)?;
    let _worker = shop.world.worker().await?;
    shop.are_aggregated(&code, 2).await?;
    shop.close().await
}

#[tokio::test]
async fn parked_events_do_not_wait_for_the_hour() -> Result<()> {
    let shop = shop().await?;
    let order = shop.unsaved_order("小店");
    shop.enqueue(&order, shop.notify(&order, 1)).await?;
    let _worker = shop.world.worker().await?;
    shop.is_parked().await?;
    set_back(&shop)?;
    shop.save(&order).await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    shop.close().await
}
