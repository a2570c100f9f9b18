//! Known vulnerabilities of the dependencies.

use std::{process::Stdio, time::Duration};

use anyhow::Result;
use tokio::{process::Command, time::timeout};

use super::steps::Steps;
use crate::checkout::{Checkout, succeed};

/// The timeout of the download. Without a network some attempts hang.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Checks against the database of rustsec.org. Without a network the step is reported as skipped.
pub(super) async fn check(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    if !fetched(checkout).await {
        steps.skip("advisories", "the advisory database did not answer");
        return Ok(());
    }
    steps.run("advisories", || {
        let mut deny = checkout.command("cargo");
        succeed(deny.args(["deny", "check", "--disable-fetch", "advisories"]))
    })
}

async fn fetched(checkout: &Checkout) -> bool {
    let mut fetch = Command::from(checkout.command("cargo"));
    fetch
        .args(["deny", "fetch", "db"])
        .env("GIT_TERMINAL_PROMPT", "0");
    fetch
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let status = timeout(FETCH_LIMIT, fetch.status()).await;
    status.is_ok_and(|status| status.is_ok_and(|status| status.success()))
}
