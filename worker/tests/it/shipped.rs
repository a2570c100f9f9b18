//! The settings of Redis and of the proxy that we ship.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use heyi_common::config::Process;
use heyi_testkit::world::World;

use crate::support::TestApp;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The arguments of `redis-server` in `docker-compose.yml`.
fn compose_arguments() -> Result<Vec<String>> {
    let compose = fs::read_to_string(root().join("docker-compose.yml"))?;
    let command = compose
        .lines()
        .skip_while(|line| line.trim() != "- redis-server");
    let arguments = command
        .skip(1)
        .filter(|line| !line.trim().starts_with('#'))
        .map_while(|line| line.trim().strip_prefix("- "));
    Ok(arguments.map(str::to_owned).collect())
}

#[tokio::test]
async fn shipped_redis_settings_forbid_to_flush_and_allow_all_that_we_do() -> Result<()> {
    let file = root().join("deploy/redis.conf").canonicalize()?;
    for arguments in [vec![file.display().to_string()], compose_arguments()?] {
        assert!(!arguments.is_empty());
        let app = TestApp::open(World::with_redis_of(arguments).await?).await?;
        let _worker = app.world.worker().await?;
        let order = app.paid_orders(1).await?.remove(0);
        app.quiet().await?;
        app.the_code(&order).await?;
        for command in ["FLUSHALL", "FLUSHDB"] {
            let mut redis = app.queue.redis().shared();
            let refused = redis::cmd(command).exec_async(&mut redis).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("unknown command"), "{command}: {error}");
        }
        let doctor = app.world.operate(&["doctor"]).await?;
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        let persistence = said.lines().find(|line| line.contains("redis persistence"));
        assert!(
            persistence.is_some_and(|line| line.starts_with("ok")),
            "{said}"
        );
        let on_rewrite = ["no-appendfsync-on-rewrite", "yes"];
        let mut redis = app.queue.redis().shared();
        redis::cmd("CONFIG")
            .arg("SET")
            .arg(&on_rewrite)
            .exec_async(&mut redis)
            .await?;
        let doctor = app.world.operate(&["doctor"]).await?;
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(said.contains("no-appendfsync-on-rewrite yes"), "{said}");
        app.close().await?;
    }
    Ok(())
}

/// A proxy that sends a request over a connection which the api is about to close answers 502.
#[tokio::test]
async fn the_shipped_proxy_closes_idle_connections_before_the_api_does() -> Result<()> {
    let nginx = fs::read_to_string(root().join("deploy/nginx.conf"))?;
    let upstream = nginx
        .split_once("upstream")
        .and_then(|(_, upstream)| upstream.split_once('}'))
        .context("no upstream")?
        .0;
    let kept = upstream
        .lines()
        .find_map(|line| line.trim().strip_prefix("keepalive_timeout "))
        .and_then(|value| value.trim_end_matches(';').strip_suffix('s'))
        .context("no keepalive_timeout in seconds")?;
    let kept = Duration::from_secs(kept.parse()?);
    let world = World::new().await?;
    assert!(world.config(Process::Api)?.http.idle_timeout > kept);
    world.finish().await
}
