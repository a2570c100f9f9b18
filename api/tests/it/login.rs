use anyhow::Result;
use heyi_common::sign;
use heyi_sandbox::{Knobs, Wechat};
use heyi_testkit::world::{params, signed};
use secrecy::{ExposeSecret, SecretString};

use crate::support::{TestApp, assert_fails};

#[tokio::test]
async fn a_login_answers_who_it_is_the_key_and_the_codes() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let again = app
        .client
        .post_form(
            "/login",
            &app.client
                .signed_by_app("/login", &[("code", "code-alice-2")]),
        )
        .await?;
    let json = again.json();
    assert_eq!(again.status, 200);
    assert_eq!(json["errcode"], 200);
    assert_eq!(json["openid"], alice.openid);
    assert_eq!(json["signKey"], alice.key.expose_secret());
    let item = &json["userInfo"][0];
    let id = code.id.to_hex();
    assert_eq!(item["id"], id);
    assert_eq!(item["name"], "小店");
    assert_eq!(
        item["payloads"].as_object().map(serde_json::Map::len),
        Some(5)
    );
    assert_eq!(item["url"], format!("{}/qr?id={id}", app.api.url()));
    let created_at: jiff::Timestamp = item["created_at"].as_str().unwrap_or_default().parse()?;
    assert_eq!(
        created_at.as_millisecond(),
        code.created_at.timestamp_millis()
    );
    app.finish().await
}

#[tokio::test]
async fn a_login_is_taken_as_query_form_and_json() -> Result<()> {
    let app = TestApp::start().await?;
    let by_json = serde_json::json!(
        app.client
            .signed_by_app("/login", &[("code", "code-bob-1")])
    );
    for answer in [
        app.client
            .get(
                "/login",
                &app.client
                    .signed_by_app("/login", &[("code", "code-bob-2")]),
            )
            .await?,
        app.client
            .post_form(
                "/login",
                &app.client
                    .signed_by_app("/login", &[("code", "code-bob-3")]),
            )
            .await?,
        app.client.post_json("/login", &by_json).await?,
    ] {
        assert_eq!(answer.json()["errcode"], 200, "{}", answer.body);
        assert_eq!(answer.json()["userInfo"], serde_json::json!([]));
    }
    app.finish().await
}

#[tokio::test]
async fn wechats_refusal_is_passed_on_with_200() -> Result<()> {
    let app = TestApp::start().await?;
    for (code, errcode, words) in [
        ("code-error-40029", 40029, "invalid code"),
        ("code-error--1", -1, "system error"),
        ("code-", 40029, "invalid code"),
    ] {
        let params = app.client.signed_by_app("/login", &[("code", code)]);
        let answer = app.client.get("/login", &params).await?;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["errcode"], errcode, "{}", answer.body);
        assert!(answer.text("errmsg").contains(words), "{}", answer.body);
    }
    app.finish().await
}

#[tokio::test]
async fn a_busy_wechat_is_asked_again_up_to_three_times_in_all() -> Result<()> {
    let app = TestApp::start().await?;
    for (busy, errcode, asked) in [(2, 200, 3), (9, -1, 3)] {
        app.world.sandbox.reset();
        app.world.sandbox.set_knobs(Knobs {
            wechat_busy: busy,
            ..Knobs::default()
        });
        let params = app
            .client
            .signed_by_app("/login", &[("code", &format!("code-alice-{busy}"))]);
        let answer = app.client.get("/login", &params).await?;
        assert_eq!(answer.json()["errcode"], errcode, "{}", answer.body);
        assert_eq!(app.world.sandbox.ledger().logins.len(), asked);
    }
    app.finish().await
}

#[tokio::test]
async fn a_login_that_is_not_signed_never_reaches_wechat() -> Result<()> {
    let app = TestApp::start().await?;
    let code = [("code", "code-alice")];
    let mut tampered = app.client.signed_by_app("/login", &[("code", "code-bob")]);
    tampered.insert("code".to_owned(), "code-alice".to_owned());
    let mut added = app.client.signed_by_app("/login", &code);
    added.insert("more".to_owned(), "1".to_owned());
    for wrong in [
        params(&code),
        params(&[("code", "code-alice"), ("sign", "")]),
        signed("/login", &code, &SecretString::from("another key")),
        tampered,
    ] {
        for answer in app.in_every_way("/login", &wrong).await? {
            assert_fails(&answer, 400, "sign");
        }
    }
    for answer in app.in_every_way("/login", &added).await? {
        assert_fails(&answer, 400, "unknown parameter \"more\"");
    }
    for without in [&[][..], &[("code", "")]] {
        let answer = app
            .client
            .get("/login", &app.client.signed_by_app("/login", without))
            .await?;
        assert_fails(&answer, 400, "code");
    }
    assert!(app.world.sandbox.ledger().logins.is_empty());
    app.finish().await
}

#[tokio::test]
async fn a_sign_in_small_letters_is_as_good() -> Result<()> {
    let app = TestApp::start().await?;
    let mut params = app
        .client
        .signed_by_app("/login", &[("code", "code-alice")]);
    let sign = params[sign::SIGN].to_ascii_lowercase();
    params.insert(sign::SIGN.to_owned(), sign);
    let answer = app.client.get("/login", &params).await?;
    assert_eq!(answer.json()["errcode"], 200, "{}", answer.body);
    app.finish().await
}

#[tokio::test]
async fn wechat_out_of_reach_is_502_and_nothing_of_it_is_shown() -> Result<()> {
    let app = TestApp::start().await?;
    for wechat in [Wechat::Http500, Wechat::Garbage] {
        app.world.sandbox.set_knobs(Knobs {
            wechat,
            ..Knobs::default()
        });
        let params = app
            .client
            .signed_by_app("/login", &[("code", "code-alice")]);
        let answer = app.client.get("/login", &params).await?;
        assert_fails(&answer, 502, "WeChat did not answer: log in again");
    }
    assert!(!app.api.log().contains("sandbox-wechat-secret"));
    app.finish().await
}
