//! API fuzzing: schemathesis generates requests from the api's OpenAPI document.

use std::process::Command;

use anyhow::Result;
use heyi_testkit::world::World;

use super::steps::captured;
use crate::checkout::Checkout;

/// Requests of each kind for each route.
const EXAMPLES: &str = "50";

/// Runs schemathesis against its own api process.
pub(super) async fn check(checkout: &Checkout, mut schemathesis: Command) -> Result<String> {
    let world = World::with_own_stores().await?;
    let api = world.api().await?;
    // It writes files to its working directory.
    schemathesis
        .current_dir(checkout.dir("tools")?)
        .arg("--config-file")
        .arg(checkout.path("dev/xtask/schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", api.url())])
        .args(["--phases", "coverage,fuzzing", "--continue-on-failure"])
        .args(["--max-examples", EXAMPLES, "--no-color"])
        .args([
            "--suppress-health-check",
            "all",
            "--generation-database",
            "none",
        ]);
    let checked = captured(schemathesis).await;
    api.stop().await?;
    world.finish().await?;
    checked
}
