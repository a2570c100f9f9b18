use anyhow::{Context, Result};
use heyi_common::{
    form,
    order::OutTradeNo,
    sign::{self, SIGN},
};
use heyi_sandbox::{Knobs, Order, Refuse};
use heyi_testkit::world::{Person, World, params, signed};
use secrecy::SecretString;
use url::Url;

use crate::support::{TestApp, assert_fails};

/// A name that would change what is signed if it got there.
const SLY: &str = "a&total_fee=1&mchid=2&key=";

/// The only order that PayJS knows.
fn the_order(app: &TestApp) -> Result<Order> {
    let mut orders = app.world.sandbox.ledger().orders;
    assert_eq!(orders.len(), 1, "{orders:?}");
    orders.pop().context("no order")
}

/// Pays at PayJS, and follows the payment to the code.
async fn pay(app: &TestApp, alice: &Person, number: &str) -> Result<()> {
    let order = the_order(app)?;
    assert_eq!(
        (order.out_trade_no.as_str(), order.total_fee),
        (number, 990)
    );
    app.world.sandbox.pay(&order.payjs_order_id)?;
    let id = app.client.code_of(number).await?;
    let listed = app.client.list(alice).await?.json();
    assert_eq!(listed["userInfo"][0]["id"], id);
    assert_eq!(listed["userInfo"][0]["name"], SLY);
    let cached = app.world.orders()?.get(&number.parse()?).await?;
    assert_eq!(cached, None, "it is promoted as any other");
    Ok(())
}

#[tokio::test]
async fn an_order_is_paid_on_the_cashier_page() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    let answer = app.client.order_over("cashier", &alice, SLY).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let names: Vec<_> = json.as_object().context("no object")?.keys().collect();
    assert_eq!(names, ["cashierUrl", "errcode", "out_trade_no"]);
    assert_eq!(json["errcode"], 200);

    let url: Url = answer.text("cashierUrl").parse()?;
    assert!(
        url.as_str()
            .starts_with(app.world.setting("HEYI_PAYJS__API_BASE"))
    );
    let query = form::parse(url.query().unwrap_or_default().as_bytes())?;
    let names: Vec<_> = query.keys().map(String::as_str).collect();
    let ours = [
        "body",
        "mchid",
        "notify_url",
        "out_trade_no",
        SIGN,
        "total_fee",
    ];
    assert_eq!(names, ours, "nothing of a user is signed");
    let key = SecretString::from(app.world.setting("HEYI_PAYJS__KEY"));
    assert!(sign::verify(&query, &key));
    // What PayJS signs alike, but is no notify.
    let forged = app.client.post_form("/notify", &query).await?;
    assert_eq!(
        (forged.status.as_u16(), forged.body.as_str()),
        (400, "fail")
    );

    let page = reqwest::get(url).await?.text().await?;
    assert!(page.contains("9.90"), "{page}");
    pay(&app, &alice, &answer.text("out_trade_no")).await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn an_order_is_paid_by_scanning() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    let answer = app.client.order_over("native", &alice, SLY).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let names: Vec<_> = json.as_object().context("no object")?.keys().collect();
    let expected = ["code_url", "errcode", "out_trade_no", "payjs_order_id"];
    assert_eq!(names, expected, "no signature of PayJS is handed on");
    let code_url = answer.text("code_url");
    assert!(
        code_url.starts_with("weixin://wxpay/bizpayurl?pr="),
        "{code_url}"
    );
    assert_eq!(
        the_order(&app)?.payjs_order_id,
        answer.text("payjs_order_id")
    );
    pay(&app, &alice, &answer.text("out_trade_no")).await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn a_scanned_order_whose_notifies_are_lost_is_found_by_asking() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let alice = app.client.login("alice").await?;
    let order = app.client.order_over("native", &alice, SLY).await?;
    let (number, payment) = (order.text("out_trade_no"), order.text("payjs_order_id"));
    app.world.sandbox.pay(&payment)?;
    let asked = params(&[("out_trade_no", &number), ("payjs_order_id", &payment)]);
    let first = app.client.get("/checkOrder", &asked).await?;
    assert_fails(&first, 500, "");
    assert_eq!(first.text("state"), "pending");
    app.client.code_of(&number).await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn the_mini_program_is_the_default_and_answers_as_ever() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let chosen = app.client.order_over("miniapp", &alice, SLY).await?;
    let default = app.client.order(&alice, SLY, 990).await?;
    let chosen = chosen.json();
    let names: Vec<_> = chosen.as_object().context("no object")?.keys().collect();
    assert_eq!(names, ["errcode", "params"]);
    let names: Vec<_> = chosen["params"]
        .as_object()
        .context("no object")?
        .keys()
        .collect();
    assert_eq!(names, default.keys().collect::<Vec<_>>());
    assert!(!default.values().any(|value| value.contains(SLY)));
    for channel in [" ", "Native", "alipay"] {
        let answer = app.client.order_over(channel, &alice, SLY).await?;
        assert_fails(&answer, 400, "miniapp, cashier or native");
    }
    // A channel is signed like all else.
    let upload = heyi_testkit::world::data(&alice.openid, SLY).to_string();
    let mut other = signed(
        "/newOrder",
        &[("data", &upload), ("totalFee", "990")],
        &alice.key,
    );
    other.insert("channel".to_owned(), "native".to_owned());
    assert_fails(
        &app.client.post_form("/newOrder", &other).await?,
        400,
        "sign",
    );
    assert!(app.world.sandbox.ledger().orders.is_empty());
    app.finish().await
}

#[tokio::test]
async fn when_payjs_makes_no_order_that_is_said_and_ours_expires() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for (refuse, answer_delay_ms) in [
        (Refuse::ReturnCode, 0),
        (Refuse::Http500, 0),
        (Refuse::BrokenJson, 0),
        (Refuse::WrongSign, 0),
        // Longer than PayJS may take, and than this test.
        (Refuse::No, 60_000),
    ] {
        app.world.sandbox.set_knobs(Knobs {
            refuse,
            answer_delay_ms,
            ..Knobs::default()
        });
        let answer = app.client.order_over("native", &alice, SLY).await?;
        assert_fails(&answer, 502, "PayJS makes no order");
    }
    let kept = open_orders(&app).await?;
    assert_eq!(kept.len(), 5);
    for number in kept {
        let asked = app.client.check(&number).await?;
        assert_eq!(asked.text("state"), "pending", "{}", asked.body);
        let key = app.world.queue()?.keys().order(&number.parse()?);
        let seconds: i64 = redis::AsyncCommands::ttl(&mut app.redis()?, key).await?;
        assert!((86_000..=86_400).contains(&seconds), "{seconds}");
    }
    // The other channels need nothing of PayJS.
    app.client.order(&alice, SLY, 990).await?;
    let cashier = app.client.order_over("cashier", &alice, SLY).await?;
    assert_eq!(cashier.status, 200);
    app.finish().await
}

#[tokio::test]
async fn without_redis_nothing_is_ordered_at_payjs() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let alice = app.client.login("alice").await?;
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    for channel in ["cashier", "native"] {
        let answer = app.client.order_over(channel, &alice, SLY).await?;
        assert_fails(&answer, 503, "cannot reach Redis:");
    }
    assert!(app.world.sandbox.ledger().orders.is_empty());
    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    app.finish().await
}

/// The numbers of the orders in the cache.
async fn open_orders(app: &TestApp) -> Result<Vec<String>> {
    let any: OutTradeNo = "X".parse()?;
    let start = app.world.queue()?.keys().order(&any);
    let start = start.trim_end_matches('X');
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{start}*"))
        .query_async(&mut app.redis()?)
        .await?;
    Ok(keys.iter().map(|key| key.replace(start, "")).collect())
}
