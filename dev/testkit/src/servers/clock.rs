//! A wall clock of a server that can be set while the server runs.
//!
//! `libfaketime` does not work here: Redis with jemalloc crashes at start, since both call each other. So our own
//! library, compiled by `cc`, overrides the three calls that read the wall clock.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as Compiler,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

const SOURCE: &str = include_str!("clock.c");

/// A wall clock with a settable offset.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// A clock without offset, with its files in `dir`. Linux only.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let source = dir.join("clock.c");
        let clock = Self {
            library: dir.join("clock.so"),
            offset: dir.join("clock.offset"),
        };
        fs::write(&source, SOURCE)?;
        clock.set(0)?;
        let compiled = Compiler::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&clock.library)
            .arg(&source)
            .output()
            .context("cc is missing. Install a C compiler (Debian: apt install gcc)")?;
        let error = String::from_utf8_lossy(&compiled.stderr);
        ensure!(
            compiled.status.success(),
            "cc cannot compile the clock: {error}"
        );
        Ok(clock)
    }

    /// Sets the offset in seconds. A negative one puts the clock back.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // In place, since the server has mapped the file.
        let file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.offset)?;
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0)?;
        Ok(())
    }

    pub(super) fn apply(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("HEYI_SANDBOX_CLOCK", &self.offset);
    }
}
