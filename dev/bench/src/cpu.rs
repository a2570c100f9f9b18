//! What processes spend of the processor.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

use crate::series::Series;

/// How long all threads of a process ran until now.
fn time_of(process: u32) -> Result<Duration> {
    let threads = format!("/proc/{process}/task");
    let threads = fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))?;
    let mut nanoseconds = 0;
    for thread in threads {
        let path = thread?.path().join("schedstat");
        // A thread that ended meanwhile has no file any more.
        let Ok(told) = fs::read_to_string(&path) else {
            continue;
        };
        // "<running> <waiting> <slices>", the times in nanoseconds.
        let running = told.split_whitespace().next().context("no time")?;
        nanoseconds += running.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// What a process spends, round by round.
pub(crate) struct Meter {
    process: u32,
    micros: Vec<f64>,
}

impl Meter {
    pub(crate) fn new(process: Option<u32>) -> Result<Self> {
        Ok(Self {
            process: process.context("the process has ended")?,
            micros: Vec::new(),
        })
    }

    /// The rounds, in µs for each of what was counted.
    pub(crate) fn series(self) -> Series {
        Series::new(self.micros)
    }
}

/// Does `work`, which answers `count` requests, and notes what each of them cost in each process.
pub(crate) async fn metered<T>(
    meters: &mut [&mut Meter],
    count: u32,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let before = meters
        .iter()
        .map(|meter| time_of(meter.process))
        .collect::<Result<Vec<_>>>()?;
    let done = work.await?;
    for (meter, before) in meters.iter_mut().zip(before) {
        let spent = time_of(meter.process)?.saturating_sub(before);
        meter
            .micros
            .push(spent.as_secs_f64() * 1e6 / f64::from(count));
    }
    Ok(done)
}
