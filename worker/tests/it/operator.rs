//! The commands of the operator.

use anyhow::{Result, ensure};
use heyi_common::store::{Existing, RefundClaim};
use heyi_sandbox::{Knobs, OrderStatus};
use heyi_testkit::world::eventually;
use serde_json::Value;

use crate::support::{TestApp, named, payment_id};

pub(crate) async fn json(shop: &TestApp, arguments: &[&str]) -> Result<Value> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = shop.world.operate(&all).await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {error}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) async fn text(shop: &TestApp, arguments: &[&str]) -> Result<String> {
    let output = shop.world.operate(arguments).await?;
    Ok(String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?)
}

/// A dead letter about a payment that the sandbox knows, for an order that is missing.
pub(crate) async fn missing_order(shop: &TestApp) -> Result<(heyi_common::order::Order, String)> {
    let order = shop.order("小店").await?;
    let payjs_order_id = shop.world.sandbox.order(&shop.params(&order))?;
    shop.orders.remove(&order.out_trade_no).await?;
    shop.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    shop.world.sandbox.pay(&payjs_order_id)?;
    let mut params = shop.notify_params(&order, 1);
    params.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
    shop.enqueue(&order, shop.signed(params)).await?;
    Ok((order, payjs_order_id))
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_replayed() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, _) = missing_order(&shop).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;

    let list = json(&shop, &["dead", "list"]).await?;
    assert_eq!(list[0]["reason"], "order_missing");
    assert_eq!(list[0]["out_trade_no"], order.out_trade_no.as_str());
    let shown = text(&shop, &["dead", "show", &letter.id]).await?;
    assert!(shown.contains("payjs_order_id"), "{shown}");

    shop.orders
        .put(&order, std::time::Duration::from_secs(60))
        .await?;
    json(&shop, &["dead", "retry", &letter.id]).await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    assert_eq!(
        shop.queue.failure(&order.out_trade_no).await?,
        None,
        "the mark of the failure is gone"
    );
    let gone = text(&shop, &["dead", "retry", &letter.id]).await?;
    assert!(gone.contains("there is no dead letter"), "{gone}");
    assert!(
        text(&shop, &["dead", "list"])
            .await?
            .contains("no dead letters")
    );
    shop.close().await
}

#[tokio::test]
async fn every_dead_letter_is_reached_and_none_is_taken_for_another() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__PARTITIONS", "2");
    let shop = TestApp::open(shop.world).await?;
    // Two partitions bury in the same millisecond.
    for (partition, stream) in shop
        .queue
        .keys()
        .partitions()
        .map(|it| shop.queue.keys().dead(it))
        .enumerate()
    {
        for number in 1..=5 {
            redis::cmd("XADD")
                .arg(&stream)
                .arg(format!("{number}-0"))
                .arg(&["reason", "poison", "error", &format!("of {partition}")])
                .exec_async(&mut shop.queue.redis().shared())
                .await?;
        }
    }
    let mut seen = Vec::new();
    loop {
        let mut arguments = vec!["dead", "list", "--most", "3"];
        let last: Option<&String> = seen.last();
        arguments.extend(last.iter().flat_map(|last| ["--before", last.as_str()]));
        let page = json(&shop, &arguments).await?;
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

    let whose = text(&shop, &["dead", "drop", "3-0", "--yes"]).await?;
    assert!(whose.contains("name one of 3-0@0, 3-0@1"), "{whose}");
    let shown = text(&shop, &["dead", "show", "3-0@1"]).await?;
    assert!(shown.contains("of 1"), "{shown}");
    json(&shop, &["dead", "drop", "3-0@1", "--yes"]).await?;
    let left = text(&shop, &["dead", "show", "3-0"]).await?;
    assert!(left.contains("of 0"), "{left}");
    let wrong = text(&shop, &["dead", "show", "3"]).await?;
    assert!(wrong.contains("an id looks like"), "{wrong}");
    for id in seen.iter().filter(|id| *id != "3-0@1") {
        json(&shop, &["dead", "drop", id, "--yes"]).await?;
    }
    shop.close().await
}

#[tokio::test]
async fn a_refund_goes_through_payjs_once_and_is_recorded() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&shop).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    let done = json(&shop, &["dead", "refund", &letter.id]).await?;
    assert_eq!(done["done"], "refunded");
    assert_eq!(
        shop.queue.failure(&order.out_trade_no).await?.as_deref(),
        Some("refunded")
    );
    let ledger = shop.world.sandbox.ledger();
    assert!(ledger.orders.iter().any(|order| {
        order.payjs_order_id == payjs_order_id && order.status == OrderStatus::Refunded
    }));
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn a_refused_refund_leaves_what_an_earlier_attempt_has_claimed() -> Result<()> {
    let shop = TestApp::new().await?;
    let order = shop.order("小店").await?;
    let (number, payment) = (&order.out_trade_no, named(&order, &payment_id(1)));
    let claim = async || shop.store.claim_refund(&payment).await;
    // The only attempt: the payment may become a code after all.
    assert_eq!(claim().await?, RefundClaim::Granted);
    shop.store.withdraw_refund(&payment).await?;
    assert_eq!(shop.store.existing(number).await?, None);
    // The first attempt's answer was lost, so it may have been granted.
    assert_eq!(claim().await?, RefundClaim::Granted);
    assert_eq!(claim().await?, RefundClaim::Granted);
    shop.store.withdraw_refund(&payment).await?;
    let claimed = Existing::Refund {
        payment_id: payment.payment_id.clone(),
    };
    assert_eq!(shop.store.existing(number).await?, Some(claimed));
    let _worker = shop.world.worker().await?;
    shop.enqueue(&order, shop.notify(&order, 1)).await?;
    let letter = shop.the_dead_letter().await?;
    assert!(
        letter
            .field("error")
            .contains("a refund of this payment was begun")
    );
    assert!(shop.store.code(order.code_id).await?.is_none());
    assert!(shop.queue.drop_letter(&letter).await?);
    shop.close().await
}

#[tokio::test]
async fn a_payment_that_became_a_code_is_not_refunded() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&shop).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    shop.orders
        .put(&order, std::time::Duration::from_secs(60))
        .await?;
    let mut params = shop.notify_params(&order, 1);
    params.insert("payjs_order_id".to_owned(), payjs_order_id);
    shop.enqueue(&order, shop.signed(params)).await?;
    shop.quiet().await?;
    let refused = text(&shop, &["dead", "refund", &letter.id]).await?;
    assert!(refused.contains("has become code"), "{refused}");
    json(&shop, &["dead", "drop", &letter.id, "--yes"]).await?;
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn the_queue_and_rejected_events_are_shown() -> Result<()> {
    let shop = TestApp::new().await?;
    let order = shop.order("小店").await?;
    shop.enqueue(&order, shop.notify(&order, 1).replace("990", "991"))
        .await?;
    let before = json(&shop, &["queue"]).await?;
    assert_eq!(before["waiting"], 1);
    assert!(before["oldest_ms"].as_u64().unwrap() > 0);
    let worker = shop.world.worker().await?;
    eventually("a rejected event", async || {
        Ok(shop.queue.status().await?.rejected == 1)
    })
    .await?;
    eventually("an error names the order", async || {
        let log = worker.log();
        let line = log.lines().find(|line| line.contains("ERROR rejected"));
        Ok(line.is_some_and(|line| line.contains(order.out_trade_no.as_str())))
    })
    .await?;
    let rejected = json(&shop, &["rejected", "list"]).await?;
    assert!(
        rejected[0]["error"].as_str().unwrap().contains("signature"),
        "{rejected}"
    );
    let listed = text(&shop, &["rejected", "list"]).await?;
    assert!(listed.contains(order.out_trade_no.as_str()), "{listed}");
    let id = rejected[0]["id"].as_str().unwrap();
    json(&shop, &["rejected", "retry", id]).await?;
    eventually("rejected again", async || {
        let again = json(&shop, &["rejected", "list"]).await?;
        Ok(again[0]["id"].as_str().is_some_and(|other| other != id))
    })
    .await?;
    let shown = text(&shop, &["queue"]).await?;
    assert!(shown.contains("rejected      1"), "{shown}");
    shop.close().await
}

#[tokio::test]
async fn a_code_is_disabled_and_enabled() -> Result<()> {
    let shop = TestApp::new().await?;
    let _worker = shop.world.worker().await?;
    let order = shop.paid_orders(1).await?.remove(0);
    shop.quiet().await?;
    let id = order.code_id.to_hex();
    json(&shop, &["code", "disable", &id]).await?;
    assert!(shop.the_code(&order).await?.state.disabled_at.is_some());
    json(&shop, &["code", "enable", &id]).await?;
    assert_eq!(shop.the_code(&order).await?.state.disabled_at, None);
    assert!(
        text(&shop, &["code", "disable", "nonsense"])
            .await?
            .contains("24 hex digits")
    );
    let unknown = text(&shop, &["code", "disable", "000000000000000000000000"]).await?;
    assert!(unknown.contains("there is no code"), "{unknown}");
    shop.close().await
}

#[tokio::test]
async fn the_doctor_finds_what_to_change() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_ORDERS__REQUIRE_SIGN", "false");
    let sick = shop.world.operate(&["doctor", "--json"]).await?;
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
    shop.close().await
}

#[tokio::test]
async fn a_proxy_for_the_outside_world_does_not_hide_the_worker() -> Result<()> {
    let mut shop = TestApp::new().await?;
    let worker = shop.world.worker().await?;
    let listen = worker.monitor_url().replace("http://", "");
    shop.world.set("HEYI_WORKER__LISTEN", listen);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        shop.world.set(name, "http://127.0.0.1:9");
    }
    let checked = shop.world.operate(&["healthcheck"]).await?;
    assert!(checked.status.success(), "{checked:?}");
    shop.close().await
}

#[tokio::test]
async fn the_doctor_refuses_the_settings_of_the_example() -> Result<()> {
    let example: toml::Table = include_str!("../../../deploy/heyi.toml").parse()?;
    let mut shop = TestApp::new().await?;
    for (section, key) in [
        ("payjs", "mchid"),
        ("wechat", "appid"),
        ("http", "public_url"),
        ("payjs", "notify_url"),
    ] {
        let name = format!("HEYI_{section}__{key}").to_ascii_uppercase();
        let value = example[section][key].as_str().unwrap();
        shop.world.set(&name, value);
        let said = text(&shop, &["doctor"]).await?;
        let finding = said.lines().find(|line| line.contains("of the example"));
        assert!(
            finding.is_some_and(|line| line.starts_with("FIX ") && line.contains(key)),
            "{said}"
        );
        let shop_again = TestApp::new().await?;
        shop.close().await?;
        shop = shop_again;
    }
    shop.close().await
}

#[tokio::test]
async fn wrong_settings_are_listed_at_once() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__CONCURRENCY", "0");
    shop.world.set("HEYI_QUEUE__SPEED", "11");
    let output = text(&shop, &["queue"]).await?;
    assert!(
        output.contains("2 mistake(s)") && output.contains("queue.concurrency"),
        "{output}"
    );
    assert!(
        output.contains("HEYI_QUEUE__SPEED: there is no such setting"),
        "{output}"
    );
    shop.world.set("HEYI_QUEUE__CONCURRENCY", "1");
    drop(shop);
    Ok(())
}
