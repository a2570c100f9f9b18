//! Scans: how often the page of each code was shown, by platform and day.
//!
//! # The life of a count
//!
//! 1. The api adds it to the [`ScanCounter`] of its process, in memory. So no page waits for a count or fails with it.
//! 2. Every second the counter flushes to Redis in numbered batches, so that a repeated batch counts once. A process that
//!    dies loses at most one second of scans.
//! 3. A worker begins an *aggregation*: one atomic step renames the hash and gives the aggregation a number that is never
//!    used again. Processes continue counting into a new hash.
//! 4. The worker adds the hash to MongoDB, one document per code and day. Each document stores the number of its last
//!    aggregation per Redis and takes none twice. So nothing counts twice, even if processes die or several workers do the
//!    same. After a long time without a worker there may be a million counts: the worker reads them in parts and writes a
//!    hundred documents at a time. After each step it pauses for three times as long as it took, since orders come first.
//! 5. The worker deletes the hash if it still belongs to this aggregation. Until then any worker may take over the
//!    aggregation, and the next one cannot start. So no count is lost, and a document needs only the last number.
//!
//! [`Scans::of`] adds up the counts in MongoDB and in Redis.
//!
//! # Keys
//!
//! | key | type | contents |
//! |---|---|---|
//! | `heyi:scans` | hash, `<code id>:<day>:<platform>` → count | scans to be aggregated |
//! | `heyi:scans:aggregating` | the same, and `aggregation`, `since` | scans being aggregated, the number of the aggregation, and when its worker last worked on it, in ms |
//! | `heyi:scans:aggregation` | string | the number of the last aggregation that was started |
//! | `heyi:scans:flushed:<process>` | string, EX 1 d | the number of the last batch of a process |
//!
//! With several partitions, `{0}:` follows the prefix.

mod aggregate;
mod counter;
mod stats;

use std::fmt;

use jiff::{Timestamp, civil::Date, tz};
use mongodb::bson::oid::ObjectId;

pub use aggregate::Aggregation;
pub use counter::ScanCounter;
pub use stats::{DayScans, StatsError};

use crate::{platform::Platform, queue::Keys, redis::Redis};

/// The name under which scans by other apps and browsers are counted.
const OTHER: &str = "other";

/// Scans in Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scans {
    redis: Redis,
    keys: Keys,
    /// Identifies these keys: during a move to another Redis, both aggregate into the same documents.
    source: String,
}

impl Scans {
    /// The scans under `keys`.
    pub fn new(redis: Redis, keys: Keys) -> Self {
        let source = crc16::State::<crc16::XMODEM>::calculate(keys.scans().as_bytes());
        Self {
            redis,
            keys,
            source: format!("{source:04x}"),
        }
    }
}

/// A code, day and platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    code: ObjectId,
    day: Date,
    /// None if the app belongs to no platform.
    platform: Option<Platform>,
}

impl Kind {
    fn platform_name(platform: Option<Platform>) -> &'static str {
        platform.map_or(OTHER, Platform::name)
    }
}

/// The field of the hash.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platform = Self::platform_name(self.platform);
        write!(f, "{}:{}:{platform}", self.code, self.day)
    }
}

/// Today in China, where the owners are.
pub fn today() -> Date {
    day_of(Timestamp::now())
}

/// The date of a timestamp in China.
pub fn day_of(moment: Timestamp) -> Date {
    tz::offset(8).to_datetime(moment).date()
}
