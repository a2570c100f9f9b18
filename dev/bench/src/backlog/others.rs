//! Other backlogs: retries that are due at the same time, events of a dead worker, dead letters.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::time::{sleep, timeout};

use super::{LIMIT, MEMORY, fill::Fill};
use crate::{
    frame::{KIB, Scenario, ms, per_second, quantile},
    idle::write_once,
    worker,
};

const MANY: u32 = 100_000;
/// A worker with default settings has 160. Each one is claimed separately, with a disk sync.
const IN_FLIGHT: u32 = 5_000;
const FEW: u32 = 100;
/// The default output of `dead list`: a header, the letters, and their number.
const LINES: usize = 52;
const LISTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);
/// The longest time of a write while due retries are moved.
const LONGEST_WRITE_MS: f64 = 100.0;

/// Measures them, one after the other.
pub(super) async fn measure(scenario: &mut Scenario, fill: &Fill<'_>) -> Result<()> {
    due(scenario, fill).await?;
    taken_over(scenario, fill).await?;
    listed(scenario, fill).await
}

async fn due(scenario: &mut Scenario, fill: &Fill<'_>) -> Result<()> {
    let what = format!("{MANY} retries due at once");
    scenario.say(&what);
    let (setup, count) = (fill.setup, scenario.count(MANY));
    let [before, _] = setup.info(MEMORY).await?;
    fill.due(count).await?;
    let ended = AtomicBool::new(false);
    let start = Instant::now();
    let drain = async {
        let drained = worker::during(setup, async |starts| {
            starts.wait_for(count).await?;
            Ok(per_second(count, start))
        });
        let rate = timeout(LIMIT, drained).await;
        ended.store(true, Ordering::Relaxed);
        rate?
    };
    let write = async {
        let mut times = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            times.push(write_once(setup).await?);
            sleep(PAUSE).await;
        }
        Ok(times)
    };
    let (rate, writes) = tokio::try_join!(drain, write)?;
    let status = setup.queue.status().await?;
    let left = status.waiting + status.retries;
    ensure!(left == 0, "{left} events are still there");
    let [after, _] = setup.info(MEMORY).await?;
    let name = |of: &str| format!("{what}: {of}");
    scenario.add(&name("handled and acknowledged"), "events/s", rate);
    let p99 = name("p99 of another's write meanwhile");
    let row = scenario.add(&p99, "ms", quantile(&writes, 99));
    row.below(LONGEST_WRITE_MS);
    let memory = name("used_memory of Redis above that before");
    scenario.add(&memory, "KiB", (after - before) / KIB);
    Ok(())
}

async fn taken_over(scenario: &mut Scenario, fill: &Fill<'_>) -> Result<()> {
    let what = format!("{IN_FLIGHT} events of a dead worker");
    scenario.say(&what);
    let count = scenario.count(IN_FLIGHT);
    fill.in_flight(count).await?;
    let drained = worker::during(fill.setup, async |starts| {
        // It first watches the heartbeats.
        starts.wait_for(1).await?;
        let start = Instant::now();
        starts.wait_for(count - 1).await?;
        Ok(per_second(count - 1, start))
    });
    let rate = timeout(LIMIT, drained).await??;
    let what = format!("{what}: taken over, handled and acknowledged");
    scenario.add(&what, "events/s", rate);
    Ok(())
}

async fn listed(scenario: &mut Scenario, fill: &Fill<'_>) -> Result<()> {
    let what = format!("`dead list` with {MANY} dead letters");
    scenario.say(&what);
    let mut times = [const { Vec::new() }; 2];
    for (times, count) in times.iter_mut().zip([FEW, scenario.count(MANY)]) {
        fill.dead(count).await?;
        for _ in 0..LISTS {
            let start = Instant::now();
            let output = fill.setup.world.operate(&["dead", "list"]).await?;
            times.push(ms(start));
            let lines = String::from_utf8(output.stdout)?.lines().count();
            ensure!(lines == LINES, "{lines} lines, not {LINES}");
        }
        fill.delete_dead().await?;
    }
    let [few, many] = times;
    for (few, many) in few.into_iter().zip(many) {
        let row = scenario.compare(&what, "ms", [many, few], "with 100");
        row.at_most(1.5);
    }
    Ok(())
}
