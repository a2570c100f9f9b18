use anyhow::Result;
use futures::future::try_join_all;
use heyi_common::{
    config::Process,
    sign::{epoch, person_key},
};
use heyi_sandbox::world::{Person, now, signed};
use serde_json::Value;

use crate::support::{TestApp, assert_fails};

fn ids(json: &Value) -> Vec<String> {
    let items = json["userInfo"].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_person_sees_the_own_codes_newest_first() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let params = signed("/reflash", &[("openId", &alice.openid)], &alice.key);
    for answer in app.in_every_way("/reflash", &params).await? {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"userInfo":[],"errcode":200}"#);
    }

    let first = app.code(&alice, "第一").await?.id;
    let deleted = app.code(&alice, "第二").await?.id;
    let last = app.code(&alice, "第三").await?.id;
    app.code(&bob, "别人").await?;
    app.store.delete(deleted).await?;
    for answer in app.in_every_way("/reflash", &params).await? {
        assert_eq!(ids(&answer.json()), [last.to_hex(), first.to_hex()]);
    }
    app.finish().await
}

#[tokio::test]
async fn a_list_ends_at_200() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let oldest = app.code(&alice, "最旧").await?.id.to_hex();
    try_join_all((0..200).map(|_| app.code(&alice, "码"))).await?;
    let params = signed("/reflash", &[("openId", &alice.openid)], &alice.key);
    let ids = ids(&app.client.get("/reflash", &params).await?.json());
    assert_eq!(ids.len(), 200);
    assert!(!ids.contains(&oldest));
    app.finish().await
}

#[tokio::test]
async fn one_persons_key_does_not_open_anothers_list() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let mut tampered = signed("/reflash", &[("openId", &bob.openid)], &bob.key);
    tampered.insert("openId".to_owned(), alice.openid.clone());
    for wrong in [
        signed("/reflash", &[("openId", &alice.openid)], &bob.key),
        app.client
            .signed_by_app("/reflash", &[("openId", &alice.openid)]),
        tampered,
    ] {
        for answer in app.in_every_way("/reflash", &wrong).await? {
            assert_fails(&answer, 400, "sign");
        }
    }
    for openid in ["", "a b", "{\"$ne\":1}"] {
        let answer = app
            .client
            .get(
                "/reflash",
                &signed("/reflash", &[("openId", openid)], &alice.key),
            )
            .await?;
        assert_fails(&answer, 400, "openId");
    }
    let answer = app
        .client
        .get("/reflash", &signed("/reflash", &[], &alice.key))
        .await?;
    assert_fails(&answer, 400, "openId");
    app.finish().await
}

#[tokio::test]
async fn the_previous_secret_is_good_while_it_is_set() -> Result<()> {
    const PREVIOUS: &str = "the-secret-of-last-month-0123456789";
    let app = TestApp::start_with(&[("SIGN__PREVIOUS_SESSION_SECRET", PREVIOUS)]).await?;
    let alice = app.client.login("alice").await?;
    let status = async |person: &Person| -> Result<u16> {
        let params = signed("/reflash", &[("openId", &person.openid)], &person.key);
        let answer = app.client.get("/reflash", &params).await?;
        Ok(answer.status.as_u16())
    };
    let config = app.world.config(Process::Api)?.sign;
    let epoch = epoch(now(), config.epoch);
    let with_secret = |secret: &str| Person {
        key: person_key(&secret.into(), &alice.openid, epoch),
        ..alice.clone()
    };
    assert_eq!(status(&alice).await?, 200);
    assert_eq!(status(&with_secret(PREVIOUS)).await?, 200);
    assert_eq!(status(&with_secret("a secret of nobody")).await?, 400);
    // A missing previous secret is not the empty one.
    let other = TestApp::start().await?;
    assert!(other.world.config(Process::Api).is_ok());
    let empty = with_secret("");
    let params = signed("/reflash", &[("openId", &empty.openid)], &empty.key);
    assert_fails(&other.client.get("/reflash", &params).await?, 400, "sign");
    other.finish().await?;
    app.finish().await
}
