//! The programs that are measured.

use std::{env, process::Command};

use anyhow::{Context as _, Result, ensure};

/// Builds `heyi-api` and `heyi-worker` as they are released.
pub(crate) fn build() -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "only released code is worth measuring: cargo xtask bench"
    );
    let arguments = [
        "build",
        "--release",
        "--bin",
        "heyi-api",
        "--bin",
        "heyi-worker",
    ];
    println!("cargo {}", arguments.join(" "));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    // What cargo says about this package would make build scripts run again in every run.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}
