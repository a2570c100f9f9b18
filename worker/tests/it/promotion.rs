//! The promotion table of docs/architecture.md, row by row.

use anyhow::Result;
use heyi_common::gateway::Gateway;
use heyi_testkit::world::eventually;

use crate::support::{TestApp, payment_id};

#[tokio::test]
async fn a_paid_order_becomes_a_code() -> Result<()> {
    let app = TestApp::new().await?;
    let worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    app.quiet().await?;
    let code = app.the_code(&order).await?;
    assert_eq!(code.payment_id, payment_id(1));
    assert_eq!(
        (code.state.deleted_at, code.state.disabled_at),
        (None, None)
    );
    assert!(worker.stop().await?.success());
    app.close().await
}

#[tokio::test]
async fn the_same_notify_fifty_times_at_once_promotes_once() -> Result<()> {
    let app = TestApp::new().await?;
    let (_one, _two) = tokio::try_join!(app.world.worker(), app.world.worker())?;
    let order = app.order("小店").await?;
    let body = app.notify(&order, 1);
    let copies = (0..50).map(|_| {
        app.queue
            .enqueue_notify(Gateway::Payjs, &order.out_trade_no, body.clone())
    });
    futures::future::try_join_all(copies).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    assert_eq!(
        app.store
            .codes_of(order.openid.as_str(), None)
            .await?
            .items
            .len(),
        1
    );
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn a_second_payment_is_a_dead_letter_to_refund() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    app.quiet().await?;
    app.enqueue(&order, app.notify(&order, 2)).await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    assert!(letter.field("error").contains(&payment_id(1)), "{letter:?}");
    assert_eq!(app.the_code(&order).await?.payment_id, payment_id(1));
    app.close().await
}

#[tokio::test]
async fn two_payments_at_once_give_one_code_and_one_dead_letter() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    app.enqueue(&order, app.notify(&order, 2)).await?;
    let _workers = tokio::try_join!(app.world.worker(), app.world.worker())?;
    let letter = app.the_dead_letter().await?;
    app.quiet().await?;
    let kept = app.the_code(&order).await?.payment_id;
    let other = if kept == payment_id(1) {
        payment_id(2)
    } else {
        payment_id(1)
    };
    assert_eq!(letter.field("reason"), "paid_twice");
    assert!(letter.field("body").contains(&other), "{letter:?}");
    app.close().await
}

#[tokio::test]
async fn another_amount_is_a_mismatch() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    let mut params = app.notify_params(&order, 1);
    params.insert("total_fee".to_owned(), "1".to_owned());
    app.enqueue(&order, app.signed(params)).await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "mismatch");
    assert_eq!(
        app.queue.failure(&order.out_trade_no).await?.as_deref(),
        Some("mismatch")
    );
    assert!(app.store.code(order.code_id).await?.is_none());
    assert!(
        app.orders.get(&order.out_trade_no).await?.is_some(),
        "an operator may still promote it"
    );
    app.close().await
}

#[tokio::test]
async fn another_merchant_is_a_mismatch_when_signed_and_rejected_when_not() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    let mut params = app.notify_params(&order, 1);
    params.insert("mchid".to_owned(), "1600000002".to_owned());
    app.enqueue(&order, app.signed(params.clone())).await?;
    assert_eq!(app.the_dead_letter().await?.field("reason"), "mismatch");
    params.insert("sign".to_owned(), "0".repeat(32));
    app.enqueue(&order, heyi_common::form::write(&params))
        .await?;
    eventually("a rejected event", async || {
        Ok(app.queue.status().await?.rejected == 1)
    })
    .await?;
    app.close().await
}

#[tokio::test]
async fn what_is_forged_or_no_notify_is_rejected_and_never_tried_again() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    let honest = app.notify(&order, 1);
    let forged = honest.replace("total_fee=990", "total_fee=991");
    let order_params = heyi_common::form::write(&app.params(&order));
    let mut create_reply = app.notify_params(&order, 1);
    create_reply.insert(
        "code_url".to_owned(),
        "weixin://wxpay/bizpayurl?pr=x".to_owned(),
    );
    let mut unpaid_check = app.notify_params(&order, 1);
    unpaid_check.insert("transaction_id".to_owned(), "0".to_owned());
    let twice = format!("{honest}&total_fee=990");
    let bodies = [
        forged,
        order_params,
        app.signed(create_reply),
        app.signed(unpaid_check),
        twice,
    ];
    let count = bodies.len() as u64;
    for body in bodies {
        app.enqueue(&order, body).await?;
    }
    eventually("every one rejected", async || {
        Ok(app.queue.status().await?.rejected == count)
    })
    .await?;
    app.quiet().await?;
    assert!(app.store.code(order.code_id).await?.is_none());
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn an_order_that_comes_late_into_sight_is_promoted() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.unsaved_order("小店");
    app.enqueue(&order, app.notify(&order, 1)).await?;
    eventually("a parked event", async || {
        Ok(app.queue.status().await?.retries == 1)
    })
    .await?;
    app.orders
        .put(&order, std::time::Duration::from_secs(60))
        .await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn an_order_that_stays_missing_is_a_dead_letter_to_refund() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "2s");
    let _worker = app.world.worker().await?;
    let order = app.unsaved_order("小店");
    app.enqueue(&order, app.notify(&order, 1)).await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "order_missing");
    assert!(letter.field("attempts").parse::<u32>()? >= 3, "{letter:?}");
    assert_eq!(
        app.queue.failure(&order.out_trade_no).await?.as_deref(),
        Some("order_missing")
    );
    app.close().await
}

#[tokio::test]
async fn an_entry_that_is_no_event_or_an_order_that_cannot_be_read_is_poison() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    let mut redis = app.queue.redis().shared();
    let keys = app.queue.keys();
    let () = redis::cmd("SET")
        .arg(keys.order(&order.out_trade_no))
        .arg("{")
        .query_async(&mut redis)
        .await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    assert_eq!(app.the_dead_letter().await?.field("reason"), "poison");
    let stream = keys.notify(keys.partition(&order.out_trade_no));
    let _: String = redis::cmd("XADD")
        .arg(stream)
        .arg("*")
        .arg("strange")
        .arg("1")
        .query_async(&mut redis)
        .await?;
    eventually("two dead letters", async || {
        Ok(app.queue.status().await?.dead == 2)
    })
    .await?;
    app.close().await
}
