//! A signature is valid for one route and for a limited time.

use anyhow::Result;
use heyi_common::{
    config::Process,
    sign::{Params, SIGN, TS, epoch, person_key},
};
use heyi_testkit::world::{
    Answer, Person, data, now, params, payloads, signed, signed_at, signed_plainly,
};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{TestApp, assert_fails};

/// The signed routes with parameters that are fine, and who signs them.
struct Requests<'a> {
    app: &'a TestApp,
    owner: &'a Person,
    id: String,
    login: u32,
}

impl<'a> Requests<'a> {
    fn new(app: &'a TestApp, owner: &'a Person, id: &str) -> Self {
        Self {
            app,
            owner,
            id: id.to_owned(),
            login: 0,
        }
    }

    /// Of a deletion there is none, so that the code stays.
    fn all(&mut self) -> Vec<(&'static str, Params, SecretString)> {
        self.login += 1;
        let (id, openid) = (self.id.as_str(), self.owner.openid.as_str());
        let code = format!("code-alice-signing{}", self.login);
        let content = json!({ "name": "新", "payloads": payloads() }).to_string();
        let order = data(openid, "小店").to_string();
        let app_key = SecretString::from(self.app.world.setting("HEYI_SIGN__APP_KEY"));
        let own = |route, pairs: &[(&str, &str)]| (route, params(pairs), self.owner.key.clone());
        vec![
            ("/login", params(&[("code", &code)]), app_key),
            own("/reflash", &[("openId", openid)]),
            own("/update", &[("id", id), ("data", &content)]),
            own("/stats", &[("id", id), ("days", "7")]),
            own("/changes", &[("id", id)]),
            own("/newOrder", &[("data", &order), ("totalFee", "990")]),
        ]
    }
}

fn pairs(params: &Params) -> Vec<(&str, &str)> {
    let pairs = params.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

async fn is_shown(app: &TestApp, id: &str) -> Result<bool> {
    let page = app.client.get("/qr", &params(&[("id", id)])).await?;
    Ok(page.status == 200)
}

#[tokio::test]
async fn a_signature_is_good_for_its_own_route_only() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    for route in ["/stats", "/update", "/reflash", "/changes"] {
        let seen = signed(route, &[("id", &id)], &alice.key);
        for answer in app.in_every_way("/del", &seen).await? {
            assert_fails(&answer, 400, "no such code of yours");
        }
    }
    let content = json!({ "name": "新", "payloads": payloads() }).to_string();
    let mut seen = signed("/update", &[("id", &id), ("data", &content)], &alice.key);
    seen.remove("data");
    for route in ["/del", "/stats"] {
        for answer in app.in_every_way(route, &seen).await? {
            assert_fails(&answer, 400, "no such code of yours");
        }
    }
    // Nor does it help to name the route.
    let mut seen = signed("/stats", &[("id", &id)], &alice.key);
    seen.insert("route".to_owned(), "/stats".to_owned());
    for route in ["/del", "/stats"] {
        for answer in app.in_every_way(route, &seen).await? {
            assert_fails(&answer, 400, "\"route\" is signed but not sent");
        }
    }
    assert!(is_shown(&app, &id).await?);
    app.finish().await
}

#[tokio::test]
async fn a_signature_ends_after_five_minutes_and_the_answer_has_our_time() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let mut requests = Requests::new(&app, &alice, &id);
    let has_our_time = |answer: &Answer| {
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.text("errmsg").contains("ts"), "{}", answer.body);
        let told = answer.json()["now"].as_i64().unwrap_or_default();
        assert!(told.abs_diff(now()) <= 5, "{}", answer.body);
    };
    for off in [-310, 310, -86_400, 86_400] {
        for (route, params, key) in requests.all() {
            let request = signed_at(now() + off, route, &pairs(&params), &key);
            for answer in app.in_every_way(route, &request).await? {
                has_our_time(&answer);
            }
        }
    }
    for (route, params, key) in requests.all() {
        let without = signed_plainly(&pairs(&params), &key);
        has_our_time(&app.client.post_form(route, &without).await?);
    }
    for ts in ["", "0", "-1", "1e9", "01767225600", "1767225600.0", "now"] {
        let mut request = signed("/reflash", &[("openId", &alice.openid)], &alice.key);
        request.insert(TS.to_owned(), ts.to_owned());
        has_our_time(&app.client.get("/reflash", &request).await?);
    }
    for off in [-280, 280] {
        for (route, params, key) in requests.all() {
            let request = signed_at(now() + off, route, &pairs(&params), &key);
            let answer = app.client.post_form(route, &request).await?;
            assert_eq!(answer.status, 200, "{route}: {}", answer.body);
        }
    }
    let mut later = signed_at(now() - 600, "/del", &[("id", &id)], &alice.key);
    has_our_time(&app.client.get("/del", &later).await?);
    later.insert(TS.to_owned(), now().to_string());
    let answer = app.client.get("/del", &later).await?;
    assert_fails(&answer, 400, "no such code of yours");
    assert!(is_shown(&app, &id).await?);
    app.finish().await
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_know_is_refused_by_its_name() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    for (route, mut params, key) in Requests::new(&app, &alice, &id).all() {
        params.insert("unheard".to_owned(), "1".to_owned());
        for answer in app
            .in_every_way(route, &signed(route, &pairs(&params), &key))
            .await?
        {
            assert_fails(&answer, 400, "unknown parameter \"unheard\"");
        }
    }
    let delete = signed("/del", &[("id", &id), ("openId", "")], &alice.key);
    let refused = app.client.get("/del", &delete).await?;
    assert_fails(&refused, 400, "unknown parameter \"openId\"");
    let check = params(&[("out_trade_no", "A"), ("ts", "1")]);
    for answer in app.in_every_way("/checkOrder", &check).await? {
        assert_fails(&answer, 400, "unknown parameter \"ts\"");
    }
    let report = params(&[("id", &id), ("reason", "other"), ("unheard", "1")]);
    let request = app.client.request(reqwest::Method::POST, "/report");
    let request = request
        .header("accept", "application/json")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(heyi_common::form::write(&report));
    let refused = app.client.send(request).await?;
    assert_fails(&refused, 400, "unknown parameter \"unheard\"");
    // A person who passes the address of a page on may add something to it.
    for page in [
        format!("/qr?id={id}&from=timeline"),
        format!("/report?id={id}&from=timeline"),
        format!("/qr/{id}.svg?from=timeline"),
        format!("/qr/{id}/poster.svg?from=timeline"),
    ] {
        let answer = app.get_with(&page, &[]).await?;
        assert_eq!(answer.status, 200, "{page}: {}", answer.body);
    }
    app.finish().await
}

#[tokio::test]
async fn a_receive_code_cannot_turn_an_order_into_a_deletion() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let ts = now();
    for inner in [
        format!("&id={id}&n=aaaaaaaaaaaa"),
        format!("&id={id}&route=/del&ts={ts}"),
        format!("&totalFee=1&ts={ts}"),
        format!("&openId={}", alice.openid),
    ] {
        let qq = format!("https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay{inner}");
        let upload = json!({ "name": "x", "openId": alice.openid, "payloads": { "qq": qq } });
        let upload = upload.to_string();
        let order = [("data", upload.as_str()), ("totalFee", "990")];
        // Nobody gets so far as to have it signed and sent.
        let request = signed_at(ts, "/newOrder", &order, &alice.key);
        for answer in app.in_every_way("/newOrder", &request).await? {
            assert_fails(&answer, 400, "write & as \\u0026");
        }
        let (head, tail) = upload.split_once(&inner).unwrap_or_default();
        let rest = inner.rsplit('=').next().unwrap_or_default();
        let stolen = params(&[
            ("data", head),
            ("id", &id),
            ("n", &format!("{rest}{tail}")),
            ("totalFee", "990"),
            (TS, &ts.to_string()),
            (SIGN, &request[SIGN]),
        ]);
        let mut less = stolen.clone();
        less.retain(|name, _| ["id", TS, SIGN].contains(&name.as_str()));
        for forged in [stolen, less] {
            let answer = app.client.post_form("/del", &forged).await?;
            assert_eq!(answer.status, 400, "{}", answer.body);
        }
        // The receive code itself may be like that, in JSON's other way of writing it: people's names stand in them.
        let upload = upload.replace('&', "\\u0026");
        let order = [("data", upload.as_str()), ("totalFee", "990")];
        let answer = app.client.call("/newOrder", &alice, &order).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert!(is_shown(&app, &id).await?);
    app.finish().await
}

#[tokio::test]
async fn without_a_window_clients_of_the_old_service_are_served() -> Result<()> {
    let app = TestApp::start_with(&[("SIGN__WINDOW", "0s")]).await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let mut requests = Requests::new(&app, &alice, &id);
    for (route, params, key) in requests.all() {
        let old = signed_plainly(&pairs(&params), &key);
        let answer = app.client.post_form(route, &old).await?;
        assert_eq!(answer.status, 200, "{route}: {}", answer.body);
        assert_eq!(answer.json()["errcode"], 200, "{route}: {}", answer.body);
    }
    // A request that carries ts is signed over its route too, whenever that was.
    for (ts, (route, params, key)) in (1_000_000_000..).zip(requests.all()) {
        let request = signed_at(ts, route, &pairs(&params), &key);
        let mut without_ts = request.clone();
        without_ts.remove(TS);
        let mut with_ts = params.clone();
        with_ts.insert(TS.to_owned(), ts.to_string());
        let without_route = signed_plainly(&pairs(&with_ts), &key);
        let other_route = signed_at(ts, "/del", &pairs(&params), &key);
        for wrong in [without_ts, without_route, other_route] {
            let answer = app.client.post_form(route, &wrong).await?;
            assert_eq!(answer.status, 400, "{route}: {}", answer.body);
        }
        let answer = app.client.post_form(route, &request).await?;
        assert_eq!(answer.json()["errcode"], 200, "{route}: {}", answer.body);
    }
    let old = signed_plainly(&[("id", &id)], &alice.key);
    assert_eq!(app.client.post_form("/del", &old).await?.status, 200);
    assert!(!is_shown(&app, &id).await?);
    app.finish().await
}

#[tokio::test]
async fn a_key_is_good_in_its_epoch_and_the_next() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let config = app.world.config(Process::Api)?.sign;
    let today = epoch(now(), config.epoch);
    let in_epoch = |epoch| Person {
        key: person_key(&config.session_secret, &alice.openid, epoch),
        ..alice.clone()
    };
    for (epoch, status) in [
        (today, 200),
        (today - 1, 200),
        (today - 2, 400),
        (today + 1, 400),
        (0, 400),
    ] {
        let person = in_epoch(epoch);
        assert_eq!(app.client.list(&person).await?.status, status, "{epoch}");
        assert_eq!(app.client.stats(&person, &id).await?.status, status);
        let ordered = app.client.order_over("cashier", &person, "小店").await?;
        assert_eq!(ordered.status, status, "{}", ordered.body);
    }
    let refused = app.client.list(&in_epoch(today - 2)).await?;
    assert_fails(&refused, 400, "log in again");
    app.finish().await
}
