//! What strangers send, made up from the api's own document.

use std::process::Command;

use anyhow::Result;
use heyi_sandbox::world::World;

use super::{steps::Steps, succeed};
use crate::{checkout::Checkout, install};

/// Requests of each kind for each route.
const EXAMPLES: &str = "50";

/// Lets schemathesis loose on an api of its own.
pub(super) async fn check(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    let mut schemathesis = install::schemathesis(checkout)?;
    // It leaves files where it runs.
    schemathesis.current_dir(checkout.dir("tools")?);
    let world = World::with_own_stores().await?;
    let api = world.api().await?;
    let checked = steps.run("strangers", || {
        succeed(run(&mut schemathesis, checkout, &api.url()))
    });
    api.stop().await?;
    world.finish().await?;
    checked
}

fn run<'a>(schemathesis: &'a mut Command, checkout: &Checkout, api: &str) -> &'a mut Command {
    schemathesis
        .arg("--config-file")
        .arg(checkout.path("xtask/schemathesis.toml"))
        .args(["run", &format!("{api}/openapi.json")])
        .args(["--phases", "coverage,fuzzing", "--continue-on-failure"])
        .args(["--max-examples", EXAMPLES, "--no-color"])
        .args([
            "--suppress-health-check",
            "all",
            "--generation-database",
            "none",
        ])
}
