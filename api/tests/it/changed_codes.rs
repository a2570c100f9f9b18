//! The notice on a page whose receive codes were changed.

use anyhow::Result;
use heyi_common::scans::today;
use heyi_common::{
    order::Content,
    store::{Code, Update},
};
use heyi_testkit::world::browser::{Browser, PHONE};
use jiff::ToSpan as _;
use mongodb::{
    Client,
    bson::{DateTime, Document, doc},
};

use crate::{
    agents::{CHROME, WECHAT},
    support::TestApp,
};

/// What the owner changes the code to.
async fn change(app: &TestApp, code: &Code, name: &str, has_qq: bool) -> Result<()> {
    let mut payloads = code.content.payloads.clone();
    payloads.retain(|platform, _| has_qq || platform.name() != "qq");
    let name = name.to_owned();
    let content = Content { name, payloads };
    let changed = app.store.update(code.id, &content, None).await?;
    assert_eq!(changed, Update::Done);
    Ok(())
}

async fn page(app: &TestApp, code: &Code, language: &str) -> Result<String> {
    let headers = [("user-agent", CHROME), ("accept-language", language)];
    let answer = app
        .get_with(&format!("/qr?id={}", code.id), &headers)
        .await?;
    Ok(answer.body)
}

#[tokio::test]
async fn a_page_says_for_30_days_that_receive_codes_changed() -> Result<()> {
    // Without memory for codes, what is written here shows immediately.
    let app = TestApp::start_with(&[("HTTP__CODE_CACHE_MIB", "0")]).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    assert!(!page(&app, &code, "zh").await?.contains("notice\""));
    // Another name is no other receive code.
    change(&app, &code, "大店", true).await?;
    assert!(!page(&app, &code, "zh").await?.contains("notice\""));

    let before = today();
    change(&app, &code, "大店", false).await?;
    change(&app, &code, "小店", false).await?;
    let days = [before, today()].map(|day| day.to_string());
    for (language, [start, end]) in [
        (
            "zh",
            [
                "收款码在 <span class=\"date\">",
                "</span> 更换过，付款前请仔细核对收款人。",
            ],
        ),
        (
            "en",
            [
                "Receive codes changed on <span class=\"date\">",
                "</span>. Check the payee carefully",
            ],
        ),
    ] {
        let page = page(&app, &code, language).await?;
        let says = |day: &String| page.contains(&format!("{start}{day}{end}"));
        assert!(days.iter().any(says), "{page}");
    }

    let mongo = Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let database = mongo.database(app.world.setting("HEYI_MONGO__DATABASE"));
    let codes = database.collection::<Document>("codes");
    for (days_ago, is_shown) in [(28, true), (31, false)] {
        let ago = jiff::Timestamp::now() - (days_ago * 24).hours();
        let at = DateTime::from_millis(ago.as_millisecond());
        let earlier = doc! { "$set": { "payloads_changed_at": at } };
        codes.update_one(doc! { "_id": code.id }, earlier).await?;
        let page = page(&app, &code, "zh").await?;
        assert_eq!(page.contains("更换过"), is_shown, "{days_ago}: {page}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_browser_shows_the_notice_below_the_name() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    change(&app, &code, "小店", false).await?;
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    for language in ["zh-CN", "en"] {
        browser.be(WECHAT, language, PHONE).await?;
        let url = format!("{}/qr?id={}", app.api.url(), code.id);
        browser.client.goto(&url).await?;
        let notice = browser.find("header .notice").await?.text().await?;
        let year = today().year().to_string();
        assert!(notice.contains(&year), "{notice}");
        assert!(browser.fits().await?, "wider than a phone");
    }
    browser.stop().await?;
    app.finish().await
}
