//! Turns of confirms, and payments that are not ours.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result};
use heyi_common::{config::Process, order::Order, queue::Asker, sign};
use heyi_sandbox::Knobs;
use heyi_testkit::world::{World, eventually};

use crate::{
    confirm::{paid_in_silence, pay_in_silence},
    support::{TestApp, named, payment_id},
};

/// People who ask about invented payments as soon as they may.
const PESTS: u32 = 6;

/// Each asks about a payment of a new order. What finds no room is asked again later.
async fn pester(app: &TestApp, round: u32) -> Result<()> {
    for person in 0..PESTS {
        // Before everybody else's, as texts are ordered.
        let order = app.order_of(&format!("o000000{person}"), "小店").await?;
        app.confirm(&order, &payment_id(100 + round * PESTS + person))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_honest_question_waits_for_one_turn_of_each_who_keeps_asking() -> Result<()> {
    let app = TestApp::new().await?;
    pester(&app, 0).await?;
    let known = app.order_of("oZoe", "小店").await?;
    let lost = app.order_of("oZelda", "小店").await?;
    let mut asked = Vec::new();
    for order in [&known, &lost] {
        asked.push(pay_in_silence(&app, order).await?);
    }
    app.confirm(&known, &asked[0]).await?;
    // Redis lost this one, so that nobody knows whose it is.
    app.orders.remove(&lost.out_trade_no).await?;
    let network = Asker::Network(IpAddr::V4(Ipv4Addr::LOCALHOST));
    app.queue
        .enqueue_confirm(&named(&lost, &asked[1]), &network, app.config.orders.ttl)
        .await?;
    let _worker = app.world.worker().await?;
    let mut round = 0;
    eventually("both are asked about", async || {
        round += 1;
        pester(&app, round).await?;
        Ok(app.world.sandbox.ledger().checks.len() == 2)
    })
    .await?;
    let ledger = app.world.sandbox.ledger();
    let asked_at = ledger.checks.iter().map(|check| check.at).max();
    let asked_at = asked_at.context("none")?;
    let refused = ledger.refused.iter();
    let before = refused.filter(|one| one.at < asked_at).count();
    assert!(before <= PESTS as usize, "{before} turns before");
    app.the_code(&known).await?;
    drop(app);
    Ok(())
}

/// A paid order whose number is not of our form, as another shop of the merchant makes it.
async fn paid_elsewhere(app: &TestApp, number: &str) -> Result<String> {
    let mut params = app.params(&app.order("小店").await?);
    params.insert("out_trade_no".to_owned(), number.to_owned());
    params.remove("sign");
    let config = app.world.config(Process::Worker)?;
    let sign = sign::sign(&params, &config.payjs.key);
    params.insert("sign".to_owned(), sign);
    let payjs_order_id = app.world.sandbox.order(&params)?;
    app.world.sandbox.pay(&payjs_order_id)?;
    Ok(payjs_order_id)
}

#[tokio::test]
async fn a_payment_of_another_shop_is_neither_refunded_nor_asked_about_again() -> Result<()> {
    let app = TestApp::new().await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let _worker = app.world.worker().await?;
    let mut asking: Vec<Order> = Vec::new();
    for number in ["QR20250101123456ABCDEF", "shop.7/1"] {
        let payment = paid_elsewhere(&app, number).await?;
        let order = app.order("小店").await?;
        app.confirm(&order, &payment).await?;
        asking.push(order);
    }
    app.quiet().await?;
    let status = app.queue.status().await?;
    assert_eq!((status.dead, status.retries), (0, 0), "{status:?}");
    assert_eq!(app.world.sandbox.ledger().checks.len(), 2);
    for order in &asking {
        assert_eq!(app.queue.failure(&order.out_trade_no).await?, None);
    }
    app.close().await
}

#[tokio::test]
async fn an_answer_that_says_paid_gets_into_a_full_redis() -> Result<()> {
    let app = TestApp::open(World::with_own_stores().await?).await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    app.confirm(&order, &payjs_order_id).await?;
    let limit = async |bytes: u32| {
        let mut set = redis::cmd("CONFIG");
        set.arg(&["SET", "maxmemory"]).arg(bytes);
        set.exec_async(&mut app.queue.redis().shared()).await
    };
    limit(1).await?;
    let worker = app.world.start_worker()?;
    eventually("the code", async || {
        Ok(app.store.code(order.code_id).await?.is_some())
    })
    .await?;
    assert_eq!(app.world.sandbox.ledger().checks.len(), 1, "asked once");
    app.queue.mark_refunded(&order.out_trade_no).await?;
    limit(0).await?;
    app.quiet().await?;
    worker.stop().await?;
    app.close().await
}
