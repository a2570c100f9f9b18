//! Promotions continue while Redis is at `maxmemory`.

use anyhow::Result;
use heyi_common::{
    platform::Platform,
    redis::Redis,
    scans::{ScanCounter, Scans, today},
};
use heyi_testkit::world::{World, eventually};
use redis::Script;

use crate::support::TestApp;

async fn limit(redis: &Redis, bytes: u64) -> Result<()> {
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "maxmemory"]).arg(bytes);
    Ok(set.exec_async(&mut redis.shared()).await?)
}

#[tokio::test]
async fn a_worker_that_starts_on_a_full_redis_promotes_what_waits() -> Result<()> {
    for partitions in ["1", "3"] {
        let mut world = World::with_own_stores().await?;
        world.set("HEYI_QUEUE__PARTITIONS", partitions);
        let app = TestApp::open(world).await?;
        let orders = app.paid_orders(10).await?;
        let redis = app.queue.redis().clone();
        // No worker was ever there, so there is no group yet.
        limit(&redis, 1).await?;
        let refused = redis::Cmd::set("x", 1)
            .exec_async(&mut redis.shared())
            .await;
        assert_eq!(refused.unwrap_err().code(), Some("OOM"));
        let status = app.queue.status().await?;
        assert_eq!(status.waiting, 10, "{status:?}");

        let worker = app.world.start_worker()?;
        app.quiet().await?;
        for order in &orders {
            app.the_code(order).await?;
        }
        // Another one, which finds the group.
        worker.stop().await?;
        limit(&redis, 0).await?;
        let more = app.paid_orders(5).await?;
        limit(&redis, 1).await?;
        let worker = app.world.start_worker()?;
        app.quiet().await?;
        for order in &more {
            app.the_code(order).await?;
        }
        limit(&redis, 0).await?;
        worker.stop().await?;
        app.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn status_makes_no_group() -> Result<()> {
    let app = TestApp::new().await?;
    let status = app.queue.status().await?;
    assert_eq!(status, heyi_common::queue::status::Status::default());
    let stream = {
        let keys = app.queue.keys();
        keys.notify(keys.partitions().next().unwrap())
    };
    let exists: bool = redis::Cmd::exists(stream)
        .query_async(&mut app.queue.redis().shared())
        .await?;
    assert!(!exists);
    app.close().await
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again() -> Result<()> {
    let app = TestApp::open(World::with_own_stores().await?).await?;
    let worker = app.world.worker().await?;
    let first = app.paid_orders(1).await?;
    app.quiet().await?;
    app.the_code(&first[0]).await?;
    let keys = app.queue.keys();
    let stream = keys.notify(keys.partitions().next().unwrap());
    let gone = Script::new("return redis.call('DEL', KEYS[1])");
    let mut connection = app.queue.redis().shared();
    let () = gone.key(stream).invoke_async(&mut connection).await?;
    let second = app.paid_orders(1).await?;
    app.quiet().await?;
    app.the_code(&second[0]).await?;
    worker.stop().await?;
    app.close().await
}

#[tokio::test]
async fn scans_leave_a_full_redis() -> Result<()> {
    let app = TestApp::open(World::with_own_stores().await?).await?;
    let order = app.order("小店").await?;
    let redis = app.queue.redis().clone();
    let counter = ScanCounter::new(Scans::new(redis.clone(), app.queue.keys().clone()));
    counter.count(order.code_id, Some(Platform::Alipay));
    counter.flush().await?;
    limit(&redis, 1).await?;
    let worker = app.world.start_worker()?;
    eventually("the scan is in MongoDB", async || {
        let kept = app.store.scans(order.code_id, today(), today()).await?;
        Ok(!kept.is_empty())
    })
    .await?;
    limit(&redis, 0).await?;
    worker.stop().await?;
    app.close().await
}
