//! Aggregation from Redis into MongoDB.

use std::time::{Duration, Instant};

use redis::{AsyncCommands, RedisResult, Value, from_redis_value};
use tokio::time::sleep;

use super::Scans;
use crate::{
    failpoint::{self, Failpoint},
    redis::{Script, WriteError},
    store::{ScanCount, Store, batches},
};

/// An aggregation without progress for this long is taken over by another worker.
const LEASE: Duration = Duration::from_secs(10);
/// Maximum number of counts that are read at a time.
const SLICE: usize = 1000;
/// Each step of an aggregation is followed by a pause of so many times its duration, since orders come first.
const REST: u32 = 3;
/// Much shorter than [`LEASE`].
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Fields of the hash that are no counts.
const AGGREGATION: &str = "aggregation";
const SINCE: &str = "since";

/// An aggregation that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregation {
    /// Its number; later aggregations have higher ones.
    pub number: i64,
}

impl Scans {
    /// Aggregates the counted scans into MongoDB, unless another worker does so. Returns the number of scans.
    ///
    /// Keeps about `at_once` counts in memory at a time. If there are more, because no worker ran for long, it reads them
    /// several times and aggregates some of the codes each time.
    pub async fn aggregate(&self, store: &Store, at_once: u64) -> anyhow::Result<u64> {
        let Some(aggregation) = self.begin_aggregation().await? else {
            return Ok(0);
        };
        failpoint::reach(Failpoint::AggregationBegun);
        let waiting: u64 = self
            .redis
            .shared()
            .hlen(self.keys.scans_aggregating())
            .await?;
        let parts = u32::try_from(waiting.div_ceil(at_once.max(1)))?;
        let mut scans = 0;
        for part in 0..parts {
            let is_wanted = |count: &ScanCount| count.part(parts) == part;
            let Some(mut counts) = self.aggregating(aggregation, is_wanted).await? else {
                return Ok(0);
            };
            for batch in batches(&mut counts) {
                // Otherwise some of the counts may belong to the next aggregation.
                if !self.is_under_way(aggregation).await? {
                    return Ok(0);
                }
                let start = Instant::now();
                store
                    .add_scans(&self.source, aggregation.number, batch)
                    .await?;
                rest(start).await;
                scans += batch.iter().map(|count| count.scans).sum::<u64>();
            }
        }
        self.finish_aggregation(aggregation).await?;
        Ok(scans)
    }

    /// Begins an aggregation, or takes over one whose worker died. Waits for replicas: after a failover, the same counts
    /// could become part of a second aggregation.
    async fn begin_aggregation(&self) -> Result<Option<Aggregation>, WriteError> {
        let mut begin = redis::cmd("EVAL");
        begin
            .arg(include_str!("lua/begin.lua"))
            .arg(3)
            .arg(self.keys.scans())
            .arg(self.keys.scans_aggregating())
            .arg(self.keys.scans_aggregation())
            .arg(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX));
        let mut answers = self.redis.write(vec![begin]).await?;
        let number: Option<i64> = from_redis_value(answers.pop().unwrap_or(Value::Nil))
            .map_err(redis::RedisError::from)?;
        Ok(number.map(|number| Aggregation { number }))
    }

    /// Reads a part of the counts being aggregated, in slices; no more are added to them. A count may come twice. None if
    /// the aggregation was finished meanwhile.
    async fn aggregating(
        &self,
        aggregation: Aggregation,
        is_wanted: impl Fn(&ScanCount) -> bool,
    ) -> RedisResult<Option<Vec<ScanCount>>> {
        let key = self.keys.scans_aggregating();
        let mut connection = self.redis.shared();
        let mut counts = Vec::new();
        let mut cursor = 0;
        while self.is_under_way(aggregation).await? {
            let start = Instant::now();
            let slice: (u64, Vec<(String, String)>) = redis::cmd("HSCAN")
                .arg(&key)
                .arg(cursor)
                .arg("COUNT")
                .arg(SLICE)
                .query_async(&mut connection)
                .await?;
            for (field, count) in slice.1 {
                if field == AGGREGATION || field == SINCE {
                    continue;
                }
                match ScanCount::read(&field, &count) {
                    Some(count) if is_wanted(&count) => counts.push(count),
                    Some(_) => {}
                    None => tracing::warn!(field, "what is counted here is no scan"),
                }
            }
            cursor = slice.0;
            if cursor == 0 {
                return Ok(Some(counts));
            }
            rest(start).await;
        }
        Ok(None)
    }

    /// Renews the lease of an aggregation, unless it was finished.
    async fn is_under_way(&self, aggregation: Aggregation) -> RedisResult<bool> {
        Script::new(include_str!("lua/go_on.lua"))
            .key(self.keys.scans_aggregating())
            .arg(aggregation.number)
            .invoke_async(&mut self.redis.shared())
            .await
    }

    async fn finish_aggregation(&self, aggregation: Aggregation) -> RedisResult<()> {
        Script::new(include_str!("lua/finish.lua"))
            .key(self.keys.scans_aggregating())
            .arg(aggregation.number)
            .invoke_async(&mut self.redis.shared())
            .await
    }
}

/// Pauses after a step that began at `start`.
async fn rest(start: Instant) {
    sleep((start.elapsed() * REST).min(LONGEST_REST)).await;
}
