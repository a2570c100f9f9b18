//! Retries.

use std::time::Duration;

use anyhow::Result;
use heyi_common::queue::{Outcome, settle::Settler};
use heyi_testkit::world::eventually;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_transition_acts_only_on_an_event_that_is_still_held() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    let delivery = app.take("one").await?;
    let settler = Settler::start(app.queue.clone());
    let parked = Outcome::Retry {
        event: delivery.event.clone(),
        delay: Duration::from_secs(3600),
        error: "not yet".to_owned(),
    };
    settler.settle(&delivery, parked.clone()).await;
    settler.settle(&delivery, parked).await;
    let dead = Outcome::Dead {
        reason: heyi_common::queue::DeadReason::Poison,
        error: "late".to_owned(),
    };
    settler.settle(&delivery, dead).await;
    settler
        .settle(
            &delivery,
            Outcome::Rejected {
                error: "late".to_owned(),
            },
        )
        .await;
    // It may all have happened within a millisecond.
    eventually("the parked event has an age", async || {
        let age = app.queue.status().await?.oldest_retry_ms;
        Ok(age.is_some_and(|age| (1..60_000).contains(&age)))
    })
    .await?;
    let status = app.queue.status().await?;
    assert_eq!(
        (status.waiting, status.retries, status.dead, status.rejected),
        (0, 1, 0, 0)
    );

    let key = app.queue.keys().retry(delivery.partition);
    let () = redis::cmd("DEL")
        .arg(key)
        .query_async(&mut app.queue.redis().shared())
        .await?;
    app.close().await
}

#[tokio::test]
async fn twenty_thousand_retries_that_are_due_at_once_drain() -> Result<()> {
    let app = TestApp::new().await?;
    let partition = app.queue.keys().partitions().next().unwrap();
    let retry = app.queue.keys().retry(partition);
    let mut redis = app.queue.redis().shared();
    for slice in 0..20_u32 {
        let mut pipeline = redis::pipe();
        for number in 0..1000 {
            let id = slice * 1000 + number;
            let event = serde_json::json!({ "id": id.to_string(), "gateway": "payjs", "body": "a=1", "attempt": "3", "received_at": "0" });
            pipeline.zadd(&retry, event.to_string(), 1).ignore();
        }
        pipeline.exec_async(&mut redis).await?;
    }
    assert_eq!(app.queue.status().await?.retries_due, 20_000);
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    let rejected = app.queue.status().await?.rejected;
    assert!(
        (10_000..10_200).contains(&rejected),
        "the rejected stream is capped: {rejected}"
    );
    app.close().await
}

#[tokio::test]
async fn a_parked_event_keeps_everything_and_counts_its_attempts() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.unsaved_order("小店");
    let body = app.notify(&order, 1);
    app.enqueue(&order, body.clone()).await?;
    let worker = app.world.worker().await?;
    eventually("a parked event", async || {
        Ok(app.queue.status().await?.retries == 1)
    })
    .await?;
    assert!(worker.stop().await?.success());
    let event = app.parked(&order).await?.remove(0);
    assert_eq!(event["body"], body);
    assert!(event["attempt"].as_str().unwrap().parse::<u32>()? >= 1);
    app.orders.put(&order, Duration::from_secs(60)).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn an_outage_does_not_use_up_the_time_in_which_an_order_is_looked_for() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.unsaved_order("小店");
    let form = app.notify(&order, 1);
    let event = json!({ "gateway": "payjs", "body": form, "attempt": "9", "order_lookups": "1" });
    app.park(&order, event).await?;
    let _worker = app.world.worker().await?;
    eventually("a second failed lookup", async || {
        let parked = app.parked(&order).await?;
        Ok(parked
            .iter()
            .any(|event| event["order_lookups"] == "2" && event["attempt"] == "10"))
    })
    .await?;
    app.orders.put(&order, Duration::from_secs(60)).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}
