//! Memory and CPU time of processes, from `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use heyi_testkit::world::Service;

/// The memory limit of a process under load.
pub(crate) const LIMIT_MIB: f64 = 80.0;

/// The resident memory of a process.
pub(crate) fn resident_mib(process: &Service) -> Result<f64> {
    status_mib(process, "VmRSS:")
}

/// The peak resident memory of a process.
pub(crate) fn peak_mib(process: &Service) -> Result<f64> {
    status_mib(process, "VmHWM:")
}

/// A field of its status: `VmRSS:     12345 kB`.
fn status_mib(process: &Service, field: &str) -> Result<f64> {
    let id = process.id().context("the process has ended")?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let rest = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = rest.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.with_context(|| format!("no {field}"))?.parse::<f64>()? / 1024.0)
}

/// Does `work`, which handles `count` items. Also returns the CPU time of one item in each process, in µs.
pub(crate) async fn with_cpu<T, const N: usize>(
    processes: [Option<u32>; N],
    count: u32,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, [f64; N])> {
    let before = cpu_times(processes)?;
    let done = work.await?;
    let after = cpu_times(processes)?;
    let spent = std::array::from_fn(|index| {
        let spent = after[index].saturating_sub(before[index]);
        spent.as_secs_f64() * 1e6 / f64::from(count)
    });
    Ok((done, spent))
}

fn cpu_times<const N: usize>(processes: [Option<u32>; N]) -> Result<[Duration; N]> {
    let mut times = [Duration::ZERO; N];
    for (time, process) in times.iter_mut().zip(processes) {
        let id = process.context("the process has ended")?;
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            // The thread may have ended meanwhile.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            // "<running> <waiting> <slices>", the times in nanoseconds.
            let running = text.split_whitespace().next().context("no time")?;
            *time += Duration::from_nanos(running.parse()?);
        }
    }
    Ok(times)
}
