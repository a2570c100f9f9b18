//! Where the servers of the tests keep their data.

use anyhow::Result;
use rustix::fs::statvfs;
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
/// Several times what all tests that run at once were seen to need.
const ROOM: u64 = 6 << 30;

/// A directory that goes with the run: in memory if there is room. A disk that a dozen servers sync to stands still
/// for seconds now and then, and no test is about disks: a killed process finds in memory what it finds on a disk.
pub(super) fn dir() -> Result<TempDir> {
    let roomy = statvfs(MEMORY).is_ok_and(|it| it.f_bavail.saturating_mul(it.f_frsize) >= ROOM);
    Ok(if roomy {
        TempDir::with_prefix_in("heyi-test-", MEMORY)?
    } else {
        TempDir::with_prefix("heyi-test-")?
    })
}
