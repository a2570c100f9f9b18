//! How many pages and lists a second: `/qr` beside a route that answers a constant, the others beside what MongoDB's
//! driver finds by an index.

pub(crate) mod codes;
mod zipf;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use heyi_common::config::{Config, Process};
use heyi_testkit::world::{Service, World};

use self::{codes::Known, zipf::Zipf};
use crate::{
    cpu::{Meter, metered},
    http::{
        floor::Floor,
        load::{self, Requests},
        requests,
    },
    memory,
    report::{Row, Target},
    series::Series,
    server,
};

const ROUNDS: u32 = 5;
/// Requests of one round.
const REQUESTS: u32 = 20_000;
/// Requests of a warm-up, which are not counted.
const WARM_UP: u32 = 5_000;
/// Pages of each code, on average, before pages are measured: an api that runs for a while has the codes in memory that
/// are scanned often.
const PAGES_BEFORE: u32 = 10;
const CODES: u32 = 100_000;
/// Of these, the codes that are asked for where all are alike.
const ALIKE: u32 = 10_000;

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// Pages of codes, a few of which are scanned most of the time.
    Popular,
    /// Pages of codes, all scanned alike.
    Alike,
    /// What became of orders.
    CheckOrder,
    /// Lists of persons.
    Reflash,
}

impl Load {
    pub(crate) const ALL: [Self; 4] = [Self::Popular, Self::Alike, Self::CheckOrder, Self::Reflash];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Popular => "/qr, Zipf-distributed",
            Self::Alike => "/qr, 10,000 codes alike",
            Self::CheckOrder => "/checkOrder",
            Self::Reflash => "/reflash",
        }
    }

    /// Asks until what is measured has settled.
    pub(crate) async fn warm_up(
        self,
        api: SocketAddr,
        config: &Config,
        known: &[Known],
    ) -> Result<()> {
        let codes = u32::try_from(known.len())?;
        let times = match self {
            Self::Popular => codes * PAGES_BEFORE / WARM_UP,
            Self::Alike => ALIKE.min(codes) * PAGES_BEFORE / WARM_UP,
            Self::CheckOrder | Self::Reflash => 1,
        };
        for _ in 0..times {
            let requests = self.requests(config, known, WARM_UP);
            load::rate(api, &requests).await?;
        }
        Ok(())
    }

    fn beside(self) -> (&'static str, f64) {
        match self {
            Self::Popular => ("a constant", 0.6),
            Self::Alike => ("a constant", 0.5),
            Self::CheckOrder | Self::Reflash => ("bare find_one behind axum", 0.8),
        }
    }

    /// So many requests over codes that are there.
    pub(crate) fn requests(self, config: &Config, known: &[Known], count: u32) -> Requests {
        let zipf = Zipf::new(known.len());
        let alike = known
            .len()
            .min(usize::try_from(ALIKE).unwrap_or(usize::MAX));
        let one = |_| match self {
            Self::Popular => requests::scan(&known[zipf.draw()].id),
            Self::Alike => requests::scan(&known[rand::random_range(..alike)].id),
            Self::CheckOrder => {
                requests::check_order(&known[rand::random_range(..known.len())].out_trade_no)
            }
            Self::Reflash => {
                requests::reflash(config, &known[rand::random_range(..known.len())].openid)
            }
        };
        Arc::new((0..count).map(one).collect())
    }
}

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let config = world.config(Process::Api)?;
    let api = world.api().await?;
    let floor = Floor::start(&world).await?;
    server::widen_cache(&world).await?;
    println!("read: {CODES} codes");
    let known = codes::add(&world, 0..CODES).await?;
    let mut rows = Vec::new();
    for load in Load::ALL {
        println!("read: {}", load.name());
        rows.extend(in_turn(&config, &api, &floor, load, &known).await?);
    }
    let peak = Series::new(vec![memory::peak_mib(&api)?]);
    rows.push(
        Row::new("peak memory of the api", "MiB", peak).target(Target::Below(memory::LIMIT_MIB)),
    );
    Ok(rows)
}

async fn in_turn(
    config: &Config,
    api: &Service,
    floor: &Floor,
    load: Load,
    known: &[Known],
) -> Result<[Row; 2]> {
    let address = config.http.listen;
    let mut in_api = Meter::new(api.id())?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    load.warm_up(address, config, known).await?;
    for _ in 0..ROUNDS {
        let requests = load.requests(config, known, REQUESTS);
        let meters = &mut [&mut in_api];
        let own = metered(meters, REQUESTS, load::rate(address, &requests)).await?;
        let other = load::rate(floor.address(), &requests).await?;
        ours.push(own);
        theirs.push(other);
    }
    let (beside, least) = load.beside();
    Ok([
        Row::new(load.name(), "requests/s", Series::new(ours))
            .beside(beside, Series::new(theirs))
            .target(Target::RatioAtLeast(least)),
        Row::new(
            format!("{}: CPU of a request in the api", load.name()),
            "µs",
            in_api.series(),
        ),
    ])
}
