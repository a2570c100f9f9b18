//! The commands of the operator.

use anyhow::{Result, ensure};
use heyi_common::store::{Existing, RefundClaim};
use heyi_sandbox::{Knobs, OrderStatus};
use heyi_testkit::world::eventually;
use serde_json::Value;

use crate::support::{TestApp, named, payment_id};

pub(crate) async fn json(app: &TestApp, arguments: &[&str]) -> Result<Value> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = app.world.operate(&all).await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {error}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) async fn text(app: &TestApp, arguments: &[&str]) -> Result<String> {
    let output = app.world.operate(arguments).await?;
    Ok(String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?)
}

/// A dead letter about a payment that the sandbox knows, for an order that is missing.
pub(crate) async fn missing_order(app: &TestApp) -> Result<(heyi_common::order::Order, String)> {
    let order = app.order("小店").await?;
    let payjs_order_id = app.world.sandbox.order(&app.params(&order))?;
    app.orders.remove(&order.out_trade_no).await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    app.world.sandbox.pay(&payjs_order_id)?;
    let mut params = app.notify_params(&order, 1);
    params.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
    app.enqueue(&order, app.signed(params)).await?;
    Ok((order, payjs_order_id))
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_replayed() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, _) = missing_order(&app).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;

    let list = json(&app, &["dead", "list"]).await?;
    assert_eq!(list[0]["reason"], "order_missing");
    assert_eq!(list[0]["out_trade_no"], order.out_trade_no.as_str());
    let shown = text(&app, &["dead", "show", &letter.id]).await?;
    assert!(shown.contains("payjs_order_id"), "{shown}");

    app.orders
        .put(&order, std::time::Duration::from_secs(60))
        .await?;
    json(&app, &["dead", "retry", &letter.id]).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    assert_eq!(
        app.queue.failure(&order.out_trade_no).await?,
        None,
        "the mark of the failure is gone"
    );
    let gone = text(&app, &["dead", "retry", &letter.id]).await?;
    assert!(gone.contains("there is no dead letter"), "{gone}");
    assert!(
        text(&app, &["dead", "list"])
            .await?
            .contains("no dead letters")
    );
    app.close().await
}

#[tokio::test]
async fn every_dead_letter_is_reached_and_none_is_taken_for_another() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__PARTITIONS", "2");
    let app = TestApp::open(app.world).await?;
    // Two partitions bury in the same millisecond.
    for (partition, stream) in app
        .queue
        .keys()
        .partitions()
        .map(|it| app.queue.keys().dead(it))
        .enumerate()
    {
        for number in 1..=5 {
            redis::cmd("XADD")
                .arg(&stream)
                .arg(format!("{number}-0"))
                .arg(&["reason", "poison", "error", &format!("of {partition}")])
                .exec_async(&mut app.queue.redis().shared())
                .await?;
        }
    }
    let mut seen = Vec::new();
    loop {
        let mut arguments = vec!["dead", "list", "--most", "3"];
        let last: Option<&String> = seen.last();
        arguments.extend(last.iter().flat_map(|last| ["--before", last.as_str()]));
        let page = json(&app, &arguments).await?;
        let ids = page.as_array().into_iter().flatten();
        let ids: Vec<_> = ids
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        if ids.is_empty() {
            break;
        }
        seen.extend(ids);
    }
    let every = (1..=5)
        .rev()
        .flat_map(|it| [format!("{it}-0@0"), format!("{it}-0@1")]);
    assert_eq!(seen, every.collect::<Vec<_>>());

    let whose = text(&app, &["dead", "drop", "3-0", "--yes"]).await?;
    assert!(whose.contains("name one of 3-0@0, 3-0@1"), "{whose}");
    let shown = text(&app, &["dead", "show", "3-0@1"]).await?;
    assert!(shown.contains("of 1"), "{shown}");
    json(&app, &["dead", "drop", "3-0@1", "--yes"]).await?;
    let left = text(&app, &["dead", "show", "3-0"]).await?;
    assert!(left.contains("of 0"), "{left}");
    let wrong = text(&app, &["dead", "show", "3"]).await?;
    assert!(wrong.contains("an id looks like"), "{wrong}");
    for id in seen.iter().filter(|id| *id != "3-0@1") {
        json(&app, &["dead", "drop", id, "--yes"]).await?;
    }
    app.close().await
}

#[tokio::test]
async fn a_refund_goes_through_payjs_once_and_is_recorded() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&app).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    let done = json(&app, &["dead", "refund", &letter.id]).await?;
    assert_eq!(done["done"], "refunded");
    assert_eq!(
        app.queue.failure(&order.out_trade_no).await?.as_deref(),
        Some("refunded")
    );
    let ledger = app.world.sandbox.ledger();
    assert!(ledger.orders.iter().any(|order| {
        order.payjs_order_id == payjs_order_id && order.status == OrderStatus::Refunded
    }));
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn a_refused_refund_leaves_what_an_earlier_attempt_has_claimed() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let (number, payment) = (&order.out_trade_no, named(&order, &payment_id(1)));
    let claim = async || app.store.claim_refund(&payment).await;
    // The only attempt: the payment may become a code after all.
    assert_eq!(claim().await?, RefundClaim::Granted);
    app.store.withdraw_refund(&payment).await?;
    assert_eq!(app.store.existing(number).await?, None);
    // The first attempt's answer was lost, so it may have been granted.
    assert_eq!(claim().await?, RefundClaim::Granted);
    assert_eq!(claim().await?, RefundClaim::Granted);
    app.store.withdraw_refund(&payment).await?;
    let claimed = Existing::Refund {
        payment_id: payment.payment_id.clone(),
    };
    assert_eq!(app.store.existing(number).await?, Some(claimed));
    let _worker = app.world.worker().await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    let letter = app.the_dead_letter().await?;
    assert!(
        letter
            .field("error")
            .contains("a refund of this payment was begun")
    );
    assert!(app.store.code(order.code_id).await?.is_none());
    assert!(app.queue.drop_letter(&letter).await?);
    app.close().await
}

#[tokio::test]
async fn a_payment_that_became_a_code_is_not_refunded() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&app).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    app.orders
        .put(&order, std::time::Duration::from_secs(60))
        .await?;
    let mut params = app.notify_params(&order, 1);
    params.insert("payjs_order_id".to_owned(), payjs_order_id);
    app.enqueue(&order, app.signed(params)).await?;
    app.quiet().await?;
    let refused = text(&app, &["dead", "refund", &letter.id]).await?;
    assert!(refused.contains("has become code"), "{refused}");
    json(&app, &["dead", "drop", &letter.id, "--yes"]).await?;
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn the_queue_and_rejected_events_are_shown() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    app.enqueue(&order, app.notify(&order, 1).replace("990", "991"))
        .await?;
    let before = json(&app, &["queue"]).await?;
    assert_eq!(before["waiting"], 1);
    assert!(before["oldest_ms"].as_u64().unwrap() > 0);
    let worker = app.world.worker().await?;
    eventually("a rejected event", async || {
        Ok(app.queue.status().await?.rejected == 1)
    })
    .await?;
    eventually("an error names the order", async || {
        let log = worker.log();
        let line = log.lines().find(|line| line.contains("ERROR rejected"));
        Ok(line.is_some_and(|line| line.contains(order.out_trade_no.as_str())))
    })
    .await?;
    let rejected = json(&app, &["rejected", "list"]).await?;
    assert!(
        rejected[0]["error"].as_str().unwrap().contains("signature"),
        "{rejected}"
    );
    let listed = text(&app, &["rejected", "list"]).await?;
    assert!(listed.contains(order.out_trade_no.as_str()), "{listed}");
    let id = rejected[0]["id"].as_str().unwrap();
    json(&app, &["rejected", "retry", id]).await?;
    eventually("rejected again", async || {
        let again = json(&app, &["rejected", "list"]).await?;
        Ok(again[0]["id"].as_str().is_some_and(|other| other != id))
    })
    .await?;
    let shown = text(&app, &["queue"]).await?;
    assert!(shown.contains("rejected      1"), "{shown}");
    app.close().await
}

#[tokio::test]
async fn a_code_is_disabled_and_enabled() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.paid_orders(1).await?.remove(0);
    app.quiet().await?;
    let id = order.code_id.to_hex();
    json(&app, &["code", "disable", &id]).await?;
    assert!(app.the_code(&order).await?.state.disabled_at.is_some());
    json(&app, &["code", "enable", &id]).await?;
    assert_eq!(app.the_code(&order).await?.state.disabled_at, None);
    assert!(
        text(&app, &["code", "disable", "nonsense"])
            .await?
            .contains("24 hex digits")
    );
    let unknown = text(&app, &["code", "disable", "000000000000000000000000"]).await?;
    assert!(unknown.contains("there is no code"), "{unknown}");
    app.close().await
}

#[tokio::test]
async fn the_doctor_finds_what_to_change() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_ORDERS__REQUIRE_SIGN", "false");
    let sick = app.world.operate(&["doctor", "--json"]).await?;
    assert!(!sick.status.success());
    let findings: Value = serde_json::from_slice(&sick.stdout)?;
    let bad: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["ok"] == false)
        .filter_map(|finding| finding["detail"].as_str())
        .collect();
    assert!(
        bad.iter().any(|detail| detail.contains("require_sign")),
        "{bad:?}"
    );
    assert!(
        bad.iter().any(|detail| detail.contains("does not answer")),
        "{bad:?}"
    );
    assert!(
        bad.iter()
            .any(|detail| detail.contains("out_trade_no is missing")),
        "{bad:?}"
    );
    let good = findings
        .as_array()
        .unwrap()
        .iter()
        .any(|finding| finding["check"] == "redis persistence" && finding["ok"] == true);
    assert!(good, "{findings}");
    app.close().await
}

#[tokio::test]
async fn a_proxy_for_the_outside_world_does_not_hide_the_worker() -> Result<()> {
    let mut app = TestApp::new().await?;
    let worker = app.world.worker().await?;
    let listen = worker.monitor_url().replace("http://", "");
    app.world.set("HEYI_WORKER__LISTEN", listen);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        app.world.set(name, "http://127.0.0.1:9");
    }
    let checked = app.world.operate(&["healthcheck"]).await?;
    assert!(checked.status.success(), "{checked:?}");
    app.close().await
}

#[tokio::test]
async fn the_doctor_refuses_the_settings_of_the_example() -> Result<()> {
    let example: toml::Table = include_str!("../../../deploy/heyi.toml").parse()?;
    let mut app = TestApp::new().await?;
    for (section, key) in [
        ("payjs", "mchid"),
        ("wechat", "appid"),
        ("http", "public_url"),
        ("payjs", "notify_url"),
    ] {
        let name = format!("HEYI_{section}__{key}").to_ascii_uppercase();
        let value = example[section][key].as_str().unwrap();
        app.world.set(&name, value);
        let said = text(&app, &["doctor"]).await?;
        let finding = said.lines().find(|line| line.contains("of the example"));
        assert!(
            finding.is_some_and(|line| line.starts_with("FIX ") && line.contains(key)),
            "{said}"
        );
        let shop_again = TestApp::new().await?;
        app.close().await?;
        app = shop_again;
    }
    app.close().await
}

#[tokio::test]
async fn wrong_settings_are_listed_at_once() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__CONCURRENCY", "0");
    app.world.set("HEYI_QUEUE__SPEED", "11");
    let output = text(&app, &["queue"]).await?;
    assert!(
        output.contains("2 mistake(s)") && output.contains("queue.concurrency"),
        "{output}"
    );
    assert!(
        output.contains("HEYI_QUEUE__SPEED: there is no such setting"),
        "{output}"
    );
    app.world.set("HEYI_QUEUE__CONCURRENCY", "1");
    drop(app);
    Ok(())
}
