use anyhow::Result;
use heyi_sandbox::Knobs;
use heyi_testkit::world::{eventually, params, payloads};

use crate::support::{TestApp, header};

#[tokio::test]
async fn from_a_login_to_a_scanned_and_a_deleted_code() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    let (number, _) = app.client.pay(&alice, "小店", 990).await?;
    let id = app.client.code_of(&number).await?;

    let item = app.client.list(&alice).await?.json()["userInfo"][0].clone();
    assert_eq!(item["id"], id);
    assert_eq!(item["name"], "小店");
    assert_eq!(item["payloads"], payloads());

    let path = format!("/qr?id={id}");
    assert_eq!(item["url"], format!("{}{path}", app.api.url()));
    let scanned = app
        .get_with(&path, &[("user-agent", "AlipayClient/10.5")])
        .await?;
    assert_eq!(header(&scanned, "location"), payloads()["alipay"]);

    assert_eq!(app.client.delete(&alice, &id).await?.status, 200);
    let gone = app.client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(gone.status, 410);
    assert_eq!(app.client.code_of(&number).await?, id);
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn a_payment_whose_notifies_are_all_lost_is_found_by_asking() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let alice = app.client.login("alice").await?;
    let order = app.client.order(&alice, "小店", 990).await?;
    let payment = app.world.sandbox.order(&order)?;
    app.world.sandbox.pay(&payment)?;
    let asked = params(&[
        ("out_trade_no", &order["out_trade_no"]),
        ("payjs_order_id", &payment),
    ]);
    eventually("the payment is confirmed", async || {
        Ok(app.client.get("/checkOrder", &asked).await?.status == 200)
    })
    .await?;
    worker.stop().await?;
    app.finish().await
}
