//! Growth: ten times the data may not cost much more. Each number is a ratio to a baseline of the same minute. Both sizes
//! are measured in alternation.

use std::net::SocketAddr;

use anyhow::Result;
use heyi_testkit::{servers::process::free_port, world::Service};
use redis::{Cmd, streams::StreamRangeReply};

use crate::{
    baseline::{SET, XADD, redis_rate},
    frame::{LIMIT_MIB, Scenario, Setup, peak_mib},
    fresh::Promotions,
    http::{self, Make},
    load::{self, requests},
    promote, queue,
    read::{Load, Reads},
};

const ROUNDS: u32 = 3;
/// Rounds of reads. Each takes less than a second.
const ROUNDS_OF_READS: u32 = 25;
const ROUNDS_OF_PROMOTIONS: u32 = 9;
/// Memory for a million codes, in MiB.
const CACHE_FOR_ALL: u32 = 300;
const REQUESTS: u32 = 20_000;
const CODES: u32 = 100_000;
const WAITING: u32 = 50_000;
const MORE: u32 = 10;
/// The least ratio of a rate to that of the smaller size.
const LEAST: f64 = 0.85;
/// The largest ratio of a time to that of the smaller size.
const MOST: f64 = 1.15;
const RATIO: &str = "of a floor";
const FEWER_CODES: &str = "100,000 codes";
const FEWER_WAITING: &str = "50,000 waiting";

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    reads(scenario).await?;
    promotions(scenario).await?;
    waiting(scenario).await?;
    queues(scenario).await
}

/// An api with its limit of memory for codes.
struct Side<'r> {
    reads: &'r Reads,
    api: Service,
    address: SocketAddr,
}

impl<'r> Side<'r> {
    async fn start(reads: &'r Reads, code_cache_mib: Option<u32>) -> Result<Self> {
        let port = free_port()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let cache = code_cache_mib.map(|mib| ("HEYI_HTTP__CODE_CACHE_MIB", mib.to_string()));
        let world = &reads.setup.world;
        let api = world.start_with("heyi-api", port, cache.as_slice())?;
        Ok(Self {
            reads,
            api: api.ready().await?,
            address,
        })
    }

    /// The ratio of its rate to its baseline's.
    async fn ratio(&self, load: Load, count: u32) -> Result<f64> {
        let ours = self.reads.rate(self.address, load, count).await?;
        let baseline = self.reads.baseline.address;
        Ok(ours / self.reads.rate(baseline, load, count).await?)
    }
}

/// Measures pages and lists. Pages are also measured with memory for all codes.
async fn reads(scenario: &mut Scenario) -> Result<()> {
    let (codes, count) = (scenario.count(CODES), scenario.count(REQUESTS));
    scenario.say("add codes");
    let few = Reads::start(codes).await?;
    let many = Reads::start(codes * MORE).await?;
    let sides = [
        Side::start(&few, None).await?,
        Side::start(&many, None).await?,
        Side::start(&many, Some(CACHE_FOR_ALL)).await?,
    ];
    for load in Load::ALL {
        let (name, ..) = load.describe();
        let is_cached = load == Load::Popular;
        let sides = if is_cached { &sides[..] } else { &sides[..2] };
        for side in sides {
            side.reads.warm_up(side.address, load).await?;
        }
        for _ in scenario.rounds(ROUNDS_OF_READS, name) {
            let few = sides[0].ratio(load, count).await?;
            for (side, cache) in sides[1..].iter().zip(["", " in memory"]) {
                let what = format!("{name}, a million codes{cache}");
                let both = [side.ratio(load, count).await?, few];
                let row = scenario.compare(&what, RATIO, both, FEWER_CODES);
                row.at_least(LEAST);
            }
        }
    }
    let what = "peak memory of the api, a million codes";
    let [_, many, cached] = sides;
    let peak = scenario.add(what, "MiB", peak_mib(&many.api)?);
    peak.below(LIMIT_MIB);
    let what = format!("{what} in memory");
    scenario.add(&what, "MiB", peak_mib(&cached.api)?);
    Ok(())
}

/// Measures promotions, on their own servers: after millions of pages a worker would first aggregate their scans.
async fn promotions(scenario: &mut Scenario) -> Result<()> {
    let counts = [CODES, CODES * MORE].map(|count| scenario.count(count));
    let setups = [Setup::start().await?, Setup::start().await?];
    let (mut apis, mut sides) = (Vec::new(), Vec::new());
    for (setup, count) in setups.iter().zip(counts) {
        scenario.say(&format!("from a notify to the code, {count} codes"));
        apis.push(setup.world.api().await?);
        setup.widen_cache().await?;
        setup.add_codes(0..count).await?;
        setup.checkpoint().await?;
        sides.push(Promotions::start(scenario, setup, count).await?);
    }
    let what = "from a notify to the code: p99, a million codes";
    for _ in scenario.rounds(ROUNDS_OF_PROMOTIONS, what) {
        let few = sides[0].round().await?.p99_ratio();
        let many = sides[1].round().await?.p99_ratio();
        let row = scenario.compare(what, RATIO, [many, few], FEWER_CODES);
        row.at_most(MOST);
    }
    for side in sides {
        side.worker.stop().await?;
    }
    Ok(())
}

async fn waiting(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    setup.widen_cache().await?;
    let requests = scenario.count(REQUESTS);
    let counts = [WAITING, WAITING * MORE].map(|count| scenario.count(count));
    let mut first = 0;
    for _ in scenario.rounds(ROUNDS, "paid orders wait") {
        let mut measured = [[0.0; 3]; 2];
        for (measured, count) in measured.iter_mut().zip(counts) {
            setup.paid(first..first + count).await?;
            first += count;
            let accepted = ratio_of_writes(&setup, requests::notify, XADD, requests).await?;
            drop_newest(&setup, requests).await?;
            let ordered = ratio_of_writes(&setup, requests::new_order, SET, requests).await?;
            // Otherwise MongoDB would flush earlier writes during the measurement.
            setup.checkpoint().await?;
            let promoted = promote::drain(&setup, count).await?.per_second;
            *measured = [promoted, accepted, ordered];
        }
        let [few, many] = measured;
        let rows = [
            ("promotions", "orders/s"),
            ("/notify", RATIO),
            ("/newOrder", RATIO),
        ];
        for (index, (what, unit)) in rows.into_iter().enumerate() {
            let what = format!("{what}, 500,000 waiting");
            let both = [many[index], few[index]];
            let row = scenario.compare(&what, unit, both, FEWER_WAITING);
            row.at_least(LEAST);
        }
    }
    Ok(())
}

/// The api's requests a second, as a ratio to those of Redis alone.
async fn ratio_of_writes(setup: &Setup, make: Make, command: &[&str], count: u32) -> Result<f64> {
    let api = setup.world.api().await?;
    let ours = load::rate(setup.api(), &http::made(setup, make, 0, count)).await?;
    let ratio = ours / redis_rate(&setup.world, command, count).await?;
    api.stop().await?;
    Ok(ratio)
}

/// Deletes the newest events, whose orders do not exist.
async fn drop_newest(setup: &Setup, count: u32) -> Result<()> {
    for partition in setup.queue.keys().partitions() {
        let stream = setup.queue.keys().notify(partition);
        let newest = Cmd::xrevrange_count(&stream, "+", "-", count);
        let newest: StreamRangeReply = setup.redis(&newest).await?;
        let ids: Vec<&str> = newest.ids.iter().map(|entry| entry.id.as_str()).collect();
        let () = setup.redis(&Cmd::xdel(&stream, &ids)).await?;
    }
    Ok(())
}

async fn queues(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let what = "a handler that does nothing, 500,000 waiting";
    for _ in scenario.rounds(ROUNDS, what) {
        let [few, plain_few] = queue::rates(&setup, scenario.count(WAITING)).await?;
        let [many, plain_many] = queue::rates(&setup, scenario.count(WAITING * MORE)).await?;
        let both = [many / plain_many, few / plain_few];
        let row = scenario.compare(what, RATIO, both, FEWER_WAITING);
        row.at_least(LEAST);
    }
    Ok(())
}
