//! Packages of Debian and Ubuntu.

use std::{fs, process::Command, sync::OnceLock};

use anyhow::{Context as _, Result, ensure};
use heyi_sandbox::servers::process::find;

use super::works;

/// Old lists name packages that are gone, so they are updated first, once in a run.
static UPDATED: OnceLock<()> = OnceLock::new();

/// Installs packages, where this may and can be done.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    ensure!(find("apt-get").is_some(), "this system has no apt-get");
    ensure!(is_root()?, "only root can install packages");
    if UPDATED.set(()).is_ok() {
        println!("updating the lists of apt");
        works(Command::new("apt-get").args(["-q", "update"]))?;
    }
    println!("installing {} with apt", packages.join(", "));
    works(
        Command::new("apt-get")
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("this is not Linux")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0"))
}
