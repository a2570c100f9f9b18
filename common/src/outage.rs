//! Outages of Redis and MongoDB: metrics, and log lines that name store, address and cause.

use std::{
    error::Error,
    fmt::{self, Write as _},
    sync::OnceLock,
    time::Duration,
};

use metrics::{Gauge, counter, gauge};
use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    redis::{Redis, WriteError},
    store::{Store, StoreError},
};

/// How often the stores are checked.
const EVERY: Duration = Duration::from_secs(2);
/// Timeout of a check, after which a store counts as unavailable.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreName {
    /// Redis.
    Redis,
    /// MongoDB.
    MongoDb,
}

/// The addresses of the stores, without users and passwords. A process has one of each.
static ADDRESSES: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];

impl StoreName {
    /// The store that an error is about, if any.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error).find_map(Self::of_one)
    }

    /// Like [`of`](Self::of), but ignores the causes of the error.
    pub fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<RedisError>() || error.is::<WriteError>() {
            Some(Self::Redis)
        } else if error.is::<StoreError>() || error.is::<mongodb::error::Error>() {
            Some(Self::MongoDb)
        } else {
            None
        }
    }

    /// Its name in metrics.
    fn label(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::MongoDb => "mongodb",
        }
    }

    /// Stores its address for the log.
    pub(crate) fn set_address(self, address: String) {
        // All handles of a process have the same address.
        let _ = ADDRESSES[self as usize].set(address);
    }

    /// Its address, without user and password. Empty before this process has a handle to it.
    pub fn address(self) -> &'static str {
        ADDRESSES[self as usize].get().map_or("", String::as_str)
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::MongoDb => "MongoDB",
        })
    }
}

/// Counts and logs a failure of a store. `message` says which operation failed. An error that is not about a store is only
/// logged.
pub fn report(message: &str, error: &(dyn Error + 'static)) {
    report_explained(message, error, &causes(error));
}

/// Like [`report`], with an explanation of the error.
pub fn report_explained(message: &str, error: &(dyn Error + 'static), why: &str) {
    if let Some(store) = StoreName::of(error) {
        report_of(store, message, why);
    } else {
        tracing::error!(error = why, "{message}");
    }
}

/// The log limits the errors per place in the code, and all failures of one store share this place. The level debug has a
/// line for each.
fn report_of(store: StoreName, message: &str, error: &str) {
    counter!("heyi_store_errors_total", "store" => store.label()).increment(1);
    let address = store.address();
    tracing::debug!(%store, error, "{message}");
    match store {
        StoreName::Redis => {
            tracing::error!(%store, store.address = %address, error, "{message}");
        }
        StoreName::MongoDb => {
            tracing::error!(%store, store.address = %address, error, "{message}");
        }
    }
}

/// Checks both stores periodically, while it is polled.
pub async fn watch(redis: Redis, store: Store) {
    let mut watched = [StoreName::Redis, StoreName::MongoDb].map(Watched::new);
    loop {
        let of_mongo = async |error| store.explain(&error).await;
        let (redis, mongo) = tokio::join!(
            failure(redis.ping(), async |error| causes(&error)),
            failure(store.ping(), of_mongo)
        );
        for (store, failure) in watched.iter_mut().zip([redis, mongo]) {
            store.note(failure.as_deref());
        }
        sleep(EVERY).await;
    }
}

async fn failure<E>(
    answer: impl Future<Output = Result<(), E>>,
    explain: impl AsyncFnOnce(E) -> String,
) -> Option<String> {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(explain(error).await),
        Err(_) => Some(format!("no answer within {ANSWER_WITHIN:?}")),
    }
}

/// The last known state of a store.
struct Watched {
    store: StoreName,
    up: Gauge,
    away_since: Option<Instant>,
}

impl Watched {
    fn new(store: StoreName) -> Self {
        Self {
            store,
            up: gauge!("heyi_store_up", "store" => store.label()),
            away_since: None,
        }
    }

    fn note(&mut self, failure: Option<&str>) {
        self.up.set(if failure.is_none() { 1.0 } else { 0.0 });
        let store = self.store;
        if let Some(error) = failure {
            self.away_since.get_or_insert_with(Instant::now);
            report_of(store, &format!("{store} does not answer"), error);
        } else if let Some(since) = self.away_since.take() {
            tracing::info!(
                %store,
                store.address = %store.address(),
                seconds = since.elapsed().as_secs(),
                "{store} answers again"
            );
        }
    }
}

/// Explains an error of a store, with the store's address. None if the error is not about a store.
pub async fn explain(error: &(dyn Error + 'static), store: &Store) -> Option<String> {
    for cause in chain(error) {
        if let Some(of_mongo) = cause.downcast_ref::<StoreError>() {
            return Some(store.explain(of_mongo).await);
        }
        if StoreName::of_one(cause) == Some(StoreName::Redis) {
            let address = StoreName::Redis.address();
            return Some(format!("Redis at {address}: {}", causes(cause)));
        }
    }
    None
}

/// An error and its causes as one text. Skips a cause that the previous text already contains.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in chain(error) {
        let cause = error.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

#[cfg(test)]
mod tests {
    use redis::ErrorKind;

    use super::*;
    use crate::pending_orders::PendingOrderError;

    #[test]
    fn an_error_names_its_store_wherever_it_is_in_the_chain() {
        let redis = || RedisError::from((ErrorKind::Io, "connection refused"));
        for (error, expected) in [
            (anyhow::Error::from(redis()), Some(StoreName::Redis)),
            (
                anyhow::Error::from(PendingOrderError::Redis(redis())).context("get an order"),
                Some(StoreName::Redis),
            ),
            (
                WriteError::Replicas { got: 0, wanted: 1 }.into(),
                Some(StoreName::Redis),
            ),
            (
                PendingOrderError::NotKept(WriteError::Redis(redis())).into(),
                Some(StoreName::Redis),
            ),
            (StoreError::Slow.into(), Some(StoreName::MongoDb)),
            (anyhow::anyhow!("something else"), None),
        ] {
            assert_eq!(StoreName::of(error.as_ref()), expected, "{error:#}");
        }
    }
}
