//! A Redis that already has data but no append-only file.

use anyhow::Result;
use heyi_testkit::{
    servers::Server,
    world::{World, eventually},
};
use redis::AsyncCommands as _;

use crate::{operator::text, support::TestApp};

#[tokio::test]
async fn the_documented_order_keeps_the_data_and_doctor_warns_before() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (redis_dir, mongo_dir) = (dir.path().join("redis"), dir.path().join("mongo"));
    let plain = ["--appendonly", "no", "--save", "3600 1"]
        .map(str::to_owned)
        .to_vec();
    let mut redis = Server::redis_with(&redis_dir, plain).await?;
    let mongo = Server::mongo(&mongo_dir, None).await?;
    let app = TestApp::open(World::on(redis.url(), mongo.url()).await?).await?;
    let order = app.order("小店").await?;
    let said = text(&app, &["doctor"]).await?;
    let warning = said
        .lines()
        .find(|line| line.contains("CONFIG SET appendonly yes"));
    assert!(
        warning.is_some_and(|line| line.starts_with("FIX ")),
        "{said}"
    );

    let mut connection = app.queue.redis().shared();
    for command in commands() {
        let answer: redis::RedisResult<redis::Value> = command.query_async(&mut connection).await;
        answer?;
    }
    eventually("the append-only file", async || {
        let mut info = redis::cmd("INFO");
        let info: redis::InfoDict = info.arg("persistence").query_async(&mut connection).await?;
        Ok(info.get("aof_rewrite_in_progress") == Some(0)
            && info.get::<String>("aof_last_bgrewrite_status").as_deref() == Some("ok"))
    })
    .await?;
    redis.stop().await?;
    // With the configuration that we ship.
    let redis = Server::redis(&redis_dir, Some(redis.port())).await?;
    eventually("Redis", async || Ok(app.queue.status().await.is_ok())).await?;
    assert_eq!(
        app.orders.get(&order.out_trade_no).await?,
        Some(order.clone())
    );
    let appendonly: Vec<String> = redis::cmd("CONFIG")
        .arg(&["GET", "appendonly"])
        .query_async(&mut connection)
        .await?;
    assert_eq!(appendonly, ["appendonly", "yes"]);
    let () = connection
        .del(app.queue.keys().order(&order.out_trade_no))
        .await?;
    drop(redis);
    Ok(())
}

/// What the head of `deploy/redis.conf` says to run first.
fn commands() -> Vec<redis::Cmd> {
    let file = include_str!("../../../deploy/redis.conf");
    let lines = file
        .lines()
        .filter_map(|line| line.strip_prefix("#   redis-cli CONFIG SET "));
    let commands: Vec<redis::Cmd> = lines
        .map(|words| {
            let mut command = redis::cmd("CONFIG");
            command
                .arg("SET")
                .arg(words.split_whitespace().collect::<Vec<_>>());
            command
        })
        .collect();
    assert!(!commands.is_empty(), "{file}");
    commands
}
