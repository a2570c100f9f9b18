//! The pages of PayJS's mini-program and cashier.

use heyi_sandbox::OrderStatus;
use serde_json::json;

use crate::support::{Fixture, MCHID, json, pairs, send, sign_anew, signed};

#[tokio::test]
async fn the_payment_page_shows_the_amount_and_leads_back_paid() {
    let fixture = Fixture::new().await;
    let mut order = fixture.order("QR1");
    order.insert("body".to_owned(), "<b>码</b>".to_owned());
    let order = sign_anew(order);
    let page = send(
        fixture
            .http
            .get(fixture.url_with("payjs/miniapp", pairs(&order))),
    )
    .await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("9.90") && page.contains("&lt;b&gt;码&lt;/b&gt;"),
        "{page}"
    );
    let id = fixture.sandbox.ledger().orders[0].payjs_order_id.clone();
    let pay = fixture
        .http
        .post(fixture.url(&format!("payjs/miniapp/{id}/pay")));
    let response = send(pay).await;
    assert_eq!(response.status(), 303);
    let back = response.headers()["location"].to_str().unwrap();
    assert_eq!(
        back,
        format!("/?outTradeNo=QR1&payjsOrderId={id}&resultCode=SUCCESS&success=true")
    );
    let ledger = json(fixture.http.get(fixture.url("sandbox/ledger"))).await;
    assert_eq!(ledger["orders"][0]["status"], "paid");
}

#[tokio::test]
async fn whoever_cancels_comes_back_with_the_order_unpaid() {
    let fixture = Fixture::new().await;
    let open = fixture
        .http
        .post(fixture.url("payjs/miniapp"))
        .form(&fixture.order("QR1"));
    let opened = json(open.header("accept", "application/json")).await;
    let id = opened["payjs_order_id"].as_str().unwrap();
    let cancel = fixture
        .http
        .post(fixture.url(&format!("payjs/miniapp/{id}/cancel")));
    let extra_data = json(cancel.header("accept", "application/json")).await;
    let expected = json!({
        "success": false, "payjsOrderId": id, "resultCode": "CANCEL", "outTradeNo": "QR1",
    });
    assert_eq!(extra_data, expected);
    assert_eq!(
        fixture.sandbox.ledger().orders[0].status,
        OrderStatus::Created
    );
}

#[tokio::test]
async fn a_refusal_is_a_page_or_json_as_asked() {
    let fixture = Fixture::new().await;
    let url = fixture.url("payjs/miniapp?mchid=%3Cb%3E&%3Ci%3E=1");
    let page = send(fixture.http.get(url.clone())).await;
    assert_eq!(page.status(), 400);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("&lt;i&gt;") && !page.contains("<i>"),
        "{page}"
    );
    let reply = json(fixture.http.get(url).header("accept", "application/json")).await;
    assert_eq!(
        (&reply["return_code"], &reply["status"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(reply["msg"], reply["return_msg"]);
    assert_eq!(fixture.sandbox.ledger().refused.len(), 2);
}

#[tokio::test]
async fn the_cashier_leads_to_its_callback() {
    let fixture = Fixture::new().await;
    let order = signed(&[
        ("mchid", MCHID),
        ("total_fee", "1"),
        ("out_trade_no", "QR1"),
        ("callback_url", "https://shop.example/back"),
    ]);
    let page = send(
        fixture
            .http
            .get(fixture.url_with("payjs/api/cashier", pairs(&order))),
    )
    .await;
    assert!(page.text().await.unwrap().contains("0.01"));
    let id = fixture.sandbox.ledger().orders[0].payjs_order_id.clone();
    let pay = fixture
        .http
        .post(fixture.url(&format!("payjs/miniapp/{id}/pay")));
    let response = send(pay).await;
    let back = response.headers()["location"].to_str().unwrap();
    assert!(
        back.starts_with("https://shop.example/back?outTradeNo=QR1&"),
        "{back}"
    );
}

#[tokio::test]
async fn the_cashier_takes_what_its_documents_name_and_nothing_else() {
    let fixture = Fixture::new().await;
    for (name, value, reason) in [
        ("nonce", "1", "未知参数 nonce"),
        ("type", "alipay", "未知参数 type"),
        ("auto", "0", "参数 auto 错误"),
        ("hide", "0", "参数 hide 错误"),
        (
            "callback_url",
            "javascript:alert(1)",
            "参数 callback_url 错误",
        ),
        (
            "logo",
            &format!("https://a.cn/{}", "a".repeat(32)),
            "参数 logo 过长",
        ),
        ("notify_url", "", "参数 notify_url 为空"),
    ] {
        let mut order = fixture.order("QR1");
        order.remove("nonce");
        order.insert(name.to_owned(), value.to_owned());
        let order = sign_anew(order);
        let url = fixture.url_with("payjs/api/cashier", pairs(&order));
        let reply = json(fixture.http.get(url)).await;
        assert_eq!(reply["return_code"], 0, "{name}={value}");
        assert_eq!(reply["msg"], reason, "{name}={value}");
    }
    let mut order = fixture.order("QR1");
    order.remove("nonce");
    let mut cheaper = sign_anew(order);
    cheaper.insert("total_fee".to_owned(), "1".to_owned());
    let url = fixture.url_with("payjs/api/cashier", pairs(&cheaper));
    assert_eq!(json(fixture.http.get(url)).await["msg"], "签名错误");
    assert!(fixture.sandbox.ledger().orders.is_empty());
}
