//! Processes refuse to start with settings that differ from the installation's.

use anyhow::Result;
use heyi_testkit::{
    servers::process::free_port,
    world::{Service, World, eventually},
};

use crate::support::TestApp;

/// Waits for the end of a process that refuses to run, and says what it said.
async fn refusal(mut process: Service) -> Result<String> {
    let status = process.exited().await?;
    assert!(!status.success(), "{status}");
    Ok(process.log())
}

/// Starts two processes at the same moment, and waits until Redis has a record.
async fn is_recorded(app: &TestApp) -> Result<String> {
    let _processes = tokio::try_join!(app.world.worker(), app.world.api())?;
    let key = app.queue.keys().installation();
    let mut record: Option<String> = None;
    eventually("a record in Redis", async || {
        let mut redis = app.queue.redis().shared();
        record = redis::Cmd::get(&key).query_async(&mut redis).await?;
        Ok(record.is_some())
    })
    .await?;
    Ok(record.unwrap())
}

#[tokio::test]
async fn a_process_that_differs_does_not_run_and_names_the_setting() -> Result<()> {
    let mut app = TestApp::new().await?;
    is_recorded(&app).await?;
    let (prefix, database) = (
        app.world.setting("HEYI_REDIS__PREFIX").to_owned(),
        app.world.setting("HEYI_MONGO__DATABASE").to_owned(),
    );
    for (name, setting, value, place) in [
        (
            "HEYI_QUEUE__PARTITIONS",
            "queue.partitions",
            "4".to_owned(),
            "Redis",
        ),
        (
            "HEYI_REDIS__PREFIX",
            "redis.prefix",
            format!("{prefix}other:"),
            "MongoDB",
        ),
        (
            "HEYI_MONGO__DATABASE",
            "mongo.database",
            format!("{database}-staging"),
            "Redis",
        ),
        (
            "HEYI_PAYJS__MCHID",
            "payjs.mchid",
            "1600000002".to_owned(),
            "Redis",
        ),
    ] {
        let own = app.world.setting(name).to_owned();
        app.world.set(name, &value);
        for process in [app.world.start_worker()?, app.world.start_api()?] {
            let said = refusal(process).await?;
            assert!(
                said.contains(&format!("{setting} is {value:?} here")),
                "{said}"
            );
            assert!(
                said.contains(&format!("the installation that {place} holds")),
                "{said}"
            );
        }
        let doctor = app.world.operate(&["doctor"]).await?;
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(
            said.contains(&format!("{setting} is {value:?} here")),
            "{said}"
        );
        if own.is_empty() {
            app.world.set(name, "1");
        } else {
            app.world.set(name, own);
        }
    }
    app.close().await
}

#[tokio::test]
async fn another_database_of_the_same_redis_is_another_queue() -> Result<()> {
    let mut app = TestApp::new().await?;
    is_recorded(&app).await?;
    let own = app.world.setting("HEYI_REDIS__URL").to_owned();
    let (server, _) = own.rsplit_once('/').unwrap();
    app.world.set("HEYI_REDIS__URL", format!("{server}/9"));
    let differs = "the database number in redis.url is \"9\" here, but \"0\" in the installation that MongoDB holds";
    for process in [app.world.start_worker()?, app.world.start_api()?] {
        let said = refusal(process).await?;
        assert!(said.contains(differs), "{said}");
    }
    for command in [vec!["doctor"], vec!["dead", "drop", "1-0", "--yes"]] {
        let refused = app.world.operate(&command).await?;
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains(differs), "{said}");
    }
    app.world.set("HEYI_REDIS__URL", own);
    app.close().await
}

#[tokio::test]
async fn a_database_of_another_installation_is_not_taken_for_ours() -> Result<()> {
    let app = TestApp::new().await?;
    is_recorded(&app).await?;
    // Its name is the same, so only the id tells.
    let mut staging = World::new().await?;
    for name in ["HEYI_REDIS__PREFIX", "HEYI_MONGO__DATABASE"] {
        staging.set(name, app.world.setting(name));
    }
    let elsewhere = World::with_own_stores().await?;
    staging.set("HEYI_MONGO__URL", elsewhere.setting("HEYI_MONGO__URL"));
    let said = refusal(staging.start_worker()?).await?;
    assert!(said.contains("MongoDB holds none"), "{said}");
    let refused = staging.operate(&["installation", "accept"]).await?;
    assert!(!refused.status.success(), "it asks for --yes");

    // Until an operator says that it is meant so.
    assert!(
        staging
            .operate(&["installation", "accept", "--yes"])
            .await?
            .status
            .success()
    );
    assert!(staging.worker().await?.stop().await?.success());
    let said = refusal(app.world.start_worker()?).await?;
    assert!(said.contains("a store of another installation"), "{said}");
    drop((staging, elsewhere));
    app.close().await
}

#[tokio::test]
async fn another_redis_without_data_is_not_taken_for_ours_while_ours_is_in_use() -> Result<()> {
    let mut app = TestApp::new().await?;
    let running = app.world.api().await?;
    let elsewhere = World::with_own_stores().await?;
    let own = app.world.setting("HEYI_REDIS__URL").to_owned();
    app.world
        .set("HEYI_REDIS__URL", elsewhere.setting("HEYI_REDIS__URL"));
    let api = app.world.start_with("heyi-api", free_port()?, &[])?;
    for process in [app.world.start_worker()?, api] {
        let said = refusal(process).await?;
        assert!(
            said.contains("does redis.url name another Redis?"),
            "{said}"
        );
    }
    let doctor = app.world.operate(&["doctor"]).await?;
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        said.contains("does redis.url name another Redis?"),
        "{said}"
    );
    app.world.set("HEYI_REDIS__URL", own);
    assert!(running.stop().await?.success());
    drop(elsewhere);
    app.close().await
}

#[tokio::test]
async fn a_lost_record_is_put_back_by_those_who_run_and_not_by_a_newcomer() -> Result<()> {
    let app = TestApp::new().await?;
    let before = is_recorded(&app).await?;
    let (worker, api) = tokio::try_join!(app.world.worker(), app.world.api())?;
    let mut staging = World::new().await?;
    for name in ["HEYI_REDIS__PREFIX", "HEYI_MONGO__DATABASE"] {
        staging.set(name, app.world.setting(name));
    }
    let elsewhere = World::with_own_stores().await?;
    staging.set("HEYI_MONGO__URL", elsewhere.setting("HEYI_MONGO__URL"));
    let key = app.queue.keys().installation();
    let mut redis = app.queue.redis().shared();
    redis::Cmd::del(&key).exec_async(&mut redis).await?;
    let said = refusal(staging.start_worker()?).await?;
    assert!(said.contains("MongoDB holds none"), "{said}");
    let record: String = redis::Cmd::get(&key).query_async(&mut redis).await?;
    assert_eq!(record, before);
    assert!(worker.stop().await?.success());
    assert!(api.stop().await?.success());
    drop((staging, elsewhere));
    app.close().await
}

#[tokio::test]
async fn a_redis_that_lost_its_disk_gets_the_record_back() -> Result<()> {
    let app = TestApp::new().await?;
    let before = is_recorded(&app).await?;
    let key = app.queue.keys().installation();
    redis::Cmd::del(&key)
        .exec_async(&mut app.queue.redis().shared())
        .await?;
    assert_eq!(is_recorded(&app).await?, before);
    app.close().await
}

#[tokio::test]
async fn a_command_with_other_settings_changes_and_shows_nothing() -> Result<()> {
    let mut app = TestApp::new().await?;
    is_recorded(&app).await?;
    let database = app.world.setting("HEYI_MONGO__DATABASE").to_owned();
    for (name, value) in [
        ("HEYI_QUEUE__PARTITIONS", "4".to_owned()),
        ("HEYI_MONGO__DATABASE", format!("{database}-staging")),
    ] {
        let own = app.world.setting(name).to_owned();
        app.world.set(name, value);
        for command in [
            vec!["queue"],
            vec!["dead", "list"],
            vec!["dead", "refund", "1-0"],
            vec!["rejected", "list"],
            vec!["rejected", "retry", "1-0"],
            vec!["code", "disable", "--owner", "oMallory"],
            vec!["code", "reports"],
        ] {
            let refused = app.world.operate(&command).await?;
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success(), "{command:?}");
            assert!(
                said.contains(" in the installation that Redis holds"),
                "{said}"
            );
        }
        app.world
            .set(name, if own.is_empty() { "1".to_owned() } else { own });
    }
    assert!(app.world.operate(&["queue"]).await?.status.success());
    app.close().await
}

#[tokio::test]
async fn running_processes_restore_the_record_and_end_when_it_is_changed() -> Result<()> {
    let app = TestApp::new().await?;
    let (mut worker, mut api) = tokio::try_join!(app.world.worker(), app.world.api())?;
    let key = app.queue.keys().installation();
    let mut redis = app.queue.redis().shared();
    redis::Cmd::del(&key).exec_async(&mut redis).await?;
    let mut record = String::new();
    eventually("the record is back", async || {
        let found: Option<String> = redis::Cmd::get(&key).query_async(&mut redis).await?;
        record = found.unwrap_or_default();
        Ok(!record.is_empty())
    })
    .await?;
    let other = record.replace("\"partitions\":1", "\"partitions\":2");
    assert_ne!(other, record);
    redis::Cmd::set(&key, other).exec_async(&mut redis).await?;
    for process in [&mut worker, &mut api] {
        assert!(!process.exited().await?.success());
        let said = process.log();
        assert!(said.contains("queue.partitions is \"1\" here"), "{said}");
    }
    redis::Cmd::set(&key, record).exec_async(&mut redis).await?;
    app.close().await
}
