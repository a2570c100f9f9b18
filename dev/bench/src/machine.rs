//! What the numbers depend on.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    time::Instant,
};

use anyhow::Result;
use serde::Serialize;

use crate::series::quantile_of;

const SYNCS: usize = 100;

/// The machine of a measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    /// How long the disk takes to have a few bytes more, in ms.
    fsync_ms: f64,
}

/// Describes this one.
pub(crate) fn describe() -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processors
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "model name")
        .map_or("", |(_, name)| name.trim());
    Ok(Machine {
        cores: std::thread::available_parallelism()?.get(),
        processor: processor.to_owned(),
        fsync_ms: fsync()?,
    })
}

/// The median time to append to a file where the stores keep theirs.
fn fsync() -> Result<f64> {
    let path = env::temp_dir().join(format!("heyi-bench-{}", std::process::id()));
    let mut file = File::create_new(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; 256])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(path)?;
    Ok(quantile_of(&times, 0.5))
}
