use anyhow::Result;
use heyi_common::{scans::today, store::Code};
use heyi_testkit::world::{Person, World, eventually, params, signed};
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::support::{TestApp, assert_fails};

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 MicroMessenger/8.0.50",
    "Mozilla/5.0 AlipayClient/10.5",
    "Mozilla/5.0 AlipayClient/10.6",
    "Mozilla/5.0",
];

/// Somebody scans a code with each of these apps.
async fn scan(app: &TestApp, code: &Code, agents: &[&str]) -> Result<()> {
    for agent in agents {
        let path = format!("/qr?id={}", code.id.to_hex());
        let page = app.get_with(&path, &[("user-agent", agent)]).await?;
        assert!(page.status == 200 || page.status == 302, "{}", page.body);
    }
    Ok(())
}

async fn stats(app: &TestApp, owner: &Person, code: &Code) -> Result<Value> {
    let answer = app.client.stats(owner, &code.id.to_hex()).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.json())
}

/// Waits until so many scans are told, and never more.
async fn until_told(app: &TestApp, owner: &Person, code: &Code, total: u64) -> Result<()> {
    eventually(&format!("{total} scans"), async || {
        let told = stats(app, owner, code).await?["total"]
            .as_u64()
            .unwrap_or(u64::MAX);
        assert!(told <= total, "{told} of {total} scans");
        Ok(told == total)
    })
    .await
}

#[tokio::test]
async fn a_person_counts_and_no_program() -> Result<()> {
    const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148";
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let path = format!("/qr?id={}", code.id.to_hex());
    for agent in [
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (iPhone) MicroMessenger/8.0 (compatible; Examplebot/1.0)",
        "facebookexternalhit/1.1",
        "WhatsApp/2.23.20.0",
        "curl/8.5.0",
    ] {
        let headers = [("user-agent", agent)];
        assert_eq!(app.get_with(&path, &headers).await?.status, 200, "{agent}");
    }
    for (name, value) in [
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let headers = [("user-agent", PHONE), (name, value)];
        assert_eq!(app.get_with(&path, &headers).await?.status, 200, "{name}");
    }
    for agent in [PHONE, "Mozilla/5.0 AlipayClient/10.5"] {
        let head = app.client.request(reqwest::Method::HEAD, &path);
        let head = app.client.send(head.header("user-agent", agent)).await?;
        assert!(head.status == 200 || head.status == 302, "{agent}");
    }
    scan(&app, &code, &[PHONE]).await?;
    until_told(&app, &alice, &code, 1).await?;
    // What was noted before it has been sent with it or earlier.
    assert_eq!(stats(&app, &alice, &code).await?["total"], 1);
    app.finish().await
}

async fn is_all_folded(app: &TestApp) -> Result<bool> {
    let queue = app.world.queue()?;
    let keys = [queue.keys().scans(), queue.keys().scans_aggregating()];
    Ok(app.redis()?.exists::<_, u64>(&keys[..]).await? == 0)
}

#[tokio::test]
async fn scans_are_told_by_platform_and_day_whichever_store_has_them() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let (code, other) = (
        app.code(&alice, "小店").await?,
        app.code(&alice, "别的").await?,
    );
    let none = json!({ "total": 0, "days": [], "errcode": 200 });
    assert_eq!(stats(&app, &alice, &code).await?, none);

    scan(&app, &code, &AGENTS).await?;
    scan(&app, &other, &AGENTS[..1]).await?;
    until_told(&app, &alice, &code, 4).await?;
    let told = stats(&app, &alice, &code).await?;
    let day = &told["days"][0];
    assert_eq!(day["day"], today().to_string());
    assert_eq!(day["total"], 4);
    assert_eq!(
        day["platforms"],
        json!({ "wechat": 1, "alipay": 2, "other": 1 })
    );
    // Legible with redis-cli.
    let key = app.world.queue()?.keys().scans();
    let field = format!("{}:{}:alipay", code.id.to_hex(), today());
    let counted: u64 = app.redis()?.hget(key, field).await?;
    assert_eq!(counted, 2);

    let worker = app.world.worker().await?;
    eventually("all is aggregated", async || {
        assert_eq!(stats(&app, &alice, &code).await?, told);
        is_all_folded(&app).await
    })
    .await?;
    assert_eq!(stats(&app, &alice, &code).await?, told);
    let kept = app.store.scans(code.id, today(), today()).await?;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].platforms.values().sum::<u64>(), 4);

    // The next ones are added to these, and never told twice on their way.
    for round in 1..=3 {
        scan(&app, &code, &AGENTS).await?;
        until_told(&app, &alice, &code, 4 + 4 * round).await?;
    }
    eventually("all is aggregated", async || {
        assert_eq!(stats(&app, &alice, &code).await?["total"], 16);
        is_all_folded(&app).await
    })
    .await?;
    until_told(&app, &alice, &other, 1).await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn only_the_owner_sees_the_scans() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    for request in [
        params(&[("id", &id)]),
        signed("/stats", &[("id", &id)], &bob.key),
        app.client.signed_by_app("/stats", &[("id", &id)]),
        signed("/stats", &[("id", "malformed")], &alice.key),
        signed("/stats", &[("id", "000000000000000000000000")], &alice.key),
    ] {
        for answer in app.in_every_way("/stats", &request).await? {
            assert_fails(&answer, 400, "no such code of yours");
        }
    }
    for days in ["0", "91", "-1", "x", "1.5", "99999999999"] {
        let request = signed("/stats", &[("id", &id), ("days", days)], &alice.key);
        assert_fails(
            &app.client.get("/stats", &request).await?,
            400,
            "from 1 to 90",
        );
    }
    let request = signed("/stats", &[("id", &id), ("days", "90")], &alice.key);
    for answer in app.in_every_way("/stats", &request).await? {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // An operator took the page down: the owner still sees what was.
    app.store.set_disabled(code.id, true).await?;
    assert_eq!(app.client.get("/stats", &request).await?.status, 200);
    app.store.delete(code.id).await?;
    assert_fails(
        &app.client.get("/stats", &request).await?,
        410,
        "of yours is deleted",
    );
    app.finish().await
}

#[tokio::test]
async fn without_redis_pages_are_shown_and_their_scans_counted_later() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    // Else only a line in five seconds is about Redis.
    world.set("HEYI_LOG__FILTER", "info,heyi_common=debug");
    let mut app = TestApp::start_in(world).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    scan(&app, &code, &AGENTS).await?;
    until_told(&app, &alice, &code, 4).await?;
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    scan(&app, &code, &AGENTS).await?;
    eventually("the api has tried to count them", async || {
        Ok(app.api.log().contains("scans cannot be counted"))
    })
    .await?;
    scan(&app, &code, &AGENTS).await?;
    assert_fails(
        &app.client.stats(&alice, &code.id.to_hex()).await?,
        503,
        "cannot reach Redis:",
    );
    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    eventually("the api is ready again", async || {
        Ok(app.monitor("/readyz").await?.status == 200)
    })
    .await?;
    until_told(&app, &alice, &code, 12).await?;
    app.finish().await
}

#[tokio::test]
async fn an_api_that_is_told_to_stop_counts_its_last_scans() -> Result<()> {
    let mut app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    scan(&app, &code, &AGENTS).await?;
    assert!(app.api.end().await?.success());
    app.api.restart()?;
    app.api.answers("readyz").await?;
    assert_eq!(stats(&app, &alice, &code).await?["total"], 4);
    app.finish().await
}

#[tokio::test]
async fn what_shows_no_code_counts_nothing() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let (code, gone) = (
        app.code(&alice, "小店").await?,
        app.code(&alice, "旧").await?,
    );
    app.store.delete(gone.id).await?;
    for id in [&gone.id.to_hex(), "malformed", "000000000000000000000000"] {
        assert_eq!(
            app.get_with(&format!("/qr?id={id}"), &[]).await?.status,
            410
        );
    }
    app.get_with(&format!("/qr/{}.svg", code.id.to_hex()), &[])
        .await?;
    scan(&app, &code, &AGENTS[..1]).await?;
    until_told(&app, &alice, &code, 1).await?;
    let key = app.world.queue()?.keys().scans();
    assert_eq!(app.redis()?.hlen::<_, u64>(key).await?, 1);
    app.finish().await
}
