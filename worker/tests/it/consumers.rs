//! Consumers: workers start and stop.

use anyhow::Result;
use heyi_testkit::world::eventually;

use crate::support::TestApp;

async fn consumers(shop: &TestApp) -> Result<Vec<String>> {
    Ok(shop.queue.status().await?.pending.into_keys().collect())
}

#[tokio::test]
async fn a_worker_that_stops_leaves_the_group() -> Result<()> {
    let shop = TestApp::new().await?;
    let worker = shop.world.worker().await?;
    shop.paid_orders(1).await?;
    shop.quiet().await?;
    assert_eq!(consumers(&shop).await?.len(), 1);
    assert!(worker.stop().await?.success());
    assert_eq!(consumers(&shop).await?, Vec::<String>::new());
    shop.close().await
}

#[tokio::test]
async fn a_dead_consumer_that_holds_nothing_is_removed() -> Result<()> {
    let shop = TestApp::new().await?;
    let mut first = shop.world.worker().await?;
    shop.paid_orders(1).await?;
    shop.quiet().await?;
    assert_eq!(consumers(&shop).await?.len(), 1);
    let dead = consumers(&shop).await?.remove(0);
    first.kill().await?;
    let _second = shop.world.worker().await?;
    eventually("its removal", async || {
        let names = consumers(&shop).await?;
        Ok(!names.contains(&dead))
    })
    .await?;
    shop.close().await
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_it_holds_and_gives_back_the_rest() -> Result<()> {
    let shop = TestApp::new().await?;
    let orders = shop.paid_orders(300).await?;
    let first = shop.world.worker().await?;
    assert!(first.stop().await?.success());
    let status = shop.queue.status().await?;
    let held: u64 = status
        .pending
        .iter()
        .filter(|(name, _)| *name != "released")
        .map(|(_, held)| held)
        .sum();
    assert_eq!(held, 0, "{status:?}");
    let _second = shop.world.worker().await?;
    shop.quiet().await?;
    for order in &orders {
        shop.the_code(order).await?;
    }
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn several_partitions_each_have_their_stream() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__PARTITIONS", "4");
    let shop = TestApp::open(shop.world).await?;
    let orders = shop.paid_orders(40).await?;
    let partitions: std::collections::BTreeSet<_> = orders
        .iter()
        .map(|order| shop.queue.keys().partition(&order.out_trade_no))
        .collect();
    assert_eq!(partitions.len(), 4);
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    for order in &orders {
        shop.the_code(order).await?;
    }
    shop.close().await
}
