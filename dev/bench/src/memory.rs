//! The memory of processes.

use std::fs;

use anyhow::{Context as _, Result};
use heyi_common::redis::Redis;
use heyi_testkit::world::Service;

use crate::server::Info;

/// As much as a process may have under load.
pub(crate) const LIMIT_MIB: f64 = 80.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What a process has in memory now.
pub(crate) fn resident_mib(process: &Service) -> Result<f64> {
    status_mib(process, "VmRSS:")
}

/// The most that it ever had.
pub(crate) fn peak_mib(process: &Service) -> Result<f64> {
    status_mib(process, "VmHWM:")
}

/// What `/proc` says about a process: `VmRSS:     12345 kB`.
fn status_mib(process: &Service, field: &str) -> Result<f64> {
    let id = process.id().context("the process has ended")?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("no {field}"))?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// The memory of Redis, as it tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfRedis {
    /// What it asked the allocator for, its buffers included.
    pub(crate) used_mib: f64,
    /// What the system gave to it, fragmentation included.
    pub(crate) resident_mib: f64,
}

impl OfRedis {
    pub(crate) async fn read(redis: &Redis) -> Result<Self> {
        let told = Info::read(redis).await?;
        Ok(Self {
            used_mib: told.number("used_memory")? / MIB,
            resident_mib: told.number("used_memory_rss")? / MIB,
        })
    }
}
