//! Requests a second of the api, compared with a route that answers a constant and with Redis alone.

use std::{net::SocketAddr, process, sync::Arc};

use anyhow::Result;
use heyi_testkit::{servers::Server, world::Service};

use crate::{
    baseline::{Baseline, SET, XADD, redis_rate},
    frame::{LIMIT_MIB, Scenario, Setup, peak_mib, quantile, with_cpu},
    load::{self, CONNECTIONS, Connections, Requests, requests, succeeded},
};

const ROUNDS: u32 = 5;
/// Requests of one round.
const REQUESTS: u32 = 20_000;
/// Requests before the first round, not counted.
const WARM_UP: u32 = 1_000;
/// The rates of the open loop, in requests a second, and their number.
const RATES: [(f64, u32); 2] = [(500.0, 2_500), (4_000.0, 20_000)];
const CONSTANT: &str = "a constant";
/// The least ratio to the constant route, if Redis syncs every second.
const LEAST_OF_CONSTANT: f64 = 0.6;
/// The least ratio to Redis alone, if it syncs every write.
const LEAST_OF_REDIS: f64 = 0.7;
const PROCESSES: [&str; 3] = ["the api", "Redis", "the load"];
const PROCESSES_OF_CONSTANT: [&str; 2] = ["the constant", "the load of the constant"];

/// Makes the request of a number.
pub(crate) type Make = fn(&Setup, u32) -> Vec<u8>;
const ROUTES: [(&str, Make); 2] = [
    ("/newOrder", requests::new_order),
    ("/notify", requests::notify),
];

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let api = setup.world.api().await?;
    let baseline = Baseline::start(&setup.world).await?;
    for appendfsync in ["always", "everysec"] {
        setup.configure("appendfsync", appendfsync).await?;
        for (route, make) in ROUTES {
            let route = Route {
                setup: &setup,
                api: &api,
                baseline: &baseline,
                make,
                what: format!("{route}, appendfsync {appendfsync}"),
            };
            let is_always = appendfsync == "always";
            route.closed_loop(scenario, is_always).await?;
            route.open_loop(scenario).await?;
        }
    }
    let peak = scenario.add("peak memory of the api", "MiB", peak_mib(&api)?);
    peak.below(LIMIT_MIB);
    Ok(())
}

struct Route<'s> {
    setup: &'s Setup,
    api: &'s Service,
    baseline: &'s Baseline,
    make: Make,
    what: String,
}

impl Route<'_> {
    /// Measures requests a second, and their CPU time in each process.
    async fn closed_loop(&self, scenario: &mut Scenario, is_always: bool) -> Result<()> {
        let (world, what) = (&self.setup.world, &self.what);
        let redis = world.redis.as_ref().and_then(Server::id);
        let load = Some(process::id());
        let count = scenario.count(REQUESTS);
        let warm_up = made(self.setup, self.make, 0, WARM_UP);
        load::rate(self.setup.api(), &warm_up).await?;
        load::rate(self.baseline.address, &warm_up).await?;
        for round in scenario.rounds(ROUNDS, what) {
            let requests = made(self.setup, self.make, WARM_UP + round * count, count);
            let work = load::rate(self.setup.api(), &requests);
            let (rate, cpu) = with_cpu([self.api.id(), redis, load], count, work).await?;
            for (process, cpu) in PROCESSES.into_iter().zip(cpu) {
                scenario.add(&cpu_in(what, process), "µs", cpu);
            }
            let work = load::rate(self.baseline.address, &requests);
            let (constant, cpu) = with_cpu([self.baseline.id(), load], count, work).await?;
            for (process, cpu) in PROCESSES_OF_CONSTANT.into_iter().zip(cpu) {
                scenario.add(&cpu_in(what, process), "µs", cpu);
            }
            let set = redis_rate(world, SET, count).await?;
            let xadd = redis_rate(world, XADD, count).await?;
            let row = scenario.compare(what, "requests/s", [rate, constant], CONSTANT);
            if !is_always {
                row.at_least(LEAST_OF_CONSTANT);
            }
            scenario.compare(what, "requests/s", [rate, set], "redis-benchmark SET");
            let row = scenario.compare(what, "requests/s", [rate, xadd], "redis-benchmark XADD");
            if is_always {
                row.at_least(LEAST_OF_REDIS);
            }
            self.setup.clear().await?;
        }
        Ok(())
    }

    /// Measures latency at fixed rates.
    async fn open_loop(&self, scenario: &mut Scenario) -> Result<()> {
        let mut first = WARM_UP + ROUNDS * REQUESTS;
        for (rate, count) in RATES {
            let requests = made(self.setup, self.make, first, scenario.count(count));
            first += count;
            let ours = times(self.setup.api(), &requests, rate).await?;
            let constant = times(self.baseline.address, &requests, rate).await?;
            for (percent, name) in [(50, "median"), (99, "p99")] {
                let what = format!("{}, {rate} a second: {name}", self.what);
                let both = [&ours, &constant].map(|times| quantile(times, percent));
                scenario.compare(&what, "ms", both, CONSTANT);
            }
        }
        Ok(())
    }
}

/// `count` requests with numbers from `first`.
pub(crate) fn made(setup: &Setup, make: Make, first: u32, count: u32) -> Requests {
    let requests = (first..first + count).map(|number| make(setup, number));
    Arc::new(requests.collect())
}

fn cpu_in(what: &str, process: &str) -> String {
    format!("{what}: CPU of a request in {process}")
}

/// The latencies in ms at a fixed rate of requests a second.
async fn times(server: SocketAddr, requests: &Requests, rate: f64) -> Result<Vec<f64>> {
    let connections = &Connections::new(server);
    let ask = async |request: &Vec<u8>| succeeded(connections.ask(request).await?);
    let all = load::at_rate(requests.iter(), rate, CONNECTIONS, ask).await?;
    Ok(all.into_iter().map(|((), ms)| ms).collect())
}
