//! The codes that people scan, kept in memory while nobody changes them.
//!
//! With codes that are read again after a second instead of a change stream, `/qr` costs 1.23 times the CPU in the api and 2.4 times
//! in MongoDB ([measured](../../docs/performance.md#speed-ups)).

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

/// Of codes that were dropped, so many are remembered for each that is kept: one that is scanned again stays longer. The
/// cache's tables grow by doubling; with the default size of the cache, a few more would double them.
const REMEMBERED: f64 = 0.22;
/// About what a code takes.
const USUAL_SIZE: usize = 400;
/// What the cache needs for each.
const OVERHEAD: usize = 64;
/// The allocator rounds sizes like those of most codes up to this.
const STEP: usize = 32;
/// How long MongoDB may take to say that it knows of no change. A sixth of the second within which a change must
/// have come through.
const LONGEST_WAIT: Duration = Duration::from_millis(150);
/// When nothing was heard for so long, what is kept counts for nothing.
const LONGEST_SILENCE: Duration = Duration::from_millis(700);
/// How long a code is kept though nothing is heard of it, in seconds: behind a mongos it may have been read from a
/// primary that was none any more, of which nobody tells.
const LONGEST_AGE: u32 = 600;

/// How much of the cache a code takes.
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

/// Reads codes, from memory where that is known to be what MongoDB has.
///
/// MongoDB tells each process what is changed ([`watch`](Self::watch)). Only as long as it says several times a second
/// that there is nothing more is anything taken from memory, so whatever hangs, a change shows within a second.
pub(crate) struct Codes {
    known: AllowList,
    kept: Cache<ObjectId, Shown, Bytes>,
    from_memory: Counter,
    from_mongodb: Counter,
    /// How often the listening began.
    beginnings: AtomicU32,
    /// Changes up to this moment were heard, in ms after `start`.
    heard: AtomicU64,
    start: Instant,
}

impl Codes {
    /// Keeps so many MiB of codes.
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

    /// The code with this id, unless it is deleted or disabled, with the payloads that are still known forms. Else,
    /// or when there are none, it is gone.
    pub(crate) async fn shown(&self, store: &Store, id: &str) -> Result<(ObjectId, Shown), Error> {
        let id = ObjectId::parse_str(id).map_err(|_| Error::Gone)?;
        Ok((id, self.known_or_read(store, id).await?))
    }

    async fn known_or_read(&self, store: &Store, id: ObjectId) -> Result<Shown, Error> {
        let now = Instant::now();
        if !self.is_listening(now) {
            return self.read(store, id).await;
        }
        // After the look at what was heard: it is raised before anything is heard again.
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
            // Forgetting the code takes its place away from under the guard, so that what was read before a change
            // is not kept after it.
            GuardResult::Guard(place) => {
                let code = self.read(store, id).await?;
                let _ = place.insert(code.clone());
                Ok(code)
            }
            // Another request is just reading it.
            GuardResult::Value(_) | GuardResult::Timeout => self.read(store, id).await,
        }
    }

    /// To be called after a change: who made it sees it immediately.
    pub(crate) fn forget(&self, id: ObjectId) {
        self.kept.remove(&id);
    }

    fn is_listening(&self, now: Instant) -> bool {
        let heard = self.start + Duration::from_millis(self.heard.load(Ordering::Acquire));
        self.beginnings.load(Ordering::Acquire) > 0
            && now.saturating_duration_since(heard) < LONGEST_SILENCE
    }

    /// What was read before this number was raised may have been changed unheard.
    ///
    /// Its last sixteen bits: nothing is kept until it comes back to the same ([`LONGEST_AGE`]).
    fn epoch(&self, store: &Store) -> u16 {
        let beginnings = self.beginnings.load(Ordering::Acquire);
        let epoch = beginnings.wrapping_add(store.member_changes());
        let [.., high, low] = epoch.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// How long it has been there, which fits for 136 years.
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

    /// Hears of changes for as long as the process lives.
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
            // A server that is no replica set never will.
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
