//! Confirm events: PayJS is asked.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use heyi_common::{order::Order, queue::Confirming};
use heyi_sandbox::{Knobs, OrderStatus, Refuse};
use heyi_testkit::world::eventually;
use mongodb::bson::{Document, doc};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::support::{TestApp, payment_id};

/// Opens and pays an order in the sandbox without any notify arriving.
pub(crate) async fn paid_in_silence(app: &TestApp) -> Result<(Order, String)> {
    let order = app.order("小店").await?;
    let payjs_order_id = pay_in_silence(app, &order).await?;
    Ok((order, payjs_order_id))
}

pub(crate) async fn pay_in_silence(app: &TestApp, order: &Order) -> Result<String> {
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let payjs_order_id = app.world.sandbox.order(&app.params(order))?;
    app.world.sandbox.pay(&payjs_order_id)?;
    eventually("the payment", async || {
        Ok(app
            .world
            .sandbox
            .ledger()
            .orders
            .iter()
            .any(|order| order.payjs_order_id == payjs_order_id && order.paid_at.is_some()))
    })
    .await?;
    Ok(payjs_order_id)
}

#[tokio::test]
async fn a_payment_without_a_notify_is_confirmed_and_promoted() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    let first = app.confirm(&order, &payjs_order_id).await?;
    assert_eq!(first, Confirming::Queued);
    let second = app.confirm(&order, &payjs_order_id).await?;
    assert_ne!(second, Confirming::Queued, "one for each order and 30 s");
    app.quiet().await?;
    let code = app.the_code(&order).await?;
    assert_eq!(code.payment_id, payjs_order_id);
    app.close().await
}

#[tokio::test]
async fn a_confirm_that_a_failover_brought_back_clears_its_order_again() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    let number = &order.out_trade_no;
    app.confirm(&order, &payjs_order_id).await?;
    app.quiet().await?;
    app.the_code(&order).await?;

    // The replica that became master has the event and the order, not that both were done.
    let orders = app.world.orders()?;
    orders.put(&order, Duration::from_secs(60)).await?;
    let mark = app.queue.keys().confirm(number);
    let () = app.queue.redis().shared().del(mark).await?;
    let again = app.confirm(&order, &payjs_order_id).await?;
    assert_eq!(again, Confirming::Queued);
    app.quiet().await?;
    assert!(orders.get(number).await?.is_none(), "it stays for a day");
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn an_answer_about_another_order_promotes_that_one_only() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__PARTITIONS", "7");
    let app = TestApp::open(app.world).await?;
    let _worker = app.world.worker().await?;
    let (paid, payjs_order_id) = paid_in_silence(&app).await?;
    let asking = app.order_elsewhere(&paid, "another").await?;
    app.confirm(&asking, &payjs_order_id).await?;
    app.quiet().await?;
    app.the_code(&paid).await?;
    assert!(app.store.code(asking.code_id).await?.is_none());
    assert!(app.orders.get(&asking.out_trade_no).await?.is_some());
    app.close().await
}

/// PayJS said that `payjs_order_id` was paid, and the worker died of it.
async fn dies_of_the_answer(app: &mut TestApp, asked: &Order, payjs_order_id: &str) -> Result<()> {
    dies_at(app, asked, payjs_order_id, "confirm.checked").await
}

async fn dies_at(
    app: &mut TestApp,
    asked: &Order,
    payjs_order_id: &str,
    point: &str,
) -> Result<()> {
    app.confirm(asked, payjs_order_id).await?;
    app.world.set("HEYI_FAILPOINT", point);
    assert!(!app.world.start_worker()?.exited().await?.success());
    app.world.set("HEYI_FAILPOINT", "");
    Ok(())
}

#[tokio::test]
async fn a_confirmed_second_payment_is_kept_though_the_first_was_promoted_meanwhile() -> Result<()>
{
    let mut app = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    dies_of_the_answer(&mut app, &order, &payjs_order_id).await?;
    app.promote(&order, 1).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    assert_eq!(letter.payment().unwrap().payment_id, payjs_order_id);
    app.quiet().await?;
    app.close().await
}

#[tokio::test]
async fn a_confirmed_payment_is_promoted_though_the_order_that_asked_was_meanwhile() -> Result<()> {
    let mut app = TestApp::new().await?;
    let (paid, payjs_order_id) = paid_in_silence(&app).await?;
    let asking = app.order("another").await?;
    dies_of_the_answer(&mut app, &asking, &payjs_order_id).await?;
    app.promote(&asking, 1).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    assert_eq!(app.the_code(&paid).await?.payment_id, payjs_order_id);
    app.the_code(&asking).await?;
    app.close().await
}

#[tokio::test]
async fn a_confirmed_order_leaves_the_cache_though_its_worker_died_before() -> Result<()> {
    let mut app = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    app.confirm(&order, &payjs_order_id).await?;
    app.world.set("HEYI_FAILPOINT", "settle.before");
    assert!(!app.world.start_worker()?.exited().await?.success());
    app.world.set("HEYI_FAILPOINT", "");
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn an_unpaid_order_stays_an_order() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let order = app.order("小店").await?;
    let payjs_order_id = app.world.sandbox.order(&app.params(&order))?;
    app.confirm(&order, &payjs_order_id).await?;
    app.quiet().await?;
    assert_eq!(app.world.sandbox.ledger().checks.len(), 1);
    assert!(app.orders.get(&order.out_trade_no).await?.is_some());
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn an_unpaid_order_expires_as_if_nobody_had_asked() -> Result<()> {
    let app = TestApp::new().await?;
    let unpaid = app.order("小店").await?;
    let notified = app.order("another").await?;
    let mut redis = app.queue.redis().shared();
    let mut life = async |order: &Order| -> Result<u64> {
        let key = app.queue.keys().order(&order.out_trade_no);
        Ok(redis.ttl(&key).await?)
    };
    let ttl = app.config.orders.ttl.as_secs();
    assert!((ttl - 60..=ttl).contains(&life(&unpaid).await?));
    for order in [&unpaid, &notified] {
        let payjs_order_id = app.world.sandbox.order(&app.params(order))?;
        app.confirm(order, &payjs_order_id).await?;
        assert!(life(order).await? > ttl, "PayJS must answer first");
    }
    // A notify came while PayJS was being asked.
    let key = app.queue.keys().order(&notified.out_trade_no);
    let week = 7 * 24 * 3600;
    let () = app.queue.redis().shared().expire(&key, week).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    assert!((ttl - 300..=ttl).contains(&life(&unpaid).await?));
    assert!(life(&notified).await? > 6 * 24 * 3600);
    app.close().await
}

#[tokio::test]
async fn confirms_that_waited_behind_a_backlog_still_ask_one_after_the_other() -> Result<()> {
    let app = TestApp::new().await?;
    for _ in 0..4 {
        let order = app.order("小店").await?;
        let payjs_order_id = app.world.sandbox.order(&app.params(&order))?;
        app.confirm(&order, &payjs_order_id).await?;
    }
    // As if each had had its turn while the worker was busy: they are read together.
    let partition = app.queue.keys().first();
    let mut redis = app.queue.redis().shared();
    let waiting: Vec<String> = redis
        .zrange(app.queue.keys().confirms(partition), 0, -1)
        .await?;
    for confirm in &waiting {
        let mut fields: BTreeMap<String, String> = serde_json::from_str(confirm)?;
        fields.insert("turn".to_owned(), "1".to_owned());
        let fields: Vec<_> = fields.into_iter().collect();
        let stream = app.queue.keys().notify(partition);
        let _: String = redis.xadd(stream, "*", &fields).await?;
    }
    let () = redis.del(app.queue.keys().confirms(partition)).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    let ledger = app.world.sandbox.ledger();
    assert_eq!(ledger.checks.len(), 4);
    assert_eq!(ledger.polled_too_fast, 0);
    app.close().await
}

#[tokio::test]
async fn a_confirm_that_ends_as_a_dead_letter_is_on_its_way_no_more() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let payjs_order_id = app.world.sandbox.order(&app.params(&order))?;
    app.confirm(&order, &payjs_order_id).await?;
    // MongoDB's answer about it cannot be read.
    let mongo = mongodb::Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let database = mongo.database(app.world.setting("HEYI_MONGO__DATABASE"));
    let orders = database.collection::<Document>("mappings");
    let broken = doc! { "_id": order.out_trade_no.as_str(), "code_id": 7 };
    orders.insert_one(broken).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "poison");
    let asker = format!("person:{}", order.openid);
    let keys = app.queue.keys();
    let on_its_way: u64 = (app.queue.redis().shared())
        .scard(keys.confirms_of(keys.first(), &asker))
        .await?;
    assert_eq!(on_its_way, 0);
    // Put back, it may end as a letter again.
    assert!(app.queue.replay(&letter).await?);
    let letter = app.the_dead_letter().await?;
    assert!(app.queue.drop_letter(&letter).await?);
    app.close().await
}

#[tokio::test]
async fn payjs_is_asked_again_until_it_answers_and_signs() -> Result<()> {
    for trouble in [
        Refuse::Http500,
        Refuse::BrokenJson,
        Refuse::WrongSign,
        Refuse::ReturnCode,
    ] {
        let app = TestApp::new().await?;
        let _worker = app.world.worker().await?;
        let (order, payjs_order_id) = paid_in_silence(&app).await?;
        app.world.sandbox.set_knobs(Knobs {
            refuse: trouble,
            ..Knobs::default()
        });
        app.confirm(&order, &payjs_order_id).await?;
        eventually("a parked event", async || {
            Ok(app.queue.status().await?.retries == 1)
        })
        .await?;
        assert!(
            app.store.code(order.code_id).await?.is_none(),
            "{trouble:?}"
        );
        app.world.sandbox.set_knobs(Knobs::default());
        app.quiet().await?;
        app.the_code(&order).await?;
        app.close().await?;
    }
    Ok(())
}

/// A paid order whose confirm comes back from an outage with these counters, while PayJS refuses to speak of it.
async fn refused_after_an_outage(app: &TestApp, counters: Value) -> Result<Order> {
    let (order, payjs_order_id) = paid_in_silence(app).await?;
    app.world.sandbox.set_knobs(Knobs {
        refuse: Refuse::ReturnCode,
        ..Knobs::default()
    });
    let mut event = json!({ "gateway": "payjs", "confirm": payjs_order_id, "out_trade_no": order.out_trade_no.as_str(), "attempt": "7" });
    event
        .as_object_mut()
        .unwrap()
        .extend(counters.as_object().unwrap().clone());
    app.park(&order, event).await?;
    Ok(order)
}

#[tokio::test]
async fn a_refusal_does_not_end_what_outages_held_up_or_payjs_said_was_paid() -> Result<()> {
    for (counters, refusals) in [
        (json!({}), "1"),
        (json!({ "paid_checks": "1", "check_refusals": "4" }), "5"),
    ] {
        let app = TestApp::new().await?;
        let order = refused_after_an_outage(&app, counters).await?;
        let _worker = app.world.worker().await?;
        eventually("a confirm that waits for its next attempt", async || {
            let parked = app.parked(&order).await?;
            Ok(parked
                .iter()
                .any(|event| event["check_refusals"] == refusals))
        })
        .await?;
        app.world.sandbox.set_knobs(Knobs::default());
        app.release(&order).await?;
        app.quiet().await?;
        app.the_code(&order).await?;
        app.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_payjs_said_is_known_after_an_outage() -> Result<()> {
    let app = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    let key = app.queue.keys().order(&order.out_trade_no);
    let aside = format!("{key}:aside");
    let mut redis = app.queue.redis().shared();
    let () = redis.rename(&key, &aside).await?;
    // Not an order that is missing, but a read that fails.
    let () = redis.rpush(&key, "in the way").await?;
    let _worker = app.world.worker().await?;
    app.confirm(&order, &payjs_order_id).await?;
    eventually("an answer that waits for its next attempt", async || {
        let parked = app.parked(&order).await?;
        Ok(parked.iter().any(|event| event["answer"].is_string()))
    })
    .await?;
    let () = redis.rename(&aside, &key).await?;
    app.release(&order).await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn a_confirm_that_payjs_keeps_refusing_ends() -> Result<()> {
    let app = TestApp::new().await?;
    let order = refused_after_an_outage(&app, json!({ "check_refusals": "4" })).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    assert!(app.store.code(order.code_id).await?.is_none());
    assert!(app.orders.get(&order.out_trade_no).await?.is_some());
    app.close().await
}

#[tokio::test]
async fn many_confirms_ask_payjs_at_most_once_a_second() -> Result<()> {
    let app = TestApp::new().await?;
    let _workers = tokio::try_join!(app.world.worker(), app.world.worker())?;
    for _ in 0..4 {
        let order = app.order("小店").await?;
        let payjs_order_id = app.world.sandbox.order(&app.params(&order))?;
        app.confirm(&order, &payjs_order_id).await?;
    }
    app.quiet().await?;
    let ledger = app.world.sandbox.ledger();
    assert_eq!(ledger.checks.len(), 4);
    for pair in ledger.checks.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        assert!(
            gap.as_millis() >= 900,
            "PayJS was asked again after {gap:?}"
        );
    }
    assert_eq!(ledger.polled_too_fast, 0);
    app.close().await
}

/// Who invents payments.
const MALLORY: &str = "oMallory00000000000000000000";

/// Five confirms of one person, about payments that PayJS does not know.
async fn invented(app: &TestApp) -> Result<Vec<Order>> {
    let mut orders = Vec::new();
    for number in 0..5 {
        let order = app.order_of(MALLORY, "小店").await?;
        let queued = app.confirm(&order, &payment_id(number)).await?;
        assert_eq!(queued, Confirming::Queued);
        orders.push(order);
    }
    Ok(orders)
}

#[tokio::test]
async fn invented_payments_delay_neither_notifies_nor_the_confirms_of_others() -> Result<()> {
    let app = TestApp::new().await?;
    let invented = invented(&app).await?;
    let one_too_many = app.order_of(MALLORY, "小店").await?;
    let refused = app.confirm(&one_too_many, &payment_id(9)).await?;
    assert_eq!(refused, Confirming::Full);
    let honest = app.order_of("oHonest000000000000000000000", "小店").await?;
    let payjs_order_id = pay_in_silence(&app, &honest).await?;
    assert_eq!(
        app.confirm(&honest, &payjs_order_id).await?,
        Confirming::Queued
    );
    let notified = app.order("小店").await?;
    app.enqueue(&notified, app.notify(&notified, 1)).await?;
    let _worker = app.world.worker().await?;
    eventually("the code of the honest payer", async || {
        Ok(app.store.code(honest.code_id).await?.is_some())
    })
    .await?;
    let ledger = app.world.sandbox.ledger();
    let asked_at = ledger.checks[0].at;
    let before = ledger.refused.iter().filter(|one| one.at < asked_at);
    assert!(before.count() <= 1, "turns go round by person: {ledger:?}");
    app.the_code(&notified).await?;
    app.quiet().await?;
    for order in &invented {
        assert!(app.orders.get(&order.out_trade_no).await?.is_some());
    }
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn a_confirm_that_waits_for_its_turn_writes_no_line() -> Result<()> {
    let app = TestApp::new().await?;
    for _ in 0..5 {
        let order = app.order("小店").await?;
        let unpaid = app.world.sandbox.order(&app.params(&order))?;
        app.confirm(&order, &unpaid).await?;
    }
    let worker = app.world.worker().await?;
    app.quiet().await?;
    eventually("one line for each", async || {
        let log = worker.log();
        let of_events = log.lines().filter(|line| line.contains("event.id"));
        Ok(of_events.count() == 5)
    })
    .await?;
    app.close().await
}

#[tokio::test]
async fn a_confirmed_payment_keeps_its_order_beyond_the_life_of_an_unpaid_one() -> Result<()> {
    let mut app = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&app).await?;
    let key = app.queue.keys().order(&order.out_trade_no);
    let mut redis = app.queue.redis().shared();
    let () = redis.expire(&key, 60).await?;
    // Also when PayJS's answer is all that is known: the payer asked for another order.
    let asked = app.order("another").await?;
    dies_at(&mut app, &asked, &payjs_order_id, "confirm.answered").await?;
    let life: i64 = redis.ttl(&key).await?;
    assert!(life > 6 * 24 * 3600, "it expires in {life} s");
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    app.close().await
}

#[tokio::test]
async fn one_payment_makes_one_dead_letter_whoever_names_it() -> Result<()> {
    let app = TestApp::new().await?;
    let _worker = app.world.worker().await?;
    let (order, second_payment) = paid_in_silence(&app).await?;
    app.enqueue(&order, app.notify(&order, 1)).await?;
    app.quiet().await?;
    for _ in 0..3 {
        let mut repeat = app.notify_params(&order, 2);
        repeat.insert("payjs_order_id".to_owned(), second_payment.clone());
        app.enqueue(&order, app.signed(repeat)).await?;
    }
    let mut asking = Vec::new();
    for _ in 0..3 {
        let other = app.order("another").await?;
        app.confirm(&other, &second_payment).await?;
        asking.push(other);
    }
    app.quiet().await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    assert_eq!(letter.out_trade_no(), order.out_trade_no.as_str());
    for other in &asking {
        assert_eq!(app.queue.failure(&other.out_trade_no).await?, None);
    }
    // Put back, it may end as a letter again; dropped, it does not come again.
    assert!(app.queue.replay(&letter).await?);
    app.quiet().await?;
    let letter = app.the_dead_letter().await?;
    assert!(app.queue.drop_letter(&letter).await?);
    let other = app.order("another").await?;
    app.confirm(&other, &second_payment).await?;
    app.quiet().await?;
    assert_eq!(app.queue.status().await?.dead, 0);
    app.close().await
}

#[tokio::test]
async fn the_letter_of_a_confirm_is_about_the_order_that_was_paid() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (paid, payjs_order_id) = paid_in_silence(&app).await?;
    app.orders.remove(&paid.out_trade_no).await?;
    let asking = app.order("another").await?;
    let _worker = app.world.worker().await?;
    app.confirm(&asking, &payjs_order_id).await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "order_missing");
    assert_eq!(letter.out_trade_no(), paid.out_trade_no.as_str());
    assert_eq!(app.queue.failure(&asking.out_trade_no).await?, None);
    let failure = app.queue.failure(&paid.out_trade_no).await?;
    assert_eq!(failure.as_deref(), Some("order_missing"));

    // Its order is back, and its notify comes after all: then it must not be refunded.
    app.save(&paid).await?;
    let mut notify = app.notify_params(&paid, 1);
    notify.insert("payjs_order_id".to_owned(), payjs_order_id);
    app.enqueue(&paid, app.signed(notify)).await?;
    app.quiet().await?;
    app.the_code(&paid).await?;
    let refund = app.world.operate(&["dead", "refund", &letter.id]).await?;
    assert!(!refund.status.success());
    let ledger = app.world.sandbox.ledger();
    assert!(
        ledger
            .orders
            .iter()
            .all(|order| order.status != OrderStatus::Refunded)
    );
    assert!(app.queue.drop_letter(&letter).await?);
    app.close().await
}

#[tokio::test]
async fn confirms_of_orders_that_became_codes_take_no_turn() -> Result<()> {
    let app = TestApp::new().await?;
    let mut orders = Vec::new();
    for person in 0..40 {
        let order = app.order_of(&format!("oBob{person:024}"), "小店").await?;
        app.confirm(&order, &payment_id(person)).await?;
        app.promote(&order, person).await?;
        orders.push(order);
    }
    // The payment that this one names is not the one that its order became a code by.
    let twice = app.order("小店").await?;
    let second = pay_in_silence(&app, &twice).await?;
    app.confirm(&twice, &second).await?;
    app.promote(&twice, 99).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    app.quiet().await?;
    let ledger = app.world.sandbox.ledger();
    assert_eq!((ledger.checks.len(), ledger.refused.len()), (1, 0));
    app.close().await
}
