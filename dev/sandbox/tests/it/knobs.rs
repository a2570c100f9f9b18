//! The knobs.

use std::{pin::pin, time::Duration};

use heyi_common::sign;
use heyi_sandbox::{Knobs, OrderStatus, Refuse, Series, Wechat};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{APPID, Fixture, SECRET, json, key, send, verifies};

#[tokio::test]
async fn knobs_are_read_and_set_by_name() {
    let fixture = Fixture::new().await;
    let url = fixture.url("sandbox/knobs");
    let put = |body: serde_json::Value| fixture.http.put(url.clone()).json(&body);
    json(put(json!({"notify_copies": 3, "refuse": "wrong_sign"}))).await;
    let knobs = json(put(json!({"lose_notifies": "all", "wechat": "http500"}))).await;
    assert_eq!(knobs["notify_copies"], 3);
    assert_eq!(knobs, json(fixture.http.get(url.clone())).await);
    let knobs = fixture.sandbox.knobs();
    assert_eq!(knobs.refuse, Refuse::WrongSign);
    assert_eq!(knobs.lose_notifies, u32::MAX);
    assert_eq!(knobs.wechat, Wechat::Http500);
    for wrong in [json!({"speed": 1}), json!({"refuse": "often"}), json!(7)] {
        let response = send(put(wrong.clone())).await;
        assert_eq!(response.status(), 400, "{wrong}");
        assert!(response.text().await.unwrap().contains("errmsg"));
    }
    let unknown = json(put(json!({"speed": 1}))).await;
    assert!(
        unknown["errmsg"].as_str().unwrap().contains("speed"),
        "{unknown}"
    );
    assert_eq!(
        send(fixture.http.post(fixture.url("sandbox/reset")))
            .await
            .status(),
        204
    );
    assert_eq!(fixture.sandbox.knobs(), Knobs::default());
}

#[tokio::test]
async fn copies_of_a_notify_come_with_another_amount_if_told_so() {
    let fixture = Fixture::new().await;
    fixture.knobs(|knobs| {
        knobs.notify_copies = 3;
        knobs.notify_fee = Some(1);
    });
    fixture.paid("QR1");
    fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let received = fixture.merchant.received();
    assert_eq!(received.len(), 3);
    for notify in received {
        assert_eq!(notify["total_fee"], "1");
        assert!(sign::verify(&notify, &key()));
    }
}

#[tokio::test]
async fn lost_notifies_are_noted_and_the_next_one_comes() {
    let fixture = Fixture::new().await;
    fixture.knobs(|knobs| knobs.lose_notifies = 2);
    fixture.paid("QR1");
    let ledger = fixture
        .until("delivery", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let lost: Vec<_> = ledger.notifies.iter().map(|notify| notify.lost).collect();
    assert_eq!(lost, [true, true, false]);
    assert_eq!(fixture.merchant.received().len(), 1);
}

#[tokio::test]
async fn an_acknowledged_notify_is_repeated_as_often_as_the_knob_says() {
    let fixture = Fixture::new().await;
    fixture.merchant.answer(&[503, 200, 503]);
    fixture.knobs(|knobs| knobs.notify_repeats = 2);
    fixture.paid("QR1");
    let ledger = fixture
        .until("the end of the series", |ledger| {
            ledger.orders[0].series == Series::Delivered
        })
        .await;
    let attempts: Vec<_> = ledger
        .notifies
        .iter()
        .map(|notify| (notify.attempt, notify.acknowledged))
        .collect();
    assert_eq!(attempts, [(1, false), (2, true), (3, false), (4, true)]);
}

#[tokio::test]
async fn an_order_may_have_knobs_of_its_own() {
    let fixture = Fixture::new().await;
    let lost = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    let knobs = Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    };
    fixture.sandbox.pay_with(&lost, knobs).unwrap();
    fixture.paid("QR2");
    fixture
        .until("both ends", |ledger| {
            let series: Vec<_> = ledger.orders.iter().map(|order| order.series).collect();
            series == [Series::GivenUp, Series::Delivered]
        })
        .await;
    let sent = fixture.merchant.received();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["out_trade_no"], "QR2");
    assert_eq!(
        fixture.sandbox.order_at_payjs(&lost).unwrap().out_trade_no,
        "QR1"
    );
    let all = fixture.sandbox.notifies_after(0);
    let later = fixture.sandbox.notifies_after(1);
    assert_eq!(later.len() + 1, all.len());
    assert!(fixture.sandbox.notifies_after(all.len() + 1).is_empty());
}

#[tokio::test]
async fn when_all_notifies_are_lost_the_series_ends_unheard() {
    let fixture = Fixture::new().await;
    fixture.knobs(|knobs| knobs.lose_notifies = u32::MAX);
    fixture.paid("QR1");
    fixture
        .until("giving up", |ledger| {
            ledger.orders[0].series == Series::GivenUp
        })
        .await;
    assert!(fixture.merchant.received().is_empty());
}

#[tokio::test]
async fn a_late_payment_comes_after_its_delay() {
    let fixture = Fixture::new().await;
    fixture.knobs(|knobs| knobs.pay_delay_ms = 200);
    fixture.paid("QR1");
    assert_eq!(
        fixture.sandbox.ledger().orders[0].status,
        OrderStatus::Created
    );
    let ledger = fixture
        .until("payment", |ledger| {
            ledger.orders[0].status == OrderStatus::Paid
        })
        .await;
    let order = &ledger.orders[0];
    let took = order.paid_at.unwrap().duration_since(order.created_at);
    assert!(took.as_millis() >= 200, "{took:?}");
}

#[tokio::test]
async fn paying_twice_makes_two_orders_of_one_number() {
    let fixture = Fixture::new().await;
    fixture.knobs(|knobs| knobs.pay_twice = true);
    fixture.paid("QR1");
    fixture
        .until("both deliveries", |ledger| {
            ledger
                .orders
                .iter()
                .filter(|order| order.series == Series::Delivered)
                .count()
                == 2
        })
        .await;
    let received = fixture.merchant.received();
    assert_eq!(received[0]["out_trade_no"], received[1]["out_trade_no"]);
    assert_ne!(received[0]["payjs_order_id"], received[1]["payjs_order_id"]);
    assert_ne!(received[0]["transaction_id"], received[1]["transaction_id"]);
}

#[tokio::test]
async fn rest_calls_fail_as_told() {
    let fixture = Fixture::new().await;
    let id = fixture.paid("QR1");
    fixture.knobs(|knobs| knobs.refuse = Refuse::ReturnCode);
    assert_eq!(fixture.about("refund", &id).await["return_code"], 0);
    fixture.knobs(|knobs| knobs.refuse = Refuse::Http500);
    let url = fixture.url("payjs/api/refund");
    assert_eq!(send(fixture.http.post(url.clone())).await.status(), 500);
    fixture.knobs(|knobs| knobs.refuse = Refuse::BrokenJson);
    let response = send(fixture.http.post(url)).await;
    assert_eq!(response.status(), 200);
    assert!(response.json::<serde_json::Value>().await.is_err());
    assert_eq!(fixture.sandbox.ledger().orders[0].status, OrderStatus::Paid);
    fixture.knobs(|knobs| knobs.refuse = Refuse::WrongSign);
    let reply = fixture.about("refund", &id).await;
    assert!(reply["return_code"] == 1 && !verifies(&reply), "{reply}");
}

#[tokio::test]
async fn rest_calls_are_slow_as_told() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    fixture.knobs(|knobs| knobs.answer_delay_ms = 150);
    let start = std::time::Instant::now();
    fixture.about("check", &id).await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn slow_rest_calls_are_answered_once_the_knobs_are_set() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    fixture.knobs(|knobs| knobs.answer_delay_ms = 60_000);
    let mut check = pin!(fixture.about("check", &id));
    let early = timeout(Duration::from_millis(150), &mut check).await;
    assert!(early.is_err(), "{early:?}");
    fixture.knobs(|knobs| knobs.answer_delay_ms = 0);
    let late = timeout(Duration::from_secs(30), check).await;
    assert_eq!(late.unwrap()["return_code"], 1);

    fixture.knobs(|knobs| knobs.answer_delay_ms = 60_000);
    let mut check = pin!(fixture.about("check", &id));
    let early = timeout(Duration::from_millis(150), &mut check).await;
    assert!(early.is_err(), "{early:?}");
    fixture.sandbox.reset();
    // It is answered, although its order was cleared.
    let late = timeout(Duration::from_secs(30), check).await;
    assert_eq!(late.unwrap()["return_code"], 0);
}

#[tokio::test]
async fn wechat_fails_as_told() {
    let fixture = Fixture::new().await;
    let query = [
        ("appid", APPID),
        ("secret", SECRET),
        ("js_code", "code-alice"),
        ("grant_type", "authorization_code"),
    ];
    let login = || {
        let url = fixture.url_with("wechat/sns/jscode2session", query);
        fixture.http.get(url)
    };
    fixture.knobs(|knobs| knobs.wechat = Wechat::Http500);
    assert_eq!(send(login()).await.status(), 500);
    fixture.knobs(|knobs| knobs.wechat = Wechat::Garbage);
    assert!(
        send(login())
            .await
            .json::<serde_json::Value>()
            .await
            .is_err()
    );
    fixture.knobs(|knobs| knobs.wechat = Wechat::Slow);
    let slow = login().timeout(Duration::from_millis(200)).send().await;
    assert!(slow.is_err_and(|error| error.is_timeout()));
    fixture.knobs(|knobs| knobs.wechat = Wechat::Ok);
    // The refusals did not use up the code.
    assert!(json(login()).await["openid"].is_string());
}
