//! The same with ten times the data: nothing may cost much more for it.

use std::sync::Arc;

use anyhow::Result;
use heyi_common::config::{Config, Process};
use heyi_sandbox::world::World;
use redis::{Cmd, streams::StreamRangeReply};

use crate::{
    fresh,
    http::{self, bare, floor::Floor, load, requests},
    memory,
    orders::Orders,
    promote, queue,
    read::{Load, codes},
    report::{Row, Target},
    series::Series,
    server,
};

const ROUNDS: u32 = 3;
/// Of reads, each of which takes less than a second.
const ROUNDS_OF_READS: u32 = 9;
const REQUESTS: u32 = 20_000;
const CODES: u32 = 100_000;
const WAITING: u32 = 50_000;
const MORE: u32 = 10;
/// Of what it was.
const LEAST: f64 = 0.85;
/// Of what it was, where it is a time.
const MOST: f64 = 1.15;

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let mut rows = reads().await?;
    rows.push(soon().await?);
    rows.extend(waiting().await?);
    rows.push(queues().await?);
    Ok(rows)
}

async fn queues() -> Result<Row> {
    let world = World::with_own_stores().await?;
    server::keep_file(world.queue()?.redis()).await?;
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        println!("growth: queues, round {round} of {ROUNDS}");
        few.push(queue::beside_plain(&world, WAITING).await?);
        many.push(queue::beside_plain(&world, WAITING * MORE).await?);
    }
    let what = "a handler that does nothing, 500,000 waiting";
    let both = [few, many].map(Series::new);
    Ok(beside_few(what, "of a floor", both))
}

async fn reads() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let config = world.config(Process::Api)?;
    let api = world.api().await?;
    let floor = Floor::start(&world).await?;
    server::widen_cache(&world).await?;
    println!("growth: {CODES} codes");
    let mut known = codes::add(&world, 0..CODES).await?;
    let few = rates(&config, &floor, &known).await?;
    println!("growth: {} codes", CODES * MORE);
    known.extend(codes::add(&world, CODES..CODES * MORE).await?);
    let many = rates(&config, &floor, &known).await?;
    let rows = Load::ALL.into_iter().zip(few).zip(many);
    let rows = rows.map(|((load, few), many)| {
        let what = format!("{}, a million codes", load.name());
        Row::new(what, "of a floor", many)
            .beside("100,000 codes", few)
            .target(Target::RatioAtLeast(LEAST))
    });
    let peak = Series::new(vec![memory::peak_mib(&api)?]);
    let peak = Row::new("peak memory of the api, a million codes", "MiB", peak);
    Ok(rows.chain([peak.target(Target::Below(80.0))]).collect())
}

/// In a world of its own: a worker that starts after millions of pages first folds their scans.
async fn soon() -> Result<Row> {
    let world = World::with_own_stores().await?;
    let _api = world.api().await?;
    server::widen_cache(&world).await?;
    println!("growth: from a notify to the code, {CODES} codes");
    codes::add(&world, 0..CODES).await?;
    server::checkpoint(&world).await?;
    let few = fresh::times(&world, CODES * MORE).await?;
    println!("growth: from a notify to the code, {} codes", CODES * MORE);
    codes::add(&world, CODES..CODES * MORE).await?;
    server::checkpoint(&world).await?;
    let many = fresh::times(&world, CODES * MORE * 2).await?;
    let what = "from a notify to the code: p99, a million codes";
    Ok(Row::new(what, "of a floor", many.p99.over(&many.bare_p99))
        .beside("100,000 codes", few.p99.over(&few.bare_p99))
        .target(Target::RatioAtMost(MOST)))
}

/// Of each load, in relation to its floor, since the machine may be slower by then.
async fn rates(config: &Config, floor: &Floor, known: &[codes::Known]) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for load in Load::ALL {
        let mut ratios = Vec::new();
        load.warm_up(config, known).await?;
        for _ in 0..ROUNDS_OF_READS {
            let requests = load.requests(config, known, REQUESTS);
            let ours = load::rate(config.http.listen, &requests).await?;
            let theirs = load::rate(floor.address(), &requests).await?;
            ratios.push(ours / theirs);
        }
        all.push(Series::new(ratios));
    }
    Ok(all)
}

async fn waiting() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let orders = Orders::new(&world)?;
    server::keep_file(world.queue()?.redis()).await?;
    server::widen_cache(&world).await?;
    let counts = [WAITING, WAITING * MORE];
    let mut promoted = counts.map(|_| Vec::new());
    let (mut accepted, mut ordered) = (promoted.clone(), promoted.clone());
    let mut first = 0;
    for round in 1..=ROUNDS {
        for (place, count) in counts.into_iter().enumerate() {
            println!("growth: {count} paid orders wait, round {round} of {ROUNDS}");
            orders.pay(first..first + count).await?;
            first += count;
            accepted[place].push(accept(&world).await?);
            ordered[place].push(order(&world).await?);
            // What was written before is not to be written out meanwhile.
            server::checkpoint(&world).await?;
            promoted[place].push(promote::drain(&world, count).await?.per_second);
        }
    }
    let row = |what, unit, both: [Vec<f64>; 2]| beside_few(what, unit, both.map(Series::new));
    Ok(vec![
        row("promotions, 500,000 waiting", "orders/s", promoted),
        row("/notify, 500,000 waiting", "of a floor", accepted),
        row("/newOrder, 500,000 waiting", "of a floor", ordered),
    ])
}

fn beside_few(what: &str, unit: &'static str, [few, many]: [Series; 2]) -> Row {
    Row::new(what, unit, many)
        .beside("50,000 waiting", few)
        .target(Target::RatioAtLeast(LEAST))
}

/// Requests that are taken beside what waits, in relation to what Redis does by itself.
async fn taken(world: &World, make: http::Make, floor: &[&str]) -> Result<f64> {
    let config = world.config(Process::Api)?;
    let requests = (0..REQUESTS).map(|number| make(&config, number));
    let ours = load::rate(config.http.listen, &Arc::new(requests.collect())).await?;
    Ok(ours / bare::rate(world, floor)?)
}

/// Notifies that are taken. They are taken out again: nobody made their orders.
async fn accept(world: &World) -> Result<f64> {
    let queue = world.queue()?;
    let api = world.api().await?;
    let ratio = taken(world, requests::notify, bare::XADD).await?;
    for partition in queue.keys().partitions() {
        let stream = queue.keys().notify(partition);
        let newest: StreamRangeReply = redis::cmd("XREVRANGE")
            .arg(&[&stream, "+", "-", "COUNT"])
            .arg(REQUESTS)
            .query_async(&mut queue.redis().shared())
            .await?;
        let ids: Vec<&str> = newest.ids.iter().map(|entry| entry.id.as_str()).collect();
        Cmd::xdel(&stream, &ids)
            .exec_async(&mut queue.redis().shared())
            .await?;
    }
    api.stop().await?;
    Ok(ratio)
}

/// Orders that are made.
async fn order(world: &World) -> Result<f64> {
    let api = world.api().await?;
    let ratio = taken(world, requests::new_order, bare::SET).await?;
    api.stop().await?;
    Ok(ratio)
}
