//! The installation record: the settings that must be the same in all processes.
//!
//! A process with other partitions, another prefix or another database would use a queue of its own. Its payments would
//! wait forever, or end in a database that no other process reads. So the record is stored in Redis and in MongoDB, and
//! a process that differs from either does not run. Both copies have the same random id. Different ids show that the two
//! stores do not belong together, e.g. a staging database and the production Redis.
//!
//! A Redis without a record has lost its data, or is not the one in use. To distinguish the two, running processes renew
//! the time in MongoDB's record while their Redis has the record too.

use std::time::Duration;

use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::{
    config::Config,
    outage::{self, StoreName},
    queue::Keys,
    redis::{Redis, Script},
    store::{Store, StoreError, StoredRecord},
};

const AGAIN: Duration = Duration::from_millis(500);
/// Timeout of one check.
const CHECK_WITHIN: Duration = Duration::from_secs(10);
/// How often a running process checks again.
const EVERY: Duration = Duration::from_secs(3);
/// An installation that was not renewed for this long is not in use.
const UNUSED_AFTER: Duration = Duration::from_secs(10);
const LAG: Duration = Duration::from_secs(2);
const WAITING: &str =
    "waiting for Redis and MongoDB, to compare the settings with those of the installation";

/// The common settings of all processes of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// A random id, the same in Redis and in MongoDB.
    pub id: String,
    /// The number of the database in `redis.url`.
    #[serde(default)]
    pub redis_database: i64,
    /// `redis.prefix`
    pub prefix: String,
    /// `queue.partitions`
    pub partitions: u16,
    /// `mongo.database`
    pub database: String,
    /// `payjs.mchid`
    pub merchant: String,
}

/// Why a process does not, or may not, belong to the installation.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// A setting differs from the record.
    #[error(
        "{setting} is {own:?} here, but {recorded:?} in the installation that {place} holds. Use the same setting in all \
         processes, or make these settings the installation's with `heyi-worker installation accept`"
    )]
    Differs {
        /// The name of the setting.
        setting: &'static str,
        /// Its value in this process.
        own: String,
        /// Its value in the record.
        recorded: String,
        /// The store of the record.
        place: StoreName,
    },
    /// The records in Redis and MongoDB differ in their id.
    #[error(
        "Redis holds installation {redis}, but MongoDB holds {mongo}: one of redis.url and mongo.url names a store of \
         another installation. If both are right, join them with `heyi-worker installation accept`"
    )]
    TwoInstallations {
        /// The id in Redis.
        redis: String,
        /// The id in MongoDB, or that there is none.
        mongo: String,
    },
    /// Redis has no record, but MongoDB has one.
    #[error(
        "Redis holds no record of this installation, but MongoDB does: does redis.url name another Redis? One that lost \
         its data gets the record back when the api or a worker starts"
    )]
    NotInRedis,
    /// Redis has no record, but the installation was used recently.
    #[error(
        "Redis holds no record of this installation, but other processes have used it with theirs {} s ago: does redis.url \
         name another Redis? One that lost its data gets the record back automatically. To use a second Redis on purpose, run \
         `heyi-worker installation accept`",
        .used.age.as_secs()
    )]
    InUse {
        /// The last use.
        used: Used,
    },
    /// Redis did not answer.
    #[error("Redis did not answer")]
    Redis(#[from] redis::RedisError),
    /// What Redis has is not a valid record.
    #[error("the record of the installation in Redis cannot be read: {0}")]
    Broken(#[from] serde_json::Error),
    /// MongoDB did not answer.
    #[error("MongoDB did not answer")]
    Store(#[from] StoreError),
}

/// The last time that a running process renewed its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// By MongoDB's clock, in ms.
    pub at: i64,
    /// How long ago that was, by the same clock.
    pub age: Duration,
}

impl InstallationError {
    /// Whether the process must not run. If false, it should try again.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Differs { .. }
                | Self::TwoInstallations { .. }
                | Self::NotInRedis
                | Self::Broken(_)
        ) || matches!(self, Self::Store(error) if error.is_unreadable())
    }
}

/// Compares this process's settings with the records in its stores.
#[derive(Debug, Clone)]
pub struct Installation {
    redis: Redis,
    store: Store,
    key: String,
    /// A stream of events.
    queue: String,
    own: Record,
}

impl Installation {
    /// The installation that `config` names, in these stores.
    pub fn new(config: &Config, redis: Redis, keys: &Keys, store: Store) -> Self {
        let own = Record {
            id: hex::encode(rand::random::<[u8; 8]>()),
            redis_database: redis.database(),
            prefix: config.redis.prefix.clone(),
            partitions: config.queue.partitions,
            database: config.mongo.database.clone(),
            merchant: config.payjs.mchid.clone(),
        };
        Self {
            redis,
            store,
            key: keys.installation(),
            queue: keys.notify(keys.first()),
            own,
        }
    }

    /// Compares this process's settings with both records. Creates missing ones, MongoDB's first. A Redis that lost its data
    /// gets its record back from there.
    async fn check(&self) -> Result<Record, InstallationError> {
        let in_mongo = self.store.installation().await?;
        match self.in_redis().await? {
            Some(in_redis) => self.compare_with(in_redis, in_mongo).await,
            None if in_mongo.is_empty() => {
                if self.has_queue().await? {
                    // Running processes restore a record that was lost. Theirs is used, not ours.
                    sleep(EVERY + LAG).await;
                    if self.in_redis().await?.is_some() {
                        return Box::pin(self.check()).await;
                    }
                }
                self.create().await
            }
            None => {
                let mut used = in_mongo.iter().filter(|found| self.is_ours(&found.record));
                match used.find_map(|found| found.used.filter(|used| used.age < UNUSED_AFTER)) {
                    Some(used) => Err(InstallationError::InUse { used }),
                    None => self.restore(in_mongo).await,
                }
            }
        }
    }

    /// Creates the first record, unless another process was faster.
    async fn create(&self) -> Result<Record, InstallationError> {
        self.store.create_installation(&self.own).await?;
        self.restore(self.store.installation().await?).await
    }

    /// Checks, and records that the installation is in use.
    async fn join(&self) -> Result<(), InstallationError> {
        let record = self.check().await?;
        Ok(self.store.renew_installation(&record.id).await?)
    }

    /// Restores Redis's record from MongoDB, and compares with both.
    async fn restore(&self, in_mongo: Vec<StoredRecord>) -> Result<Record, InstallationError> {
        self.compare_any(&in_mongo)?;
        if let Some(found) = in_mongo.iter().find(|found| self.is_ours(&found.record)) {
            self.create_in_redis(&found.record).await?;
        }
        match self.in_redis().await? {
            Some(in_redis) => self.compare_with(in_redis, in_mongo).await,
            None => Err(InstallationError::NotInRedis),
        }
    }

    fn is_ours(&self, record: &Record) -> bool {
        settings(record) == settings(&self.own)
    }

    /// Whether this Redis contains a queue.
    async fn has_queue(&self) -> Result<bool, InstallationError> {
        Ok(self.redis.shared().exists(&self.queue).await?)
    }

    /// Compares this process's settings with the record in Redis and its copy in MongoDB, and returns it.
    async fn compare_with(
        &self,
        in_redis: Record,
        mut in_mongo: Vec<StoredRecord>,
    ) -> Result<Record, InstallationError> {
        self.compare(&in_redis, StoreName::Redis)?;
        let is_same = |found: &StoredRecord| found.record.id == in_redis.id;
        if !in_mongo.iter().any(is_same) {
            // Right after a failover, a majority read may lag behind acknowledged writes.
            sleep(LAG).await;
            in_mongo = self.store.installation().await?;
        }
        match in_mongo.iter().find(|found| is_same(found)) {
            Some(found) => self
                .compare(&found.record, StoreName::MongoDb)
                .map(|()| in_redis),
            None => Err(InstallationError::TwoInstallations {
                redis: in_redis.id,
                mongo: in_mongo
                    .first()
                    .map_or_else(|| "none".to_owned(), |found| found.record.id.clone()),
            }),
        }
    }

    /// Checks until both stores have answered, and calls `waits` with the reason of the wait. An error is final: this
    /// process must not run.
    pub async fn until_checked(&self, waits: impl Fn(&str)) -> Result<(), InstallationError> {
        let mut last_used = None;
        loop {
            match timeout(CHECK_WITHIN, self.join()).await {
                Ok(Err(error)) if !error.is_final() => {
                    if let InstallationError::InUse { used } = &error {
                        // The last user may be gone. If the time changes, a live process uses another Redis.
                        if last_used
                            .replace(used.at)
                            .is_some_and(|last| last != used.at)
                        {
                            return Err(error);
                        }
                    }
                    let why = self.explain(&error).await;
                    waits(&why);
                    outage::report_explained(WAITING, &error, &why);
                    sleep(AGAIN).await;
                }
                // The connection is dead; the next one may work.
                Err(_) => tracing::warn!(error = "no answer in time", "{WAITING}"),
                Ok(checked) => return checked,
            }
        }
    }

    async fn explain(&self, error: &InstallationError) -> String {
        match error {
            InstallationError::Store(error) => self.store.explain(error).await,
            InstallationError::Redis(error) => format!("Redis: {error}"),
            other => other.to_string(),
        }
    }

    /// Waits until Redis has a record with the settings of this process. That is enough to write into its queue, even while
    /// MongoDB is unavailable. An error is final, as in [`until_checked`](Self::until_checked).
    pub async fn until_redis_agrees(&self) -> Result<(), InstallationError> {
        loop {
            match timeout(CHECK_WITHIN, self.in_redis()).await {
                Ok(Ok(Some(in_redis))) => return self.compare(&in_redis, StoreName::Redis),
                Ok(Err(error)) if error.is_final() => return Err(error),
                // `until_checked` reports that Redis is unavailable.
                Ok(Ok(None) | Err(_)) | Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// Checks periodically. Returns when this process must not continue.
    pub async fn keep_checking(&self) -> InstallationError {
        loop {
            sleep(EVERY).await;
            match timeout(CHECK_WITHIN, self.check_again()).await {
                Ok(Err(error)) if error.is_final() => return error,
                // The users of the stores report that they are unavailable.
                _ => {}
            }
        }
    }

    /// The check of a running process. Its Redis is that of the installation, so a lost record is restored, and the record in
    /// MongoDB is renewed.
    async fn check_again(&self) -> Result<(), InstallationError> {
        let in_mongo = self.store.installation().await?;
        let record = match self.in_redis().await? {
            Some(in_redis) => self.compare_with(in_redis, in_mongo).await?,
            None if in_mongo.is_empty() => self.create().await?,
            None => self.restore(in_mongo).await?,
        };
        Ok(self.store.renew_installation(&record.id).await?)
    }

    /// Compares this process's settings with both records and creates none.
    pub async fn compare_all(&self) -> Result<(), InstallationError> {
        let in_mongo = self.store.installation().await?;
        match self.in_redis().await? {
            Some(in_redis) => self.compare_with(in_redis, in_mongo).await.map(drop),
            None if in_mongo.is_empty() => Ok(()),
            None => Err(self
                .compare_any(&in_mongo)
                .err()
                .unwrap_or(InstallationError::NotInRedis)),
        }
    }

    /// Compares this process's settings with the record in Redis. False if there is none.
    pub async fn compare_with_redis(&self) -> Result<bool, InstallationError> {
        match self.in_redis().await? {
            Some(in_redis) => self.compare(&in_redis, StoreName::Redis).map(|()| true),
            None => Ok(false),
        }
    }

    /// Compares this process's settings with both records, or only with MongoDB's if Redis does not answer.
    pub async fn compare_with_mongo(&self) -> Result<(), InstallationError> {
        match self.compare_all().await {
            Err(InstallationError::Redis(_)) => self.compare_any(&self.store.installation().await?),
            other => other,
        }
    }

    /// Succeeds if one of these records matches.
    fn compare_any(&self, found: &[StoredRecord]) -> Result<(), InstallationError> {
        let mut compared = found
            .iter()
            .map(|found| self.compare(&found.record, StoreName::MongoDb));
        let first = compared.next().unwrap_or(Ok(()));
        if compared.any(|other| other.is_ok()) {
            Ok(())
        } else {
            first
        }
    }

    /// The record in Redis and those in MongoDB, as they are.
    pub async fn records(&self) -> Result<(Option<Record>, Vec<Record>), InstallationError> {
        let in_mongo = self.store.installation().await?;
        let in_mongo = in_mongo.into_iter().map(|found| found.record);
        Ok((self.in_redis().await?, in_mongo.collect()))
    }

    /// Creates an installation with this process's settings in both stores. MongoDB keeps its other records: while an operator
    /// moves to another Redis, two queues share one database.
    pub async fn accept(&self) -> Result<Record, InstallationError> {
        self.store.add_installation(&self.own).await?;
        let json = serde_json::to_string(&self.own)?;
        let () = self.redis.shared().set(&self.key, json).await?;
        Ok(self.own.clone())
    }

    fn compare(&self, record: &Record, place: StoreName) -> Result<(), InstallationError> {
        let own = settings(&self.own).into_iter().zip(settings(record));
        for ((setting, own), (_, recorded)) in own {
            // Operator commands that ask no gateway may run without the merchant.
            let is_unknown = own.is_empty();
            if own != recorded && !is_unknown {
                return Err(InstallationError::Differs {
                    setting,
                    own,
                    recorded,
                    place,
                });
            }
        }
        Ok(())
    }

    async fn in_redis(&self) -> Result<Option<Record>, InstallationError> {
        let json: Option<String> = self.redis.shared().get(&self.key).await?;
        Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
    }

    async fn create_in_redis(&self, record: &Record) -> Result<(), InstallationError> {
        let json = serde_json::to_string(record)?;
        let () = Script::new(include_str!("installation/create.lua"))
            .key(&self.key)
            .arg(json)
            .invoke_async(&mut self.redis.shared())
            .await?;
        Ok(())
    }
}

/// The compared values, by the names of the settings.
fn settings(record: &Record) -> [(&'static str, String); 5] {
    [
        (
            "the database number in redis.url",
            record.redis_database.to_string(),
        ),
        ("redis.prefix", record.prefix.clone()),
        ("queue.partitions", record.partitions.to_string()),
        ("mongo.database", record.database.clone()),
        ("payjs.mchid", record.merchant.clone()),
    ]
}
