use anyhow::Result;
use futures::future::try_join_all;
use heyi_common::{
    config::Process,
    sign::{epoch, person_key},
};
use heyi_testkit::world::{Person, now, signed};
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
async fn every_code_is_on_one_page_of_the_list() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    // Many of them in the same millisecond.
    let made = try_join_all((0..120).map(|_| app.code(&alice, "码"))).await?;
    let mut expected: Vec<_> = made
        .iter()
        .map(|code| (code.created_at, code.id.to_hex()))
        .collect();
    expected.sort_unstable();
    let expected: Vec<String> = expected.into_iter().rev().map(|(_, id)| id).collect();

    let page = app.client.list(&alice).await?.json();
    let again = app
        .client
        .signed_by_app("/login", &[("code", "code-alice-pages")]);
    let login = app.client.get("/login", &again).await?.json();
    for same in ["userInfo", "next"] {
        assert_eq!(login[same], page[same]);
    }
    let mut seen = ids(&page);
    let mut next = page["next"].as_str().map(str::to_owned);
    // What was listed last goes away, and something new comes.
    app.client.delete(&alice, &seen[49]).await?;
    app.code(&alice, "新").await?;
    let mut pages = vec![seen.len()];
    while let Some(before) = next {
        let pairs = [("openId", alice.openid.as_str()), ("before", &before)];
        let request = signed("/reflash", &pairs, &alice.key);
        let answers = app.in_every_way("/reflash", &request).await?;
        let page = answers[0].json();
        assert!(answers.iter().all(|answer| answer.json() == page));
        pages.push(ids(&page).len());
        seen.extend(ids(&page));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, [50, 50, 20]);
    assert_eq!(seen, expected);
    for before in [
        "1",
        "x-000000000000000000000000",
        "-1-000000000000000000000000",
    ] {
        let pairs = [("openId", alice.openid.as_str()), ("before", before)];
        let answer = app.client.call("/reflash", &alice, &pairs).await?;
        assert_fails(&answer, 400, "before must be");
    }
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
