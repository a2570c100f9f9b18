//! How soon a paid order has its code, beside one write to MongoDB, both at a fixed rate.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heyi_common::{
    config::Process,
    scans::{ScanCounter, Scans},
    store::Code,
};
use heyi_testkit::world::{Service, World};
use mongodb::{Collection, bson::oid::ObjectId};
use redis::AsyncCommands as _;
use tokio::{
    sync::Mutex,
    time::{sleep, sleep_until},
};

use crate::{
    http::{client, client::OK, requests},
    memory,
    orders::{Orders, Paid},
    promote::bare::durable,
    report::{Row, Target},
    series::{Series, quantile_of},
    server,
};

const ROUNDS: u32 = 5;
/// Orders a second.
const RATE: f64 = 200.0;
/// Of one round: five seconds.
const ORDERS: u32 = 1_000;
/// What is under way at once at most.
const AT_ONCE: usize = 1_000;
const POLL_EVERY: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(10);
const SCANS: u32 = 1_000_000;
const TALLY: u32 = 50_000;
const BARE: &str = "one bare insert_one";

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let _api = world.api().await?;
    let times = times(&world).await?;
    let what = "from a notify to the code in /checkOrder, 200 orders a second";
    let mut rows = vec![
        Row::new(format!("{what}: median"), "ms", times.median).beside(BARE, times.bare_median),
        worst(format!("{what}: p99"), times.p99, times.bare_p99),
    ];
    rows.extend(after_long().await?);
    Ok(rows)
}

/// The same by a worker that was away while a million codes were scanned: it aggregates those scans meanwhile.
async fn after_long() -> Result<[Row; 2]> {
    let world = World::with_own_stores().await?;
    let _api = world.api().await?;
    println!("fresh: a million scans wait to be aggregated");
    scan(&world, SCANS).await?;
    let times = times(&world).await?;
    let waiting: u64 = world
        .queue()?
        .redis()
        .shared()
        .hlen(world.queue()?.keys().scans_aggregating())
        .await?;
    ensure!(waiting > 0, "all was aggregated before the end");
    let what = "the same while a million scans are aggregated";
    let peak = Series::new(vec![times.peak_mib]);
    Ok([
        worst(format!("{what}: p99"), times.p99, times.bare_p99),
        Row::new(format!("{what}: peak memory of the worker"), "MiB", peak)
            .target(Target::Below(memory::LIMIT_MIB)),
    ])
}

fn worst(what: String, ours: Series, bare: Series) -> Row {
    Row::new(what, "ms", ours)
        .beside(BARE, bare)
        .target(Target::RatioAtMost(3.0))
}

/// Counts a scan of each of so many codes.
async fn scan(world: &World, codes: u32) -> Result<()> {
    let scans = Scans::new(
        world.queue()?.redis().clone(),
        world.queue()?.keys().clone(),
    );
    let counter = ScanCounter::new(scans);
    for code in 1..=codes {
        counter.count(ObjectId::new(), None);
        // More than it keeps would be lost.
        if code.is_multiple_of(TALLY) || code == codes {
            counter.flush().await?;
        }
    }
    Ok(())
}

/// What it took, in ms.
struct Times {
    median: Series,
    p99: Series,
    bare_median: Series,
    bare_p99: Series,
    /// The most memory that the worker had.
    peak_mib: f64,
}

/// What orders take in a world that has an api.
async fn times(world: &World) -> Result<Times> {
    let mut way = Way::start(world, 0).await?;
    let (mut medians, mut worst, mut bare_medians, mut bare_worst) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        println!("fresh: {ORDERS} orders at {RATE} a second, round {round} of {ROUNDS}");
        let round = way.round().await?;
        medians.push(quantile_of(&round.ours, 0.5));
        worst.push(quantile_of(&round.ours, 0.99));
        bare_medians.push(quantile_of(&round.bare, 0.5));
        bare_worst.push(quantile_of(&round.bare, 0.99));
    }
    Ok(Times {
        peak_mib: way.stop().await?,
        median: Series::new(medians),
        p99: Series::new(worst),
        bare_median: Series::new(bare_medians),
        bare_p99: Series::new(bare_worst),
    })
}

/// What each took, in ms.
pub(crate) struct Round {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Round {
    /// So many times as much as the floor.
    pub(crate) fn p99_over_bare(&self) -> f64 {
        quantile_of(&self.ours, 0.99) / quantile_of(&self.bare, 0.99)
    }
}

/// The way from a notify to the code, in a world that has an api.
pub(crate) struct Way<'w> {
    world: &'w World,
    worker: Service,
    orders: Orders,
    bare: Collection<Code>,
    next: u32,
}

impl<'w> Way<'w> {
    /// Starts a worker, and warms up. Orders have numbers from this one on.
    pub(crate) async fn start(world: &'w World, first: u32) -> Result<Self> {
        let mut way = Self {
            world,
            worker: world.worker().await?,
            orders: Orders::new(world)?,
            bare: bare(world).await?,
            next: first,
        };
        way.round().await?;
        Ok(way)
    }

    pub(crate) async fn round(&mut self) -> Result<Round> {
        let numbers = self.next..self.next + ORDERS;
        self.next = numbers.end;
        let paid = self.orders.cache(numbers.clone()).await?;
        // The api closes what was idle since the last round.
        let asking = Asking {
            server: self.world.config(Process::Api)?.http.listen,
            idle: Mutex::default(),
        };
        let ours = at_rate(paid, |paid| asking.until_known(paid)).await?;
        let codes = numbers.map(|number| self.orders.code(number));
        let codes: Vec<Code> = codes.collect::<Result<_>>()?;
        let bare = at_rate(codes, async |code| {
            self.bare.insert_one(code).await?;
            Ok(())
        });
        let bare = bare.await?;
        Ok(Round { ours, bare })
    }

    /// The most memory that the worker had.
    pub(crate) async fn stop(self) -> Result<f64> {
        let peak_mib = memory::peak_mib(&self.worker)?;
        self.worker.stop().await?;
        Ok(peak_mib)
    }
}

/// Does each at its time. How long each took, in ms, from then on: what is late counts as slow.
async fn at_rate<T, F>(all: Vec<T>, work: impl Fn(T) -> F) -> Result<Vec<f64>>
where
    F: Future<Output = Result<()>>,
{
    let start = Instant::now();
    let work = &work;
    let all = (0u32..).zip(all).map(|(index, one)| async move {
        let due = start + Duration::from_secs_f64(f64::from(index) / RATE);
        sleep_until(due.into()).await;
        work(one).await?;
        anyhow::Ok(due.elapsed().as_secs_f64() * 1000.0)
    });
    stream::iter(all)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Clients of the api, as many as are needed at once.
struct Asking {
    server: SocketAddr,
    idle: Mutex<Vec<client::Client>>,
}

impl Asking {
    /// Reports a payment, then asks until its order has a code.
    async fn until_known(&self, paid: Paid) -> Result<()> {
        let idle = self.idle.lock().await.pop();
        let mut client = match idle {
            Some(client) => client,
            None => client::Client::connect(self.server).await?,
        };
        let status = client.ask(&requests::notify_of(&paid.form)).await?;
        ensure!(status == OK, "/notify answered {status}");
        let check = requests::check_order(&paid.out_trade_no);
        let start = Instant::now();
        while client.ask(&check).await? != OK {
            ensure!(start.elapsed() < LIMIT, "{} has no code", paid.out_trade_no);
            sleep(POLL_EVERY).await;
        }
        self.idle.lock().await.push(client);
        Ok(())
    }
}

/// A collection on the same server, written as durably.
async fn bare(world: &World) -> Result<Collection<Code>> {
    let options = mongodb::options::CollectionOptions::builder()
        .write_concern(durable())
        .build();
    let client = server::mongo(world).await?;
    Ok(client
        .database("bare")
        .collection_with_options("codes", options))
}
