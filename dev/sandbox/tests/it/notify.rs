//! The notifies: their fields, their repeats, their end.

use std::time::{Duration, Instant};

use heyi_common::sign;
use heyi_sandbox::{SCHEDULE, Series};

use crate::support::{Fixture, MCHID, key, send, sign_anew};

#[tokio::test]
async fn a_notify_has_all_fields_of_the_documents_and_a_good_signature() {
    let fixture = Fixture::new().await;
    let id = fixture.paid("QR1");
    fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let received = fixture.merchant.received();
    assert_eq!(received.len(), 1);
    let notify = &received[0];
    let names: Vec<_> = notify.keys().map(String::as_str).collect();
    let expected = [
        "mchid",
        "openid",
        "out_trade_no",
        "payjs_order_id",
        "return_code",
        "sign",
        "time_end",
        "total_fee",
        "transaction_id",
    ];
    assert_eq!(names, expected);
    assert!(sign::verify(notify, &key()));
    assert_eq!(notify["return_code"], "1");
    assert_eq!(notify["mchid"], MCHID);
    assert_eq!(notify["total_fee"], "990");
    assert_eq!(notify["out_trade_no"], "QR1");
    assert_eq!(notify["payjs_order_id"], id);
    assert_eq!(notify["openid"].len(), 28);
    assert_eq!(notify["transaction_id"].len(), 28);
    let shape: String = notify["time_end"]
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    assert_eq!(shape, "0000-00-00 00:00:00");
}

#[tokio::test]
async fn an_attach_comes_back_as_it_was() {
    let fixture = Fixture::new().await;
    let mut order = fixture.order("QR1");
    order.insert("attach".to_owned(), "a b+c%20&d=1 中文".to_owned());
    let id = fixture.sandbox.order(&sign_anew(order)).unwrap();
    fixture.sandbox.pay(&id).unwrap();
    fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let notify = &fixture.merchant.received()[0];
    assert_eq!(notify["attach"], "a b+c%20&d=1 中文");
    assert!(sign::verify(notify, &key()));
}

#[tokio::test]
async fn a_notify_is_repeated_on_schedule_until_it_is_answered_with_200() {
    let fixture = Fixture::new().await;
    // Neither a redirect nor another success is 200.
    fixture.merchant.answer(&[500, 302, 204]);
    fixture.paid("QR1");
    let ledger = fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let statuses: Vec<_> = ledger.notifies.iter().map(|notify| notify.status).collect();
    assert_eq!(statuses, [Some(500), Some(302), Some(204), Some(200)]);
    let attempts: Vec<_> = ledger
        .notifies
        .iter()
        .map(|notify| notify.attempt)
        .collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    let acknowledged: Vec<_> = ledger
        .notifies
        .iter()
        .map(|notify| notify.acknowledged)
        .collect();
    assert_eq!(acknowledged, [false, false, false, true]);
    for (notify, due) in ledger.notifies.iter().zip([0, 15, 30, 180]) {
        let after = notify.at.duration_since(ledger.orders[0].paid_at.unwrap());
        assert!(after.as_millis() >= due, "{notify:?}");
    }
    let notifies = fixture.merchant.received();
    assert!(notifies.iter().all(|notify| *notify == notifies[0]));
}

#[tokio::test]
async fn after_the_last_notify_payjs_gives_up() {
    let fixture = Fixture::new().await;
    fixture.merchant.answer(&[503; 10]);
    fixture.paid("QR1");
    let ledger = fixture
        .until("giving up", |ledger| {
            ledger.orders[0].series == Series::GivenUp
        })
        .await;
    assert_eq!(ledger.notifies.len(), SCHEDULE.len());
    let took = ledger.notifies[5]
        .at
        .duration_since(ledger.orders[0].paid_at.unwrap());
    assert!(took.as_millis() >= 3600, "{took:?}");
}

#[tokio::test]
async fn silence_counts_as_failure_after_3_seconds() {
    let fixture = Fixture::new().await;
    fixture.merchant.answer(&[0]);
    fixture.paid("QR1");
    let ledger = fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let first = &ledger.notifies[0];
    assert_eq!(first.error.as_deref(), Some("no answer within 3 s"));
    assert!(first.duration_ms >= 3000, "{first:?}");
    assert_eq!(ledger.notifies[1].attempt, 2);
}

#[tokio::test]
async fn a_check_that_saw_the_payment_ends_the_series() {
    let fixture = Fixture::new().await;
    fixture.merchant.answer(&[500; 10]);
    let id = fixture.paid("QR1");
    fixture
        .until("the fourth notify", |ledger| ledger.notifies.len() == 4)
        .await;
    let reply = fixture.about("check", &id).await;
    assert_eq!(reply["status"], 1);
    let ledger = fixture.sandbox.ledger();
    assert_eq!(ledger.orders[0].series, Series::SeenByCheck);
    // When the other order's notify arrives, this order's fifth would have arrived too.
    fixture.knobs(|knobs| knobs.notify_delay_ms = 1900);
    let other = fixture.paid("QR2");
    let ledger = fixture
        .until("the other notify", |ledger| ledger.notifies.len() > 4)
        .await;
    assert_eq!(ledger.notifies[4].payjs_order_id, other);
}

#[tokio::test]
async fn stopping_ends_series_and_server() {
    let fixture = Fixture::new().await;
    fixture.merchant.answer(&[500; 10]);
    fixture.paid("QR1");
    fixture
        .until("a notify", |ledger| !ledger.notifies.is_empty())
        .await;
    // This leaves an idle connection, which must not delay the stop.
    send(fixture.http.get(fixture.url("healthz"))).await;
    let start = Instant::now();
    fixture.sandbox.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(fixture.sandbox.ledger().orders[0].series, Series::Running);
    assert!(
        fixture
            .http
            .get(fixture.url("healthz"))
            .send()
            .await
            .is_err()
    );
}
