//! One `up` at a time in a checkout.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    process,
};

use anyhow::{Context as _, Result, bail};

/// A lock file. The system releases it however `up` ends.
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock. The error names its owner.
    pub(super) fn take(path: &Path) -> Result<Lock> {
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!("`cargo xtask up` runs already: {holder}");
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock"),
        }
        let mut lock = Lock(file);
        lock.tell("still starting")?;
        Ok(lock)
    }

    /// Stores the text that a second `up` prints about this one.
    pub(super) fn tell(&mut self, what: &str) -> Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        write!(self.0, "process {}, {what}", process::id())?;
        Ok(())
    }
}
