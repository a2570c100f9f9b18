//! Programs of PyPI that have dependencies.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::works;
use crate::checkout::Checkout;

/// Installs `requirement` into its own virtual environment and returns a command of its `program`.
pub(super) fn install(checkout: &Checkout, requirement: &str, program: &str) -> Result<Command> {
    let name = requirement.replace("==", "-");
    let dir = checkout.dir("tools")?.join(name);
    let path = dir.join("bin").join(program);
    if !path.is_file() {
        println!("downloading {requirement}");
        works(Command::new("python3").args(["-m", "venv"]).arg(&dir))
            .context("python3 with venv is needed (Debian: apt install python3-venv)")?;
        works(Command::new(dir.join("bin/python")).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            requirement,
        ]))?;
    }
    Ok(Command::new(path))
}
