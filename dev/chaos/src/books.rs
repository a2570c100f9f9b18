//! The final state of the stores and the sandbox.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use heyi_common::{
    queue::{
        Queue,
        dead::{Letter, Page},
        status::Status,
    },
    store::{Code, Mapping},
};
use heyi_sandbox::Ledger;
use heyi_testkit::world::World;
use mongodb::{Database, bson::doc, options::ReadConcern};
use redis::AsyncCommands as _;

use crate::order::Placed;

/// More than a run can have.
const ALL: usize = 1_000_000;

/// All data to reconcile.
#[derive(Debug, Default)]
pub struct Books {
    /// The orders, as the clients know them.
    pub placed: Vec<Placed>,
    /// PayJS's ledger.
    pub ledger: Ledger,
    /// Every code in MongoDB.
    pub codes: Vec<Code>,
    /// Every mapping in MongoDB.
    pub mappings: Vec<Mapping>,
    /// The queue.
    pub queue: Status,
    /// Dead letters and rejected events.
    pub buried: Vec<Buried>,
    /// The time to live in s, if any, of every order in Redis, by its number.
    pub cached: BTreeMap<String, Option<i64>>,
    /// Numbers of orders that are marked as failed.
    pub failed: Vec<String>,
}

/// An event that ended without a promotion.
#[derive(Debug, Clone)]
pub struct Buried {
    /// Its order; empty when it named none.
    pub out_trade_no: String,
    /// Its fields, with its id.
    pub what: String,
}

impl Buried {
    fn new(letter: &Letter) -> Self {
        Self {
            out_trade_no: letter.out_trade_no(),
            what: format!("{} {:?}", letter.id, letter.fields),
        }
    }
}

impl Books {
    /// Reads everything.
    pub async fn read(world: &World, database: &Database, placed: Vec<Placed>) -> Result<Self> {
        let queue = world.queue()?;
        let majority = ReadConcern::majority;
        let codes = database.collection("codes");
        let mappings = database.collection("mappings");
        let mut cached = BTreeMap::new();
        for key in keys(&queue, "order").await? {
            let ttl: i64 = queue.redis().shared().ttl(&key).await?;
            // -2: it expired meanwhile.
            if ttl != -2 {
                cached.insert(number(&key), (ttl >= 0).then_some(ttl));
            }
        }
        let failed = keys(&queue, "failed").await?;
        let dead = queue.dead_letters(Page::newest(ALL)).await?;
        let rejected = queue.rejected(Page::newest(ALL)).await?;
        let buried = dead.iter().chain(&rejected).map(Buried::new).collect();
        Ok(Self {
            placed,
            ledger: world.sandbox.ledger(),
            codes: codes
                .find(doc! {})
                .read_concern(majority())
                .await?
                .try_collect()
                .await?,
            mappings: mappings
                .find(doc! {})
                .read_concern(majority())
                .await?
                .try_collect()
                .await?,
            queue: queue.status().await?,
            buried,
            cached,
            failed: failed.iter().map(|key| number(key)).collect(),
        })
    }
}

/// The keys of this kind in all partitions.
async fn keys(queue: &Queue, kind: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for partition in queue.keys().partitions() {
        let stream = queue.keys().notify(partition);
        let start = stream.strip_suffix("notify").context("another key")?;
        // The pattern has the partition's tag, so this goes to its master.
        let found: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{start}{kind}:*"))
            .query_async(&mut queue.redis().shared())
            .await
            .context("cannot list keys")?;
        all.extend(found);
    }
    Ok(all)
}

fn number(key: &str) -> String {
    key.rsplit(':').next().unwrap_or_default().to_owned()
}
