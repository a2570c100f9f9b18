//! The mini-program's client, against a real api.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use heyi_testkit::servers::process::{find, tethered};
use tokio::time::timeout;

use crate::support::TestApp;

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_clients_own_tests_pass() -> Result<()> {
    let node = find("node").context("node is not on PATH: install it")?;
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let tests = tests()?;
    let mut node = tethered(&node);
    node.args(["--test", "--test-reporter", "tap"])
        .args(&tests)
        .env("HEYI_URL", app.api.url())
        .env("HEYI_SANDBOX_URL", app.world.sandbox.url().as_str())
        .env("HEYI_APP_KEY", app.world.setting("HEYI_SIGN__APP_KEY"))
        .stdin(Stdio::null());
    let output = timeout(LIMIT, node.output())
        .await
        .context("the tests do not end")??;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // A file that fails to register its tests is no success.
    assert!(number(&said, "# pass ")? >= 22, "{said}");
    for none in ["# fail ", "# skipped ", "# todo ", "# cancelled "] {
        assert_eq!(number(&said, none)?, 0, "{said}");
    }
    worker.stop().await?;
    app.finish().await
}

fn tests() -> Result<Vec<PathBuf>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/miniprogram/test");
    let mut tests = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.js") {
            tests.push(path);
        }
    }
    ensure!(tests.len() == 3, "there are other tests: {tests:?}");
    Ok(tests)
}

fn number(said: &str, start: &str) -> Result<u32> {
    let line = said.lines().find_map(|line| line.strip_prefix(start));
    Ok(line.context(start.to_owned())?.trim().parse()?)
}
