//! Users of Redis with few rights.

use anyhow::Result;
use heyi_common::redis::FORBIDDEN;
use heyi_testkit::world::World;

use crate::{operator::text, support::TestApp};

/// Lets the processes log in as a user with these rights, on a Redis that knows no script yet.
async fn limit(app: &mut TestApp, rights: &[&str]) -> Result<()> {
    let mut redis = app.queue.redis().shared();
    redis::cmd("ACL")
        .arg(&["SETUSER", "app", "on", ">p@ss", "~*", "&*", "+@all"])
        .arg(rights)
        .exec_async(&mut redis)
        .await?;
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec_async(&mut redis)
        .await?;
    let url = app.world.redis.as_ref().unwrap().address();
    let url = format!("redis://app:p%40ss@{url}/");
    app.world.set("HEYI_REDIS__URL", url);
    Ok(())
}

#[tokio::test]
async fn a_user_without_script_and_dangerous_commands_is_enough() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    limit(&mut app, &["-@dangerous", "-@admin", "-script"]).await?;
    let worker = app.world.worker().await?;
    let api = app.world.api().await?;
    // It must wait, which takes a script that Redis does not know.
    let order = app.unsaved_order("小店");
    app.enqueue(&order, app.notify(&order, 1)).await?;
    app.is_parked().await?;
    app.save(&order).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    for process in [&worker, &api] {
        let log = process.log();
        assert_eq!(log.matches(FORBIDDEN).count(), 1, "{log}");
        assert!(!log.contains("out of reach"), "{log}");
    }
    let said = text(&app, &["doctor"]).await?;
    assert!(said.contains(FORBIDDEN), "{said}");
    assert!(!said.contains("does not answer at redis.url"), "{said}");
    app.close().await
}

#[tokio::test]
async fn a_user_without_config_is_not_told_a_wrong_setting() -> Result<()> {
    let mut app = TestApp::open(World::with_own_stores().await?).await?;
    limit(&mut app, &["-config"]).await?;
    let said = text(&app, &["doctor"]).await?;
    assert!(
        said.contains("does not tell its appendfsync to this user"),
        "{said}"
    );
    assert!(!said.contains("loses the last second"), "{said}");
    app.close().await
}
