//! Shared by all scenarios: rounds, rows and targets, servers, and the usage of processes.

pub(crate) mod results;
mod scenario;
mod setup;
mod usage;

use std::time::Instant;

pub(crate) use self::{
    results::quantile,
    scenario::Scenario,
    setup::{KIB, MIB, Setup},
    usage::{LIMIT_MIB, peak_mib, resident_mib, with_cpu},
};

/// Milliseconds since `start`.
pub(crate) fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// The rate since `start`, per second.
pub(crate) fn per_second(count: u32, start: Instant) -> f64 {
    f64::from(count) / start.elapsed().as_secs_f64()
}
