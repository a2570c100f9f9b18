//! How strict the PayJS mini-program is.

use heyi_common::sign::{self, Params, SIGN};
use heyi_sandbox::{OrderStatus, Refusal};

use crate::support::{Fixture, key, sign_anew};

/// An order with `name` set to `value`, signed again. An empty name changes nothing.
fn changed(order: &Params, name: &str, value: &str) -> Params {
    let mut order = order.clone();
    order.insert(name.to_owned(), value.to_owned());
    sign_anew(order)
}

fn without(order: &Params, name: &str) -> Params {
    let mut order = order.clone();
    order.remove(name);
    sign_anew(order)
}

#[tokio::test]
async fn a_value_out_of_bounds_is_refused_though_it_is_signed() {
    let fixture = Fixture::new().await;
    let order = fixture.order("QR1");
    let cases = [
        (
            "mch_id",
            "1600000001",
            Refusal::UnknownParameter("mch_id".to_owned()),
        ),
        ("attach", "", Refusal::Empty("attach".to_owned())),
        ("mchid", "1600000002", Refusal::Merchant),
        ("mchid", &"1".repeat(17), Refusal::TooLong("mchid")),
        (
            "out_trade_no",
            &"a".repeat(33),
            Refusal::TooLong("out_trade_no"),
        ),
        ("body", &"a".repeat(33), Refusal::TooLong("body")),
        // 32 characters, but 96 bytes.
        ("body", &"码".repeat(32), Refusal::TooLong("body")),
        ("attach", &"a".repeat(128), Refusal::TooLong("attach")),
        ("nonce", &"a".repeat(129), Refusal::TooLong("nonce")),
        (
            "notify_url",
            &format!("http://a.cn/{}", "a".repeat(255)),
            Refusal::TooLong("notify_url"),
        ),
        ("total_fee", "0", Refusal::Fee),
        ("total_fee", "1000001", Refusal::Fee),
        ("total_fee", "9.90", Refusal::Fee),
        ("total_fee", "+990", Refusal::Fee),
        ("total_fee", "0990", Refusal::Fee),
        ("total_fee", " 990", Refusal::Fee),
        ("notify_url", "ftp://a.cn/notify", Refusal::NotifyUrl),
        ("notify_url", "https://a.cn/notify?a=1", Refusal::NotifyUrl),
        ("notify_url", "/notify", Refusal::NotifyUrl),
    ];
    for (name, value, refusal) in cases {
        let answer = fixture.sandbox.order(&changed(&order, name, value));
        assert_eq!(answer, Err(refusal), "{name}={value}");
    }
    for name in ["mchid", "total_fee", "out_trade_no", "nonce"] {
        let answer = fixture.sandbox.order(&without(&order, name));
        assert!(
            matches!(answer, Err(Refusal::Missing(missing)) if missing == name),
            "{name}: {answer:?}"
        );
    }
    assert!(fixture.sandbox.ledger().orders.is_empty());
}

#[tokio::test]
async fn a_value_at_its_bound_is_accepted() {
    let fixture = Fixture::new().await;
    let order = fixture.order("QR1");
    let cases = [
        ("out_trade_no", "a".repeat(32)),
        ("body", "a".repeat(32)),
        ("body", "码".repeat(21)),
        ("attach", "a".repeat(127)),
        ("nonce", "a".repeat(128)),
        ("total_fee", "1".to_owned()),
        ("total_fee", "1000000".to_owned()),
        ("notify_url", "https://a.cn/api/notify".to_owned()),
    ];
    for (name, value) in cases {
        let answer = fixture.sandbox.order(&changed(&order, name, &value));
        assert!(answer.is_ok(), "{name}={value}: {answer:?}");
    }
    for name in ["body", "notify_url"] {
        assert!(
            fixture.sandbox.order(&without(&order, name)).is_ok(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_signature_is_taken_to_the_letter() {
    let fixture = Fixture::new().await;
    let order = fixture.order("QR1");
    let with_sign = |sign: String| {
        let mut order = order.clone();
        order.insert(SIGN.to_owned(), sign);
        fixture.sandbox.order(&order)
    };
    assert_eq!(with_sign(order[SIGN].to_lowercase()), Err(Refusal::Sign));
    assert_eq!(with_sign("0".repeat(32)), Err(Refusal::Sign));
    assert_eq!(
        with_sign(String::new()),
        Err(Refusal::Empty(SIGN.to_owned()))
    );
    let other_key = sign::sign(&order, &"another key".to_owned().into());
    assert_eq!(with_sign(other_key), Err(Refusal::Sign));
    let mut unsigned = order.clone();
    unsigned.remove(SIGN);
    assert_eq!(
        fixture.sandbox.order(&unsigned),
        Err(Refusal::Missing(SIGN))
    );
    let mut cheaper = order.clone();
    cheaper.insert("total_fee".to_owned(), "1".to_owned());
    assert_eq!(fixture.sandbox.order(&cheaper), Err(Refusal::Sign));
    assert!(with_sign(sign::sign(&order, &key())).is_ok());
}

#[tokio::test]
async fn the_same_number_may_be_ordered_again_until_it_is_paid() {
    let fixture = Fixture::new().await;
    let order = fixture.order("QR1");
    let first = fixture.sandbox.order(&order).unwrap();
    let second = fixture.sandbox.order(&order).unwrap();
    assert_ne!(first, second);
    fixture.sandbox.pay(&first).unwrap();
    assert_eq!(fixture.sandbox.order(&order), Err(Refusal::Used));
    // The second page is still open.
    fixture.sandbox.pay(&second).unwrap();
    assert_eq!(fixture.sandbox.pay(&second), Err(Refusal::Paid));
    let unknown = fixture.sandbox.pay("2025010112345600512345678");
    assert_eq!(unknown, Err(Refusal::UnknownOrder));
}

#[tokio::test]
async fn numbers_look_like_those_of_payjs_and_wechat() {
    let fixture = Fixture::new().await;
    fixture.paid("QR1");
    let ledger = fixture.sandbox.ledger();
    let order = &ledger.orders[0];
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(order.payjs_order_id.len(), 25);
    assert!(digits(&order.payjs_order_id));
    let transaction_id = order.transaction_id.as_ref().unwrap();
    assert_eq!(transaction_id.len(), 28);
    assert!(digits(transaction_id));
}
