//! Promotions a second, compared with a program that only inserts the same documents.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use heyi_common::store::{Code, Mapping};
use mongodb::{Collection, IndexModel, bson::doc, options::IndexOptions};
use tokio::time::sleep;

use crate::frame::{LIMIT_MIB, Scenario, Setup, peak_mib, per_second, with_cpu};

const ROUNDS: u32 = 3;
const WAITING: u32 = 50_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(300);
/// Documents in one insert of the baseline.
const BATCH: usize = 100;
const PROMOTED: &str = "paid orders become codes, the start of the worker included";
/// The work of Redis for an order: the field of `INFO`, its description, and the unit.
const COSTS: [(&str, &str, &str); 3] = [
    ("total_commands_processed", "commands to Redis", "commands"),
    ("total_net_input_bytes", "bytes to Redis", "bytes"),
    ("aof_current_size", "bytes in Redis' file", "bytes"),
];

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let inserts = Inserts::new(&setup).await?;
    let count = scenario.count(WAITING);
    let mut paid = 0;
    for _ in scenario.rounds(ROUNDS, "paid orders") {
        let numbers = paid..paid + count;
        paid = numbers.end;
        setup.paid(numbers.clone()).await?;
        let drained = drain(&setup, count).await?;
        let rates = [
            drained.per_second,
            inserts.rate(&setup.codes(numbers)?).await?,
        ];
        let row = scenario.compare(PROMOTED, "orders/s", rates, "bare insert_many");
        row.at_least(0.5);
        let row = scenario.add("peak memory of the worker", "MiB", drained.peak_mib);
        row.below(LIMIT_MIB);
        scenario.add("CPU of an order in the worker", "µs", drained.cpu_us);
        for ((_, what, unit), cost) in COSTS.into_iter().zip(drained.redis) {
            scenario.add(&format!("{what} for an order"), unit, cost);
        }
    }
    let mappings = setup.collection::<Mapping>("mappings");
    let promoted = mappings.count_documents(doc! {}).await?;
    ensure!(promoted == u64::from(paid), "{promoted} of {paid} orders");
    Ok(())
}

/// The rate of one worker and the cost of each order.
pub(crate) struct Drained {
    pub(crate) per_second: f64,
    peak_mib: f64,
    cpu_us: f64,
    redis: [f64; 3],
}

/// Starts a worker and waits until all of `count` orders are promoted.
pub(crate) async fn drain(setup: &Setup, count: u32) -> Result<Drained> {
    let costs = COSTS.map(|(field, ..)| field);
    let before = setup.info(costs).await?;
    let start = Instant::now();
    let worker = setup.world.start_worker()?;
    let work = async {
        while setup.queue.status().await?.waiting > 0 {
            ensure!(start.elapsed() < LIMIT, "they still wait: {}", worker.log());
            sleep(LOOK_EVERY).await;
        }
        Ok(per_second(count, start))
    };
    let (per_second, [cpu_us]) = with_cpu([worker.id()], count, work).await?;
    let after = setup.info(costs).await?;
    let peak_mib = peak_mib(&worker)?;
    worker.stop().await?;
    let cost = |index: usize| (after[index] - before[index]) / f64::from(count);
    Ok(Drained {
        per_second,
        peak_mib,
        cpu_us,
        redis: std::array::from_fn(cost),
    })
}

/// The baseline: collections like Heyi's, on the same server.
struct Inserts {
    codes: Collection<Code>,
    mappings: Collection<Mapping>,
}

impl Inserts {
    async fn new(setup: &Setup) -> Result<Self> {
        let codes = setup.baseline_collection("codes");
        let mappings = setup.baseline_collection("mappings");
        let by_order = IndexModel::builder().keys(doc! { "out_trade_no": 1 });
        let unique = IndexOptions::builder().unique(true).build();
        let by_owner = doc! { "openid": 1, "created_at": -1, "_id": -1 };
        let by_owner = IndexModel::builder().keys(by_owner).build();
        let indexes = [by_order.options(unique).build(), by_owner];
        codes.create_indexes(indexes).await?;
        Ok(Self { codes, mappings })
    }

    /// Orders a second.
    async fn rate(&self, codes: &[Code]) -> Result<f64> {
        let mappings: Vec<Mapping> = codes.iter().map(Code::mapping).collect();
        let start = Instant::now();
        for (codes, mappings) in codes.chunks(BATCH).zip(mappings.chunks(BATCH)) {
            self.codes.insert_many(codes).await?;
            self.mappings.insert_many(mappings).await?;
        }
        Ok(per_second(u32::try_from(codes.len())?, start))
    }
}
