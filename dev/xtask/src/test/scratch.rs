//! The data directory of the test servers.

use anyhow::Result;
use rustix::fs::statvfs;
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
/// Several times the peak of all concurrent tests.
const ROOM: u64 = 6 << 30;

/// A temporary directory, in memory if there is room.
///
/// A disk to which a dozen servers sync sometimes stalls for seconds. No test needs a disk: files in memory survive a
/// killed process too.
pub(super) fn dir() -> Result<TempDir> {
    let roomy = statvfs(MEMORY).is_ok_and(|it| it.f_bavail.saturating_mul(it.f_frsize) >= ROOM);
    Ok(if roomy {
        TempDir::with_prefix_in("heyi-test-", MEMORY)?
    } else {
        TempDir::with_prefix("heyi-test-")?
    })
}
