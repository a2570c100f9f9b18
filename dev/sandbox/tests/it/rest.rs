//! PayJS's REST interface.

use futures::future::join_all;
use heyi_sandbox::OrderStatus;
use serde_json::{Value, json};

use crate::support::{Fixture, MCHID, fields, json, params, sign_anew, signed, verifies};

fn refused(reply: &Value, reason: &str) -> bool {
    *reply == json!({"return_code": 0, "status": 0, "msg": reason, "return_msg": reason})
}

#[tokio::test]
async fn check_tells_an_unpaid_order_with_zeros_that_are_signed() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    let mut reply = fixture.about("check", &id).await;
    assert!(verifies(&reply));
    reply.as_object_mut().unwrap().remove("sign");
    let expected = json!({
        "return_code": 1, "mchid": MCHID, "out_trade_no": "QR1", "payjs_order_id": id,
        "total_fee": 990, "status": 0, "transaction_id": "0", "paid_time": "0",
    });
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn check_tells_a_paid_order_with_its_transaction() {
    let fixture = Fixture::new().await;
    let id = fixture.paid("QR1");
    let reply = fixture.about("check", &id).await;
    assert!(verifies(&reply));
    let ledger = fixture.sandbox.ledger();
    assert_eq!(reply["status"], 1);
    assert_eq!(
        reply["transaction_id"],
        json!(ledger.orders[0].transaction_id)
    );
    assert_eq!(reply["openid"].as_str().unwrap().len(), 28);
    assert!(ledger.checks[0].paid);
}

#[tokio::test]
async fn checking_more_than_twice_a_second_is_refused_and_counted() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    // Many at the same time, so that even a slow machine exceeds two calls a second.
    let replies = join_all((0..30).map(|_| fixture.about("check", &id))).await;
    let (answered, others): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| verifies(reply));
    assert!(others.iter().all(|reply| refused(reply, "请求过于频繁")));
    assert!(answered.len() >= 2 && !others.is_empty(), "{replies:?}");
    let ledger = fixture.sandbox.ledger();
    assert_eq!(ledger.checks.len(), answered.len());
    assert_eq!(ledger.polled_too_fast, others.len() as u64);
    fixture.knobs(|knobs| knobs.checks_per_second = 0);
    assert!(verifies(&fixture.about("check", &id).await));
}

#[tokio::test]
async fn a_refund_is_signed_and_its_repeat_is_not() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    assert!(refused(&fixture.about("refund", &id).await, "订单未支付"));
    fixture.sandbox.pay(&id).unwrap();
    let reply = fixture.about("refund", &id).await;
    assert!(verifies(&reply), "{reply}");
    assert_eq!(
        (&reply["return_code"], &reply["out_trade_no"]),
        (&json!(1), &json!("QR1"))
    );
    assert_eq!(reply.get("refund"), None);
    let repeat = fixture.about("refund", &id).await;
    assert_eq!(
        (&repeat["return_code"], &repeat["refund"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(repeat.get("sign"), None);
    assert_eq!(
        fixture.sandbox.ledger().orders[0].status,
        OrderStatus::Refunded
    );
}

#[tokio::test]
async fn an_unpaid_order_can_be_closed_and_then_not_paid() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    let reply = fixture.about("close", &id).await;
    assert!(verifies(&reply), "{reply}");
    assert_eq!(reply["payjs_order_id"], json!(id));
    assert!(fixture.sandbox.pay(&id).is_err());
    let paid = fixture.paid("QR2");
    assert!(refused(&fixture.about("close", &paid).await, "订单已支付"));
}

#[tokio::test]
async fn native_answers_the_amount_as_a_text() {
    let fixture = Fixture::new().await;
    let request = signed(&[
        ("mchid", MCHID),
        ("total_fee", "21"),
        ("out_trade_no", "QR1"),
    ]);
    let reply = fixture.rest("native", &request).await;
    assert!(verifies(&reply), "{reply}");
    let names: Vec<_> = fields(&reply).into_keys().collect();
    let expected = [
        "code_url",
        "out_trade_no",
        "payjs_order_id",
        "qrcode",
        "return_code",
        "return_msg",
        "sign",
        "total_fee",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (&reply["return_code"], &reply["total_fee"]),
        (&json!(1), &json!("21"))
    );
    fixture
        .sandbox
        .pay(reply["payjs_order_id"].as_str().unwrap())
        .unwrap();
}

#[tokio::test]
async fn native_takes_what_its_documents_name_and_nothing_else() {
    let fixture = Fixture::new().await;
    let request = |name: &str, value: &str| {
        let mut request = fixture.order("QR1");
        request.remove("nonce");
        request.insert(name.to_owned(), value.to_owned());
        sign_anew(request)
    };
    for (name, value, reason) in [
        ("nonce", "1", "未知参数 nonce"),
        ("callback_url", "https://a.cn/", "未知参数 callback_url"),
        ("mchid", "1600000002", "商户号错误"),
        ("total_fee", "9.90", "金额错误"),
        ("out_trade_no", &"a".repeat(33), "参数 out_trade_no 过长"),
        ("attach", "", "参数 attach 为空"),
        ("notify_url", "https://a.cn/notify?a=1", "notify_url 错误"),
        ("type", "wechat", "参数 type 错误"),
        ("no_credit", "0", "参数 no_credit 错误"),
        ("time_expire", "2020-08-26", "参数 time_expire 错误"),
    ] {
        let reply = fixture.rest("native", &request(name, value)).await;
        assert!(refused(&reply, reason), "{name}={value}: {reply}");
    }
    for (name, value) in [
        ("body", "收款码合成"),
        ("type", "alipay"),
        ("no_credit", "1"),
        ("time_expire", "20300826080808"),
    ] {
        let reply = fixture.rest("native", &request(name, value)).await;
        assert!(verifies(&reply), "{name}={value}: {reply}");
    }
    let paid = fixture.paid("QR2");
    assert!(!paid.is_empty());
    let again = fixture
        .rest("native", &request("out_trade_no", "QR2"))
        .await;
    assert!(refused(&again, "商户订单号重复"), "{again}");
}

#[tokio::test]
async fn every_call_must_be_signed_and_every_refusal_is_noted() {
    let fixture = Fixture::new().await;
    let id = fixture.paid("QR1");
    for endpoint in ["check", "close", "refund"] {
        let unsigned = fixture
            .rest(endpoint, &params(&[("payjs_order_id", &id)]))
            .await;
        assert!(
            refused(&unsigned, "缺少参数 sign"),
            "{endpoint}: {unsigned}"
        );
        let mut forged = signed(&[("payjs_order_id", &id)]);
        forged.insert("mchid".to_owned(), MCHID.to_owned());
        let reply = fixture.rest(endpoint, &forged).await;
        assert!(refused(&reply, "签名错误"), "{endpoint}: {reply}");
        let unknown = fixture.about(endpoint, "2025010112345600512345678").await;
        assert!(refused(&unknown, "订单不存在"), "{endpoint}: {unknown}");
    }
    let ledger = fixture.sandbox.ledger();
    assert_eq!(ledger.refused.len(), 9);
    assert_eq!(ledger.refused[0].path, "/payjs/api/check");
    assert_eq!(ledger.orders[0].status, OrderStatus::Paid);
}

#[tokio::test]
async fn bodies_may_be_json_and_must_not_be_ambiguous() {
    let fixture = Fixture::new().await;
    let id = fixture.sandbox.order(&fixture.order("QR1")).unwrap();
    let url = fixture.url("payjs/api/check");
    let request = sign_anew(params(&[("payjs_order_id", &id), ("mchid", MCHID)]));
    let reply = json(fixture.http.post(url.clone()).json(&request)).await;
    assert!(verifies(&reply), "{reply}");
    let twice = fixture
        .http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("payjs_order_id={id}&payjs_order_id={id}&sign=A"));
    assert_eq!(json(twice).await["return_code"], 0);
}
