use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use heyi_testkit::{
    tcp_proxy::{Damage, TcpProxy},
    world::{World, data, eventually, params},
};
use tokio::time::Instant;

use crate::support::{TestApp, assert_fails};

#[tokio::test]
async fn without_redis_what_needs_it_is_503_and_comes_back() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    let upload = data(&alice.openid, "小店").to_string();
    let order = [("data", upload.as_str()), ("totalFee", "990")];
    let answer = app.client.call("/newOrder", &alice, &order).await?;
    assert_fails(&answer, 503, "cannot reach Redis:");
    assert_fails(&app.client.check("UNKNOWN1").await?, 503, "Redis");
    assert_fails(&app.monitor("/readyz").await?, 503, "cannot reach Redis:");
    assert_eq!(app.get_with("/healthz", &[]).await?.status, 200);
    // What needs only MongoDB goes on.
    let page = app
        .client
        .get("/qr", &params(&[("id", &code.id.to_hex())]))
        .await?;
    assert_eq!(page.status, 200);
    assert_eq!(
        app.client.check(code.out_trade_no.as_str()).await?.status,
        200
    );

    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    eventually("the api is ready again", async || {
        Ok(app.monitor("/readyz").await?.status == 200)
    })
    .await?;
    let answer = app.client.call("/newOrder", &alice, &order).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.finish().await
}

#[tokio::test]
async fn without_mongodb_what_needs_it_is_503_and_comes_back() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    if let Some(mongo) = &mut app.world.mongo {
        mongo.stop().await?;
    }
    assert_fails(
        &app.client.list(&alice).await?,
        503,
        "cannot reach MongoDB:",
    );
    assert_fails(&app.client.delete(&alice, &id).await?, 503, "MongoDB");
    assert_fails(&app.client.check("UNKNOWN1").await?, 503, "MongoDB");
    assert_fails(&app.monitor("/readyz").await?, 503, "MongoDB at 127.0.0.1");
    let page = app.client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(page.status, 503);
    assert!(page.body.contains("服务暂时不可用"), "{}", page.body);
    // An order can still be made.
    app.client.order(&alice, "小店", 990).await?;

    if let Some(mongo) = &mut app.world.mongo {
        mongo.restart().await?;
    }
    eventually("the api is ready again", async || {
        Ok(app.monitor("/readyz").await?.status == 200)
    })
    .await?;
    assert_eq!(app.client.list(&alice).await?.status, 200);
    app.finish().await
}

#[tokio::test]
async fn connections_to_redis_that_a_balancer_forgot_fail_nobody() -> Result<()> {
    /// Longer than a connection is used without being tried.
    const IDLE: Duration = Duration::from_secs(11);
    let mut world = World::with_own_stores().await?;
    let redis = world.redis.as_ref().context("no Redis")?.port();
    let link = TcpProxy::start(&[redis]).await?;
    world.set(
        "HEYI_REDIS__URL",
        format!("redis://127.0.0.1:{}/0", link.port()),
    );
    let app = TestApp::start_in(world).await?;
    let alice = app.client.login("alice").await?;
    let order = async || app.client.order(&alice, "小店", 990).await;
    try_join_all((0..8).map(|_| order())).await?;
    // What is sent over them from now on goes nowhere; new ones work.
    link.damage(0, Some(Damage::HalfOpen));
    link.damage(0, None);
    let since = Instant::now();
    eventually("a quiet while", async || Ok(since.elapsed() > IDLE)).await?;
    try_join_all((0..8).map(|_| order())).await?;
    app.finish().await
}

#[tokio::test]
async fn an_api_that_starts_without_stores_makes_the_indexes_when_they_come() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    if let (Some(redis), Some(mongo)) = (&mut world.redis, &mut world.mongo) {
        redis.stop().await?;
        mongo.stop().await?;
    }
    let mut api = world.start_api()?;
    api.answers("healthz").await?;
    let monitor = world.client()?.at(&api.monitor_url());
    let answer = monitor.get("/readyz", &params(&[])).await?;
    assert_fails(&answer, 503, "Redis did not answer: ");
    assert_fails(&answer, 503, "MongoDB at 127.0.0.1");
    if let (Some(redis), Some(mongo)) = (&mut world.redis, &mut world.mongo) {
        redis.restart().await?;
        mongo.restart().await?;
    }
    let store = world.store().await?;
    eventually("the indexes are there", async || {
        Ok(store
            .index_names()
            .await
            .is_ok_and(|names| names.len() == 4))
    })
    .await?;
    api.answers("readyz").await?;
    api.stop().await?;
    world.finish().await
}
