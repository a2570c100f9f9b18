//! The cost of a backlog: memory of the processes, read latency, and memory that Redis keeps afterwards.
//!
//! The release build of the worker handles the first events of every backlog, with a MongoDB read for each. This process
//! drains the rest by the same consumer with an empty handler, since a million reads take minutes.

mod fill;
mod others;
mod reads;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use heyi_common::http;
use heyi_testkit::world::{Service, eventually};
use tokio::time::timeout;

use self::{fill::Fill, reads::Reads};
use crate::{
    frame::{KIB, MIB, Scenario, Setup, ms, peak_mib, per_second, quantile, resident_mib},
    load::{self, requests},
    worker,
};

/// Sizes, each with its number of runs, so that small backlogs give enough reads too.
const SIZES: [(u32, u32); 3] = [(10_000, 10), (100_000, 1), (1_000_000, 1)];
/// How many events of a backlog come through the api.
const THROUGH_THE_API: u32 = 5_000;
/// How many events of a backlog the released worker handles, each with a MongoDB read.
const WITH_MONGO: u32 = 4_000;
const SCRAPES: u32 = 20;
/// The allowed ratio between sizes: nothing may grow with the backlog, but there is noise.
const SAME: f64 = 1.5;
/// Memory that Redis may keep after a backlog, e.g. for connection buffers.
const LEFT_KIB: f64 = 1024.0;
const LEFT: &str = "used_memory of Redis afterwards, above that before";
const LIMIT: Duration = Duration::from_secs(300);
const MEMORY: [&str; 2] = ["used_memory", "used_memory_rss"];
/// Quantities that must be the same for each size.
const QUANTITIES: [(&str, &str); 5] = [
    ("p99 of a read", "ms"),
    ("resident memory of the worker", "MiB"),
    ("peak memory of the worker", "MiB"),
    ("resident memory of the api", "MiB"),
    ("/metrics of the worker", "ms"),
];

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let fill = Fill::new(&setup).await?;
    let reads = Reads::record()?;
    // Redis must have its scripts, groups and connections before its memory is measured.
    fill.stream(1_000).await?;
    drain(&setup).await?;
    let mut least = None;
    for (size, drains) in SIZES {
        scenario.say(&format!("{size} events"));
        reads.take();
        let [api, worker, peak, scrape] = waiting(scenario, &fill, size, drains).await?;
        let measured = [quantile(&reads.take(), 99), worker, peak, api, scrape];
        for (index, (what, unit)) in QUANTITIES.into_iter().enumerate() {
            let what = format!("{size} waiting: {what}");
            if let Some(least) = least {
                let least: [f64; 5] = least;
                let both = [measured[index], least[index]];
                let row = scenario.compare(&what, unit, both, "10000 waiting");
                row.at_most(SAME);
            } else {
                scenario.add(&what, unit, measured[index]);
            }
        }
        least.get_or_insert(measured);
    }
    others::measure(scenario, &fill).await
}

/// Builds a backlog, starts the worker on it, and drains the rest with an empty handler.
///
/// Returns the memory of the api and of the worker, the worker's peak, and the time of a scrape.
async fn waiting(
    scenario: &mut Scenario,
    fill: &Fill<'_>,
    size: u32,
    drains: u32,
) -> Result<[f64; 4]> {
    let (setup, count) = (fill.setup, scenario.count(size));
    let [before, _] = setup.info(MEMORY).await?;
    let api = setup.world.api().await?;
    let through_the_api = scenario.count(THROUGH_THE_API);
    fill.stream(count - through_the_api).await?;
    let notify = requests::notify_of(&fill.paid.form);
    let notifies = vec![notify; through_the_api as usize];
    load::rate(setup.api(), &Arc::new(notifies)).await?;
    let api_mib = resident_mib(&api)?;
    api.stop().await?;
    let [most, _] = setup.info(MEMORY).await?;
    let [worker_mib, peak_mib, scrape_ms] = begin(setup, scenario.count(WITH_MONGO)).await?;
    let mut rate = drain(setup).await?;
    for _ in 1..drains {
        fill.stream(count).await?;
        rate = drain(setup).await?;
    }
    let [left, resident] = setup.info(MEMORY).await?;
    let left = (left - before) / KIB;
    let rows = [
        ("handled and acknowledged", "events/s", rate),
        ("used_memory of Redis while they wait", "MiB", most / MIB),
        ("resident memory of Redis afterwards", "MiB", resident / MIB),
        (LEFT, "KiB", left),
    ];
    for (what, unit, value) in rows {
        let row = scenario.add(&format!("{size} waiting: {what}"), unit, value);
        if unit == "KiB" {
            row.below(LEFT_KIB);
        }
    }
    Ok([api_mib, worker_mib, peak_mib, scrape_ms])
}

/// Lets the released worker handle some events. Returns its memory, its peak, and the time of a scrape.
async fn begin(setup: &Setup, count: u32) -> Result<[f64; 3]> {
    let waiting = async || anyhow::Ok(setup.queue.status().await?.waiting);
    let before = waiting().await?;
    let worker = setup.world.worker().await?;
    let is_handled = async || Ok(waiting().await? + u64::from(count) <= before);
    eventually("some events to be handled", is_handled).await?;
    let scrape_ms = scrape(&worker).await?;
    let measured = [resident_mib(&worker)?, peak_mib(&worker)?, scrape_ms];
    let ended = worker.stop().await?;
    ensure!(ended.success(), "the worker ended with {ended}");
    Ok(measured)
}

/// The median time of a scrape, in ms.
async fn scrape(worker: &Service) -> Result<f64> {
    let client = http::client()?;
    let url = format!("{}/metrics", worker.url());
    let mut times = Vec::new();
    for _ in 0..SCRAPES {
        let start = Instant::now();
        let text = client.get(&url).send().await?.text().await?;
        times.push(ms(start));
        ensure!(text.contains("heyi_queue_waiting"), "no gauges: {text}");
    }
    Ok(quantile(&times, 50))
}

/// Drains the queue. Returns events a second, without those that the worker returned, since their takeover waits.
async fn drain(setup: &Setup) -> Result<f64> {
    let status = setup.queue.status().await?;
    let returned = status.pending.get("released").copied().unwrap_or(0);
    let free = u32::try_from(status.waiting - returned)?;
    let start = Instant::now();
    let drained = worker::during(setup, async |starts| {
        starts.wait_for(free).await?;
        let rate = per_second(free, start);
        starts.wait_for(u32::try_from(returned)?).await?;
        Ok(rate)
    });
    let rate = timeout(LIMIT, drained).await??;
    let left = setup.queue.status().await?.waiting;
    ensure!(left == 0, "{left} events are still there");
    Ok(rate)
}
