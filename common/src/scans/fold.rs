//! From Redis into MongoDB.

use std::time::{Duration, Instant};

use redis::{AsyncCommands, RedisResult, Value, from_redis_value};
use tokio::time::sleep;

use super::Scans;
use crate::{
    crash::{self, Point},
    redis::{Script, WriteError},
    store::{ScanCount, Store, batches},
};

/// After this a fold that nobody works on is taken up by another worker.
const LEASE: Duration = Duration::from_secs(10);
/// The most counts that are read at once.
const SLICE: usize = 1000;
/// After each step of a fold, so many times as long as it took belong to orders, which come first.
const REST: u32 = 3;
/// Far less than [`LEASE`].
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Fields of the hash that are no counts.
const FOLD: &str = "fold";
const SINCE: &str = "since";

/// A fold that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// Its number; later folds have higher ones.
    pub number: i64,
}

impl Scans {
    /// Folds what was counted into MongoDB, unless another worker is at it. Says how many scans that were.
    ///
    /// Has about `at_once` counts in memory at a time. Where more wait, since no worker was there for long, they are read
    /// several times, and each time some of the codes are folded.
    pub async fn fold(&self, store: &Store, at_once: u64) -> anyhow::Result<u64> {
        let Some(fold) = self.begin_fold().await? else {
            return Ok(0);
        };
        crash::point(Point::FoldBegun);
        let waiting: u64 = self.redis.shared().hlen(self.keys.scans_folding()).await?;
        let parts = u32::try_from(waiting.div_ceil(at_once.max(1)))?;
        let mut scans = 0;
        for part in 0..parts {
            let is_wanted = |count: &ScanCount| count.part(parts) == part;
            let Some(mut counts) = self.folding(fold, is_wanted).await? else {
                return Ok(0);
            };
            for batch in batches(&mut counts) {
                // Else some of what was read may be of the next.
                if !self.is_under_way(fold).await? {
                    return Ok(0);
                }
                let start = Instant::now();
                store.add_scans(&self.source, fold.number, batch).await?;
                rest(start).await;
                scans += batch.iter().map(|count| count.scans).sum::<u64>();
            }
        }
        self.finish_fold(fold).await?;
        Ok(scans)
    }

    /// Begins a fold, or takes up one whose worker died. Replicas are waited for: a former master could give what is
    /// folded to a second fold.
    async fn begin_fold(&self) -> Result<Option<Fold>, WriteError> {
        let mut begin = redis::cmd("EVAL");
        begin
            .arg(include_str!("lua/begin.lua"))
            .arg(3)
            .arg(self.keys.scans())
            .arg(self.keys.scans_folding())
            .arg(self.keys.scans_fold())
            .arg(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX));
        let mut answers = self.redis.write(vec![begin]).await?;
        let number: Option<i64> = from_redis_value(answers.pop().unwrap_or(Value::Nil))
            .map_err(redis::RedisError::from)?;
        Ok(number.map(|number| Fold { number }))
    }

    /// Some of what is being folded, read in slices: nothing is added to it any more. A count may come twice. None when
    /// the fold was finished meanwhile.
    async fn folding(
        &self,
        fold: Fold,
        is_wanted: impl Fn(&ScanCount) -> bool,
    ) -> RedisResult<Option<Vec<ScanCount>>> {
        let key = self.keys.scans_folding();
        let mut connection = self.redis.shared();
        let mut counts = Vec::new();
        let mut cursor = 0;
        while self.is_under_way(fold).await? {
            let start = Instant::now();
            let slice: (u64, Vec<(String, String)>) = redis::cmd("HSCAN")
                .arg(&key)
                .arg(cursor)
                .arg("COUNT")
                .arg(SLICE)
                .query_async(&mut connection)
                .await?;
            for (field, count) in slice.1 {
                if field == FOLD || field == SINCE {
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

    /// Says that a fold is worked on, so that nobody takes it up, unless it was finished.
    async fn is_under_way(&self, fold: Fold) -> RedisResult<bool> {
        Script::new(include_str!("lua/go_on.lua"))
            .key(self.keys.scans_folding())
            .arg(fold.number)
            .invoke_async(&mut self.redis.shared())
            .await
    }

    async fn finish_fold(&self, fold: Fold) -> RedisResult<()> {
        Script::new(include_str!("lua/finish.lua"))
            .key(self.keys.scans_folding())
            .arg(fold.number)
            .invoke_async(&mut self.redis.shared())
            .await
    }
}

/// Pauses after what began then.
async fn rest(start: Instant) {
    sleep((start.elapsed() * REST).min(LONGEST_REST)).await;
}
