//! What a backlog costs: the memory of the processes, the time of a read, and what Redis keeps of it.
//!
//! The released worker, with a read from MongoDB for each event, begins on every backlog; most of it is drained in
//! this process by the same consumer with a handler that does nothing, since a million reads take minutes.

mod fill;
mod others;
mod reads;
mod waiting;

use anyhow::Result;
use heyi_testkit::world::World;

use self::{fill::Fill, reads::Reads, waiting::Seen};
use crate::{
    report::{Row, Target},
    series::Series,
    server,
};

/// One takes minutes; `cargo run` again for more.
const ROUNDS: u32 = 1;
/// Each with how often it is drained.
const SIZES: [(u32, u32); 3] = [(10_000, 10), (100_000, 1), (1_000_000, 1)];
/// Nothing may grow with the backlog; this much is noise.
const SAME: f64 = 1.5;
/// What Redis may keep of a backlog, for buffers of connections and the like.
const LEFT_KIB: f64 = 1024.0;

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let fill = Fill::new(&world).await?;
    let reads = Reads::record()?;
    server::keep_file(fill.queue.redis()).await?;
    // So that Redis has its scripts, groups and connections before its memory is looked at.
    fill.stream(1_000).await?;
    waiting::drain(&fill).await?;
    let mut seen = SIZES.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        for (seen, (size, drains)) in seen.iter_mut().zip(SIZES) {
            println!("backlog: {size} events, round {round} of {ROUNDS}");
            reads.take();
            seen.push(waiting::one(&world, &fill, &reads, size, drains).await?);
        }
    }
    let mut rows = rows(&seen);
    rows.extend(others::measure(&world, &fill).await?);
    Ok(rows)
}

type Quantity = (&'static str, &'static str, fn(&Seen) -> f64);

/// What must be the same whatever the backlog.
const SAME_FOR_ALL: [Quantity; 5] = [
    ("p99 of a read", "ms", |seen| seen.read_ms),
    ("resident memory of the worker", "MiB", |seen| {
        seen.worker_mib
    }),
    ("peak memory of the worker", "MiB", |seen| {
        seen.worker_peak_mib
    }),
    ("resident memory of the api", "MiB", |seen| seen.api_mib),
    ("/metrics of the worker", "ms", |seen| seen.scrape_ms),
];

/// What is told besides.
const TOLD: [Quantity; 3] = [
    ("handled and acknowledged", "events/s", |seen| {
        seen.per_second
    }),
    ("used_memory of Redis while they wait", "MiB", |seen| {
        seen.redis_full_mib
    }),
    ("resident memory of Redis afterwards", "MiB", |seen| {
        seen.redis_resident_mib
    }),
];

fn rows(seen: &[Vec<Seen>; 3]) -> Vec<Row> {
    let mut rows = Vec::new();
    for quantity in SAME_FOR_ALL {
        let least = row(quantity, SIZES[0].0, &seen[0]);
        for (seen, (size, _)) in seen.iter().zip(SIZES).skip(1) {
            let row = row(quantity, size, seen)
                .beside("10000 waiting", least.heyi.clone())
                .target(Target::RatioAtMost(SAME));
            rows.push(row);
        }
        rows.push(least);
    }
    for (seen, (size, _)) in seen.iter().zip(SIZES) {
        rows.extend(TOLD.map(|quantity| row(quantity, size, seen)));
        let left: Quantity = (
            "used_memory of Redis afterwards, above that before",
            "KiB",
            |seen| seen.redis_left_kib,
        );
        rows.push(row(left, size, seen).target(Target::Below(LEFT_KIB)));
    }
    rows
}

fn row((what, unit, value): Quantity, size: u32, seen: &[Seen]) -> Row {
    let series = Series::new(seen.iter().map(value).collect());
    Row::new(format!("{size} waiting: {what}"), unit, series)
}
