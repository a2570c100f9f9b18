//! Many events that wait.

use anyhow::Result;

use crate::support::Shop;

#[tokio::test]
async fn twenty_thousand_events_that_wait_before_the_worker_starts_drain() -> Result<()> {
    let shop = Shop::new().await?;
    let order = shop.order("小店").await?;
    let partition = shop.queue.keys().partition(&order.out_trade_no);
    let stream = shop.queue.keys().notify(partition);
    let body = shop.notify(&order, 1);
    let mut redis = shop.queue.redis().shared();
    for _ in 0..20 {
        let mut pipeline = redis::pipe();
        for _ in 0..1000 {
            let fields = [
                ("form", body.as_str()),
                ("attempt", "0"),
                ("received_at", "0"),
            ];
            pipeline.xadd(&stream, "*", &fields).ignore();
        }
        pipeline.exec_async(&mut redis).await?;
    }
    assert_eq!(shop.queue.status().await?.waiting, 20_000);
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}
