//! Pages and lists a second. `/qr` is compared with a route that answers a constant, the others with a lookup by index of
//! MongoDB's driver.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;

use crate::{
    baseline::Baseline,
    frame::{LIMIT_MIB, Scenario, Setup, peak_mib, with_cpu},
    load::{self, requests},
    orders::Known,
};

const ROUNDS: u32 = 5;
/// Requests of one round.
const REQUESTS: u32 = 20_000;
/// Requests of a warm-up, not counted.
const WARM_UP: u32 = 5_000;
/// Pages of each code, on average, before the measurement. Afterwards the popular codes are in memory, as in an api that
/// has run for a while.
const PAGES_BEFORE: u32 = 10;
const CODES: u32 = 100_000;
/// The number of codes in a uniform load.
const UNIFORM: u32 = 10_000;

/// The kind of request.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Pages of codes, of which a few get most scans.
    Popular,
    /// Pages of codes, all equally often.
    Uniform,
    /// The codes of orders.
    CheckOrder,
    /// Lists of persons.
    Reflash,
}

impl Load {
    pub(crate) const ALL: [Self; 4] = [
        Self::Popular,
        Self::Uniform,
        Self::CheckOrder,
        Self::Reflash,
    ];

    /// Its name, its baseline, and the target of the ratio.
    pub(crate) fn describe(self) -> (&'static str, &'static str, f64) {
        const FIND: &str = "bare find_one behind axum";
        match self {
            Self::Popular => ("/qr, Zipf-distributed", "a constant", 0.6),
            Self::Uniform => ("/qr, 10,000 codes alike", "a constant", 0.5),
            Self::CheckOrder => ("/checkOrder", FIND, 0.8),
            Self::Reflash => ("/reflash", FIND, 0.8),
        }
    }
}

/// The codes and the baseline.
pub(crate) struct Reads {
    pub(crate) setup: Setup,
    pub(crate) baseline: Baseline,
    known: Vec<Known>,
}

impl Reads {
    /// Starts servers with this number of codes.
    pub(crate) async fn start(codes: u32) -> Result<Self> {
        let setup = Setup::start().await?;
        setup.widen_cache().await?;
        Ok(Self {
            baseline: Baseline::start(&setup.world).await?,
            known: setup.add_codes(0..codes).await?,
            setup,
        })
    }

    /// Warms up until the measured rate is stable.
    pub(crate) async fn warm_up(&self, api: SocketAddr, load: Load) -> Result<()> {
        let codes = u32::try_from(self.known.len())?;
        let times = match load {
            Load::Popular => codes * PAGES_BEFORE / WARM_UP,
            Load::Uniform => UNIFORM.min(codes) * PAGES_BEFORE / WARM_UP,
            Load::CheckOrder | Load::Reflash => 1,
        };
        for _ in 0..times {
            self.rate(api, load, WARM_UP).await?;
        }
        Ok(())
    }

    /// Requests a second that the api or the baseline answers.
    pub(crate) async fn rate(&self, server: SocketAddr, load: Load, count: u32) -> Result<f64> {
        let known = self.known.as_slice();
        let zipf = Zipf::new(known.len());
        let uniform = known.len().min(usize::try_from(UNIFORM)?);
        let one = |_| {
            let any = &known[rand::random_range(..known.len())];
            match load {
                Load::Popular => requests::scan(&known[zipf.draw()].id),
                Load::Uniform => requests::scan(&known[rand::random_range(..uniform)].id),
                Load::CheckOrder => requests::check_order(&any.out_trade_no),
                Load::Reflash => requests::reflash(&self.setup.config, &any.openid),
            }
        };
        load::rate(server, &Arc::new((0..count).map(one).collect())).await
    }
}

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    scenario.say("add codes");
    let reads = Reads::start(scenario.count(CODES)).await?;
    let api = reads.setup.world.api().await?;
    let (address, count) = (reads.setup.api(), scenario.count(REQUESTS));
    for load in Load::ALL {
        let (name, baseline, least) = load.describe();
        reads.warm_up(address, load).await?;
        for _ in scenario.rounds(ROUNDS, name) {
            let work = reads.rate(address, load, count);
            let (rate, [cpu]) = with_cpu([api.id()], count, work).await?;
            let measured = reads.rate(reads.baseline.address, load, count).await?;
            let row = scenario.compare(name, "requests/s", [rate, measured], baseline);
            row.at_least(least);
            scenario.add(&format!("{name}: CPU of a request in the api"), "µs", cpu);
        }
    }
    let peak = scenario.add("peak memory of the api", "MiB", peak_mib(&api)?);
    peak.below(LIMIT_MIB);
    Ok(())
}

/// Draws ranks by Zipf's law with exponent 1: the second code is scanned half as often as the first, the third a third as
/// often.
struct Zipf {
    /// The cumulative weights.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(places: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=places).map(|place| {
            sum += 1.0 / u32::try_from(place).map_or(f64::INFINITY, f64::from);
            sum
        });
        Self {
            sums: weights.collect(),
        }
    }

    fn draw(&self) -> usize {
        let total = self.sums.last().copied().unwrap_or_default();
        let drawn = rand::random_range(0.0..total);
        self.sums.partition_point(|sum| *sum <= drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(3);
        let mut drawn = [0_u32; 3];
        for _ in 0..60_000 {
            drawn[zipf.draw()] += 1;
        }
        let share = |count: u32| f64::from(count) / 60_000.0;
        for (count, expected) in drawn.into_iter().zip([6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0]) {
            assert!((share(count) - expected).abs() < 0.02, "{drawn:?}");
        }
    }
}
