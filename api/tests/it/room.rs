//! Redis above `orders.memory_share` or at `maxmemory`.

use anyhow::{Context as _, Result};
use heyi_common::sign::Params;
use heyi_sandbox::Knobs;
use heyi_testkit::world::{Answer, Client, Person, World, data, eventually, params, signed};
use redis::{AsyncCommands as _, InfoDict, aio::MultiplexedConnection};

use crate::support::{TestApp, assert_fails, header};

async fn order(client: &Client, person: &Person) -> Result<Answer> {
    let data = data(&person.openid, "小店").to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    client
        .post_form("/newOrder", &signed("/newOrder", &pairs, &person.key))
        .await
}

/// Somebody with more unpaid orders than one person may have.
async fn start() -> Result<TestApp> {
    let mut world = World::with_own_stores().await?;
    world.set("HEYI_ORDERS__OPEN_PER_PERSON", "0");
    TestApp::start_in(world).await
}

async fn connect(world: &World) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(world.setting("HEYI_REDIS__URL"))?;
    Ok(client.get_multiplexed_async_connection().await?)
}

async fn used(redis: &mut MultiplexedConnection) -> Result<u64> {
    let info: InfoDict = redis::cmd("INFO").query_async(redis).await?;
    info.get("used_memory").context("no used_memory")
}

async fn limit(redis: &mut MultiplexedConnection, bytes: u64) -> Result<()> {
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "maxmemory"]).arg(bytes);
    Ok(set.exec_async(redis).await?)
}

/// The value of a metric that begins so.
async fn metric(app: &TestApp, name: &str) -> Result<u64> {
    let metrics = app.monitor("/metrics").await?.body;
    let line = metrics.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    Ok(value.with_context(|| format!("no {name}"))?.parse()?)
}

/// Lets Redis be above the share and far from its end: it uses 85 % of its memory. Returns its limit.
async fn fill(app: &TestApp, person: &Person) -> Result<(Answer, u64)> {
    let mut redis = connect(&app.world).await?;
    // So much that what comes and goes by itself moves no share.
    let _: usize = redis.setrange("padding", 64 << 20, "x").await?;
    let bytes = used(&mut redis).await? * 100 / 85;
    limit(&mut redis, bytes).await?;
    let mut refused = None;
    eventually("orders are refused", async || {
        let answer = order(&app.client, person).await?;
        Ok(refused.insert(answer).status != 200)
    })
    .await?;
    Ok((refused.context("no answer")?, bytes))
}

#[tokio::test]
async fn above_the_share_orders_are_refused_and_everybody_is_told() -> Result<()> {
    const REFUSED: &str = "heyi_orders_refused_total{reason=\"memory\"}";
    let app = start().await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    assert_eq!(metric(&app, REFUSED).await?, 0);
    let (refused, bytes) = fill(&app, &alice).await?;
    let words = "no new orders are taken at the moment: try again";
    assert_fails(&refused, 503, words);
    assert!(header(&refused, "retry-after").parse::<u64>()? > 0);

    assert!(metric(&app, REFUSED).await? > 0);
    assert_eq!(metric(&app, "heyi_redis_maxmemory_bytes").await?, bytes);
    let told = metric(&app, "heyi_redis_memory_bytes").await?;
    assert!(told > bytes / 10 * 8 && told < bytes, "{told} of {bytes}");
    for url in [app.api.monitor_url(), worker.monitor_url()] {
        let ready = app.client.at(&url).get("/readyz", &Params::new()).await?;
        assert_eq!(ready.status, 200, "{url}: {}", ready.body);
        let body = &ready.body;
        assert!(body.contains("new orders are refused"), "{url}: {body}");
    }
    let doctor = app.world.operate(&["doctor"]).await?;
    let doctor = String::from_utf8(doctor.stdout)?;
    assert!(doctor.contains("new orders are refused"), "{doctor}");

    limit(&mut connect(&app.world).await?, 0).await?;
    eventually("orders are taken again", async || {
        Ok(order(&app.client, &alice).await?.status == 200)
    })
    .await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn above_the_share_payments_go_on() -> Result<()> {
    let app = start().await?;
    let alice = app.client.login("alice").await?;
    let notified = app.client.order(&alice, "notified", 990).await?;
    let silent = app.client.order(&alice, "without a notify", 990).await?;
    fill(&app, &alice).await?;

    let sandbox = &app.world.sandbox;
    sandbox.pay(&sandbox.order(&notified)?)?;
    let worker = app.world.worker().await?;
    app.client.code_of(&notified["out_trade_no"]).await?;
    let payment = sandbox.order(&silent)?;
    let lost = Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    };
    sandbox.pay_with(&payment, lost)?;
    let pairs = [
        ("out_trade_no", silent["out_trade_no"].as_str()),
        ("payjs_order_id", payment.as_str()),
    ];
    eventually("the confirmed order is a code", async || {
        let answer = app.client.get("/checkOrder", &params(&pairs)).await?;
        Ok(answer.status == 200)
    })
    .await?;
    assert_eq!(order(&app.client, &alice).await?.status, 503);
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn a_full_redis_is_not_ready_and_says_so() -> Result<()> {
    let app = start().await?;
    let worker = app.world.worker().await?;
    let mut redis = connect(&app.world).await?;
    limit(&mut redis, 1).await?;
    for url in [app.api.monitor_url(), worker.monitor_url()] {
        let ready = app.client.at(&url).get("/readyz", &Params::new()).await?;
        assert_eq!(ready.status, 503, "{url}: {}", ready.body);
        assert!(ready.body.contains("at its maxmemory"), "{}", ready.body);
    }
    let doctor = app.world.operate(&["doctor"]).await?;
    assert!(!doctor.status.success());
    let doctor = String::from_utf8(doctor.stdout)?;
    assert!(doctor.contains("at its maxmemory"), "{doctor}");
    limit(&mut redis, 0).await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn where_redis_tells_nothing_of_its_memory_orders_are_taken_and_it_is_said_once() -> Result<()>
{
    for (words, message) in [
        (&["CONFIG", "SET", "maxmemory", "0"][..], "has no maxmemory"),
        (&["ACL", "SETUSER", "default", "-info"][..], "refuses INFO"),
    ] {
        let world = World::with_own_stores().await?;
        let mut command = redis::Cmd::new();
        command
            .arg(words)
            .exec_async(&mut connect(&world).await?)
            .await?;
        let app = TestApp::start_in(world).await?;
        let alice = app.client.login("alice").await?;
        eventually(message, async || Ok(app.api.log().contains(message))).await?;
        assert_eq!(order(&app.client, &alice).await?.status, 200);
        assert_eq!(app.monitor("/readyz").await?.status, 200);
        let doctor = app.world.operate(&["doctor"]).await?;
        let doctor = String::from_utf8(doctor.stdout)?;
        assert!(doctor.contains(message), "{doctor}");
        // The watch of the memory and the look at the settings.
        assert!(
            app.api.log().matches(message).count() <= 2,
            "{}",
            app.api.log()
        );
        app.finish().await?;
    }
    Ok(())
}
