//! Cache of scanned codes, invalidated by MongoDB's change stream.
//!
//! If codes were read again every second instead, `/qr` would cost 1.23 times the CPU in the api and 2.4 times in
//! MongoDB ([measured](../../docs/performance.md#speed-ups)).

mod shown;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use heyi_common::{
    backoff::Backoff,
    outage,
    payload::AllowList,
    store::{Store, StoreError},
};
use metrics::{Counter, counter};
use mongodb::bson::oid::ObjectId;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle, GuardResult},
};

use shown::Read;
pub(crate) use shown::Shown;

use crate::http::error::Error;

/// Evicted keys that are remembered, per cached code: a code that is scanned again stays longer. The cache's tables
/// grow by doubling; at the default size, a few more would double them.
const REMEMBERED: f64 = 0.22;
/// Approximate size of a code, in bytes.
const USUAL_SIZE: usize = 400;
/// The cache's overhead for each entry, in bytes.
const OVERHEAD: usize = 64;
/// The allocator rounds typical sizes of codes up to a multiple of this.
const STEP: usize = 32;
/// How long MongoDB may wait before it reports that there is no change. A sixth of the second within which a change
/// must take effect.
const LONGEST_WAIT: Duration = Duration::from_millis(150);
/// Cached codes are not used after this long without a report.
const LONGEST_SILENCE: Duration = Duration::from_millis(700);
/// The longest that a code is cached, in seconds. Behind a mongos it may come from a former primary, and no change
/// event reports that.
const LONGEST_AGE: u32 = 600;

/// The cache weight of a code.
#[derive(Clone)]
struct Bytes;

impl Weighter<ObjectId, Shown> for Bytes {
    fn weight(&self, _: &ObjectId, code: &Shown) -> u64 {
        let size = OVERHEAD + code.size().next_multiple_of(STEP);
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

fn empty(mib: u32) -> Cache<ObjectId, Shown, Bytes> {
    let capacity = u64::from(mib) << 20;
    let count = usize::try_from(capacity).unwrap_or(usize::MAX) / USUAL_SIZE;
    #[expect(clippy::expect_used, reason = "all that it needs is given")]
    let options = OptionsBuilder::new()
        .estimated_items_capacity(count)
        .weight_capacity(capacity)
        .ghost_allocation(REMEMBERED)
        .build()
        .expect("options of the cache");
    let hasher = DefaultHashBuilder::default();
    Cache::with_options(options, Bytes, hasher, DefaultLifecycle::default())
}

/// Reads codes, from the cache while it is known to match MongoDB.
///
/// MongoDB sends each process a change stream ([`watch`](Self::watch)) and confirms several times a second that it is
/// complete. Without this confirmation the cache is not used. So a change takes effect within a second, even if MongoDB
/// or the connection hangs.
pub(crate) struct Codes {
    known: AllowList,
    kept: Cache<ObjectId, Shown, Bytes>,
    from_memory: Counter,
    from_mongodb: Counter,
    /// Number of times that the change stream was opened.
    beginnings: AtomicU32,
    /// Changes up to this time were received, in ms after `start`.
    heard: AtomicU64,
    start: Instant,
}

impl Codes {
    /// Creates a cache of `mib` MiB.
    pub(crate) fn new(known: AllowList, mib: u32) -> Self {
        Self {
            known,
            kept: empty(mib),
            from_memory: counter!("heyi_codes_read_total", "from" => "memory"),
            from_mongodb: counter!("heyi_codes_read_total", "from" => "mongodb"),
            beginnings: AtomicU32::new(0),
            heard: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    /// The code with this id, with the payloads that are still allowed. Fails with [`Error::Gone`] if it is deleted,
    /// disabled, or has none.
    pub(crate) async fn shown(&self, store: &Store, id: &str) -> Result<(ObjectId, Shown), Error> {
        let id = ObjectId::parse_str(id).map_err(|_| Error::Gone)?;
        Ok((id, self.known_or_read(store, id).await?))
    }

    async fn known_or_read(&self, store: &Store, id: ObjectId) -> Result<Shown, Error> {
        let now = Instant::now();
        if !self.is_listening(now) {
            return self.read(store, id).await;
        }
        // Read after the check above: the epoch is raised before `heard`.
        let epoch = self.epoch(store);
        let seconds = self.seconds(now);
        let is_current = |code: &Shown| {
            let Read { epoch: own, at } = code.read();
            own == epoch && seconds.saturating_sub(at) < LONGEST_AGE
        };
        if let Some(code) = self.kept.get(&id) {
            if is_current(&code) {
                self.from_memory.increment(1);
                return Ok(code);
            }
            self.kept.remove_if(&id, |code| !is_current(code));
        }
        match self.kept.get_value_or_guard(&id, Some(Duration::ZERO)) {
            // Forgetting the code removes the placeholder of this guard. So a value read before a change is not cached
            // after it.
            GuardResult::Guard(place) => {
                let code = self.read(store, id).await?;
                let _ = place.insert(code.clone());
                Ok(code)
            }
            // Another request is reading it.
            GuardResult::Value(_) | GuardResult::Timeout => self.read(store, id).await,
        }
    }

    /// Removes a changed code, so that the client that changed it sees the change immediately.
    pub(crate) fn forget(&self, id: ObjectId) {
        self.kept.remove(&id);
    }

    fn is_listening(&self, now: Instant) -> bool {
        let heard = self.start + Duration::from_millis(self.heard.load(Ordering::Acquire));
        self.beginnings.load(Ordering::Acquire) > 0
            && now.saturating_duration_since(heard) < LONGEST_SILENCE
    }

    /// The epoch of cached codes: codes read in an earlier epoch may have missed a change.
    ///
    /// The last sixteen bits: no code is cached long enough for the number to repeat ([`LONGEST_AGE`]).
    fn epoch(&self, store: &Store) -> u16 {
        let beginnings = self.beginnings.load(Ordering::Acquire);
        let epoch = beginnings.wrapping_add(store.member_changes());
        let [.., high, low] = epoch.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Seconds since `start`; sufficient for 136 years.
    fn seconds(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.start).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    async fn read(&self, store: &Store, id: ObjectId) -> Result<Shown, Error> {
        let read = Read {
            epoch: self.epoch(store),
            at: self.seconds(Instant::now()),
        };
        self.from_mongodb.increment(1);
        let shown = store.scanned(id, |code| {
            if !code.rest.is_shown() {
                return None;
            }
            let shown = Shown::new(code, &self.known, read);
            if shown.is_none() {
                tracing::warn!(code.id = %id, "none of the code's payloads is a known form any more");
            }
            shown
        });
        shown.await?.flatten().ok_or(Error::Gone)
    }

    /// Receives changes for the lifetime of the process.
    pub(crate) async fn watch(&self, store: &Store) {
        let mut backoff = Backoff::reconnect();
        let mut has_failed = false;
        loop {
            let Err(error) = self.listen(store, &mut backoff).await;
            if !has_failed {
                outage::report(
                    "cannot follow changes of codes, so each is read again for every page",
                    &error,
                );
            }
            // A standalone server has no change streams.
            has_failed = self.beginnings.load(Ordering::Acquire) == 0;
            backoff.wait().await;
        }
    }

    async fn listen(&self, store: &Store, backoff: &mut Backoff) -> Result<Infallible, StoreError> {
        let mut changes = store.code_changes(LONGEST_WAIT).await?;
        self.beginnings.fetch_add(1, Ordering::AcqRel);
        backoff.reset();
        loop {
            let asked = self.start.elapsed().as_millis();
            match changes.next().await? {
                Some(id) => self.forget(id),
                None => self
                    .heard
                    .store(u64::try_from(asked).unwrap_or(u64::MAX), Ordering::Release),
            }
        }
    }
}
