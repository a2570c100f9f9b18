use anyhow::Result;
use heyi_common::{
    order::OutTradeNo,
    sign::{self, SIGN, TS},
};
use heyi_testkit::world::{Answer, Person, data, params, payloads, signed};
use redis::AsyncCommands;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    agents::ALIPAY,
    qr::scan,
    support::{TestApp, assert_fails, header},
};

/// Signs `data` and `fee` for a person, as they are.
fn order(person: &Person, data: &str, fee: &str) -> sign::Params {
    signed(
        "/newOrder",
        &[("data", data), ("totalFee", fee)],
        &person.key,
    )
}

/// The answered parameters as they are signed.
fn pay_params(answer: &Answer) -> Result<sign::Params> {
    let answered = answer.json()["params"].clone();
    let answered: std::collections::BTreeMap<String, serde_json::Value> =
        serde_json::from_value(answered)?;
    let text = |value: serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    Ok(answered
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect())
}

#[tokio::test]
async fn an_order_is_cached_and_its_parameters_are_what_payjs_takes() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let upload = data(&alice.openid, "小店 & <b>").to_string();
    let signed = || order(&alice, &upload, "990");
    for answer in [
        app.client.get("/newOrder", &signed()).await?,
        app.client.post_form("/newOrder", &signed()).await?,
        app.client.post_json("/newOrder", &json!(signed())).await?,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["errcode"], 200);
        let params = pay_params(&answer)?;
        assert_eq!(params["mchid"], app.world.setting("HEYI_PAYJS__MCHID"));
        assert_eq!(
            answer.json()["params"]["total_fee"],
            990,
            "a number, as PayJS's sample has it"
        );
        assert_eq!(params["notify_url"], format!("{}/notify", app.api.url()));
        let key = SecretString::from(app.world.setting("HEYI_PAYJS__KEY"));
        assert!(sign::verify(&params, &key));
        assert!(app.world.sandbox.order(&params).is_ok());

        let number: OutTradeNo = params["out_trade_no"].parse()?;
        let cached = app.world.orders()?.get(&number).await?;
        assert!(cached.is_some_and(|order| {
            order.content.name == "小店 & <b>" && order.merchant.merchant == params["mchid"]
        }));
        let key = app.world.queue()?.keys().order(&number);
        let seconds: i64 = app.redis()?.ttl(key).await?;
        assert!((86_000..=86_400).contains(&seconds), "{seconds}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_code_that_is_perhaps_no_receive_code_must_be_confirmed() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let red_packet = "https://qr.alipay.com/c1x0123456789abcdefghij";
    let screen = format!("wxp://f2f6{}", "aZ0_-".repeat(8));
    for (platform, payload, words) in [
        ("alipay", red_packet, "pay a small amount"),
        ("wechat", screen.as_str(), "保存收款码"),
    ] {
        let mut upload = data(&alice.openid, "小店");
        upload["payloads"] = json!({ platform: payload });
        let request = order(&alice, &upload.to_string(), "990");
        let refused = app.client.get("/newOrder", &request).await?;
        assert_fails(&refused, 400, words);
        assert_eq!(refused.text("unconfirmed"), platform);
        upload["confirmed"] = json!(true);
        let params = app.client.order_of(&alice, &upload, 990).await?;
        let number: OutTradeNo = params["out_trade_no"].parse()?;
        let cached = app.world.orders()?.get(&number).await?;
        assert!(cached.is_some_and(|order| order.content.payloads.values().eq([payload])));
    }
    let mut upload = data(&alice.openid, "小店");
    upload["confirmed"] = json!(true);
    upload["payloads"] = json!({ "alipay": "https://evil.example/c1x0123456789abcdefghij" });
    let request = order(&alice, &upload.to_string(), "990");
    let refused = app.client.get("/newOrder", &request).await?;
    assert_fails(&refused, 400, "not a receive code");
    app.finish().await
}

#[tokio::test]
async fn a_confirmed_code_is_shown_and_one_of_another_host_is_not() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let mut upload = data(&alice.openid, "小店");
    let payload = "https://qr.alipay.com/zzx0123456789abcdefghij";
    upload["payloads"] = json!({ "alipay": payload });
    let code = app.code_of(upload.clone()).await?;
    let answer = scan(&app, &code, ALIPAY, "").await?;
    assert_eq!(header(&answer, "location"), payload);
    upload["payloads"] = json!({ "alipay": "https://evil.example/fkx0123456789abcdefghij" });
    let code = app.code_of(upload).await?;
    assert_eq!(scan(&app, &code, ALIPAY, "").await?.status, 410);
    app.finish().await
}

#[tokio::test]
async fn the_time_in_alipays_saved_picture_is_dropped() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let mut upload = data(&alice.openid, "小店");
    let payload = "https://qr.alipay.com/fkx0123456789abcdefghij";
    let saved = format!("{payload}?0&T=58418-05-24 11:50:44");
    upload["payloads"] = json!({ "alipay": saved });
    let params = app.client.order_of(&alice, &upload, 990).await?;
    let number: OutTradeNo = params["out_trade_no"].parse()?;
    let cached = app.world.orders()?.get(&number).await?;
    assert!(cached.is_some_and(|order| order.content.payloads.values().eq([payload])));
    app.finish().await
}

#[tokio::test]
async fn data_may_be_an_object_and_the_fee_a_number() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let upload = data(&alice.openid, "小店");
    // The sample's text is compact and sorted, so it is what an object signs as.
    let signed = || {
        let request = order(&alice, &upload.to_string(), "990");
        (request[TS].clone(), request[SIGN].clone())
    };
    let [one, two, three, (ts, sign)] = [signed(), signed(), signed(), signed()];
    for body in [
        json!({"data": upload, "totalFee": 990, "ts": one.0, "sign": one.1}),
        json!({"data": upload, "totalFee": "990", "ts": two.0.parse::<i64>()?, "sign": two.1}),
        json!({"data": upload.to_string(), "totalFee": 990, "ts": three.0, "sign": three.1}),
    ] {
        let answer = app.client.post_json("/newOrder", &body).await?;
        assert_eq!(answer.json()["errcode"], 200, "{body}: {}", answer.body);
    }
    let text = format!(
        r#"{{"sign": "{sign}", "ts": {ts}, "totalFee": 990, "data": {{"payloads": {}, "openId": "{}",   "name": "小店"}}}}"#,
        payloads(),
        alice.openid
    );
    let answer = app
        .post("/newOrder", "application/json; charset=utf-8", text)
        .await?;
    assert_eq!(answer.json()["errcode"], 200, "{}", answer.body);
    app.finish().await
}

#[tokio::test]
async fn only_the_owner_can_sign_an_order() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let upload = data(&alice.openid, "小店").to_string();
    let mut cheaper = order(&alice, &upload, "990");
    cheaper.insert("totalFee".to_owned(), "1".to_owned());
    let mut renamed = order(&alice, &upload, "990");
    renamed.insert("data".to_owned(), upload.replace("小店", "大店"));
    for wrong in [
        params(&[("data", &upload), ("totalFee", "990")]),
        order(&bob, &upload, "990"),
        app.client
            .signed_by_app("/newOrder", &[("data", &upload), ("totalFee", "990")]),
        cheaper,
        renamed,
    ] {
        for answer in app.in_every_way("/newOrder", &wrong).await? {
            assert_fails(&answer, 400, "sign");
        }
    }
    app.finish().await
}

#[tokio::test]
async fn where_no_sign_is_required_a_wrong_one_is_still_refused() -> Result<()> {
    let app = TestApp::start_with(&[("ORDERS__REQUIRE_SIGN", "false")]).await?;
    let alice = app.client.login("alice").await?;
    let upload = data(&alice.openid, "小店").to_string();
    let pairs = [("data", upload.as_str()), ("totalFee", "990")];
    let answer = app.client.post_form("/newOrder", &params(&pairs)).await?;
    assert_eq!(answer.json()["errcode"], 200, "{}", answer.body);
    for sign in ["", "0123456789ABCDEF0123456789ABCDEF"] {
        let mut request = params(&pairs);
        request.insert(SIGN.to_owned(), sign.to_owned());
        let answer = app.client.post_form("/newOrder", &request).await?;
        assert_fails(&answer, 400, "sign");
    }
    app.finish().await
}

#[tokio::test]
async fn the_fee_is_an_integer_in_fen_and_one_of_the_prices() -> Result<()> {
    let app = TestApp::start_with(&[("ORDERS__PRICES", "[990, 1990]")]).await?;
    let alice = app.client.login("alice").await?;
    let upload = data(&alice.openid, "小店").to_string();
    for (fee, status, words) in [
        ("990", 200, ""),
        ("1990", 200, ""),
        ("1", 400, "one of the prices: [990, 1990] fen"),
        ("9.9", 400, "an integer in fen"),
        ("0990", 400, "an integer in fen"),
        ("-990", 400, "an integer in fen"),
        ("99999999999", 400, "an integer in fen"),
        ("", 400, "missing field `totalFee`"),
    ] {
        let answer = app
            .client
            .get("/newOrder", &order(&alice, &upload, fee))
            .await?;
        assert_eq!(answer.status, status, "{fee}: {}", answer.body);
        assert!(answer.body.contains(words), "{fee}: {}", answer.body);
    }
    let fraction = json!({"data": upload, "totalFee": 9.9, "sign": "x"});
    let answer = app.client.post_json("/newOrder", &fraction).await?;
    assert_fails(&answer, 400, "totalFee");
    app.finish().await
}

#[tokio::test]
async fn bad_data_is_refused_with_what_to_do() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let with = |change: Value| {
        let mut upload = data(&alice.openid, "小店");
        for (name, value) in change.as_object().into_iter().flatten() {
            upload[name] = value.clone();
        }
        upload.to_string()
    };
    for (upload, words) in [
        (String::new(), "data"),
        ("[]".to_owned(), "data"),
        (with(json!({"openId": ""})), "openId"),
        (with(json!({"name": ""})), "data.name"),
        (with(json!({"name": "长".repeat(33)})), "data.name"),
        (with(json!({"payloads": {}})), "at least one"),
        (
            with(json!({"payloads": {"wechat": "134567890123456789"}})),
            "付款码",
        ),
        (
            with(json!({"payloads": {"alipay": "281234567890123456"}})),
            "付款码",
        ),
        (
            with(
                json!({"payloads": {"alipay": "https://qr.alipay.com.evil.example/fkx0123456789"}}),
            ),
            "payloads.alipay",
        ),
        (
            with(json!({"payloads": {"alipay": "javascript:alert(1)"}})),
            "payloads.alipay",
        ),
        (with(json!({"payloads": {"paypal": "x"}})), "paypal"),
    ] {
        let answer = app
            .client
            .post_form("/newOrder", &order(&alice, &upload, "990"))
            .await?;
        assert_fails(&answer, 400, words);
    }
    let answer = app
        .client
        .get(
            "/newOrder",
            &signed("/newOrder", &[("totalFee", "990")], &alice.key),
        )
        .await?;
    assert_fails(&answer, 400, "missing field `data`");
    app.finish().await
}
