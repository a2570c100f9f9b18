//! The commands of docs/operations.md for a backup and a restore, run unchanged on real servers.
//!
//! `systemctl` starts and stops the servers and processes of the test. Where the tools of MongoDB are not installed, what
//! `mongodump` and `mongorestore` do is done through the driver.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::TryStreamExt as _;
use heyi_testkit::{
    servers::{Server, process::find},
    world::{Service, World, eventually},
};
use mongodb::{
    Client,
    bson::{RawDocumentBuf, doc},
};

use crate::support::TestApp;

const DOCS: &str = include_str!("../../../docs/operations.md");
/// Where Redis keeps its data in the documents.
const REDIS_DATA: &str = "/var/lib/redis";

/// The blocks of commands in the section on backups: the backup, and the restore.
fn blocks() -> Vec<Vec<&'static str>> {
    let section = DOCS
        .split("\n## ")
        .find(|section| section.starts_with("Backup"));
    let blocks = section.unwrap().split("```sh\n").skip(1);
    blocks
        .map(|block| {
            let lines = block.split("```").next().unwrap_or_default().lines();
            lines.filter(|line| !line.starts_with('#')).collect()
        })
        .collect()
}

/// A machine with all that the commands name.
struct Machine {
    app: TestApp,
    redis: Server,
    redis_dir: PathBuf,
    mongo: Server,
    dir: PathBuf,
    worker: Option<Service>,
    api: Option<Service>,
}

impl Machine {
    async fn start(dir: &Path) -> Result<Self> {
        let redis_dir = dir.join("redis");
        let redis = Server::redis(&redis_dir, None).await?;
        let mongo = Server::mongo(&dir.join("mongo"), None).await?;
        let mut world = World::on(redis.url(), mongo.url()).await?;
        world.set("HEYI_MONGO__DATABASE", "heyi");
        Ok(Self {
            worker: Some(world.worker().await?),
            api: Some(world.api().await?),
            app: TestApp::open(world).await?,
            redis,
            redis_dir,
            mongo,
            dir: dir.to_owned(),
        })
    }

    async fn follow(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_missing = |program| find(program).is_none();
        let done = match words[0] {
            "systemctl" => self.systemctl(words[1], &words[2..]).await,
            "mongodump" if is_missing("mongodump") => self.dump(&words).await,
            "mongorestore" if is_missing("mongorestore") => self.restore(&words).await,
            "heyi-worker" => self.app.world.operate(&words[1..]).await.map(drop),
            _ => self.sh(line),
        };
        done.with_context(|| line.to_owned())
    }

    fn sh(&self, line: &str) -> Result<()> {
        let line = line.replace(REDIS_DATA, &self.redis_dir.display().to_string());
        let port = self.redis.port();
        let script = format!("redis-cli() {{ command redis-cli -p {port} \"$@\"; }}; {line}");
        let done = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.dir)
            .env("HEYI_MONGO__URL", self.mongo.url())
            .output()?;
        ensure!(done.status.success(), "{done:?}");
        Ok(())
    }

    async fn systemctl(&mut self, verb: &str, units: &[&str]) -> Result<()> {
        for unit in units {
            match (verb, unit.trim_matches('\'')) {
                ("stop", "heyi-api") => end(self.api.take()).await?,
                ("stop", "heyi-worker@*") => end(self.worker.take()).await?,
                ("stop", "redis-server") => self.redis.stop().await?,
                ("start", "redis-server") => self.redis.restart().await?,
                ("start", "heyi-worker@1") => self.worker = Some(self.app.world.worker().await?),
                ("start", "heyi-api") => self.api = Some(self.app.world.api().await?),
                other => bail!("no such unit: {other:?}"),
            }
        }
        Ok(())
    }

    /// The options that the commands may have, and where their archive is.
    fn archive(&self, words: &[&str]) -> Result<PathBuf> {
        let known = [
            "--uri=\"$HEYI_MONGO__URL\"",
            "--db=heyi",
            "--gzip",
            "--drop",
        ];
        let mut archive = None;
        for word in &words[1..] {
            match word.strip_prefix("--archive=") {
                Some(path) => archive = Some(self.dir.join(path)),
                None => ensure!(known.contains(word), "{word}"),
            }
        }
        archive.context("no archive")
    }

    async fn dump(&self, words: &[&str]) -> Result<()> {
        let archive = self.archive(words)?;
        let database = Client::with_uri_str(self.mongo.url())
            .await?
            .database("heyi");
        for name in database.list_collection_names().await? {
            let collection = database.collection::<RawDocumentBuf>(&name);
            let documents = collection.find(doc! {});
            let documents: Vec<RawDocumentBuf> = documents.await?.try_collect().await?;
            let bytes: Vec<u8> = documents
                .into_iter()
                .flat_map(RawDocumentBuf::into_bytes)
                .collect();
            fs::write(archive.with_extension(name), bytes)?;
        }
        Ok(())
    }

    async fn restore(&self, words: &[&str]) -> Result<()> {
        let archive = self.archive(words)?;
        let database = Client::with_uri_str(self.mongo.url())
            .await?
            .database("heyi");
        let stem = archive.file_stem().context("no name")?;
        for file in fs::read_dir(archive.parent().context("no directory")?)? {
            let path = file?.path();
            let Some(name) = path.extension().filter(|_| path.file_stem() == Some(stem)) else {
                continue;
            };
            let collection = database.collection::<RawDocumentBuf>(&name.to_string_lossy());
            collection.drop().await?;
            let mut bytes = fs::read(&path)?;
            while !bytes.is_empty() {
                let length = usize::try_from(i32::from_le_bytes(bytes[..4].try_into()?))?;
                let rest = bytes.split_off(length);
                collection
                    .insert_one(RawDocumentBuf::from_bytes(bytes)?)
                    .await?;
                bytes = rest;
            }
        }
        Ok(())
    }
}

async fn end(process: Option<Service>) -> Result<()> {
    if let Some(process) = process {
        ensure!(
            process.stop().await?.success(),
            "it did not end in good order"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_restore_brings_back_all_that_was_acknowledged_before_the_backup() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut machine = Machine::start(dir.path()).await?;
    let blocks = blocks();
    let [backup, restore] = blocks.as_slice() else {
        panic!("not a backup and a restore: {blocks:?}");
    };
    let before = machine.app.paid_orders(3).await?;
    machine.app.quiet().await?;
    let open = machine.app.order("小店").await?;
    // Acknowledged, and promoted only between the two backups.
    end(machine.worker.take()).await?;
    let mut between = Vec::new();
    for payment in 10..13 {
        let order = machine.app.order("小店").await?;
        let notify = machine.app.notify(&order, payment);
        machine.app.enqueue(&order, notify).await?;
        between.push(order);
    }
    for line in backup {
        if line.starts_with("mongodump") {
            machine.worker = Some(machine.app.world.worker().await?);
            machine.app.quiet().await?;
        }
        machine.follow(line).await?;
    }
    // All is lost.
    for line in [
        "systemctl stop redis-server",
        "rm -rf /var/lib/redis/appendonlydir",
        "systemctl start redis-server",
    ] {
        machine.follow(line).await?;
    }
    let client = Client::with_uri_str(machine.mongo.url()).await?;
    client.database("heyi").drop().await?;

    for line in restore {
        machine.follow(line).await?;
    }
    eventually("Redis", async || {
        Ok(machine.app.queue.status().await.is_ok())
    })
    .await?;
    // Paid only after the restore.
    let notify = machine.app.notify(&open, 20);
    machine.app.enqueue(&open, notify).await?;
    machine.app.quiet().await?;
    for order in before.iter().chain(&between).chain([&open]) {
        machine.app.the_code(order).await?;
    }
    let codes = client
        .database("heyi")
        .collection::<RawDocumentBuf>("codes");
    assert_eq!(codes.count_documents(doc! {}).await?, 7);
    assert_eq!(machine.app.queue.status().await?.dead, 0);
    Ok(())
}
