//! How many requests a second the api answers, beside a route that answers a constant.

pub(crate) mod bare;
pub(crate) mod client;
pub(crate) mod floor;
pub(crate) mod load;
pub(crate) mod requests;

use std::{process, sync::Arc};

use anyhow::Result;
use heyi_common::{
    config::{Config, Process},
    redis::Redis,
};
use heyi_testkit::{
    servers::Server,
    world::{Service, World},
};

use self::{floor::Floor, load::Requests};
use crate::{
    cpu::{Meter, metered},
    memory,
    report::{Row, Target},
    series::{Series, quantile_of},
    server,
};

const ROUNDS: u32 = 5;
/// Requests of one round. Each is sent once.
const REQUESTS: u32 = 20_000;
/// Requests before the first round, which are not counted.
const WARM_UP: u32 = 1_000;
const LEAST: f64 = 0.6;
/// Requests a second of the open loop, and how many.
const RATES: [(f64, u32); 2] = [(500.0, 2_500), (4_000.0, 20_000)];
/// Of what Redis does by itself where it goes to the disk for every answer: that is what such a request waits for.
const LEAST_OF_BARE: f64 = 0.7;

/// Makes a request of each number.
pub(crate) type Make = fn(&Config, u32) -> Vec<u8>;
const ROUTES: [(&str, Make); 2] = [
    ("/newOrder", requests::new_order),
    ("/notify", requests::notify),
];

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let redis = Redis::new(&world.config(Process::Api)?.redis)?;
    server::keep_file(&redis).await?;
    let api = world.api().await?;
    let floor = Floor::start(&world).await?;
    let mut rows = Vec::new();
    for appendfsync in ["always", "everysec"] {
        server::set(&redis, "appendfsync", appendfsync).await?;
        for (route, make) in ROUTES {
            let what = format!("{route}, appendfsync {appendfsync}");
            println!("http: {what}");
            let seen = in_turn(&world, &redis, &api, &floor, make).await?;
            for (process, spent) in seen.spent {
                let what = format!("{what}: CPU of a request in {process}");
                rows.push(Row::new(what, "µs", spent));
            }
            let row = || Row::new(what.clone(), "requests/s", seen.ours.clone());
            let of_constant = row().beside("a constant", seen.constant);
            let of_set = row().beside("redis-benchmark SET", seen.set);
            let of_xadd = row().beside("redis-benchmark XADD", seen.xadd);
            rows.extend(if appendfsync == "always" {
                [
                    of_constant,
                    of_set,
                    of_xadd.target(Target::RatioAtLeast(LEAST_OF_BARE)),
                ]
            } else {
                [
                    of_constant.target(Target::RatioAtLeast(LEAST)),
                    of_set,
                    of_xadd,
                ]
            });
            rows.extend(open_loop(&world, &floor, make, &what).await?);
        }
    }
    let peak = Series::new(vec![memory::peak_mib(&api)?]);
    rows.push(
        Row::new("peak memory of the api", "MiB", peak).target(Target::Below(memory::LIMIT_MIB)),
    );
    Ok(rows)
}

/// How long answers take at fixed rates.
async fn open_loop(world: &World, floor: &Floor, make: Make, what: &str) -> Result<Vec<Row>> {
    let config = world.config(Process::Api)?;
    let mut rows = Vec::new();
    let mut first = WARM_UP + ROUNDS * REQUESTS;
    for (rate, count) in RATES {
        let requests: Requests =
            Arc::new((first..first + count).map(|n| make(&config, n)).collect());
        first += count;
        let ours = load::at_rate(config.http.listen, &requests, rate).await?;
        let constant = load::at_rate(floor.address(), &requests, rate).await?;
        for (share, name) in [(0.5, "median"), (0.99, "p99")] {
            let [ours, constant] =
                [&ours, &constant].map(|times| Series::new(vec![quantile_of(times, share)]));
            let what = format!("{what}, {rate} a second: {name}");
            rows.push(Row::new(what, "ms", ours).beside("a constant", constant));
        }
    }
    Ok(rows)
}

/// What ran in turn.
struct Seen {
    ours: Series,
    constant: Series,
    set: Series,
    xadd: Series,
    /// Of the processor, by process and request.
    spent: Vec<(&'static str, Series)>,
}

async fn in_turn(
    world: &World,
    redis: &Redis,
    api: &Service,
    floor: &Floor,
    make: Make,
) -> Result<Seen> {
    let config = world.config(Process::Api)?;
    let requests = |from: u32, count: u32| -> Requests {
        let numbers = from..from + count;
        Arc::new(numbers.map(|number| make(&config, number)).collect())
    };
    let address = config.http.listen;
    let meter = Meter::new;
    let mut in_api = meter(api.id())?;
    let mut in_redis = meter(world.redis.as_ref().and_then(Server::id))?;
    let mut in_load = meter(Some(process::id()))?;
    let mut in_constant = meter(floor.id())?;
    let mut in_load_of_constant = meter(Some(process::id()))?;
    let warm_up = requests(0, WARM_UP);
    load::rate(address, &warm_up).await?;
    load::rate(floor.address(), &warm_up).await?;
    let (mut ours, mut constant, mut set, mut xadd) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let requests = requests(WARM_UP + round * REQUESTS, REQUESTS);
        let meters = &mut [&mut in_api, &mut in_redis, &mut in_load];
        ours.push(metered(meters, REQUESTS, load::rate(address, &requests)).await?);
        let meters = &mut [&mut in_constant, &mut in_load_of_constant];
        let work = load::rate(floor.address(), &requests);
        constant.push(metered(meters, REQUESTS, work).await?);
        set.push(bare::rate(world, bare::SET)?);
        xadd.push(bare::rate(world, bare::XADD)?);
        server::clear(redis).await?;
    }
    Ok(Seen {
        ours: Series::new(ours),
        constant: Series::new(constant),
        set: Series::new(set),
        xadd: Series::new(xadd),
        spent: vec![
            ("the api", in_api.series()),
            ("Redis", in_redis.series()),
            ("the load", in_load.series()),
            ("the constant", in_constant.series()),
            ("the load of the constant", in_load_of_constant.series()),
        ],
    })
}
