//! The same with ten times the data: nothing may cost much more for it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use heyi_common::config::{Config, Process};
use heyi_testkit::{
    servers::process::free_port,
    world::{Service, World},
};
use redis::{Cmd, streams::StreamRangeReply};

use crate::{
    fresh,
    http::{self, bare, floor::Floor, load, requests},
    memory,
    orders::Orders,
    promote, queue,
    read::{
        Load,
        codes::{self, Known},
    },
    report::{Row, Target},
    series::Series,
    server,
};

const ROUNDS: u32 = 3;
/// Of reads, each of which takes less than a second.
const ROUNDS_OF_READS: u32 = 25;
/// Memory for a million codes, in MiB.
const ROOM_FOR_ALL: u32 = 300;
const ROUNDS_OF_WAYS: u32 = 9;
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

/// An api, how much it has to answer from, and what it is measured against.
struct Side<'w> {
    api: Service,
    address: SocketAddr,
    config: Config,
    floor: &'w Floor,
    known: &'w [Known],
}

impl<'w> Side<'w> {
    /// Starts an api that may have so many MiB of codes in memory, or as many as it has by default.
    async fn start(
        world: &World,
        code_cache_mib: Option<u32>,
        floor: &'w Floor,
        known: &'w [Known],
    ) -> Result<Self> {
        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut settings = vec![("HEYI_HTTP__LISTEN", address.to_string())];
        settings.extend(code_cache_mib.map(|mib| ("HEYI_HTTP__CODE_CACHE_MIB", mib.to_string())));
        let api = world.start_with("heyi-api", port, &settings)?;
        Ok(Self {
            api: api.ready().await?,
            address,
            config: world.config(Process::Api)?,
            floor,
            known,
        })
    }

    async fn warm_up(&self, load: Load) -> Result<()> {
        load.warm_up(self.address, &self.config, self.known).await
    }

    /// In relation to its floor, since the machine may be slower by then.
    async fn rate(&self, load: Load) -> Result<f64> {
        let requests = load.requests(&self.config, self.known, REQUESTS);
        let ours = load::rate(self.address, &requests).await?;
        let theirs = load::rate(self.floor.address(), &requests).await?;
        Ok(ours / theirs)
    }
}

/// How much slower is each load, with ten times the codes; pages also where there is memory for all of them.
async fn reads() -> Result<Vec<Row>> {
    let counts = [CODES, CODES * MORE];
    let worlds = worlds().await?;
    let floors = [
        Floor::start(&worlds[0]).await?,
        Floor::start(&worlds[1]).await?,
    ];
    let mut known = Vec::new();
    for (world, count) in worlds.iter().zip(counts) {
        println!("growth: {count} codes");
        server::widen_cache(world).await?;
        known.push(codes::add(world, 0..count).await?);
    }
    let few = Side::start(&worlds[0], None, &floors[0], &known[0]).await?;
    let many = Side::start(&worlds[1], None, &floors[1], &known[1]).await?;
    let roomy = Side::start(&worlds[1], Some(ROOM_FOR_ALL), &floors[1], &known[1]).await?;
    let mut rows = Vec::new();
    for load in Load::ALL {
        println!("growth: {}", load.name());
        let is_paged = matches!(load, Load::Popular);
        let mut sides = vec![&few, &many];
        sides.extend(is_paged.then_some(&roomy));
        let mut ratios = vec![Vec::new(); sides.len()];
        for side in &sides {
            side.warm_up(load).await?;
        }
        for _ in 0..ROUNDS_OF_READS {
            for (side, ratios) in sides.iter().zip(&mut ratios) {
                ratios.push(side.rate(load).await?);
            }
        }
        let mut ratios = ratios.into_iter().map(Series::new);
        let few = ratios.next().context("no side")?;
        let room = ["", " in memory"];
        for (many, room) in ratios.zip(room) {
            let what = format!("{}, a million codes{room}", load.name());
            rows.push(
                Row::new(what, "of a floor", many)
                    .beside("100,000 codes", few.clone())
                    .target(Target::RatioAtLeast(LEAST)),
            );
        }
    }
    let peak = |side: &Side<'_>| anyhow::Ok(Series::new(vec![memory::peak_mib(&side.api)?]));
    let what = "peak memory of the api, a million codes";
    rows.push(Row::new(what, "MiB", peak(&many)?).target(Target::Below(memory::LIMIT_MIB)));
    rows.push(Row::new(format!("{what} in memory"), "MiB", peak(&roomy)?));
    Ok(rows)
}

/// One for each number of codes, so that they are measured in turn.
async fn worlds() -> Result<[World; 2]> {
    Ok([
        World::with_own_stores().await?,
        World::with_own_stores().await?,
    ])
}

/// In worlds of their own, in turn: a worker that starts after millions of pages first aggregations their scans.
async fn soon() -> Result<Row> {
    let worlds = worlds().await?;
    let counts = [CODES, CODES * MORE];
    let mut ways = Vec::new();
    let mut apis = Vec::new();
    for (world, count) in worlds.iter().zip(counts) {
        apis.push(world.api().await?);
        server::widen_cache(world).await?;
        println!("growth: from a notify to the code, {count} codes");
        codes::add(world, 0..count).await?;
        server::checkpoint(world).await?;
        ways.push(fresh::Way::start(world, count).await?);
    }
    let mut worst = counts.map(|_| Vec::new());
    for round in 1..=ROUNDS_OF_WAYS {
        println!("growth: from a notify to the code, round {round} of {ROUNDS_OF_WAYS}");
        for (way, worst) in ways.iter_mut().zip(&mut worst) {
            worst.push(way.round().await?.p99_over_bare());
        }
    }
    for way in ways {
        way.stop().await?;
    }
    let [few, many] = worst.map(Series::new);
    let what = "from a notify to the code: p99, a million codes";
    Ok(Row::new(what, "of a floor", many)
        .beside("100,000 codes", few)
        .target(Target::RatioAtMost(MOST)))
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
