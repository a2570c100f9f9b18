//! Redis's wall clock is set back by an hour.

use anyhow::Result;
use heyi_common::queue::Confirming;
use heyi_sandbox::Knobs;
use heyi_testkit::world::World;

use crate::{confirm::paid_in_silence, support::TestApp};

const AN_HOUR: i64 = 3600;

async fn test_app() -> Result<TestApp> {
    TestApp::open(World::with_redis_clock().await?).await
}

fn set_back(app: &TestApp) -> Result<()> {
    let redis = app.world.redis.as_ref().unwrap();
    redis.clock().unwrap().set(-AN_HOUR)
}

#[tokio::test]
async fn events_of_a_dead_worker_are_taken_over() -> Result<()> {
    let mut app = test_app().await?;
    let order = app.paid_orders(1).await?.remove(0);
    app.world.set("HEYI_FAILPOINT", "handle.before");
    assert!(!app.world.start_worker()?.exited().await?.success());
    app.world.set("HEYI_FAILPOINT", "");
    set_back(&app)?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn what_never_reached_a_worker_is_recovered() -> Result<()> {
    let app = test_app().await?;
    let _worker = app.world.worker().await?;
    app.paid_orders(1).await?;
    app.quiet().await?;
    let name = app
        .queue
        .status()
        .await?
        .pending
        .into_keys()
        .next()
        .unwrap();
    app.enqueue_for(&name, "小店").await?;
    set_back(&app)?;
    app.quiet().await?;
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn confirms_are_asked_about_and_queued() -> Result<()> {
    let app = test_app().await?;
    let (first, first_payment) = paid_in_silence(&app).await?;
    let (second, second_payment) = paid_in_silence(&app).await?;
    let worker = app.world.worker().await?;
    app.world.sandbox.set_knobs(Knobs {
        answer_delay_ms: u64::MAX,
        ..Knobs::default()
    });
    // Its question takes the turn, and its mark says that it was asked about now.
    app.confirm(&first, &first_payment).await?;
    app.holds(1).await?;
    set_back(&app)?;
    app.confirm(&second, &second_payment).await?;
    app.holds(2).await?;
    app.world.sandbox.set_knobs(Knobs::default());
    app.quiet().await?;
    app.the_code(&first).await?;
    app.the_code(&second).await?;
    // The mark of the first question is from the time before.
    let third = app.order("小店").await?;
    let unpaid = app.world.sandbox.order(&app.params(&third))?;
    assert_eq!(app.confirm(&third, &unpaid).await?, Confirming::Queued);
    app.quiet().await?;
    drop(worker);
    app.close().await
}

#[tokio::test]
async fn a_fold_whose_worker_died_is_taken_up() -> Result<()> {
    let mut app = test_app().await?;
    let code = crate::scans::codes(1);
    app.scan(&code).await?;
    app.world.set("HEYI_FAILPOINT", "aggregation.begun");
    assert!(!app.world.start_worker()?.exited().await?.success());
    app.world.set("HEYI_FAILPOINT", "");
    set_back(&app)?;
    let _worker = app.world.worker().await?;
    app.are_aggregated(&code, 2).await?;
    app.close().await
}

#[tokio::test]
async fn parked_events_do_not_wait_for_the_hour() -> Result<()> {
    let app = test_app().await?;
    let order = app.unsaved_order("小店");
    app.enqueue(&order, app.notify(&order, 1)).await?;
    let _worker = app.world.worker().await?;
    app.is_parked().await?;
    set_back(&app)?;
    app.save(&order).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}
