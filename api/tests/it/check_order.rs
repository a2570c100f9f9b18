use anyhow::{Context, Result};
use heyi_sandbox::world::params;
use mongodb::bson::{Document, doc};
use redis::AsyncCommands;

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
        .find_one(doc! { "command.find": "orders" })
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
    let answers = app
        .in_every_way("/checkOrder", &with("2025010112345600512345678"))
        .await?;
    for answer in answers {
        assert_eq!(answer.text("state"), "pending", "{}", answer.body);
    }
    let events = app.take_events().await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["confirm"], "2025010112345600512345678");
    assert_eq!(events[0]["out_trade_no"], number);

    let empty = app.client.get("/checkOrder", &with("")).await?;
    assert_eq!(empty.text("state"), "pending");
    for wrong in ["2025-01", "a b", &"1".repeat(65), "中"] {
        let answer = app.client.get("/checkOrder", &with(wrong)).await?;
        assert_fails(&answer, 400, "payjs_order_id");
    }
    let stranger = params(&[("out_trade_no", "UNKNOWN1"), ("payjs_order_id", "1")]);
    let answer = app.client.get("/checkOrder", &stranger).await?;
    assert_eq!(answer.text("state"), "unknown");
    assert_eq!(app.take_events().await?.len(), 0);
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
