//! Counting in the process, and the way to Redis.

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
/// The longest pause while Redis is away.
const LONGEST: Duration = Duration::from_secs(10);
/// The most counts of one batch, so that none holds up Redis for long.
const LARGEST: usize = 500;
/// The most counts that are kept while Redis is away; what comes on top is lost.
const MOST: usize = 100_000;
/// How long Redis remembers the last batch of a process.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Counts scans until they are in Redis.
#[derive(Debug)]
pub struct ScanCounter {
    scans: Scans,
    /// Tells this process from all others.
    process: String,
    counts: Mutex<HashMap<Kind, u64>>,
    batch: tokio::sync::Mutex<Batch>,
}

/// What is on its way. It stays here, under its number, until Redis is known to have it.
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

    /// Sends what was counted every second, for as long as it is let.
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

    /// Sends what was counted. It may be dropped at any time: the next one goes on where it was.
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

    /// Begins the next batch. False when there is nothing to send.
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

    /// Replicas are waited for, so that a failover takes neither the batch nor the note of its number with it.
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
