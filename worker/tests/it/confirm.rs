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
pub(crate) async fn paid_in_silence(shop: &TestApp) -> Result<(Order, String)> {
    let order = shop.order("小店").await?;
    let payjs_order_id = pay_in_silence(shop, &order).await?;
    Ok((order, payjs_order_id))
}

pub(crate) async fn pay_in_silence(shop: &TestApp, order: &Order) -> Result<String> {
    shop.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let payjs_order_id = shop.world.sandbox.order(&shop.params(order))?;
    shop.world.sandbox.pay(&payjs_order_id)?;
    eventually("the payment", async || {
        Ok(shop
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
    let shop = TestApp::new().await?;
    let _worker = shop.world.worker().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    let first = shop.confirm(&order, &payjs_order_id).await?;
    assert_eq!(first, Confirming::Queued);
    let second = shop.confirm(&order, &payjs_order_id).await?;
    assert_ne!(second, Confirming::Queued, "one for each order and 30 s");
    shop.quiet().await?;
    let code = shop.the_code(&order).await?;
    assert_eq!(code.payment_id, payjs_order_id);
    shop.close().await
}

#[tokio::test]
async fn a_confirm_that_a_failover_brought_back_clears_its_order_again() -> Result<()> {
    let shop = TestApp::new().await?;
    let _worker = shop.world.worker().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    let number = &order.out_trade_no;
    shop.confirm(&order, &payjs_order_id).await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;

    // The replica that became master has the event and the order, not that both were done.
    let orders = shop.world.orders()?;
    orders.put(&order, Duration::from_secs(60)).await?;
    let mark = shop.queue.keys().confirm(number);
    let () = shop.queue.redis().shared().del(mark).await?;
    let again = shop.confirm(&order, &payjs_order_id).await?;
    assert_eq!(again, Confirming::Queued);
    shop.quiet().await?;
    assert!(orders.get(number).await?.is_none(), "it stays for a day");
    shop.the_code(&order).await?;
    shop.close().await
}

#[tokio::test]
async fn an_answer_about_another_order_promotes_that_one_only() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__PARTITIONS", "7");
    let shop = TestApp::open(shop.world).await?;
    let _worker = shop.world.worker().await?;
    let (paid, payjs_order_id) = paid_in_silence(&shop).await?;
    let asking = shop.order_elsewhere(&paid, "another").await?;
    shop.confirm(&asking, &payjs_order_id).await?;
    shop.quiet().await?;
    shop.the_code(&paid).await?;
    assert!(shop.store.code(asking.code_id).await?.is_none());
    assert!(shop.orders.get(&asking.out_trade_no).await?.is_some());
    shop.close().await
}

/// PayJS said that `payjs_order_id` was paid, and the worker died of it.
async fn dies_of_the_answer(shop: &mut TestApp, asked: &Order, payjs_order_id: &str) -> Result<()> {
    dies_at(shop, asked, payjs_order_id, "confirm.checked").await
}

async fn dies_at(
    shop: &mut TestApp,
    asked: &Order,
    payjs_order_id: &str,
    point: &str,
) -> Result<()> {
    shop.confirm(asked, payjs_order_id).await?;
    shop.world.set("HEYI_FAILPOINT", point);
    assert!(!shop.world.start_worker()?.exited().await?.success());
    shop.world.set("HEYI_FAILPOINT", "");
    Ok(())
}

#[tokio::test]
async fn a_confirmed_second_payment_is_kept_though_the_first_was_promoted_meanwhile() -> Result<()>
{
    let mut shop = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    dies_of_the_answer(&mut shop, &order, &payjs_order_id).await?;
    shop.promote(&order, 1).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    assert_eq!(letter.payment().unwrap().payment_id, payjs_order_id);
    shop.quiet().await?;
    shop.close().await
}

#[tokio::test]
async fn a_confirmed_payment_is_promoted_though_the_order_that_asked_was_meanwhile() -> Result<()> {
    let mut shop = TestApp::new().await?;
    let (paid, payjs_order_id) = paid_in_silence(&shop).await?;
    let asking = shop.order("another").await?;
    dies_of_the_answer(&mut shop, &asking, &payjs_order_id).await?;
    shop.promote(&asking, 1).await?;
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    assert_eq!(shop.the_code(&paid).await?.payment_id, payjs_order_id);
    shop.the_code(&asking).await?;
    shop.close().await
}

#[tokio::test]
async fn a_confirmed_order_leaves_the_cache_though_its_worker_died_before() -> Result<()> {
    let mut shop = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    shop.confirm(&order, &payjs_order_id).await?;
    shop.world.set("HEYI_FAILPOINT", "settle.before");
    assert!(!shop.world.start_worker()?.exited().await?.success());
    shop.world.set("HEYI_FAILPOINT", "");
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    shop.close().await
}

#[tokio::test]
async fn an_unpaid_order_stays_an_order() -> Result<()> {
    let shop = TestApp::new().await?;
    let _worker = shop.world.worker().await?;
    let order = shop.order("小店").await?;
    let payjs_order_id = shop.world.sandbox.order(&shop.params(&order))?;
    shop.confirm(&order, &payjs_order_id).await?;
    shop.quiet().await?;
    assert_eq!(shop.world.sandbox.ledger().checks.len(), 1);
    assert!(shop.orders.get(&order.out_trade_no).await?.is_some());
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn an_unpaid_order_expires_as_if_nobody_had_asked() -> Result<()> {
    let shop = TestApp::new().await?;
    let unpaid = shop.order("小店").await?;
    let notified = shop.order("another").await?;
    let mut redis = shop.queue.redis().shared();
    let mut life = async |order: &Order| -> Result<u64> {
        let key = shop.queue.keys().order(&order.out_trade_no);
        Ok(redis.ttl(&key).await?)
    };
    let ttl = shop.config.orders.ttl.as_secs();
    assert!((ttl - 60..=ttl).contains(&life(&unpaid).await?));
    for order in [&unpaid, &notified] {
        let payjs_order_id = shop.world.sandbox.order(&shop.params(order))?;
        shop.confirm(order, &payjs_order_id).await?;
        assert!(life(order).await? > ttl, "PayJS must answer first");
    }
    // A notify came while PayJS was being asked.
    let key = shop.queue.keys().order(&notified.out_trade_no);
    let week = 7 * 24 * 3600;
    let () = shop.queue.redis().shared().expire(&key, week).await?;
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    assert!((ttl - 300..=ttl).contains(&life(&unpaid).await?));
    assert!(life(&notified).await? > 6 * 24 * 3600);
    shop.close().await
}

#[tokio::test]
async fn confirms_that_waited_behind_a_backlog_still_ask_one_after_the_other() -> Result<()> {
    let shop = TestApp::new().await?;
    for _ in 0..4 {
        let order = shop.order("小店").await?;
        let payjs_order_id = shop.world.sandbox.order(&shop.params(&order))?;
        shop.confirm(&order, &payjs_order_id).await?;
    }
    // As if each had had its turn while the worker was busy: they are read together.
    let partition = shop.queue.keys().first();
    let mut redis = shop.queue.redis().shared();
    let waiting: Vec<String> = redis
        .zrange(shop.queue.keys().confirms(partition), 0, -1)
        .await?;
    for confirm in &waiting {
        let mut fields: BTreeMap<String, String> = serde_json::from_str(confirm)?;
        fields.insert("turn".to_owned(), "1".to_owned());
        let fields: Vec<_> = fields.into_iter().collect();
        let stream = shop.queue.keys().notify(partition);
        let _: String = redis.xadd(stream, "*", &fields).await?;
    }
    let () = redis.del(shop.queue.keys().confirms(partition)).await?;
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    let ledger = shop.world.sandbox.ledger();
    assert_eq!(ledger.checks.len(), 4);
    assert_eq!(ledger.polled_too_fast, 0);
    shop.close().await
}

#[tokio::test]
async fn a_confirm_that_ends_as_a_dead_letter_is_on_its_way_no_more() -> Result<()> {
    let shop = TestApp::new().await?;
    let order = shop.order("小店").await?;
    let payjs_order_id = shop.world.sandbox.order(&shop.params(&order))?;
    shop.confirm(&order, &payjs_order_id).await?;
    // MongoDB's answer about it cannot be read.
    let mongo = mongodb::Client::with_uri_str(shop.world.setting("HEYI_MONGO__URL")).await?;
    let database = mongo.database(shop.world.setting("HEYI_MONGO__DATABASE"));
    let orders = database.collection::<Document>("mappings");
    let broken = doc! { "_id": order.out_trade_no.as_str(), "code_id": 7 };
    orders.insert_one(broken).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "poison");
    let asker = format!("person:{}", order.openid);
    let keys = shop.queue.keys();
    let on_its_way: u64 = (shop.queue.redis().shared())
        .scard(keys.confirms_of(keys.first(), &asker))
        .await?;
    assert_eq!(on_its_way, 0);
    // Put back, it may end as a letter again.
    assert!(shop.queue.replay(&letter).await?);
    let letter = shop.the_dead_letter().await?;
    assert!(shop.queue.drop_letter(&letter).await?);
    shop.close().await
}

#[tokio::test]
async fn payjs_is_asked_again_until_it_answers_and_signs() -> Result<()> {
    for trouble in [
        Refuse::Http500,
        Refuse::BrokenJson,
        Refuse::WrongSign,
        Refuse::ReturnCode,
    ] {
        let shop = TestApp::new().await?;
        let _worker = shop.world.worker().await?;
        let (order, payjs_order_id) = paid_in_silence(&shop).await?;
        shop.world.sandbox.set_knobs(Knobs {
            refuse: trouble,
            ..Knobs::default()
        });
        shop.confirm(&order, &payjs_order_id).await?;
        eventually("a parked event", async || {
            Ok(shop.queue.status().await?.retries == 1)
        })
        .await?;
        assert!(
            shop.store.code(order.code_id).await?.is_none(),
            "{trouble:?}"
        );
        shop.world.sandbox.set_knobs(Knobs::default());
        shop.quiet().await?;
        shop.the_code(&order).await?;
        shop.close().await?;
    }
    Ok(())
}

/// A paid order whose confirm comes back from an outage with these counters, while PayJS refuses to speak of it.
async fn refused_after_an_outage(shop: &TestApp, counters: Value) -> Result<Order> {
    let (order, payjs_order_id) = paid_in_silence(shop).await?;
    shop.world.sandbox.set_knobs(Knobs {
        refuse: Refuse::ReturnCode,
        ..Knobs::default()
    });
    let mut event = json!({ "gateway": "payjs", "confirm": payjs_order_id, "out_trade_no": order.out_trade_no.as_str(), "attempt": "7" });
    event
        .as_object_mut()
        .unwrap()
        .extend(counters.as_object().unwrap().clone());
    shop.park(&order, event).await?;
    Ok(order)
}

#[tokio::test]
async fn a_refusal_does_not_end_what_outages_held_up_or_payjs_said_was_paid() -> Result<()> {
    for (counters, refusals) in [
        (json!({}), "1"),
        (json!({ "paid_checks": "1", "check_refusals": "4" }), "5"),
    ] {
        let shop = TestApp::new().await?;
        let order = refused_after_an_outage(&shop, counters).await?;
        let _worker = shop.world.worker().await?;
        eventually("a confirm that waits for its next attempt", async || {
            let parked = shop.parked(&order).await?;
            Ok(parked
                .iter()
                .any(|event| event["check_refusals"] == refusals))
        })
        .await?;
        shop.world.sandbox.set_knobs(Knobs::default());
        shop.release(&order).await?;
        shop.quiet().await?;
        shop.the_code(&order).await?;
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_payjs_said_is_known_after_an_outage() -> Result<()> {
    let shop = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    let key = shop.queue.keys().order(&order.out_trade_no);
    let aside = format!("{key}:aside");
    let mut redis = shop.queue.redis().shared();
    let () = redis.rename(&key, &aside).await?;
    // Not an order that is missing, but a read that fails.
    let () = redis.rpush(&key, "in the way").await?;
    let _worker = shop.world.worker().await?;
    shop.confirm(&order, &payjs_order_id).await?;
    eventually("an answer that waits for its next attempt", async || {
        let parked = shop.parked(&order).await?;
        Ok(parked.iter().any(|event| event["answer"].is_string()))
    })
    .await?;
    let () = redis.rename(&aside, &key).await?;
    shop.release(&order).await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    shop.close().await
}

#[tokio::test]
async fn a_confirm_that_payjs_keeps_refusing_ends() -> Result<()> {
    let shop = TestApp::new().await?;
    let order = refused_after_an_outage(&shop, json!({ "check_refusals": "4" })).await?;
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    assert!(shop.store.code(order.code_id).await?.is_none());
    assert!(shop.orders.get(&order.out_trade_no).await?.is_some());
    shop.close().await
}

#[tokio::test]
async fn many_confirms_ask_payjs_at_most_once_a_second() -> Result<()> {
    let shop = TestApp::new().await?;
    let _workers = tokio::try_join!(shop.world.worker(), shop.world.worker())?;
    for _ in 0..4 {
        let order = shop.order("小店").await?;
        let payjs_order_id = shop.world.sandbox.order(&shop.params(&order))?;
        shop.confirm(&order, &payjs_order_id).await?;
    }
    shop.quiet().await?;
    let ledger = shop.world.sandbox.ledger();
    assert_eq!(ledger.checks.len(), 4);
    for pair in ledger.checks.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        assert!(
            gap.as_millis() >= 900,
            "PayJS was asked again after {gap:?}"
        );
    }
    assert_eq!(ledger.polled_too_fast, 0);
    shop.close().await
}

/// Who invents payments.
const MALLORY: &str = "oMallory00000000000000000000";

/// Five confirms of one person, about payments that PayJS does not know.
async fn invented(shop: &TestApp) -> Result<Vec<Order>> {
    let mut orders = Vec::new();
    for number in 0..5 {
        let order = shop.order_of(MALLORY, "小店").await?;
        let queued = shop.confirm(&order, &payment_id(number)).await?;
        assert_eq!(queued, Confirming::Queued);
        orders.push(order);
    }
    Ok(orders)
}

#[tokio::test]
async fn invented_payments_delay_neither_notifies_nor_the_confirms_of_others() -> Result<()> {
    let shop = TestApp::new().await?;
    let invented = invented(&shop).await?;
    let one_too_many = shop.order_of(MALLORY, "小店").await?;
    let refused = shop.confirm(&one_too_many, &payment_id(9)).await?;
    assert_eq!(refused, Confirming::Full);
    let honest = shop
        .order_of("oHonest000000000000000000000", "小店")
        .await?;
    let payjs_order_id = pay_in_silence(&shop, &honest).await?;
    assert_eq!(
        shop.confirm(&honest, &payjs_order_id).await?,
        Confirming::Queued
    );
    let notified = shop.order("小店").await?;
    shop.enqueue(&notified, shop.notify(&notified, 1)).await?;
    let _worker = shop.world.worker().await?;
    eventually("the code of the honest payer", async || {
        Ok(shop.store.code(honest.code_id).await?.is_some())
    })
    .await?;
    let ledger = shop.world.sandbox.ledger();
    let asked_at = ledger.checks[0].at;
    let before = ledger.refused.iter().filter(|one| one.at < asked_at);
    assert!(before.count() <= 1, "turns go round by person: {ledger:?}");
    shop.the_code(&notified).await?;
    shop.quiet().await?;
    for order in &invented {
        assert!(shop.orders.get(&order.out_trade_no).await?.is_some());
    }
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn a_confirm_that_waits_for_its_turn_writes_no_line() -> Result<()> {
    let shop = TestApp::new().await?;
    for _ in 0..5 {
        let order = shop.order("小店").await?;
        let unpaid = shop.world.sandbox.order(&shop.params(&order))?;
        shop.confirm(&order, &unpaid).await?;
    }
    let worker = shop.world.worker().await?;
    shop.quiet().await?;
    eventually("one line for each", async || {
        let log = worker.log();
        let of_events = log.lines().filter(|line| line.contains("event.id"));
        Ok(of_events.count() == 5)
    })
    .await?;
    shop.close().await
}

#[tokio::test]
async fn a_confirmed_payment_keeps_its_order_beyond_the_life_of_an_unpaid_one() -> Result<()> {
    let mut shop = TestApp::new().await?;
    let (order, payjs_order_id) = paid_in_silence(&shop).await?;
    let key = shop.queue.keys().order(&order.out_trade_no);
    let mut redis = shop.queue.redis().shared();
    let () = redis.expire(&key, 60).await?;
    // Also when PayJS's answer is all that is known: the payer asked for another order.
    let asked = shop.order("another").await?;
    dies_at(&mut shop, &asked, &payjs_order_id, "confirm.answered").await?;
    let life: i64 = redis.ttl(&key).await?;
    assert!(life > 6 * 24 * 3600, "it expires in {life} s");
    let _worker = shop.world.worker().await?;
    shop.quiet().await?;
    shop.the_code(&order).await?;
    shop.close().await
}

#[tokio::test]
async fn one_payment_makes_one_dead_letter_whoever_names_it() -> Result<()> {
    let shop = TestApp::new().await?;
    let _worker = shop.world.worker().await?;
    let (order, second_payment) = paid_in_silence(&shop).await?;
    shop.enqueue(&order, shop.notify(&order, 1)).await?;
    shop.quiet().await?;
    for _ in 0..3 {
        let mut repeat = shop.notify_params(&order, 2);
        repeat.insert("payjs_order_id".to_owned(), second_payment.clone());
        shop.enqueue(&order, shop.signed(repeat)).await?;
    }
    let mut asking = Vec::new();
    for _ in 0..3 {
        let other = shop.order("another").await?;
        shop.confirm(&other, &second_payment).await?;
        asking.push(other);
    }
    shop.quiet().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    assert_eq!(letter.out_trade_no(), order.out_trade_no.as_str());
    for other in &asking {
        assert_eq!(shop.queue.failure(&other.out_trade_no).await?, None);
    }
    // Put back, it may end as a letter again; dropped, it does not come again.
    assert!(shop.queue.replay(&letter).await?);
    shop.quiet().await?;
    let letter = shop.the_dead_letter().await?;
    assert!(shop.queue.drop_letter(&letter).await?);
    let other = shop.order("another").await?;
    shop.confirm(&other, &second_payment).await?;
    shop.quiet().await?;
    assert_eq!(shop.queue.status().await?.dead, 0);
    shop.close().await
}

#[tokio::test]
async fn the_letter_of_a_confirm_is_about_the_order_that_was_paid() -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (paid, payjs_order_id) = paid_in_silence(&shop).await?;
    shop.orders.remove(&paid.out_trade_no).await?;
    let asking = shop.order("another").await?;
    let _worker = shop.world.worker().await?;
    shop.confirm(&asking, &payjs_order_id).await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "order_missing");
    assert_eq!(letter.out_trade_no(), paid.out_trade_no.as_str());
    assert_eq!(shop.queue.failure(&asking.out_trade_no).await?, None);
    let failure = shop.queue.failure(&paid.out_trade_no).await?;
    assert_eq!(failure.as_deref(), Some("order_missing"));

    // Its order is back, and its notify comes after all: then it must not be refunded.
    shop.save(&paid).await?;
    let mut notify = shop.notify_params(&paid, 1);
    notify.insert("payjs_order_id".to_owned(), payjs_order_id);
    shop.enqueue(&paid, shop.signed(notify)).await?;
    shop.quiet().await?;
    shop.the_code(&paid).await?;
    let refund = shop.world.operate(&["dead", "refund", &letter.id]).await?;
    assert!(!refund.status.success());
    let ledger = shop.world.sandbox.ledger();
    assert!(
        ledger
            .orders
            .iter()
            .all(|order| order.status != OrderStatus::Refunded)
    );
    assert!(shop.queue.drop_letter(&letter).await?);
    shop.close().await
}

#[tokio::test]
async fn confirms_of_orders_that_became_codes_take_no_turn() -> Result<()> {
    let shop = TestApp::new().await?;
    let mut orders = Vec::new();
    for person in 0..40 {
        let order = shop.order_of(&format!("oBob{person:024}"), "小店").await?;
        shop.confirm(&order, &payment_id(person)).await?;
        shop.promote(&order, person).await?;
        orders.push(order);
    }
    // The payment that this one names is not the one that its order became a code by.
    let twice = shop.order("小店").await?;
    let second = pay_in_silence(&shop, &twice).await?;
    shop.confirm(&twice, &second).await?;
    shop.promote(&twice, 99).await?;
    let _worker = shop.world.worker().await?;
    let letter = shop.the_dead_letter().await?;
    assert_eq!(letter.field("reason"), "paid_twice");
    shop.quiet().await?;
    let ledger = shop.world.sandbox.ledger();
    assert_eq!((ledger.checks.len(), ledger.refused.len()), (1, 0));
    shop.close().await
}
