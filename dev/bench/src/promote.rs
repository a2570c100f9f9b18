//! How many paid orders a second become codes, beside a program that only inserts the same documents.

pub(crate) mod bare;
mod spent;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use heyi_testkit::world::World;
use tokio::time::sleep;

use self::spent::Spent;
use crate::{
    cpu::{Meter, metered},
    memory,
    orders::Orders,
    queue::rate,
    report::{Row, Target},
    series::Series,
    server,
};

const ROUNDS: u32 = 3;
const WAITING: u32 = 50_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(300);

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let orders = Orders::new(&world)?;
    let queue = world.queue()?;
    server::keep_file(queue.redis()).await?;
    let bare = bare::Bare::new(&world).await?;
    let (mut ours, mut plain, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        println!(
            "promote: {WAITING} paid orders, round {} of {ROUNDS}",
            round + 1
        );
        let numbers = round * WAITING..(round + 1) * WAITING;
        orders.pay(numbers.clone()).await?;
        let one = drain(&world, WAITING).await?;
        ours.push(one.per_second);
        seen.push(one);
        let codes = numbers.map(|number| orders.code(number));
        plain.push(bare.rate(codes.collect::<Result<_>>()?).await?);
    }
    bare.compare(u64::from(ROUNDS * WAITING)).await?;
    let told = |what, unit, value: fn(&Seen) -> f64| {
        Row::new(what, unit, Series::new(seen.iter().map(value).collect()))
    };
    Ok(vec![
        Row::new(
            "paid orders become codes, the start of the worker included",
            "orders/s",
            Series::new(ours),
        )
        .beside("bare insert_many", Series::new(plain))
        .target(Target::RatioAtLeast(0.5)),
        told("peak memory of the worker", "MiB", |seen| seen.peak_mib)
            .target(Target::Below(memory::LIMIT_MIB)),
        told("CPU of an order in the worker", "µs", |seen| {
            seen.worker_us
        }),
        told("commands to Redis for an order", "commands", |seen| {
            seen.redis.commands
        }),
        told("bytes to Redis for an order", "bytes", |seen| {
            seen.redis.received
        }),
        told("bytes in Redis' file for an order", "bytes", |seen| {
            seen.redis.written
        }),
    ])
}

/// What one worker did.
pub(crate) struct Seen {
    pub(crate) per_second: f64,
    peak_mib: f64,
    worker_us: f64,
    redis: Spent,
}

/// Starts a worker and waits until none of so many orders waits any more.
pub(crate) async fn drain(world: &World, count: u32) -> Result<Seen> {
    let queue = world.queue()?;
    let before = Spent::read(queue.redis()).await?;
    let start = Instant::now();
    let worker = world.start_worker()?;
    let mut meter = Meter::new(worker.id())?;
    let drained = async {
        while queue.status().await?.waiting > 0 {
            ensure!(
                start.elapsed() < LIMIT,
                "it does not drain: {}",
                worker.log()
            );
            sleep(LOOK_EVERY).await;
        }
        Ok(rate(count, start))
    };
    let per_second = metered(&mut [&mut meter], count, drained).await?;
    let redis = Spent::read(queue.redis()).await?.since(before, count);
    let peak_mib = memory::peak_mib(&worker)?;
    worker.stop().await?;
    Ok(Seen {
        per_second,
        peak_mib,
        worker_us: meter.series().median,
        redis,
    })
}
