//! Scan statistics for owners.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use mongodb::bson::oid::ObjectId;
use redis::RedisResult;

use super::{Kind, Scans, today};
use crate::{
    platform::Platform,
    redis::Script,
    store::{KeptScans, Store, StoreError},
};

/// Number of attempts to read when an aggregation began meanwhile.
const LOOKS: u32 = 3;

/// The scans of one code on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayScans {
    /// The day, in China's time.
    pub day: Date,
    /// How many by platform; `other` for other apps and browsers.
    pub platforms: BTreeMap<String, u64>,
}

/// Why scans cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// Redis did not answer.
    #[error("Redis did not answer about scans")]
    Redis(#[from] redis::RedisError),
    /// MongoDB did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The scans of a code that are not, or may not be, in MongoDB.
struct Underway {
    /// The last aggregation that was started.
    last: i64,
    /// The aggregation in progress, and its counts.
    aggregation: i64,
    aggregating: Vec<(Kind, u64)>,
    /// The counts that belong to no aggregation yet.
    counted: Vec<(Kind, u64)>,
}

type Counts = Vec<Option<u64>>;

impl Scans {
    /// The scans of a code during the last `days` days including today, newest first; empty days are included.
    pub async fn of(
        &self,
        store: &Store,
        code: ObjectId,
        days: u16,
    ) -> Result<Vec<DayScans>, StatsError> {
        let days: Vec<Date> = (0..i32::from(days.max(1)))
            .map(|ago| today().saturating_sub(ago.days()))
            .collect();
        let mut looks = 0;
        loop {
            looks += 1;
            let underway = self.underway(code, &days).await?;
            let kept = store.scans(code, days[days.len() - 1], days[0]).await?;
            // An aggregation that began after the first read has aggregated some of the counts that were read.
            let last = |kept: &KeptScans| kept.last_aggregation(&self.source);
            let is_consistent = kept.iter().all(|kept| last(kept) <= underway.last);
            if is_consistent || looks == LOOKS {
                return Ok(sum(&self.source, kept, underway));
            }
        }
    }

    async fn underway(&self, code: ObjectId, days: &[Date]) -> RedisResult<Underway> {
        let platforms = Platform::ALL.map(Some).into_iter().chain([None]);
        let kinds: Vec<Kind> = platforms
            .flat_map(|platform| {
                let of_day = move |day: &Date| Kind {
                    code,
                    day: *day,
                    platform,
                };
                days.iter().map(of_day)
            })
            .collect();
        let fields: Vec<String> = kinds.iter().map(Kind::to_string).collect();
        let (last, aggregation, aggregating, counted): (Option<i64>, Option<i64>, Counts, Counts) =
            Script::new(include_str!("lua/underway.lua"))
                .key(self.keys.scans_aggregation())
                .key(self.keys.scans_aggregating())
                .key(self.keys.scans())
                .arg(fields)
                .invoke_async(&mut self.redis.shared())
                .await?;
        let present = |counts: Counts| {
            let counts = kinds.iter().copied().zip(counts);
            counts
                .filter_map(|(kind, count)| Some((kind, count?)))
                .collect()
        };
        Ok(Underway {
            last: last.unwrap_or(0),
            aggregation: aggregation.unwrap_or(0),
            aggregating: present(aggregating),
            counted: present(counted),
        })
    }
}

fn sum(source: &str, kept: Vec<KeptScans>, underway: Underway) -> Vec<DayScans> {
    let mut days: BTreeMap<Date, BTreeMap<String, u64>> = BTreeMap::new();
    let mut aggregated: BTreeMap<Date, i64> = BTreeMap::new();
    for kept in kept {
        aggregated.insert(kept.day, kept.last_aggregation(source));
        days.insert(kept.day, kept.platforms);
    }
    let is_not_kept = |(kind, _): &(Kind, u64)| {
        aggregated.get(&kind.day).copied().unwrap_or(0) < underway.aggregation
    };
    let aggregating = underway.aggregating.into_iter().filter(is_not_kept);
    for (kind, count) in aggregating.chain(underway.counted) {
        let platform = Kind::platform_name(kind.platform).to_owned();
        *days
            .entry(kind.day)
            .or_default()
            .entry(platform)
            .or_default() += count;
    }
    days.into_iter()
        .rev()
        .map(|(day, platforms)| DayScans { day, platforms })
        .collect()
}
