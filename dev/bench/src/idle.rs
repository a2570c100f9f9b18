//! The cost of idle processes, and their wake-up latency.

use std::time::{Duration, Instant};

use anyhow::Result;
use heyi_common::gateway::Gateway;
use tokio::time::{sleep, timeout};

use crate::{
    frame::{Scenario, Setup, ms, quantile, resident_mib},
    worker::{self, Starts},
};

const STARTS: u32 = 3;
const ROUNDS: u32 = 5;
const EVENTS_PER_ROUND: u32 = 40;
/// How long a process is idle before its memory is measured.
const SETTLE: Duration = Duration::from_secs(5);
/// The time between two events, after which the worker waits again.
const PAUSE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(10);
const WAKE: &str = "from queueing an event to the start of its handler, idle worker";

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    for _ in scenario.rounds(STARTS, "memory") {
        let (api, worker) = (setup.world.api().await?, setup.world.worker().await?);
        sleep(scenario.pause(SETTLE)).await;
        for (name, process, limit) in [("api", api, 40.0), ("worker", worker, 30.0)] {
            let what = format!("resident memory of an idle {name}");
            let row = scenario.add(&what, "MiB", resident_mib(&process)?);
            row.below(limit);
            process.stop().await?;
        }
    }
    let wake = async |starts: &mut Starts| wake_often(scenario, &setup, starts).await;
    worker::during(&setup, wake).await
}

/// Measures from the call that enqueues an event to the start of its handler, compared with one equally durable write.
async fn wake_often(scenario: &mut Scenario, setup: &Setup, starts: &mut Starts) -> Result<()> {
    let mut all = Vec::new();
    for round in scenario.rounds(ROUNDS, WAKE) {
        let (mut times, mut writes) = (Vec::new(), Vec::new());
        for event in 0..EVENTS_PER_ROUND {
            let paid = setup.notify(None, round * EVENTS_PER_ROUND + event)?;
            sleep(PAUSE).await;
            let queued = Instant::now();
            setup
                .queue
                .enqueue_notify(Gateway::Payjs, &paid.out_trade_no, paid.form)
                .await?;
            let started = timeout(LIMIT, starts.next()).await??;
            times.push(started.duration_since(queued).as_secs_f64() * 1000.0);
            sleep(PAUSE).await;
            writes.push(write_once(setup).await?);
        }
        let medians = [&times, &writes].map(|times| quantile(times, 50));
        let what = format!("{WAKE}: median");
        let row = scenario.compare(&what, "ms", medians, "one durable write");
        row.below(5.0);
        all.extend(times);
    }
    scenario.add(&format!("{WAKE}: p99 of all"), "ms", quantile(&all, 99));
    Ok(())
}

/// How long one write to Redis takes, in ms.
pub(crate) async fn write_once(setup: &Setup) -> Result<f64> {
    let start = Instant::now();
    let () = setup.redis(&redis::Cmd::set("bench", 1)).await?;
    Ok(ms(start))
}
