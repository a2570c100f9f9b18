//! What is asked of Redis and MongoDB beside the work.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use heyi_common::redis::Redis;
use heyi_testkit::world::World;
use mongodb::{Client, bson::doc};
use redis::Cmd;

/// Changes a setting.
pub(crate) async fn set(redis: &Redis, name: &str, value: &str) -> Result<()> {
    Ok(redis::cmd("CONFIG")
        .arg(&["SET", name, value])
        .exec_async(&mut redis.shared())
        .await?)
}

/// Rewrites its file no more: a rewrite would fall into some round by chance. Takes any number of orders.
pub(crate) async fn keep_file(redis: &Redis) -> Result<()> {
    set(redis, "maxmemory", "0").await?;
    set(redis, "auto-aof-rewrite-percentage", "0").await
}

/// Drops every key; the configuration that we ship forbids `FLUSHALL`.
pub(crate) async fn clear(redis: &Redis) -> Result<()> {
    const SLICE: u32 = 1_000;
    let mut cursor = 0_u64;
    loop {
        let keys: Vec<Vec<u8>>;
        (cursor, keys) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("COUNT")
            .arg(SLICE)
            .query_async(&mut redis.shared())
            .await?;
        if !keys.is_empty() {
            let unlink = Cmd::unlink(keys);
            unlink.exec_async(&mut redis.shared()).await?;
        }
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// A bare driver on the MongoDB of a world.
pub(crate) async fn mongo(world: &World) -> Result<Client> {
    let client = Client::with_uri_str(world.setting("HEYI_MONGO__URL")).await;
    client.context("connect to MongoDB")
}

/// Gives MongoDB the memory that it takes by itself on a machine of 9 GiB: half of what is beyond the first. That of
/// tests has a quarter of a GiB, which is less than a million codes.
pub(crate) async fn widen_cache(world: &World) -> Result<()> {
    let wide = doc! { "setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=4G" };
    let mongo = mongo(world).await?;
    mongo.database("admin").run_command(wide).await?;
    Ok(())
}

/// Has MongoDB write out what it would write out within the next minute.
pub(crate) async fn checkpoint(world: &World) -> Result<()> {
    let admin = mongo(world).await?.database("admin");
    admin.run_command(doc! { "fsync": 1 }).await?;
    Ok(())
}

/// What it tells of itself.
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    pub(crate) async fn read(redis: &Redis) -> Result<Self> {
        let told: String = redis::cmd("INFO").query_async(&mut redis.shared()).await?;
        let fields = told.lines().filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Ok(Self(fields.collect()))
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        let value = self.0.get(name);
        let value = value.with_context(|| format!("Redis does not tell {name}"))?;
        Ok(value.parse()?)
    }
}
