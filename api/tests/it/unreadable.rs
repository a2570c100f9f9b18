//! Documents that cannot be decoded.

use anyhow::Result;
use heyi_common::store::{CODES_OF_A_PAGE, Code};
use heyi_testkit::world::params;
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};

use crate::support::TestApp;

async fn break_document(app: &TestApp, code: &Code) -> Result<()> {
    let client = Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let database = client.database(app.world.setting("HEYI_MONGO__DATABASE"));
    let codes: Collection<Document> = database.collection("codes");
    let broken = doc! { "$set": { "payloads": "oSecret" } };
    codes.update_one(doc! { "_id": code.id }, broken).await?;
    Ok(())
}

#[tokio::test]
async fn a_list_shows_the_others_and_the_log_names_the_document_once() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let mut codes = Vec::new();
    for number in 0..=CODES_OF_A_PAGE + 1 {
        codes.push(app.code(&alice, &format!("小店 {number}")).await?);
    }
    codes.reverse();
    // The last of the first page, where the next one begins.
    let broken = &codes[CODES_OF_A_PAGE - 1];
    break_document(&app, broken).await?;
    for _ in 0..2 {
        let first = app.client.list(&alice).await?;
        assert_eq!(first.status, 200, "{}", first.body);
        let before = first.text("next");
        let more = [("openId", alice.openid.as_str()), ("before", &before)];
        let second = app.client.call("/reflash", &alice, &more).await?;
        let listed = first.body + &second.body;
        for code in &codes {
            let is_listed = listed.contains(&format!("\"{}\"", code.content.name));
            assert_eq!(is_listed, code.id != broken.id, "{}", code.content.name);
        }
    }
    let (log, id) = (app.api.log(), broken.id.to_hex());
    assert_eq!(log.matches("left out of a list").count(), 1, "{log}");
    assert!(log.contains(&id), "{log}");
    assert!(!log.contains("oSecret"), "{log}");
    app.finish().await
}

#[tokio::test]
async fn its_page_fails_as_a_mistake_of_ours() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    break_document(&app, &code).await?;
    let id = code.id.to_hex();
    let page = app.client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(page.status, 500, "{}", page.body);
    assert!(app.api.log().contains(&id), "{}", app.api.log());
    app.finish().await
}
