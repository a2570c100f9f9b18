//! Latency from a notify to the code, compared with one write to MongoDB, both at a fixed rate.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use heyi_common::{
    scans::{ScanCounter, Scans},
    store::Code,
};
use heyi_testkit::world::Service;
use mongodb::{Collection, bson::oid::ObjectId};
use redis::AsyncCommands as _;
use tokio::time::sleep;

use crate::{
    frame::{LIMIT_MIB, Scenario, Setup, peak_mib, quantile},
    load::{self, Connections, OK, requests, succeeded},
    orders::Paid,
};

const ROUNDS: u32 = 5;
/// Orders a second.
const RATE: f64 = 200.0;
/// Orders of one round: five seconds.
const ORDERS: u32 = 1_000;
const AT_ONCE: usize = 1_000;
const POLL_EVERY: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(10);
const SCANS: u32 = 1_000_000;
/// Scans between two flushes. Counts above the limit in memory would be lost.
const FLUSH_EVERY: u32 = 50_000;
const BASELINE: &str = "one bare insert_one";
const MOST: f64 = 3.0;

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let _api = setup.world.api().await?;
    let what = "from a notify to the code in /checkOrder, 200 orders a second";
    let mut promotions = Promotions::start(scenario, &setup, 0).await?;
    for _ in scenario.rounds(ROUNDS, what) {
        let round = promotions.round().await?;
        let median = format!("{what}: median");
        scenario.compare(&median, "ms", round.quantiles(50), BASELINE);
        round.add_p99(scenario, what);
    }
    promotions.worker.stop().await?;
    during_aggregation(scenario).await
}

/// The same while the worker aggregates scans of a million codes, which were scanned while it was stopped.
async fn during_aggregation(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let _api = setup.world.api().await?;
    scenario.say("a million scans wait to be aggregated");
    let (redis, keys) = (setup.queue.redis().clone(), setup.queue.keys().clone());
    let scans_aggregating = keys.scans_aggregating();
    let counter = ScanCounter::new(Scans::new(redis.clone(), keys));
    for scan in 1..=scenario.count(SCANS) {
        counter.count(ObjectId::new(), None);
        if scan.is_multiple_of(FLUSH_EVERY) {
            counter.flush().await?;
        }
    }
    counter.flush().await?;
    let what = "the same while a million scans are aggregated";
    let mut promotions = Promotions::start(scenario, &setup, 0).await?;
    for _ in scenario.rounds(ROUNDS, what) {
        promotions.round().await?.add_p99(scenario, what);
    }
    let peak = peak_mib(&promotions.worker)?;
    promotions.worker.stop().await?;
    let waiting: u64 = redis.shared().hlen(scans_aggregating).await?;
    let is_aggregating = waiting > 0 || scenario.is_quick();
    ensure!(is_aggregating, "all was aggregated before the end");
    let what = format!("{what}: peak memory of the worker");
    scenario.add(&what, "MiB", peak).below(LIMIT_MIB);
    Ok(())
}

/// Latencies in ms.
pub(crate) struct Round {
    ours: Vec<f64>,
    baseline: Vec<f64>,
}

impl Round {
    fn quantiles(&self, percent: usize) -> [f64; 2] {
        [&self.ours, &self.baseline].map(|times| quantile(times, percent))
    }

    /// The ratio of the p99 to the baseline's.
    pub(crate) fn p99_ratio(&self) -> f64 {
        let [ours, baseline] = self.quantiles(99);
        ours / baseline
    }

    fn add_p99(&self, scenario: &mut Scenario, what: &str) {
        let what = format!("{what}: p99");
        let row = scenario.compare(&what, "ms", self.quantiles(99), BASELINE);
        row.at_most(MOST);
    }
}

/// Promotions at a fixed rate, with a running api.
pub(crate) struct Promotions<'s> {
    setup: &'s Setup,
    pub(crate) worker: Service,
    baseline: Collection<Code>,
    next: u32,
    count: u32,
}

impl<'s> Promotions<'s> {
    /// Starts a worker and warms up. The numbers of orders begin at `first`.
    pub(crate) async fn start(scenario: &Scenario, setup: &'s Setup, first: u32) -> Result<Self> {
        let mut promotions = Self {
            setup,
            worker: setup.world.worker().await?,
            baseline: setup.baseline_collection("codes"),
            next: first,
            count: scenario.count(ORDERS),
        };
        promotions.round().await?;
        Ok(promotions)
    }

    pub(crate) async fn round(&mut self) -> Result<Round> {
        let numbers = self.next..self.next + self.count;
        self.next = numbers.end;
        let paid = self.setup.pending(numbers.clone()).await?;
        // New connections, since the api closes idle ones between rounds.
        let connections = Connections::new(self.setup.api());
        let ours = load::at_rate(paid, RATE, AT_ONCE, |paid| until_known(&connections, paid));
        let ours = ours.await?;
        let codes = self.setup.codes(numbers)?;
        let insert = async |code: Code| Ok(self.baseline.insert_one(code).await?);
        let baseline = load::at_rate(codes, RATE, AT_ONCE, insert).await?;
        Ok(Round {
            ours: ours.into_iter().map(|((), ms)| ms).collect(),
            baseline: baseline.into_iter().map(|(_, ms)| ms).collect(),
        })
    }
}

/// Sends a notify, then polls until the order has a code.
async fn until_known(api: &Connections, paid: Paid) -> Result<()> {
    succeeded(api.ask(&requests::notify_of(&paid.form)).await?)?;
    let check = requests::check_order(paid.out_trade_no.as_str());
    let start = Instant::now();
    while api.ask(&check).await? != OK {
        ensure!(start.elapsed() < LIMIT, "{} has no code", paid.out_trade_no);
        sleep(POLL_EVERY).await;
    }
    Ok(())
}
