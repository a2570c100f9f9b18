use anyhow::{Context, Result};
use heyi_common::{
    gateway::{Gateway, PaymentRef},
    queue::dead::Page,
};
use heyi_sandbox::Knobs;
use heyi_testkit::{
    servers::Server,
    world::{World, eventually, params},
};
use jiff::ToSpan;
use mongodb::bson::{Document, doc};
use redis::AsyncCommands;
use serde_json::json;

use crate::support::{TestApp, assert_fails};

#[tokio::test]
async fn a_promoted_order_answers_its_code_as_often_as_asked() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let asked = params(&[
        ("out_trade_no", code.out_trade_no.as_str()),
        ("payjs_order_id", "2025010112345600512345678"),
    ]);
    for answer in app.in_every_way("/checkOrder", &asked).await? {
        assert_eq!(answer.status, 200);
        let expected = format!(r#"{{"order_id":"{}","errcode":200}}"#, code.id.to_hex());
        assert_eq!(answer.body, expected);
    }
    // A code on its way through a failure of long ago is still a code.
    let failed = app.world.queue()?.keys().failed(&code.out_trade_no);
    let () = app.redis()?.set(&failed, "paid_twice").await?;
    assert_eq!(
        app.client.check(code.out_trade_no.as_str()).await?.status,
        200
    );
    app.finish().await
}

#[tokio::test]
async fn an_unknown_number_is_unknown_on_a_mongodb_without_a_replica_set() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let redis = Server::redis(&dir.path().join("redis"), None).await?;
    let mongo = Server::mongo_alone(&dir.path().join("mongo")).await?;
    let url = format!("mongodb://{}/", mongo.address());
    let app = TestApp::start_in(World::on(redis.url(), url).await?).await?;
    let unknown = app.client.check("QR20250101123456ABCDEF").await?;
    assert_fails(&unknown, 500, "make a new one");
    assert_eq!(unknown.text("state"), "unknown");
    app.finish().await
}

#[tokio::test]
async fn an_order_without_a_code_says_its_state() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = &order["out_trade_no"];

    let pending = app.client.check(number).await?;
    assert_fails(&pending, 500, "ask again");
    assert_eq!(pending.text("state"), "pending");

    let unknown = app.client.check("QR20250101123456ABCDEF").await?;
    assert_fails(&unknown, 500, "make a new one");
    assert_eq!(unknown.text("state"), "unknown");

    let failed = app.world.queue()?.keys().failed(&number.parse()?);
    let () = app.redis()?.set(&failed, "mismatch").await?;
    let failed = app.client.check(number).await?;
    assert_fails(&failed, 500, "mismatch");
    assert_eq!(failed.text("state"), "failed");
    assert_eq!(app.take_events().await?.len(), 0);
    app.finish().await
}

#[tokio::test]
async fn a_payment_number_that_a_client_does_not_have_counts_as_absent() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = &order["out_trade_no"];
    for nothing in ["", " ", "undefined", "null", "NaN"] {
        let asked = params(&[("out_trade_no", number), ("payjs_order_id", nothing)]);
        for answer in app.in_every_way("/checkOrder", &asked).await? {
            assert_eq!(
                answer.text("state"),
                "pending",
                "{nothing}: {}",
                answer.body
            );
        }
    }
    let null = json!({"out_trade_no": number, "payjs_order_id": null});
    let answer = app.client.post_json("/checkOrder", &null).await?;
    assert_eq!(answer.text("state"), "pending", "{}", answer.body);
    assert_eq!(app.take_confirms().await?.len(), 0);
    app.finish().await
}

#[tokio::test]
async fn an_order_without_a_code_is_a_page_of_its_own() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = &order["out_trade_no"];
    let page = async |number: &str, language| {
        let path = format!("/checkOrder?out_trade_no={number}");
        let headers = [("accept", "text/html"), ("accept-language", language)];
        app.get_with(&path, &headers).await
    };
    for (language, words) in [("zh-CN", "还没有付款"), ("en", "Not paid yet")] {
        let pending = page(number, language).await?;
        assert_eq!(pending.status, 500);
        assert!(pending.body.contains(words), "{}", pending.body);
    }
    let unknown = page("QR20250101123456ABCDEF", "zh-CN").await?;
    assert!(unknown.body.contains("没有这笔订单"), "{}", unknown.body);
    let failed = app.world.queue()?.keys().failed(&number.parse()?);
    let () = app.redis()?.set(&failed, "mismatch").await?;
    let failed = page(number, "zh-CN").await?;
    assert!(failed.body.contains("收款码没能生成"), "{}", failed.body);
    app.finish().await
}

/// In the seconds after a failover, what a majority has may lag behind what a worker was told is written. So MongoDB's own
/// profiler is asked how certain the answer had to be before an order is called unknown.
#[tokio::test]
async fn an_order_is_unknown_only_by_a_linearizable_read() -> Result<()> {
    let app = TestApp::start().await?;
    let mongo = mongodb::Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let database = mongo.database(app.world.setting("HEYI_MONGO__DATABASE"));
    database.run_command(doc! { "profile": 2 }).await?;
    let unknown = app.client.check("QR20250101123456ABCDEF").await?;
    assert_eq!(unknown.text("state"), "unknown");
    database.run_command(doc! { "profile": 0 }).await?;
    let last = database
        .collection::<Document>("system.profile")
        .find_one(doc! { "command.find": "mappings" })
        .sort(doc! { "$natural": -1 })
        .await?
        .context("MongoDB was not asked")?;
    let concern = last.get_document("command")?.get_document("readConcern")?;
    assert_eq!(concern.get_str("level")?, "linearizable");
    app.finish().await
}

#[tokio::test]
async fn a_pending_order_with_a_payment_is_confirmed_once_in_a_while() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = order["out_trade_no"].as_str();
    let with = |payment: &str| params(&[("out_trade_no", number), ("payjs_order_id", payment)]);
    let payment = payment_of_now();
    let answers = app.in_every_way("/checkOrder", &with(&payment)).await?;
    for answer in answers {
        assert_eq!(answer.text("state"), "pending", "{}", answer.body);
    }
    let confirms = app.take_confirms().await?;
    assert_eq!(confirms.len(), 1, "{confirms:?}");
    assert_eq!(confirms[0]["confirm"], payment);
    assert_eq!(confirms[0]["out_trade_no"], number);

    let empty = app.client.get("/checkOrder", &with("")).await?;
    assert_eq!(empty.text("state"), "pending");
    for (wrong, why) in [
        ("2025-01", "not only digits"),
        ("a b", "not only digits"),
        (&"1".repeat(65), "too long"),
        ("中", "not ASCII"),
        ("1", "too short"),
        ("2025010112345600512345678", "made before the order"),
        ("2999010112345600512345678", "made in the future"),
    ] {
        let answer = app.client.get("/checkOrder", &with(wrong)).await?;
        assert_eq!(answer.status, 400, "{why}");
        assert_fails(&answer, 400, "payjs_order_id");
    }
    // A number that none of our orders can have is not asked about.
    let foreign = params(&[
        ("out_trade_no", "UNKNOWN1"),
        ("payjs_order_id", payment.as_str()),
    ]);
    let answer = app.client.get("/checkOrder", &foreign).await?;
    assert_eq!(answer.text("state"), "unknown");
    assert_eq!(app.take_confirms().await?.len(), 0);
    app.finish().await
}

/// A number as PayJS gives it to an order that it makes now.
fn payment_of_now() -> String {
    let china = jiff::Timestamp::now() + 8.hours();
    format!("{}00512345678", china.strftime("%Y%m%d%H%M%S"))
}

#[tokio::test]
async fn an_order_that_redis_lost_is_asked_about_and_becomes_a_dead_letter() -> Result<()> {
    let mut app = TestApp::start().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let alice = app.client.login("alice").await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let (number, payment) = app.client.pay(&alice, "小店", 990).await?;
    let unpaid = app.client.order(&alice, "小店", 990).await?;
    let not_paid = app.world.sandbox.order(&unpaid)?;
    for number in [&number, &unpaid["out_trade_no"]] {
        app.world.orders()?.remove(&number.parse()?).await?;
    }
    let state = async |number: &str, payment: &str| {
        let asked = params(&[("out_trade_no", number), ("payjs_order_id", payment)]);
        anyhow::Ok(app.client.get("/checkOrder", &asked).await?.text("state"))
    };
    let unpaid = unpaid["out_trade_no"].as_str();
    assert_eq!(state(&number, &payment).await?, "pending");
    assert_eq!(state(unpaid, &not_paid).await?, "pending");
    let _worker = app.world.worker().await?;
    eventually("the end of the payment", async || {
        let state = state(&number, &payment).await?;
        assert_ne!(state, "unknown", "it was paid");
        Ok(state == "failed")
    })
    .await?;
    eventually("the end of the order that is not paid", async || {
        Ok(state(unpaid, &not_paid).await? == "unknown")
    })
    .await?;
    let letters = app.world.queue()?.dead_letters(Page::newest(2)).await?;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].field("reason"), "order_missing");
    assert_eq!(letters[0].out_trade_no(), number);
    app.finish().await
}

/// The order's failure is of one payment; its right payment may come later, without a notify.
#[tokio::test]
async fn another_payment_of_a_failed_order_is_asked_about() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let (number, payment) = app.client.pay(&alice, "小店", 990).await?;
    let unpaid = app.client.order(&alice, "小店 2", 990).await?;
    let not_paid = app.world.sandbox.order(&unpaid)?;
    let unpaid = unpaid["out_trade_no"].as_str();
    let queue = app.world.queue()?;
    for number in [number.as_str(), unpaid] {
        let failed = queue.keys().failed(&number.parse()?);
        let () = app.redis()?.set(&failed, "mismatch").await?;
    }
    let check = async |number: &str, payment: &str| {
        let asked = params(&[("out_trade_no", number), ("payjs_order_id", payment)]);
        app.client.get("/checkOrder", &asked).await
    };
    // Of the payment that failed, all is known.
    let third = app.client.order(&alice, "小店 3", 990).await?;
    let failed = PaymentRef {
        gateway: Gateway::Payjs,
        out_trade_no: number.parse()?,
        payment_id: app.world.sandbox.order(&third)?,
    };
    let () = app.redis()?.set(queue.keys().letter(&failed), "1").await?;
    let answer = check(&number, &failed.payment_id).await?;
    assert_eq!(answer.text("state"), "failed");

    assert_eq!(check(&number, &payment).await?.text("state"), "pending");
    assert_eq!(check(unpaid, &not_paid).await?.text("state"), "pending");
    let _worker = app.world.worker().await?;
    eventually("the code", async || {
        Ok(check(&number, &payment).await?.status == 200)
    })
    .await?;
    eventually("it was not paid", async || {
        Ok(check(unpaid, &not_paid).await?.text("state") == "failed")
    })
    .await?;
    app.finish().await
}

#[tokio::test]
async fn one_site_asks_about_few_orders_that_redis_lacks() -> Result<()> {
    let trusted = ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#);
    let app = TestApp::start_with(&[trusted]).await?;
    let mut answers = Vec::new();
    // One person may have all clients of an IPv6 /48.
    let clients = [
        "2001:db8::1",
        "2001:db8:0:1::1",
        "2001:db8:0:2::1",
        "2001:db8:0:3::1",
        "198.51.100.1",
    ];
    for (number, client) in clients.into_iter().enumerate() {
        let lost = format!(
            "{}{number:018x}",
            jiff::Timestamp::now().strftime("%Y%m%d%H%M%S")
        );
        let payment = payment_of_now();
        let path = format!("/checkOrder?out_trade_no={lost}&payjs_order_id={payment}");
        let headers = [("x-forwarded-for", client)];
        answers.push(app.get_with(&path, &headers).await?);
    }
    let statuses: Vec<u16> = answers.iter().map(|one| one.status.as_u16()).collect();
    assert_eq!(statuses, [500, 500, 429, 429, 500]);
    assert_eq!(answers[0].text("state"), "pending");
    assert_fails(&answers[3], 429, "wait 10 s");
    assert_eq!(app.take_confirms().await?.len(), 3);
    app.finish().await
}

#[tokio::test]
async fn a_malformed_number_is_a_bad_request() -> Result<()> {
    let app = TestApp::start().await?;
    for number in ["", "a b", "a:b", "{x}", "*", &"1".repeat(33)] {
        let answer = app.client.check(number).await?;
        assert_fails(&answer, 400, "out_trade_no");
    }
    app.finish().await
}

#[tokio::test]
async fn an_order_that_is_asked_about_still_counts_as_open() -> Result<()> {
    let app = TestApp::start_with(&[("ORDERS__OPEN_PER_PERSON", "1")]).await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = &order["out_trade_no"];
    let payment = payment_of_now();
    let asked = params(&[("out_trade_no", number), ("payjs_order_id", &payment)]);
    let answer = app.client.get("/checkOrder", &asked).await?;
    assert_eq!(answer.text("state"), "pending");
    assert_eq!(app.take_confirms().await?.len(), 1);
    let key = app.world.queue()?.keys().order(&number.parse()?);
    let life: i64 = app.redis()?.ttl(key).await?;
    assert!(life > 6 * 24 * 3600, "it may be paid: {life} s");
    let second = app.client.order_over("miniapp", &alice, "小店").await?;
    assert_fails(&second, 429, "unpaid orders");
    app.finish().await
}
