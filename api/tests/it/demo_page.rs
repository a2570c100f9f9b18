//! The sandbox's demo page in a real browser, at the size of a phone.

use anyhow::{Context, Result};
use heyi_sandbox::world::eventually;

use crate::{
    browser::{Browser, PHONE},
    support::TestApp,
};

#[tokio::test]
async fn the_whole_flow_is_clicked_through_on_the_demo_page() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    browser.be("Mozilla/5.0", "zh-CN", PHONE).await?;
    browser
        .client
        .goto(app.world.sandbox.url().as_str())
        .await?;
    browser.click("#login-form button").await?;
    browser
        .find("#order-form input[name=name]")
        .await?
        .send_keys("小店 <b>1</b>")
        .await?;
    browser.click("#fill").await?;
    browser.click("#order-form button.primary").await?;
    browser.click("form[action$='/pay'] button").await?;

    let link = browser
        .find("#link")
        .await?
        .attr("href")
        .await?
        .context("no link")?;
    let picture = "return document.querySelector('#picture').naturalWidth";
    eventually("the composite code", async || {
        Ok(browser.evaluate(picture).await?.as_u64() > Some(0))
    })
    .await?;
    let listed = browser.find("#codes li").await?.text().await?;
    assert!(listed.contains("小店 <b>1</b>"), "{listed}");
    assert!(browser.fits().await?, "the demo page is wider than a phone");
    assert_eq!(app.world.sandbox.ledger().orders.len(), 1);
    let id = link.rsplit('=').next().context("no id")?;
    assert!(app.store.code(id.parse()?).await?.is_some());
    browser.stop().await?;
    worker.stop().await?;
    app.finish().await
}
