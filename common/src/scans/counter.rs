//! Counts scans in the process and flushes them to Redis.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::counter;
use mongodb::bson::oid::ObjectId;
use redis::Value;
use tokio::time::sleep;

use super::{Kind, Scans, today};
use crate::{
    backoff::Backoff,
    failpoint::{self, Failpoint},
    outage,
    platform::Platform,
    redis::WriteError,
};

const EVERY: Duration = Duration::from_secs(1);
/// The longest pause while Redis is unavailable.
const LONGEST: Duration = Duration::from_secs(10);
/// Maximum number of counts in one batch, so that none blocks Redis for long.
const LARGEST: usize = 500;
/// Maximum number of counts that are kept while Redis is unavailable. Further counts are lost.
const MOST: usize = 100_000;
/// How long Redis remembers the last batch of a process.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Counts scans until they are flushed to Redis.
#[derive(Debug)]
pub struct ScanCounter {
    scans: Scans,
    /// The unique name of this process.
    process: String,
    counts: Mutex<HashMap<Kind, u64>>,
    batch: tokio::sync::Mutex<Batch>,
}

/// The batch in flight. It keeps its number and contents until Redis acknowledged it.
#[derive(Debug, Default)]
struct Batch {
    number: u64,
    counts: Vec<(Kind, u64)>,
}

impl ScanCounter {
    /// An empty counter of this process.
    pub fn new(scans: Scans) -> Self {
        let random: [u8; 8] = rand::random();
        Self {
            scans,
            process: hex::encode(random),
            counts: Mutex::default(),
            batch: tokio::sync::Mutex::default(),
        }
    }

    /// Counts a scan by the app of a platform, or by another one.
    pub fn count(&self, code: ObjectId, platform: Option<Platform>) {
        let kind = Kind {
            code,
            day: today(),
            platform,
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = counts.len() >= MOST;
        match counts.entry(kind) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(place) if !is_full => {
                place.insert(1);
            }
            Entry::Vacant(_) => counter!("heyi_scans_lost_total").increment(1),
        }
    }

    /// Flushes the counts every second, until it is dropped.
    pub async fn keep_flushing(&self) {
        let mut backoff = Backoff::new(EVERY, LONGEST);
        loop {
            sleep(EVERY).await;
            while let Err(error) = self.flush().await {
                outage::report("scans cannot be counted in Redis, trying again", &error);
                backoff.wait().await;
            }
            backoff.reset();
        }
    }

    /// Flushes the counts. It may be cancelled at any time: the next call continues with the same batch.
    pub async fn flush(&self) -> Result<(), WriteError> {
        let mut batch = self.batch.lock().await;
        loop {
            if batch.counts.is_empty() && !self.fill(&mut batch) {
                return Ok(());
            }
            self.send(&batch).await?;
            failpoint::reach(Failpoint::ScansFlushed);
            batch.counts.clear();
        }
    }

    /// Fills the next batch. False if there is nothing to send.
    fn fill(&self, batch: &mut Batch) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            return false;
        }
        batch.number += 1;
        if counts.len() <= LARGEST {
            batch.counts = mem::take(&mut *counts).into_iter().collect();
        } else {
            let first: Vec<Kind> = counts.keys().take(LARGEST).copied().collect();
            let taken = first
                .into_iter()
                .filter_map(|kind| counts.remove_entry(&kind));
            batch.counts = taken.collect();
        }
        true
    }

    /// Sends a batch and waits for replicas, so that a failover loses neither the batch nor its number.
    async fn send(&self, batch: &Batch) -> Result<(), WriteError> {
        let mut add = redis::cmd("EVAL");
        add.arg(include_str!("lua/flush.lua"))
            .arg(2)
            .arg(self.scans.keys.scans())
            .arg(self.scans.keys.scans_flushed(&self.process))
            .arg(batch.number)
            .arg(REMEMBERED.as_secs());
        for (kind, count) in &batch.counts {
            add.arg(kind.to_string()).arg(*count);
        }
        let answers = self.scans.redis.write(vec![add]).await?;
        if let Some(Value::Int(lost)) = answers.first()
            && *lost > 0
        {
            counter!("heyi_scans_lost_total").increment(lost.unsigned_abs());
            tracing::error!(
                counts = lost,
                "counts of scans in Redis are no numbers, so nothing was added to them"
            );
        }
        Ok(())
    }
}
