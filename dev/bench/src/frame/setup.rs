//! The servers of a scenario.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use heyi_common::{
    config::{Config, Process},
    queue::Queue,
};
use heyi_testkit::world::World;
use mongodb::{
    Client, Collection,
    bson::doc,
    options::{Acknowledgment, CollectionOptions, WriteConcern},
};
use redis::{Cmd, FromRedisValue, Pipeline};

/// Commands in one round trip.
const PIPELINE: usize = 500;
pub(crate) const KIB: f64 = 1024.0;
pub(crate) const MIB: f64 = KIB * KIB;

/// The scenario's own Redis and MongoDB, and settings for Heyi's processes.
pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) config: Config,
    pub(crate) queue: Queue,
    mongo: Client,
}

impl Setup {
    pub(crate) async fn start() -> Result<Self> {
        let world = World::with_own_stores().await?;
        let setup = Self {
            config: world.config(Process::Api)?,
            queue: world.queue()?,
            mongo: Client::with_uri_str(world.setting("HEYI_MONGO__URL")).await?,
            world,
        };
        // Memory for any number of orders. A rewrite of the append-only file would affect some rounds only.
        setup.configure("maxmemory", "0").await?;
        setup.configure("auto-aof-rewrite-percentage", "0").await?;
        Ok(setup)
    }

    /// The address of the api.
    pub(crate) fn api(&self) -> SocketAddr {
        self.config.http.listen
    }

    /// Sends a command to Redis.
    pub(crate) async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        Ok(command
            .query_async(&mut self.queue.redis().shared())
            .await?)
    }

    /// Changes a setting of Redis.
    pub(crate) async fn configure(&self, name: &str, value: &str) -> Result<()> {
        let set = redis::cmd("CONFIG").arg(&["SET", name, value]).clone();
        self.redis(&set).await
    }

    /// Deletes every key. The configuration that we ship forbids `FLUSHALL`.
    pub(crate) async fn clear(&self) -> Result<()> {
        let keys: Vec<Vec<u8>> = self.redis(&Cmd::keys("*")).await?;
        let unlink = |pipeline: &mut Pipeline, key| _ = pipeline.unlink(key);
        self.pipelined(keys, unlink).await
    }

    /// Numbers of Redis' `INFO`.
    pub(crate) async fn info<const N: usize>(&self, names: [&str; N]) -> Result<[f64; N]> {
        let text: String = self.redis(&redis::cmd("INFO")).await?;
        let mut numbers = [0.0; N];
        for (number, name) in numbers.iter_mut().zip(names) {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            let field = fields
                .find(|(field, _)| *field == name)
                .context(name.to_owned())?;
            *number = field.1.trim().parse()?;
        }
        Ok(numbers)
    }

    /// Sends commands for each of `all` to Redis in batches.
    pub(crate) async fn pipelined<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut Pipeline, T),
    ) -> Result<()> {
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            let mut pipeline = redis::pipe();
            all.by_ref()
                .take(PIPELINE)
                .for_each(|one| add(&mut pipeline, one));
            let mut connection = self.queue.redis().shared();
            pipeline.exec_async(&mut connection).await?;
        }
        Ok(())
    }

    /// A collection of Heyi.
    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let database = self.world.setting("HEYI_MONGO__DATABASE");
        self.mongo.database(database).collection(name)
    }

    /// A collection of a baseline, with Heyi's write concern: majority and journal.
    pub(crate) fn baseline_collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let durable = WriteConcern::builder().w(Acknowledgment::Majority);
        let durable = durable.journal(true).build();
        let options = CollectionOptions::builder().write_concern(durable).build();
        let database = self.mongo.database("baseline");
        database.collection_with_options(name, options)
    }

    /// Gives MongoDB the default cache of a machine with 9 GiB: half of the memory beyond the first GiB. In tests it has a
    /// quarter of a GiB, too little for a million codes.
    pub(crate) async fn widen_cache(&self) -> Result<()> {
        let wide = doc! { "setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=4G" };
        self.mongo.database("admin").run_command(wide).await?;
        Ok(())
    }

    /// Forces a checkpoint of MongoDB, which would otherwise come within a minute.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        let fsync = doc! { "fsync": 1 };
        self.mongo.database("admin").run_command(fsync).await?;
        Ok(())
    }
}
