use anyhow::Result;
use futures::future::try_join_all;
use heyi_common::{
    sign,
    store::{CHANGES_KEPT, Code},
};
use heyi_testkit::world::{Person, now, params, payloads, signed, signed_at};
use serde_json::{Value, json};

use crate::support::{TestApp, assert_fails, header};

const ALIPAY: &str = "https://qr.alipay.com/fkx11111EXAMPLE111111";
const OTHER: &str = "https://qr.alipay.com/fkx22222EXAMPLE222222";

fn content(name: &str) -> Value {
    json!({ "name": name, "payloads": { "alipay": ALIPAY } })
}

fn update(person: &Person, code: &Code, data: &Value) -> sign::Params {
    let id = code.id.to_hex();
    let pairs = [("id", id.as_str()), ("data", &data.to_string())];
    signed("/update", &pairs, &person.key)
}

async fn listed(app: &TestApp, person: &Person) -> Result<Value> {
    Ok(app.client.list(person).await?.json()["userInfo"][0].clone())
}

async fn changes(app: &TestApp, person: &Person, code: &Code) -> Result<Vec<Value>> {
    let id = code.id.to_hex();
    let mut page = app.client.changes(person, &id).await?.json();
    let mut seen = Vec::new();
    loop {
        let changes = page["changes"].as_array().cloned().unwrap_or_default();
        assert!(changes.len() <= 10, "{}", changes.len());
        seen.extend(changes);
        let Some(before) = page["next"].as_str() else {
            return Ok(seen);
        };
        let pairs = [("id", id.as_str()), ("before", before)];
        page = app.client.call("/changes", person, &pairs).await?.json();
    }
}

#[tokio::test]
async fn an_owner_changes_a_code_and_sees_what_it_was() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let before = listed(&app, &alice).await?;
    assert_eq!(before.get("updatedAt"), None);
    assert!(changes(&app, &alice, &code).await?.is_empty());

    // In each way, and so twice again: a repeat is no change.
    let request = update(&alice, &code, &content(" 大店 "));
    for answer in app.in_every_way("/update", &request).await? {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body, r#"{"errmsg":"ok","errcode":200}"#);
    }
    let after = listed(&app, &alice).await?;
    assert_eq!(after["name"], "大店");
    assert_eq!(after["payloads"], json!({ "alipay": ALIPAY }));
    for same in ["id", "url", "created_at"] {
        assert_eq!(after[same], before[same]);
    }
    assert_eq!(after.get("changes"), None);
    let changes = changes(&app, &alice, &code).await?;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["changedAt"], after["updatedAt"]);
    assert_eq!(changes[0]["name"], "小店");
    assert_eq!(changes[0]["payloads"], payloads());
    // The same order of the same fields as an object, which is signed in its compact form.
    let text = update(&alice, &code, &content("大店"));
    let object = json!({ "id": code.id.to_hex(), "data": content("大店"), "ts": text["ts"], "sign": text["sign"] });
    assert_eq!(app.client.post_json("/update", &object).await?.status, 200);
    let kept = app.store.code(code.id).await?;
    assert!(kept.is_some_and(|kept| kept.payment_id == code.payment_id));
    app.finish().await
}

#[tokio::test]
async fn what_is_not_the_signers_has_one_answer_and_stays() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let code = app.code(&alice, "小店").await?;
    let (id, data) = (code.id.to_hex(), content("大店").to_string());
    let mut other_data = update(&alice, &code, &content("大店"));
    other_data.insert("data".to_owned(), content("别的").to_string());
    for request in [
        params(&[("id", &id), ("data", &data)]),
        update(&bob, &code, &content("大店")),
        // Whether its data is good is nobody else's business.
        update(&bob, &code, &json!({})),
        app.client
            .signed_by_app("/update", &[("id", &id), ("data", &data)]),
        signed(
            "/update",
            &[("id", "000000000000000000000000"), ("data", &data)],
            &alice.key,
        ),
        signed(
            "/update",
            &[("id", "malformed"), ("data", &data)],
            &alice.key,
        ),
        other_data,
    ] {
        for answer in app.in_every_way("/update", &request).await? {
            assert_fails(&answer, 400, "no such code of yours");
        }
    }
    let missing = signed("/update", &[("id", &id)], &alice.key);
    assert_fails(&app.client.get("/update", &missing).await?, 400, "data");
    assert_eq!(listed(&app, &alice).await?["name"], "小店");
    app.finish().await
}

#[tokio::test]
async fn what_an_order_may_not_hold_no_change_may() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for (data, words) in [
        (json!([]), "data"),
        (json!({ "name": "大店" }), "missing field `payloads`"),
        (
            json!({ "payloads": { "alipay": ALIPAY } }),
            "missing field `name`",
        ),
        (
            json!({ "name": "", "payloads": { "alipay": ALIPAY } }),
            "data.name",
        ),
        (
            json!({ "name": "a\nb", "payloads": { "alipay": ALIPAY } }),
            "data.name",
        ),
        (
            json!({ "name": "长".repeat(33), "payloads": { "alipay": ALIPAY } }),
            "data.name",
        ),
        (json!({ "name": "n", "payloads": {} }), "at least one"),
        (
            json!({ "name": "n", "payloads": { "paypal": "x" } }),
            "paypal",
        ),
        (
            json!({ "name": "n", "payloads": { "wechat": "134567890123456789" } }),
            "付款码",
        ),
        (
            json!({ "name": "n", "payloads": { "alipay": "https://qr.alipay.com.evil.example/fkx0123456789" } }),
            "payloads.alipay",
        ),
        (
            json!({ "name": "n", "payloads": { "alipay": "javascript:alert(1)" } }),
            "payloads.alipay",
        ),
        (
            json!({ "name": "n", "payloads": { "alipay": ALIPAY }, "openId": alice.openid }),
            "openId",
        ),
    ] {
        let answer = app
            .client
            .post_form("/update", &update(&alice, &code, &data))
            .await?;
        assert_fails(&answer, 400, words);
    }
    assert_eq!(listed(&app, &alice).await?["name"], "小店");
    app.finish().await
}

#[tokio::test]
async fn a_code_that_is_not_shown_cannot_be_changed() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let (deleted, disabled) = (app.code(&alice, "一").await?, app.code(&alice, "二").await?);
    app.store.delete(deleted.id).await?;
    app.store.set_disabled(disabled.id, true).await?;
    for code in [&deleted, &disabled] {
        let request = update(&alice, code, &content("大店"));
        assert_fails(
            &app.client.post_form("/update", &request).await?,
            410,
            "of yours is deleted",
        );
        let kept = app.store.code(code.id).await?;
        assert!(kept.is_some_and(|kept| kept.content == code.content && kept.state.updated_at.is_none()));
    }
    app.store.set_disabled(disabled.id, false).await?;
    let request = update(&alice, &disabled, &content("大店"));
    assert_eq!(app.client.post_form("/update", &request).await?.status, 200);
    app.finish().await
}

#[tokio::test]
async fn the_first_and_the_newest_changes_are_kept() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "原来").await?;
    // What MongoDB would take for a field or an expression is a name like any other.
    let mut names: Vec<String> = (0..CHANGES_KEPT + 5)
        .map(|number| format!("名 {number}"))
        .collect();
    names.push("$openid".to_owned());
    names.push("{\"$literal\": 1}".to_owned());
    for name in &names {
        let request = update(&alice, &code, &content(name));
        assert_eq!(app.client.post_form("/update", &request).await?.status, 200);
    }
    let item = listed(&app, &alice).await?;
    assert_eq!(item["name"], names[names.len() - 1]);
    let changes = changes(&app, &alice, &code).await?;
    let kept: Vec<_> = changes
        .iter()
        .filter_map(|change| change["name"].as_str())
        .collect();
    let newest = names
        .iter()
        .rev()
        .skip(1)
        .take(CHANGES_KEPT - 1)
        .map(String::as_str);
    let expected: Vec<_> = newest.chain(["原来"]).collect();
    assert_eq!(kept, expected);
    app.finish().await
}

#[tokio::test]
async fn of_changes_at_the_same_time_the_last_signed_stays_and_what_was_shown_is_recorded()
-> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "原来").await?;
    let names: Vec<String> = (0..10).map(|number| format!("名 {number}")).collect();
    let updates = names.iter().map(async |name| {
        let request = update(&alice, &code, &content(name));
        app.client.post_form("/update", &request).await
    });
    let answers = try_join_all(updates).await?;
    let mut expected = vec!["原来"];
    for (name, answer) in names.iter().zip(&answers) {
        if answer.status == 200 {
            expected.push(name);
        } else {
            assert_fails(answer, 409, "later ts");
        }
    }
    let item = listed(&app, &alice).await?;
    assert_eq!(item["name"], "名 9");
    let mut seen = changes(&app, &alice, &code).await?;
    seen.push(item);
    let mut seen: Vec<_> = seen.iter().filter_map(|one| one["name"].as_str()).collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected, "each was there once");
    app.finish().await
}

/// The address to which Alipay is sent.
async fn leads_to(app: &TestApp, id: &str) -> Result<String> {
    let agent = [("user-agent", "AlipayClient/10.5")];
    let page = app.get_with(&format!("/qr?id={id}"), &agent).await?;
    Ok(header(&page, "location").to_owned())
}

#[tokio::test]
async fn an_older_change_never_comes_back() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let (old, new) = (
        content("旧"),
        json!({ "name": "新", "payloads": { "alipay": OTHER } }),
    );
    let start = now();
    let update = async |ts: i64, content: &Value| {
        let pairs = [("id", id.as_str()), ("data", &content.to_string())];
        let request = signed_at(ts, "/update", &pairs, &alice.key);
        app.client.post_form("/update", &request).await
    };
    assert_eq!(update(start, &old).await?.status, 200);
    assert_eq!(update(start, &old).await?.status, 200, "a repeat is fine");
    assert_fails(&update(start, &new).await?, 409, "later ts");
    assert_fails(&update(start - 1, &new).await?, 409, "later ts");
    assert_eq!(update(start + 2, &new).await?.status, 200);
    for ts in [start, start + 1] {
        assert_fails(&update(ts, &old).await?, 409, "later ts");
        assert_fails(&update(ts, &new).await?, 409, "later ts");
    }
    assert_eq!(leads_to(&app, &id).await?, OTHER);
    // What was confirmed later is not undone by what was meant before, though it changed nothing.
    assert_eq!(update(start + 4, &new).await?.status, 200);
    assert_fails(&update(start + 3, &old).await?, 409, "later ts");
    let kept = app.store.code(id.parse()?).await?.unwrap();
    assert_eq!(kept.state.update_ts, Some(start + 4));
    assert_eq!(kept.content.name, "新");
    app.finish().await
}
