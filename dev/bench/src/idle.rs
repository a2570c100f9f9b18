//! What Heyi costs when nothing happens, and how soon it wakes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use heyi_common::{
    config::{self, Process},
    queue::Queue,
};
use heyi_testkit::world::World;
use tokio::time::{sleep, timeout};

use crate::{
    memory,
    notify::notify,
    report::{Row, Target},
    series::{Series, quantile_of},
    worker::{self, Starts},
};

const STARTS: u32 = 3;
const ROUNDS: u32 = 5;
const EVENTS_PER_ROUND: u32 = 40;
/// How long a process is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two events: the worker waits again by then.
const PAUSE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(10);

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let mut rows = footprints(&world).await?;
    rows.extend(wake(&world).await?);
    Ok(rows)
}

async fn footprints(world: &World) -> Result<Vec<Row>> {
    let (mut api, mut worker) = (Vec::new(), Vec::new());
    for start in 1..=STARTS {
        println!("idle: start {start} of {STARTS}");
        let processes = [world.api().await?, world.worker().await?];
        sleep(SETTLE).await;
        api.push(memory::resident_mib(&processes[0])?);
        worker.push(memory::resident_mib(&processes[1])?);
        for process in processes {
            process.stop().await?;
        }
    }
    Ok(vec![
        Row::new("resident memory of an idle api", "MiB", Series::new(api))
            .target(Target::Below(40.0)),
        Row::new(
            "resident memory of an idle worker",
            "MiB",
            Series::new(worker),
        )
        .target(Target::Below(30.0)),
    ])
}

/// From the call that queues an event to the start of its handler, beside one write that is as durable.
async fn wake(world: &World) -> Result<Vec<Row>> {
    let queue = world.queue()?;
    let payjs = world.config(Process::Worker)?.payjs;
    worker::beside(&queue, async |starts| {
        wake_often(&queue, &payjs, starts).await
    })
    .await
}

async fn wake_often(queue: &Queue, payjs: &config::PayJs, starts: &mut Starts) -> Result<Vec<Row>> {
    let (mut all, mut medians, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        println!(
            "idle: {EVENTS_PER_ROUND} events, round {} of {ROUNDS}",
            round + 1
        );
        let (mut times, mut write) = (Vec::new(), Vec::new());
        for event in 0..EVENTS_PER_ROUND {
            let (number, form) = notify(payjs, round * EVENTS_PER_ROUND + event);
            sleep(PAUSE).await;
            times.push(wake_once(queue, starts, &number, form).await?);
            sleep(PAUSE).await;
            write.push(write_once(queue).await?);
        }
        medians.push(quantile_of(&times, 0.5));
        all.extend(times);
        writes.push(quantile_of(&write, 0.5));
    }
    let what = "from queueing an event to the start of its handler, idle worker";
    Ok(vec![
        Row::new(format!("{what}: median"), "ms", Series::new(medians))
            .beside("one durable write", Series::new(writes))
            .target(Target::Below(5.0)),
        Row::new(
            format!("{what}: p99 of all"),
            "ms",
            Series::new(vec![quantile_of(&all, 0.99)]),
        ),
    ])
}

async fn wake_once(
    queue: &Queue,
    starts: &mut Starts,
    out_trade_no: &str,
    form: String,
) -> Result<f64> {
    let out_trade_no = out_trade_no.parse()?;
    let queued = Instant::now();
    queue.enqueue_notify(&out_trade_no, form).await?;
    let begun = timeout(LIMIT, starts.recv()).await?;
    let begun = begun.context("the worker ended")?;
    Ok(begun.duration_since(queued).as_secs_f64() * 1000.0)
}

async fn write_once(queue: &Queue) -> Result<f64> {
    let start = Instant::now();
    let () = redis::cmd("SET")
        .arg("bench")
        .arg(1)
        .query_async(&mut queue.redis().shared())
        .await?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
