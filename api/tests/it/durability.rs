//! `/notify` answers `success` only for durable events.

use anyhow::Result;
use heyi_common::{config::Process, redis::Redis};
use heyi_testkit::{
    servers::Server,
    world::{World, eventually},
};
use redis::{AsyncCommands, Cmd};

use crate::{notify::body, support::TestApp};

const FORM: &str = "application/x-www-form-urlencoded";

async fn notify(app: &TestApp) -> Result<(u16, String)> {
    let answer = app.post("/notify", FORM, body(app, &[])).await?;
    Ok((answer.status.as_u16(), answer.body))
}

#[tokio::test]
async fn when_redis_has_no_memory_left_nothing_is_acknowledged() -> Result<()> {
    let app = TestApp::start_in(World::with_own_stores().await?).await?;
    let limit = async |bytes: u32| -> Result<()> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes);
        Ok(set.exec_async(&mut app.redis()?).await?)
    };
    limit(1).await?;
    assert_eq!(notify(&app).await?, (503, "fail".to_owned()));
    limit(0).await?;
    assert_eq!(app.take_events().await?.len(), 0);
    assert_eq!(notify(&app).await?, (200, "success".to_owned()));
    assert_eq!(app.take_events().await?.len(), 1);
    app.finish().await
}

#[tokio::test]
async fn with_wait_replicas_nothing_is_acknowledged_before_a_replica_has_it() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    world.set("HEYI_REDIS__WAIT_REPLICAS", "1");
    let app = TestApp::start_in(world).await?;
    assert_eq!(
        notify(&app).await?,
        (503, "fail".to_owned()),
        "no replica has it"
    );
    let alice = app.client.login("alice").await?;
    let refused = app.client.order(&alice, "小店", 990).await;
    let refused = refused.expect_err("an order that no replica has");
    assert!(refused.to_string().contains("503"), "{refused}");

    let dir = app.world.dir().join("replica");
    std::fs::create_dir(&dir)?;
    let replica = Server::redis(&dir, None).await?;
    let port = app.world.redis.as_ref().map_or(0, Server::port);
    let client = redis::Client::open(replica.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut follow = redis::cmd("REPLICAOF");
    follow
        .arg("127.0.0.1")
        .arg(port)
        .exec_async(&mut connection)
        .await?;
    eventually("the replica follows", async || {
        Ok(notify(&app).await?.0 == 200)
    })
    .await?;

    let stream = format!("{}notify", app.world.setting("HEYI_REDIS__PREFIX"));
    let there: usize = app.redis()?.xlen(&stream).await?;
    let copied: usize = connection.xlen(&stream).await?;
    assert_eq!(copied, there);
    let order = app.client.order(&alice, "小店", 990).await?;
    let key = format!(
        "{}order:{}",
        app.world.setting("HEYI_REDIS__PREFIX"),
        order["out_trade_no"]
    );
    assert!(connection.exists::<_, bool>(key).await?, "{order:?}");
    app.take_events().await?;
    app.finish().await
}

#[tokio::test]
async fn of_writes_at_the_same_moment_only_those_fail_that_redis_refuses() -> Result<()> {
    let app = TestApp::start().await?;
    let redis = Redis::new(&app.world.config(Process::Api)?.redis)?;
    let prefix = app.world.setting("HEYI_REDIS__PREFIX");
    let (text, number) = (format!("{prefix}text"), format!("{prefix}number"));
    let () = app.redis()?.set(&text, "not a number").await?;
    let writes = (0..100).map(|one| {
        let key = if one % 3 == 0 { &text } else { &number };
        let commands = vec![redis::cmd("MULTI"), Cmd::incr(key, 1), redis::cmd("EXEC")];
        redis.write(commands)
    });
    let outcomes = futures::future::join_all(writes).await;
    for (one, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), one % 3 == 0, "{one}: {outcome:?}");
    }
    let counted: u32 = app.redis()?.get(&number).await?;
    assert_eq!(counted, 66);
    let () = app.redis()?.del(&[text, number]).await?;
    app.finish().await
}

#[tokio::test]
async fn an_api_that_dies_before_or_after_it_queues_loses_no_payment() -> Result<()> {
    for point in ["enqueue.before", "enqueue.after"] {
        let mut world = World::new().await?;
        world.set("HEYI_FAILPOINT", point);
        let mut mortal = world.api().await?;
        let worker = world.worker().await?;
        let client = world.client()?;
        let alice = client.login("alice").await?;
        let (number, _) = client.pay(&alice, "小店", 990).await?;
        assert!(!mortal.exited().await?.success(), "{point}");
        world.set("HEYI_FAILPOINT", "");
        let api = world.api().await?;
        let id = client.code_of(&number).await?;
        let store = world.store().await?;
        let codes = store.codes_of(&alice.openid, None).await?.items;
        assert_eq!(codes.len(), 1, "{point}");
        assert_eq!(codes[0].rest.id.to_hex(), id, "{point}");
        eventually("PayJS has its answer", async || {
            let ledger = world.sandbox.ledger();
            Ok(ledger.notifies.iter().any(|notify| notify.acknowledged))
        })
        .await?;
        eventually("a quiet queue", async || {
            Ok(world.queue()?.status().await?.waiting == 0)
        })
        .await?;
        worker.stop().await?;
        api.stop().await?;
        world.finish().await?;
    }
    Ok(())
}
