//! Packages of Debian and Ubuntu.

use std::{fs, path::Path, process::Command, sync::OnceLock};

use anyhow::{Context as _, Result, ensure};
use heyi_testkit::servers::process::find;

use super::works;

/// Package lists are updated once in a run, since old ones name removed packages.
static UPDATED: OnceLock<()> = OnceLock::new();

/// Installs packages, if possible and permitted.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    update()?;
    println!("installing {} with apt", packages.join(", "));
    works(
        Command::new("apt-get")
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// Extracts one file from a package without installing it, which would start a daemon.
pub(super) fn take(package: &str, file: &str, target: &Path) -> Result<()> {
    update()?;
    println!("downloading {file} ({package})");
    let parent = target.parent().context("no directory")?;
    // In the destination's directory, so that the last step is a rename.
    let dir = tempfile::tempdir_in(parent)?;
    works(
        Command::new("apt-get")
            .args(["-q", "download", package])
            .current_dir(dir.path()),
    )?;
    let mut archives = fs::read_dir(dir.path())?;
    let archive = archives.next().context("apt-get left no package")??.path();
    let unpacked = dir.path().join("unpacked");
    works(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(archive)
            .arg(&unpacked),
    )?;
    fs::rename(unpacked.join(file), target).with_context(|| format!("{package} has no {file}"))
}

fn update() -> Result<()> {
    ensure!(find("apt-get").is_some(), "this system has no apt-get");
    ensure!(is_root()?, "only root can install packages");
    if UPDATED.set(()).is_ok() {
        println!("updating the lists of apt");
        works(Command::new("apt-get").args(["-q", "update"]))?;
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("this is not Linux")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0"))
}
