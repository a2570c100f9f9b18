//! A signature makes at most one order, even if it is repeated in another format.

use anyhow::Result;
use futures::future::try_join_all;
use heyi_common::{
    order::OpenId,
    sign::{Params, SIGN},
};
use heyi_testkit::world::{Person, data, now, signed, signed_at, signed_plainly};
use redis::AsyncCommands;
use serde_json::json;

use crate::support::{TestApp, assert_fails};

const USED: &str = "this signature has made an order before";

fn order(person: &Person, ts: i64) -> Params {
    let data = data(&person.openid, "小店").to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    signed_at(ts, "/newOrder", &pairs, &person.key)
}

#[tokio::test]
async fn a_request_that_was_seen_makes_no_second_order() -> Result<()> {
    for partitions in ["1", "16"] {
        let app = TestApp::start_with(&[("QUEUE__PARTITIONS", partitions)]).await?;
        let alice = app.client.login("alice").await?;
        let request = order(&alice, now());
        let first = app.client.post_form("/newOrder", &request).await?;
        assert_eq!(first.status, 200, "{}", first.body);
        let mut lower = request.clone();
        lower.insert(SIGN.to_owned(), request[SIGN].to_ascii_lowercase());
        let mut padded = request.clone();
        padded.insert("channel".to_owned(), String::new());
        // What is an object in JSON is signed like its text.
        let mut object = json!(request);
        object["data"] = serde_json::from_str(&request["data"])?;
        let mut again = app.in_every_way("/newOrder", &request).await?;
        again.extend(app.in_every_way("/newOrder", &lower).await?);
        again.extend(app.in_every_way("/newOrder", &padded).await?);
        again.push(app.client.post_json("/newOrder", &object).await?);
        for answer in &again {
            assert_fails(answer, 400, USED);
        }
        let keys = app.world.queue()?.keys().clone();
        let openid: OpenId = alice.openid.parse()?;
        let mark = keys.signed(&openid, &request[SIGN]);
        let seconds: i64 = app.redis()?.ttl(mark).await?;
        assert!((600..=610).contains(&seconds), "{seconds}");
        let later = app
            .client
            .post_form("/newOrder", &order(&alice, now() + 1))
            .await?;
        assert_eq!(later.status, 200, "{}", later.body);
        app.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn of_many_at_one_moment_one_makes_an_order() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let request = order(&alice, now());
    let sent = (0..20).map(|_| app.client.post_form("/newOrder", &request));
    let answers = try_join_all(sent).await?;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(made.len(), 1);
    for answer in refused {
        assert_fails(answer, 400, USED);
    }
    app.finish().await
}

#[tokio::test]
async fn a_request_that_makes_no_order_does_not_use_its_signature_up() -> Result<()> {
    let app = TestApp::start_with(&[("ORDERS__OPEN_PER_PERSON", "1")]).await?;
    let alice = app.client.login("alice").await?;
    let bob = app.client.login("bob").await?;
    let first = app.client.order(&alice, "小店", 990).await?;
    let request = order(&alice, now() - 10);
    assert_fails(
        &app.client.post_form("/newOrder", &request).await?,
        429,
        "unpaid orders",
    );
    app.world
        .orders()?
        .remove(&first["out_trade_no"].parse()?)
        .await?;
    let answer = app.client.post_form("/newOrder", &request).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // What somebody else signed is another signature.
    let request = signed(
        "/newOrder",
        &[
            ("data", &data(&bob.openid, "小店").to_string()),
            ("totalFee", "990"),
        ],
        &bob.key,
    );
    let answer = app.client.post_form("/newOrder", &request).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.finish().await
}

#[tokio::test]
async fn requests_of_the_old_service_make_as_many_as_before() -> Result<()> {
    let app = TestApp::start_with(&[("SIGN__WINDOW", "0s")]).await?;
    let alice = app.client.login("alice").await?;
    let data = data(&alice.openid, "小店").to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    let old = signed_plainly(&pairs, &alice.key);
    for _ in 0..2 {
        let answer = app.client.post_form("/newOrder", &old).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let request = order(&alice, 1_000_000_000);
    let first = app.client.post_form("/newOrder", &request).await?;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = app.client.post_form("/newOrder", &request).await?;
    assert_fails(&again, 400, USED);
    app.finish().await
}
