//! Consumers: workers start and stop.

use anyhow::Result;
use heyi_testkit::world::eventually;

use crate::support::TestApp;

async fn consumers(app: &TestApp) -> Result<Vec<String>> {
    Ok(app.queue.status().await?.pending.into_keys().collect())
}

#[tokio::test]
async fn a_worker_that_stops_leaves_the_group() -> Result<()> {
    let app = TestApp::new().await?;
    let worker = app.world.worker().await?;
    app.paid_orders(1).await?;
    app.quiet().await?;
    assert_eq!(consumers(&app).await?.len(), 1);
    assert!(worker.stop().await?.success());
    assert_eq!(consumers(&app).await?, Vec::<String>::new());
    app.close().await
}

#[tokio::test]
async fn a_dead_consumer_that_holds_nothing_is_removed() -> Result<()> {
    let app = TestApp::new().await?;
    let mut first = app.world.worker().await?;
    app.paid_orders(1).await?;
    app.quiet().await?;
    assert_eq!(consumers(&app).await?.len(), 1);
    let dead = consumers(&app).await?.remove(0);
    first.kill().await?;
    let _second = app.world.worker().await?;
    eventually("its removal", async || {
        let names = consumers(&app).await?;
        Ok(!names.contains(&dead))
    })
    .await?;
    app.close().await
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_it_holds_and_gives_back_the_rest() -> Result<()> {
    let app = TestApp::new().await?;
    let orders = app.paid_orders(300).await?;
    let first = app.world.worker().await?;
    assert!(first.stop().await?.success());
    let status = app.queue.status().await?;
    let held: u64 = status
        .pending
        .iter()
        .filter(|(name, _)| *name != "released")
        .map(|(_, held)| held)
        .sum();
    assert_eq!(held, 0, "{status:?}");
    let _second = app.world.worker().await?;
    app.quiet().await?;
    for order in &orders {
        app.the_code(order).await?;
    }
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn several_partitions_each_have_their_stream() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__PARTITIONS", "4");
    let app = TestApp::open(app.world).await?;
    let orders = app.paid_orders(40).await?;
    let partitions: std::collections::BTreeSet<_> = orders
        .iter()
        .map(|order| app.queue.keys().partition(&order.out_trade_no))
        .collect();
    assert_eq!(partitions.len(), 4);
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    for order in &orders {
        app.the_code(order).await?;
    }
    app.close().await
}
