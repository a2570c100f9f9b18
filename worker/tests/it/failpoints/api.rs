//! The api dies between an effect and its answer.

use anyhow::Result;
use heyi_common::failpoint::Failpoint;
use heyi_sandbox::Knobs;
use heyi_testkit::world::{Answer, Client, Person, data, params, signed};
use reqwest::Method;

use super::{die_at, die_no_more, dies, ends_well};
use crate::{
    confirm::paid_in_silence,
    support::{FEN, TestApp},
};

/// An api that dies while it is asked.
async fn api_dies(app: &mut TestApp, point: Failpoint, ask: impl AsyncFn(&Client)) -> Result<()> {
    die_at(app, point);
    let mut api = app.world.api().await?;
    ask(&app.world.client()?).await;
    dies(&mut api, point).await?;
    die_no_more(app);
    Ok(())
}

pub(super) async fn new_order(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let api = app.world.api().await?;
    let alice = app.world.client()?.login("alice").await?;
    api.stop().await?;
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            let unanswered = client.order(&alice, "小店", FEN).await;
            assert!(unanswered.is_err(), "{unanswered:?}");
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let _worker = app.world.worker().await?;
    app.world.sandbox.set_knobs(Knobs {
        notify_copies: 2,
        ..Knobs::default()
    });
    let client = app.world.client()?;
    let (number, _) = client.pay(&alice, "小店", FEN).await?;
    let id = client.code_of(&number).await?;
    let codes = app.store.codes_of(&alice.openid, None).await?.items;
    assert_eq!(codes.len(), 1, "{point:?}");
    assert_eq!(codes[0].rest.id.to_hex(), id);
    app.quiet().await?;
    app.close().await
}

async fn post_notify(client: &Client, body: &str) -> Result<Answer> {
    let request = client
        .request(Method::POST, "/notify")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned());
    client.send(request).await
}

pub(super) async fn notify(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let body = app.notify(&order, 1);
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            let (one, other) = tokio::join!(post_notify(client, &body), post_notify(client, &body));
            let acknowledged = |answer: Result<Answer>| answer.is_ok_and(|it| it.status == 200);
            assert!(!acknowledged(one) && !acknowledged(other), "{point:?}");
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let client = app.world.client()?;
    for _ in 0..2 {
        assert_eq!(post_notify(&client, &body).await?.body, "success");
    }
    ends_well(app, &order, point).await
}

pub(super) async fn check_order(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    let asked = params(&[
        ("out_trade_no", order.out_trade_no.as_str()),
        ("payjs_order_id", &payjs_order_id),
    ]);
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            let unanswered = client.get("/checkOrder", &asked).await;
            assert!(unanswered.is_err(), "{unanswered:?}");
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let client = app.world.client()?;
    for _ in 0..2 {
        let pending = client.get("/checkOrder", &asked).await?;
        assert_eq!(pending.text("state"), "pending");
    }
    ends_well(app, &order, point).await
}

/// Alice with a code of hers, when neither api nor worker runs.
async fn owner(app: &TestApp) -> Result<(Person, String)> {
    let api = app.world.api().await?;
    let worker = app.world.worker().await?;
    let client = app.world.client()?;
    let alice = client.login("alice").await?;
    let (number, _) = client.pay(&alice, "小店", FEN).await?;
    let id = client.code_of(&number).await?;
    app.quiet().await?;
    worker.stop().await?;
    api.stop().await?;
    Ok((alice, id))
}

pub(super) async fn del(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let (alice, id) = owner(&app).await?;
    let asked = signed("/del", &[("id", &id)], &alice.key);
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            let unanswered = client.post_form("/del", &asked).await;
            assert!(unanswered.is_err(), "{unanswered:?}");
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let client = app.world.client()?;
    for _ in 0..2 {
        let answer = client.post_form("/del", &asked).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let codes = app.store.codes_of(&alice.openid, None).await?;
    assert!(codes.items.is_empty());
    let code = app.store.code(id.parse()?).await?;
    assert!(code.is_some(), "the payment stays on record");
    app.close().await
}

pub(super) async fn update(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let (alice, id) = owner(&app).await?;
    let mut content = data(&alice.openid, "大店");
    content.as_object_mut().unwrap().remove("openId");
    let pairs = [("id", id.as_str()), ("data", &content.to_string())];
    let asked = signed("/update", &pairs, &alice.key);
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            let unanswered = client.post_form("/update", &asked).await;
            assert!(unanswered.is_err(), "{unanswered:?}");
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let client = app.world.client()?;
    for _ in 0..2 {
        let answer = client.post_form("/update", &asked).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let codes = app.store.codes_of(&alice.openid, None).await?.items;
    assert_eq!(codes[0].content.name, "大店");
    let changes = app.store.changes(codes[0].rest.id, None).await?.items;
    assert_eq!(changes.len(), 1, "one change is recorded once");
    assert_eq!(changes[0].content.name, "小店");
    app.close().await
}

pub(super) async fn scan(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let (alice, id) = owner(&app).await?;
    let scanned = params(&[("id", &id)]);
    for _ in 0..deaths {
        api_dies(&mut app, point, async |client| {
            // The page waits for nothing, and so does not die.
            let page = client.get("/qr", &scanned).await;
            assert!(page.is_ok_and(|page| page.status == 200));
        })
        .await?;
    }
    let _api = app.world.api().await?;
    let told = app.world.client()?.stats(&alice, &id).await?;
    assert_eq!(told.json()["total"], deaths, "{}", told.body);
    app.close().await
}
