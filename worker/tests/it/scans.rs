//! Scans on their way from Redis to MongoDB.

use anyhow::Result;
use heyi_common::{
    platform::Platform,
    scans::{ScanCounter, Scans, today},
    store::ScanCount,
};
use heyi_testkit::world::{World, eventually};
use mongodb::bson::{Document, doc, oid::ObjectId};
use redis::{AsyncCommands, Script};

use crate::{mongo_trouble::database, support::TestApp};

/// More documents than one command of an aggregation changes.
pub(crate) const CODES: usize = 700;

impl TestApp {
    pub(crate) fn scans(&self) -> Scans {
        Scans::new(self.queue.redis().clone(), self.queue.keys().clone())
    }

    /// Somebody scans each of these codes twice.
    pub(crate) async fn scan(&self, codes: &[ObjectId]) -> Result<()> {
        let counter = ScanCounter::new(self.scans());
        for code in codes {
            counter.count(*code, Some(Platform::Alipay));
            counter.count(*code, None);
        }
        Ok(counter.flush().await?)
    }

    /// Waits until all is aggregated; each code must have been scanned so often.
    pub(crate) async fn are_aggregated(&self, codes: &[ObjectId], scans: u64) -> Result<()> {
        let keys = [
            self.queue.keys().scans(),
            self.queue.keys().scans_aggregating(),
        ];
        eventually("all is aggregated", async || {
            Ok(self
                .queue
                .redis()
                .shared()
                .exists::<_, u64>(&keys[..])
                .await?
                == 0)
        })
        .await?;
        for code in codes {
            assert_eq!(
                self.aggregated(*code).await?,
                [scans / 2, scans / 2],
                "{code}"
            );
        }
        Ok(())
    }

    async fn aggregated(&self, code: ObjectId) -> Result<Vec<u64>> {
        let kept = self.store.scans(code, today(), today()).await?;
        Ok(kept
            .iter()
            .flat_map(|day| day.platforms.values().copied())
            .collect())
    }
}

pub(crate) fn codes(count: usize) -> Vec<ObjectId> {
    (0..count).map(|_| ObjectId::new()).collect()
}

#[tokio::test]
async fn workers_fold_what_comes_in_exactly_once() -> Result<()> {
    let app = TestApp::new().await?;
    let codes = codes(CODES);
    let _workers = (app.world.worker().await?, app.world.worker().await?);
    for _ in 0..5 {
        app.scan(&codes).await?;
    }
    app.are_aggregated(&codes, 10).await?;
    app.close().await
}

#[tokio::test]
async fn scans_of_a_split_queue_stay_in_one_slot() -> Result<()> {
    let mut world = World::new().await?;
    world.set("HEYI_QUEUE__PARTITIONS", "16");
    let app = TestApp::open(world).await?;
    let code = codes(1);
    app.scan(&code).await?;
    let told = app.scans().of(&app.store, code[0], 1).await?;
    assert_eq!(told[0].platforms.values().sum::<u64>(), 2);
    let _worker = app.world.worker().await?;
    app.are_aggregated(&code, 2).await?;
    app.close().await
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_counts_once() -> Result<()> {
    let app = TestApp::new().await?;
    let flush = Script::new(include_str!("../../../common/src/scans/lua/flush.lua"));
    let keys = app.queue.keys();
    let mut connection = app.queue.redis().shared();
    for number in [1, 1, 2, 1, 2] {
        let failed: u64 = flush
            .key(keys.scans())
            .key(keys.scans_flushed("one"))
            .arg(number)
            .arg(60)
            .arg("field")
            .arg(5)
            .invoke_async(&mut connection)
            .await?;
        assert_eq!(failed, 0, "{number}");
    }
    let counted: u64 = connection.hget(keys.scans(), "field").await?;
    assert_eq!(counted, 10);
    app.close().await
}

#[tokio::test]
async fn a_batch_that_cannot_be_added_is_not_lost() -> Result<()> {
    let app = TestApp::new().await?;
    let (keys, codes) = (app.queue.keys(), codes(2));
    let mut connection = app.queue.redis().shared();
    let scans = ScanCounter::new(app.scans());
    scans.count(codes[0], None);
    scans.count(codes[1], None);
    let () = connection.set(keys.scans(), "no hash").await?;
    assert!(scans.flush().await.is_err());
    let () = connection.del(keys.scans()).await?;
    // One count that is no number costs itself only.
    let broken = format!("{}:{}:other", codes[0], today());
    let () = connection.hset(keys.scans(), &broken, "many").await?;
    scans.flush().await?;
    let () = connection.hdel(keys.scans(), &broken).await?;
    let counted: u64 = connection
        .hget(keys.scans(), format!("{}:{}:other", codes[1], today()))
        .await?;
    assert_eq!(counted, 1);
    app.close().await
}

#[tokio::test]
async fn a_document_that_scans_do_not_fit_holds_up_no_others() -> Result<()> {
    let app = TestApp::new().await?;
    let codes = codes(2);
    let broken = doc! { "_id": format!("{}:{}", codes[0], today()), "platforms": "many" };
    let scans = database(&app.world).await?.collection::<Document>("scans");
    scans.insert_one(broken).await?;
    app.scan(&codes).await?;
    app.scans().aggregate(&app.store, 100).await?;
    assert_eq!(app.aggregated(codes[1]).await?.iter().sum::<u64>(), 2);
    app.close().await
}

#[tokio::test]
async fn a_fold_that_comes_late_or_again_adds_nothing() -> Result<()> {
    let app = TestApp::new().await?;
    let code = ObjectId::new();
    let field = format!("{}:{}:alipay", code.to_hex(), today());
    let counts = [ScanCount::read(&field, "3").unwrap()];
    for (aggregation, expected) in [(7, 3), (7, 3), (6, 3), (8, 6), (7, 6)] {
        app.store.add_scans("one", aggregation, &counts).await?;
        assert_eq!(app.aggregated(code).await?, [expected], "{aggregation}");
    }
    // Another Redis counts on its own.
    for (aggregation, expected) in [(1, 9), (1, 9), (2, 12)] {
        app.store.add_scans("other", aggregation, &counts).await?;
        assert_eq!(app.aggregated(code).await?, [expected], "{aggregation}");
    }
    app.store.add_scans("one", 8, &counts).await?;
    assert_eq!(app.aggregated(code).await?, [12]);
    app.close().await
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_aggregated_in_parts() -> Result<()> {
    let app = TestApp::new().await?;
    let codes = codes(CODES);
    app.scan(&codes).await?;
    let aggregated = app.scans().aggregate(&app.store, 100).await?;
    assert_eq!(aggregated, u64::try_from(CODES * 2)?);
    app.are_aggregated(&codes, 2).await?;
    app.close().await
}

#[tokio::test]
async fn a_fold_that_is_worked_on_is_not_taken_up() -> Result<()> {
    let app = TestApp::new().await?;
    let keys = app.queue.keys();
    let mut connection = app.queue.redis().shared();
    let long_ago = [("aggregation", "7"), ("since", "7")];
    let _: () = connection
        .hset_multiple(keys.scans_aggregating(), &long_ago)
        .await?;
    let go_on = Script::new(include_str!("../../../common/src/scans/lua/go_on.lua"));
    for (aggregation, expected) in [(6, false), (7, true)] {
        let before: u64 = connection.hget(keys.scans_aggregating(), "since").await?;
        assert_eq!(before, 7);
        let is_under_way: bool = go_on
            .key(keys.scans_aggregating())
            .arg(aggregation)
            .invoke_async(&mut connection)
            .await?;
        assert_eq!(is_under_way, expected);
    }
    assert_eq!(app.scans().aggregate(&app.store, 100).await?, 0);
    let aggregation: u64 = connection
        .hget(keys.scans_aggregating(), "aggregation")
        .await?;
    assert_eq!(aggregation, 7, "it is still that of who works on it");
    connection
        .hdel::<_, _, ()>(keys.scans_aggregating(), "since")
        .await?;
    app.close().await
}

#[tokio::test]
async fn a_fold_is_taken_up_only_after_its_worker_had_time() -> Result<()> {
    let app = TestApp::new().await?;
    let code = codes(1);
    app.scan(&code).await?;
    let begin = Script::new(include_str!("../../../common/src/scans/lua/begin.lua"));
    let keys = app.queue.keys();
    let mut connection = app.queue.redis().shared();
    let mut begin_within = async |lease: u32| -> Result<Option<i64>> {
        Ok(begin
            .key(keys.scans())
            .key(keys.scans_aggregating())
            .key(keys.scans_aggregation())
            .arg(lease)
            .invoke_async(&mut connection)
            .await?)
    };
    let first = begin_within(60_000).await?;
    assert!(first.is_some());
    assert_eq!(begin_within(60_000).await?, None);
    assert_eq!(begin_within(0).await?, first, "it is the same aggregation");
    // What is scanned meanwhile waits, and is told.
    app.scan(&code).await?;
    let told = app.scans().of(&app.store, code[0], 1).await?;
    assert_eq!(told[0].platforms.values().sum::<u64>(), 4);
    // An aggregation of the same number that was late in ending takes nothing of the next away.
    let _worker = app.world.worker().await?;
    app.are_aggregated(&code, 4).await?;
    app.close().await
}
