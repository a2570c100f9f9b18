//! Codes in the api's memory are at most a second older than those in MongoDB.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use heyi_common::{http, store::Code};
use heyi_testkit::{
    servers::process::free_port,
    world::{Service, World, data, eventually},
};
use mongodb::{Client, bson::doc};

use crate::support::TestApp;

/// What the page promises.
const LIMIT: Duration = Duration::from_secs(1);

/// Another api beside that of the app.
async fn another(app: &TestApp) -> Result<Service> {
    another_with(app, &[]).await
}

/// The same with some settings of its own.
async fn another_with(app: &TestApp, settings: &[(&str, String)]) -> Result<Service> {
    let port = free_port()?;
    let listen = ("HEYI_HTTP__LISTEN", format!("127.0.0.1:{port}"));
    app.world
        .start_with("heyi-api", port, &[&[listen], settings].concat())?
        .ready()
        .await
}

/// The status of a code's page, and the page.
async fn page(api: &Service, code: &Code) -> Result<(u16, String)> {
    let url = format!("{}/qr?id={}", api.url(), code.id.to_hex());
    let answer = http::client()?.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// How many codes an api took from `memory` or `mongodb` so far.
async fn taken(api: &Service, from: &str) -> Result<u64> {
    let url = format!("{}/metrics", api.monitor_url());
    let text = http::client()?.get(url).send().await?.text().await?;
    let name = format!("heyi_codes_read_total{{from=\"{from}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(Ok(0), |count| count.parse().context("no number"))
}

/// Waits until an api takes a code from its memory.
async fn is_kept(api: &Service, code: &Code) -> Result<()> {
    let before = taken(api, "memory").await?;
    eventually("the code is kept", async || {
        assert_eq!(page(api, code).await?.0, 200);
        Ok(taken(api, "memory").await? > before)
    })
    .await
}

/// Asks until a second after a change, when each api must know of it; what it says before that does not matter.
async fn all_know(
    apis: [&Service; 2],
    code: &Code,
    knows: impl Fn(u16, &str) -> bool,
) -> Result<()> {
    let changed = Instant::now();
    for api in apis {
        loop {
            let is_late = changed.elapsed() >= LIMIT;
            let (status, page) = page(api, code).await?;
            if is_late {
                assert!(knows(status, &page), "{status} {page}");
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_change_shows_in_every_process_within_a_second() -> Result<()> {
    let app = TestApp::start().await?;
    let other = another(&app).await?;
    let apis = [&app.api, &other];
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    for api in apis {
        is_kept(api, &code).await?;
    }

    let mut content = data(&alice.openid, "大店");
    content.as_object_mut().unwrap().remove("openId");
    assert_eq!(app.client.update(&alice, &id, &content).await?.status, 200);
    assert!(
        page(&app.api, &code).await?.1.contains("大店"),
        "here it shows at once"
    );
    all_know(apis, &code, |_, page| page.contains("大店")).await?;

    for api in apis {
        is_kept(api, &code).await?;
    }
    assert!(
        app.world
            .operate(&["code", "disable", &id])
            .await?
            .status
            .success()
    );
    all_know(apis, &code, |status, _| status == 410).await?;
    assert!(
        app.world
            .operate(&["code", "enable", &id])
            .await?
            .status
            .success()
    );
    all_know(apis, &code, |status, _| status == 200).await?;

    for api in apis {
        is_kept(api, &code).await?;
    }
    assert_eq!(app.client.delete(&alice, &id).await?.status, 200);
    assert_eq!(
        page(&app.api, &code).await?.0,
        410,
        "here it is gone at once"
    );
    all_know(apis, &code, |status, _| status == 410).await?;
    other.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn an_operator_says_how_much_is_kept() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__CODE_CACHE_MIB", "0")]).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let some = [("HEYI_HTTP__CODE_CACHE_MIB", "1".to_owned())];
    is_kept(&another_with(&app, &some).await?, &code).await?;
    let before = taken(&app.api, "mongodb").await?;
    for _ in 0..5 {
        assert_eq!(page(&app.api, &code).await?.0, 200);
    }
    assert_eq!(taken(&app.api, "mongodb").await?, before + 5);
    assert_eq!(taken(&app.api, "memory").await?, 0);
    app.finish().await
}

#[tokio::test]
async fn what_mongodb_cannot_confirm_is_not_shown_from_memory() -> Result<()> {
    let app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    is_kept(&app.api, &code).await?;
    let mongo = app.world.mongo.as_ref().context("no MongoDB of its own")?;
    mongo.pause()?;
    all_know([&app.api; 2], &code, |status, _| status == 503).await?;
    mongo.resume()?;
    eventually("the page is back", async || {
        Ok(page(&app.api, &code).await?.0 == 200)
    })
    .await?;
    is_kept(&app.api, &code).await?;
    app.finish().await
}

#[tokio::test]
async fn changes_are_heard_again_after_mongodb_was_away() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    is_kept(&app.api, &code).await?;
    let mongo = app.world.mongo.as_mut().context("no MongoDB of its own")?;
    mongo.kill().await?;
    mongo.restart().await?;
    // Nobody told the api of this one while it was not connected.
    app.store.set_disabled(code.id, true).await?;
    all_know([&app.api; 2], &code, |status, _| status != 200).await?;
    app.store.set_disabled(code.id, false).await?;
    eventually("the page is back", async || {
        Ok(page(&app.api, &code).await?.0 == 200)
    })
    .await?;
    is_kept(&app.api, &code).await?;
    app.finish().await
}

#[tokio::test]
async fn what_was_read_before_a_failover_is_read_again() -> Result<()> {
    let app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    let (one, other) = (
        app.code(&alice, "小店").await?,
        app.code(&alice, "大店").await?,
    );
    is_kept(&app.api, &one).await?;
    is_kept(&app.api, &other).await?;
    let mongo = Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let step_down = doc! { "replSetStepDown": 1, "secondaryCatchUpPeriodSecs": 0, "force": true };
    mongo.database("admin").run_command(step_down).await?;
    eventually("the page is back", async || {
        Ok(page(&app.api, &one).await?.0 == 200)
    })
    .await?;
    is_kept(&app.api, &one).await?;
    let before = taken(&app.api, "mongodb").await?;
    assert_eq!(page(&app.api, &other).await?.0, 200);
    assert_eq!(taken(&app.api, "mongodb").await?, before + 1);
    app.finish().await
}
