use std::time::{Duration, Instant};

use anyhow::Result;
use heyi_common::{
    form,
    order::OutTradeNo,
    sign::{self, SIGN},
};
use heyi_testkit::world::{World, eventually, params};
use redis::AsyncCommands;
use secrecy::SecretString;

use crate::support::TestApp;

const FORM: &str = "application/x-www-form-urlencoded";

/// A body signed with PayJS's key: a notify, changed as said. An empty value removes a field.
pub(crate) fn body(app: &TestApp, changes: &[(&str, &str)]) -> String {
    let mut fields = params(&[
        ("return_code", "1"),
        ("total_fee", "990"),
        ("out_trade_no", "QR20250101123456ABCDEF"),
        ("payjs_order_id", "2025010112345600512345678"),
        ("transaction_id", "4200000000202501010000000001"),
        ("time_end", "2025-01-01 12:35:10"),
        ("openid", "oEXAMPLE1234567890abcdefghij"),
        ("mchid", app.world.setting("HEYI_PAYJS__MCHID")),
    ]);
    fields.extend(params(changes));
    fields.retain(|_, value| !value.is_empty());
    let key = SecretString::from(app.world.setting("HEYI_PAYJS__KEY"));
    let sign = sign::sign(&fields, &key);
    fields.insert(SIGN.to_owned(), sign);
    form::write(&fields)
}

async fn assert_refused(app: &TestApp, body: impl Into<Vec<u8>>) -> Result<()> {
    let body = body.into();
    let shown = String::from_utf8_lossy(&body).into_owned();
    let answer = app.post("/notify", FORM, body).await?;
    assert_eq!(answer.status, 400, "{shown}");
    assert_eq!(answer.body, "fail");
    assert_eq!(app.take_events().await?.len(), 0, "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_notify_is_queued_as_it_came_and_its_order_lives_longer() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let number: OutTradeNo = order["out_trade_no"].parse()?;
    let body = body(
        &app,
        &[
            ("out_trade_no", number.as_str()),
            ("type", "alipay"),
            ("later", "新 字段&="),
        ],
    );
    // PayJS's own type, none, or a wrong one: what counts is the body.
    for kind in [FORM, "", "text/plain; charset=utf-8"] {
        let answer = app.post("/notify", kind, body.clone()).await?;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "success")
        );
    }
    let events = app.take_events().await?;
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event["body"], body);
        assert_eq!(event["attempt"], "0");
    }
    let key = app.world.queue()?.keys().order(&number);
    let seconds: i64 = app.redis()?.ttl(key).await?;
    assert!(seconds > 6 * 24 * 3600, "{seconds}");
    let metrics = app.monitor("/metrics").await?.body;
    let queued = r#"heyi_notify_total{outcome="queued"} 3"#;
    assert!(metrics.contains(queued), "{metrics}");
    let log = app.api.log();
    assert!(!log.contains("oEXAMPLE"), "{log}");
    app.finish().await
}

#[tokio::test]
async fn other_signed_messages_of_payjs_are_no_notifies() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    assert_refused(&app, form::write(&order)).await?;
    let unpaid_native = [
        ("code_url", "weixin://wxpay/bizpayurl?pr=x"),
        ("qrcode", "https://payjs.cn/qrcode/x"),
        ("return_msg", "SUCCESS"),
        ("transaction_id", ""),
        ("time_end", ""),
        ("openid", ""),
    ];
    let unpaid_check = [
        ("status", "0"),
        ("transaction_id", "0"),
        ("paid_time", "0"),
        ("time_end", ""),
        ("openid", ""),
    ];
    for changes in [
        &unpaid_native[..],
        &unpaid_check,
        &[("nonce", "n1")],
        &[("status", "1")],
        &[("return_code", "0")],
        &[("transaction_id", "0")],
        &[("transaction_id", "")],
        &[("time_end", "")],
        &[("payjs_order_id", "")],
        &[("total_fee", "9.90")],
        &[("out_trade_no", "no:colons")],
        &[("mchid", "1600000002")],
        &[("mchid", "")],
    ] {
        assert_refused(&app, body(&app, changes)).await?;
    }
    app.finish().await
}

#[tokio::test]
async fn bodies_that_readers_could_differ_on_are_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let sound = body(&app, &[]);
    assert_refused(&app, format!("{sound}{}", "&x".repeat(8000))).await?;
    eventually("the log says why", async || {
        Ok(app.api.log().contains("more than 64 fields"))
    })
    .await?;
    assert_refused(&app, format!("{sound}&total_fee=1")).await?;
    assert_refused(&app, format!("{sound}&sign=0")).await?;
    assert_refused(&app, format!("{sound}&attach=%FF")).await?;
    let mut half_encoded = format!("{sound}&attach=").into_bytes();
    half_encoded.extend(b"\xE4%B8%AD");
    assert_refused(&app, half_encoded).await?;
    assert_refused(&app, "").await?;
    assert_refused(&app, "{}").await?;
    assert_refused(&app, sound.split("&sign").next().unwrap_or_default()).await?;
    app.finish().await
}

#[tokio::test]
async fn many_forged_notifies_are_all_counted_and_few_logged() -> Result<()> {
    const FORGED: usize = 300;
    let app = TestApp::start().await?;
    let forged = body(&app, &[]).replace("total_fee=990", "total_fee=1");
    let start = Instant::now();
    let all = (0..FORGED).map(|_| app.post("/notify", FORM, forged.clone()));
    for answer in futures::future::try_join_all(all).await? {
        assert_eq!(answer.status, 400);
    }
    eventually("the log says how many lines were left out", async || {
        Ok(app.api.log().contains("like=\"notify refused\""))
    })
    .await?;
    let log = app.api.log();
    let lines = log.matches("WARN notify refused").count();
    let most = 3 + usize::try_from(start.elapsed().as_secs())? / 5;
    assert!(lines > 0 && lines <= most, "{lines} lines, {most} allowed");
    let metrics = app.monitor("/metrics").await?.body;
    let refused = format!(r#"heyi_notify_total{{outcome="refused"}} {FORGED}"#);
    assert!(metrics.contains(&refused), "{metrics}");
    app.finish().await
}

#[tokio::test]
async fn a_forged_notify_stays_outside() -> Result<()> {
    let app = TestApp::start().await?;
    let honest = body(&app, &[]);
    assert_refused(&app, honest.replace("total_fee=990", "total_fee=1")).await?;
    let number = honest.replace("out_trade_no=QR2", "out_trade_no=QR3");
    assert_refused(&app, number).await?;
    app.finish().await
}

#[tokio::test]
async fn a_body_of_16_kib_is_the_longest() -> Result<()> {
    let app = TestApp::start().await?;
    let short = body(&app, &[("attach", "x")]).len();
    let filling = "x".repeat(16 * 1024 - short + 1);
    let longest = body(&app, &[("attach", &filling)]);
    assert_eq!(longest.len(), 16 * 1024);
    let answer = app.post("/notify", FORM, format!("{longest}x")).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (413, "fail")
    );
    assert_eq!(app.post("/notify", FORM, longest).await?.body, "success");
    assert_eq!(app.take_events().await?.len(), 1);
    app.finish().await
}

#[tokio::test]
async fn a_get_is_not_a_notify() -> Result<()> {
    let app = TestApp::start().await?;
    let path = format!("/notify?{}", body(&app, &[]));
    let answer = app.get_with(&path, &[]).await?;
    assert_eq!(answer.status, 405);
    assert_eq!(app.take_events().await?.len(), 0);
    app.finish().await
}

#[tokio::test]
async fn while_redis_is_away_or_frozen_payjs_is_told_to_come_again_in_time() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let body = body(&app, &[]);
    let refused = async |app: &TestApp| -> Result<()> {
        let start = Instant::now();
        let answer = app.post("/notify", FORM, body.clone()).await?;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (503, "fail")
        );
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{:?}",
            start.elapsed()
        );
        Ok(())
    };
    if let Some(redis) = &app.world.redis {
        redis.pause()?;
    }
    refused(&app).await?;
    if let Some(redis) = &app.world.redis {
        redis.resume()?;
    }
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    refused(&app).await?;
    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    heyi_testkit::world::eventually("a notify is taken again", async || {
        Ok(app.post("/notify", FORM, body.clone()).await?.status == 200)
    })
    .await?;
    // The first may have arrived while Redis was frozen: sending again does no harm.
    assert!((1..=2).contains(&app.take_events().await?.len()));
    app.finish().await
}
