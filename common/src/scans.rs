//! Scans: how often the page of each code was shown, by platform and day.
//!
//! # The life of a count
//!
//! 1. The api adds it to the [`ScanCounter`] of its process, in memory: a page waits for nothing and fails for nothing.
//! 2. Every second the counter goes to Redis, in batches with numbers, so that one that is sent twice counts once. What a
//!    process has not sent when it dies, a second's scans at most, is lost.
//! 3. A worker begins an *aggregation*: in one atomic step the hash gets another name and the aggregation a number, which never comes
//!    again. Others go on counting into a new hash.
//! 4. It adds the hash to MongoDB, a document per code and day. Each document remembers the number of its last aggregation, for
//!    each Redis that there was, and takes none a second time, so whichever process dies, and however many workers do the same, nothing counts twice.
//!    A worker that was away for long finds a million counts: it reads them in parts, writes a hundred documents at a time,
//!    and after each step pauses for three times as long as it took, since orders come first.
//! 5. The hash is dropped, if it still is that of this aggregation. Until then any worker may take it up again, and nothing of
//!    the next aggregation begins: so nothing is lost between the stores, and the last number is all that a document needs.
//!
//! [`Scans::of`] adds up what is in MongoDB and what is still on its way.
//!
//! # Keys
//!
//! | key | type | what |
//! |---|---|---|
//! | `heyi:scans` | hash, `<code id>:<day>:<platform>` → count | scans to be aggregated |
//! | `heyi:scans:aggregating` | the same, and `aggregation`, `since` | those being aggregated, by which aggregation, and when its worker was last at it, in ms |
//! | `heyi:scans:aggregation` | string | the number of the last aggregation that began |
//! | `heyi:scans:flushed:<process>` | string, EX 1 d | the number of the last batch of a process |
//!
//! With more partitions than one, `{0}:` follows the prefix.

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

/// What scans by other apps and browsers are counted under.
const OTHER: &str = "other";

/// Scans in Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scans {
    redis: Redis,
    keys: Keys,
    /// Tells these keys from those of another Redis: while one takes over from the other, both aggregate into the same documents.
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

/// What scans are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    code: ObjectId,
    day: Date,
    /// None for what is no app of a platform.
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

/// Today where the owners are: in China.
pub fn today() -> Date {
    day_of(Timestamp::now())
}

/// The day of a moment in China.
pub fn day_of(moment: Timestamp) -> Date {
    tz::offset(8).to_datetime(moment).date()
}
