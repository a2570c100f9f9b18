//! In a batch of inserts or reads, one failure does not affect the others.

use anyhow::Result;
use futures::future::join_all;
use heyi_common::store::{Code, Scanned};
use heyi_testkit::world::eventually;
use mongodb::{
    Client, Database,
    bson::{Document, doc},
};

use crate::support::{TestApp, payment_id, payment_of};

const COUNT: u32 = 60;
/// What a code is called that MongoDB refuses.
const REFUSED: &str = "refused";
/// Longer than MongoDB's longest document.
const TOO_LONG: usize = 17 << 20;

fn code(app: &TestApp, name: &str, payment: u32) -> Code {
    let order = app.unsaved_order(name);
    Code::new(&order, &payment_of(&order, payment))
}

/// Lets MongoDB refuse some codes.
async fn refuse(app: &TestApp, those: Document) -> Result<()> {
    app.store.ensure_indexes().await?;
    let others = doc! { "$nor": [those] };
    let validator = doc! { "collMod": "codes", "validator": others };
    database(app).await?.run_command(validator).await?;
    Ok(())
}

async fn database(app: &TestApp) -> Result<Database> {
    let client = Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    Ok(client.database(app.world.setting("HEYI_MONGO__DATABASE")))
}

#[tokio::test]
async fn codes_that_are_inserted_together_fail_alone() -> Result<()> {
    let app = TestApp::new().await?;
    refuse(&app, doc! { "name": REFUSED }).await?;
    let mut codes: Vec<Code> = (0..COUNT)
        .map(|number| code(&app, "小店", number))
        .collect();
    codes[7] = code(&app, REFUSED, 7);
    codes[21].content.name = "大".repeat(TOO_LONG / 3);
    // Another payment of an order that is promoted at the same moment.
    codes[35] = Code {
        payment_id: payment_id(COUNT),
        ..codes[34].clone()
    };
    let written = join_all(codes.iter().map(|code| app.store.insert_code(code))).await;
    let mut before = Vec::new();
    for (number, (code, written)) in codes.iter().zip(written).enumerate() {
        match (number, written) {
            (7 | 21, written) => assert!(written.is_err(), "{number}"),
            (34 | 35, written) => before.extend(written?),
            (_, written) => assert_eq!(written?, None, "{number}"),
        }
        let kept = app.store.code(code.id).await?;
        assert_eq!(kept.is_some(), !matches!(number, 7 | 21), "{number}");
    }
    assert_eq!(before.len(), 1, "one of the two was there before the other");
    app.close().await
}

#[tokio::test]
async fn codes_that_are_read_together_fail_alone() -> Result<()> {
    let app = TestApp::new().await?;
    let codes: Vec<Code> = (0..COUNT)
        .map(|number| code(&app, &format!("{number}号店"), number))
        .collect();
    let written = join_all(codes.iter().map(|code| app.store.insert_code(code))).await;
    written.into_iter().collect::<Result<Vec<_>, _>>()?;
    let raw = database(&app).await?.collection::<Document>("codes");
    raw.delete_one(doc! { "_id": codes[7].id }).await?;
    let broken = doc! { "$set": { "name": 21 } };
    raw.update_one(doc! { "_id": codes[21].id }, broken).await?;
    // Many ask for the same, and for what is not there.
    let asked: Vec<&Code> = codes.iter().chain(&codes[..30]).collect();
    let look = |code: Scanned| code.content;
    let read = join_all(asked.iter().map(|code| app.store.scanned(code.id, look))).await;
    for (number, (code, read)) in asked.iter().zip(read).enumerate() {
        match number % codes.len() {
            7 => assert_eq!(read?, None, "{number}"),
            21 => assert!(read.is_err(), "{number}"),
            _ => assert_eq!(read?.as_ref(), Some(&code.content), "{number}"),
        }
    }
    app.close().await
}

#[tokio::test]
async fn an_order_that_mongodb_refuses_holds_up_no_other() -> Result<()> {
    let app = TestApp::new().await?;
    refuse(&app, doc! { "name": REFUSED }).await?;
    let refused = app.order(REFUSED).await?;
    app.enqueue(&refused, app.notify(&refused, COUNT)).await?;
    let orders = app.paid_orders(COUNT).await?;
    let worker = app.world.worker().await?;
    eventually("all others are promoted", async || {
        let status = app.queue.status().await?;
        Ok(status.waiting == 0 && status.retries == 1)
    })
    .await?;
    for order in &orders {
        app.the_code(order).await?;
    }
    assert_eq!(app.store.mapping(&refused.out_trade_no).await?, None);
    assert!(
        app.orders.get(&refused.out_trade_no).await?.is_some(),
        "it is kept"
    );
    refuse(&app, doc! { "name": "another" }).await?;
    app.release(&refused).await?;
    app.quiet().await?;
    app.the_code(&refused).await?;
    worker.stop().await?;
    app.close().await
}
