//! From Redis into MongoDB.

use std::{collections::HashMap, time::Duration};

use redis::{AsyncCommands, RedisResult, Script, Value, from_redis_value};

use super::Scans;
use crate::{
    crash::{self, Point},
    redis::WriteError,
    store::{ScanCount, Store},
};

/// After this a fold that was begun is taken up by another worker.
const LEASE: Duration = Duration::from_secs(10);
/// The most counts that are read at once.
const SLICE: usize = 1000;
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
    pub async fn fold(&self, store: &Store) -> anyhow::Result<u64> {
        let Some(fold) = self.begin_fold().await? else {
            return Ok(0);
        };
        crash::point(Point::FoldBegun);
        let Some(counts) = self.folding(fold).await? else {
            return Ok(0);
        };
        store.add_scans(&self.source, fold.number, &counts).await?;
        self.finish_fold(fold).await?;
        Ok(counts.iter().map(|count| count.scans).sum())
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

    /// What a fold is to fold, read in slices: nothing is added to it any more. None when it was finished meanwhile; then
    /// some of what was read may be of the next.
    async fn folding(&self, fold: Fold) -> RedisResult<Option<Vec<ScanCount>>> {
        let key = self.keys.scans_folding();
        let mut connection = self.redis.shared();
        let mut fields = HashMap::new();
        let mut cursor = 0;
        loop {
            let slice: (u64, Vec<(String, String)>) = redis::cmd("HSCAN")
                .arg(&key)
                .arg(cursor)
                .arg("COUNT")
                .arg(SLICE)
                .query_async(&mut connection)
                .await?;
            cursor = slice.0;
            // A field may come twice.
            fields.extend(slice.1);
            if cursor == 0 {
                break;
            }
        }
        let number: Option<i64> = connection.hget(&key, FOLD).await?;
        if number != Some(fold.number) {
            return Ok(None);
        }
        let counts = fields.iter().filter_map(|(field, count)| {
            if field == FOLD || field == SINCE {
                return None;
            }
            let count = ScanCount::read(field, count);
            if count.is_none() {
                tracing::warn!(field, "what is counted here is no scan");
            }
            count
        });
        Ok(Some(counts.collect()))
    }

    async fn finish_fold(&self, fold: Fold) -> RedisResult<()> {
        Script::new(include_str!("lua/finish.lua"))
            .key(self.keys.scans_folding())
            .arg(fold.number)
            .invoke_async(&mut self.redis.shared())
            .await
    }
}
