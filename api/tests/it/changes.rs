use anyhow::Result;
use heyi_testkit::world::{params, payloads, signed};
use serde_json::{Value, json};

use crate::support::{TestApp, assert_fails};

fn numbers(page: &Value) -> Vec<String> {
    let changes = page["changes"].as_array().cloned().unwrap_or_default();
    changes
        .iter()
        .map(|change| change["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn changes_are_listed_page_by_page_while_more_are_made() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "0").await?;
    let id = code.id.to_hex();
    let change = async |number: u32| {
        let content = json!({ "name": number.to_string(), "payloads": payloads() });
        app.client.update(&alice, &id, &content).await
    };
    for number in 1..=25 {
        assert_eq!(change(number).await?.status, 200);
    }
    let expected = |names: std::ops::RangeInclusive<u32>| -> Vec<String> {
        names.rev().map(|name| name.to_string()).collect()
    };
    let request = signed("/changes", &[("id", &id)], &alice.key);
    let mut before = String::new();
    for answer in app.in_every_way("/changes", &request).await? {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(numbers(&answer.json()), expected(15..=24));
        before = answer.text("next");
    }
    // Two are made meanwhile, for which two old ones go.
    for number in [26, 27] {
        assert_eq!(change(number).await?.status, 200);
    }
    let pairs = [("id", id.as_str()), ("before", before.as_str())];
    let page = app.client.call("/changes", &alice, &pairs).await?.json();
    let kept = [expected(8..=14), expected(0..=0)].concat();
    assert_eq!(numbers(&page), kept);
    assert_eq!(page.get("next"), None);
    // A list of codes is not longer for it.
    assert!(app.client.list(&alice).await?.body.len() < 1_000);
    app.finish().await
}

#[tokio::test]
async fn only_the_owner_sees_the_changes() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let bob = app.client.login("bob").await?;
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    for request in [
        params(&[("id", &id)]),
        signed("/changes", &[("id", &id)], &bob.key),
        signed("/stats", &[("id", &id)], &alice.key),
        app.client.signed_by_app("/changes", &[("id", &id)]),
        signed("/changes", &[("id", "malformed")], &alice.key),
        signed(
            "/changes",
            &[("id", "000000000000000000000000")],
            &alice.key,
        ),
    ] {
        for answer in app.in_every_way("/changes", &request).await? {
            assert_fails(&answer, 400, "no such code of yours");
        }
    }
    for before in ["x", "-1", "+1", "1.5", "99999999999999999999"] {
        let pairs = [("id", id.as_str()), ("before", before)];
        let answer = app.client.call("/changes", &alice, &pairs).await?;
        assert_fails(&answer, 400, "before must be");
    }
    app.store.set_disabled(code.id, true).await?;
    let answer = app.client.changes(&alice, &id).await?;
    assert_eq!(answer.body, r#"{"changes":[],"errcode":200}"#);
    app.store.delete(code.id).await?;
    let answer = app.client.changes(&alice, &id).await?;
    assert_fails(&answer, 410, "of yours is deleted");
    app.finish().await
}
