//! Outages of the stores.

use std::time::Duration;

use anyhow::Result;
use heyi_testkit::{
    tcp_proxy::{Damage, TcpProxy},
    world::{World, eventually},
};
use mongodb::bson::{Document, doc};
use tokio::time::Instant;

use crate::support::TestApp;

/// After MongoDB's return, promotions must flow within this.
const FLOWS_WITHIN: Duration = Duration::from_secs(2);

/// Events that are not done.
async fn open(app: &TestApp) -> Result<u64> {
    let status = app.queue.status().await?;
    Ok(status.waiting + status.retries)
}

#[tokio::test]
async fn mongodb_away_for_30_seconds_under_load_loses_and_kills_nothing() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    let worker = app.world.worker().await?;
    let mut orders = app.paid_orders(50).await?;
    app.world.mongo.as_mut().unwrap().stop().await?;
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(30) {
        orders.extend(app.paid_orders(10).await?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        app.queue.status().await?.waiting > 0,
        "events wait in the stream"
    );
    let left = open(&app).await?;
    app.world.mongo.as_mut().unwrap().restart().await?;
    let back = Instant::now();
    eventually("the first promotion after MongoDB's return", async || {
        Ok(open(&app).await? < left)
    })
    .await?;
    let took = back.elapsed();
    assert!(took < FLOWS_WITHIN, "it took {took:?}");
    app.quiet().await?;
    for order in &orders {
        app.the_code(order).await?;
    }
    assert_eq!(app.queue.status().await?.dead, 0);
    assert!(worker.stop().await?.success());
    app.close().await
}

#[tokio::test]
async fn an_api_that_starts_while_mongodb_is_away_takes_notifies() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    assert!(app.world.api().await?.stop().await?.success());
    let order = app.order("小店").await?;
    app.world.mongo.as_mut().unwrap().stop().await?;
    let api = app.world.start_api()?;
    let notify = async || -> Result<String> {
        let sent = heyi_common::http::client()?
            .post(format!("{}/notify", api.url()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(app.notify(&order, 1))
            .send()
            .await?;
        Ok(sent.text().await?)
    };
    eventually("a notify is taken", async || {
        Ok(notify().await? == "success")
    })
    .await?;
    app.world.mongo.as_mut().unwrap().restart().await?;
    let worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    for process in [api, worker] {
        assert!(process.stop().await?.success());
    }
    app.close().await
}

#[tokio::test]
async fn a_worker_survives_redis_and_goes_on_by_itself() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    let worker = app.world.worker().await?;
    let before = app.paid_orders(100).await?;
    app.world.redis.as_mut().unwrap().kill().await?;
    assert!(app.queue.status().await.is_err());
    app.world.redis.as_mut().unwrap().restart().await?;
    eventually("Redis", async || Ok(app.queue.status().await.is_ok())).await?;
    let after = app.paid_orders(20).await?;
    app.quiet().await?;
    for order in before.iter().chain(&after) {
        app.the_code(order).await?;
    }
    assert_eq!(app.queue.status().await?.dead, 0);
    assert!(worker.stop().await?.success());
    app.close().await
}

#[tokio::test]
async fn a_worker_that_starts_before_its_stores_waits_for_them() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    let order = app.paid_orders(1).await?.remove(0);
    app.world.redis.as_mut().unwrap().stop().await?;
    app.world.mongo.as_mut().unwrap().stop().await?;
    let mut worker = app.world.start_worker()?;
    worker.answers("healthz").await?;
    app.world.redis.as_mut().unwrap().restart().await?;
    app.world.mongo.as_mut().unwrap().restart().await?;
    worker.answers("readyz").await?;
    eventually("Redis", async || Ok(app.queue.status().await.is_ok())).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn a_worker_whose_connection_dies_silently_while_it_starts_goes_on() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    let mongo = world.mongo.as_ref().unwrap();
    let client = mongodb::Client::with_uri_str(mongo.url()).await?;
    let admin = client.database("admin");
    let link = TcpProxy::start(&[mongo.port()]).await?;
    world.set(
        "HEYI_MONGO__URL",
        format!("mongodb://127.0.0.1:{}/?directConnection=true", link.port()),
    );
    let app = TestApp::open(world).await?;
    let order = app.paid_orders(1).await?.remove(0);
    let writing = async || -> Result<bool> {
        let running = doc! { "currentOp": 1, "command.insert": "installation" };
        let found: Document = admin.run_command(running).await?;
        Ok(!found.get_array("inprog")?.is_empty())
    };

    // The lock holds the first thing that a worker asks for until the connection is dead.
    admin.run_command(doc! { "fsync": 1, "lock": true }).await?;
    let worker = app.world.start_worker()?;
    eventually("the record of the installation", writing).await?;
    link.damage(0, Some(Damage::HalfOpen));
    admin.run_command(doc! { "fsyncUnlock": 1 }).await?;
    eventually("its lost answer", async || Ok(!writing().await?)).await?;
    link.damage(0, None);

    app.quiet().await?;
    app.the_code(&order).await?;
    assert!(worker.stop().await?.success());
    app.close().await
}
