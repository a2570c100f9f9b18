//! The sandbox's demo page in a real browser, at the size of a phone.

use anyhow::{Context, Result};
use heyi_testkit::world::{
    browser::{Browser, PHONE, SMALL_PHONE},
    eventually, payloads,
};
use image::ImageFormat;
use serde_json::json;

use crate::{
    pictures::{self, file},
    support::TestApp,
};

/// The demo page on a phone, with somebody signed in.
async fn sign_in(app: &TestApp) -> Result<Browser> {
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    browser.be("Mozilla/5.0", "zh-CN", PHONE).await?;
    browser
        .client
        .goto(app.world.sandbox.url().as_str())
        .await?;
    browser.click("#login-form button").await?;
    Ok(browser)
}

#[tokio::test]
async fn the_whole_flow_is_clicked_through_on_the_demo_page() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let browser = sign_in(&app).await?;
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
    let posters =
        "return Promise.all([...document.querySelectorAll('#posters a')].map(async (link) => {
        const { status, headers } = await fetch(link.href);
        return `${status} ${headers.get('content-type')}`;
    }))";
    assert_eq!(
        browser.evaluate(posters).await?,
        json!(vec!["200 image/svg+xml"; 5])
    );
    // The page in its frame has no scripts, but the test looks at it all the same.
    browser.find("#page").await?.enter_frame().await?;
    eventually("the picture on the page of the code", async || {
        let width = "return document.querySelector('img.code')?.naturalWidth ?? 0";
        Ok(browser.evaluate(width).await?.as_u64() > Some(0))
    })
    .await?;
    browser.client.enter_parent_frame().await?;
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

#[tokio::test]
async fn the_demo_page_pays_over_every_channel_changes_a_code_and_tells_its_scans() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let browser = sign_in(&app).await?;
    for (paid, channel) in (1..).zip(["cashier", "native"]) {
        browser.click("#fill").await?;
        browser
            .click(&format!("#order-form option[value={channel}]"))
            .await?;
        browser.click("#order-form button.primary").await?;
        browser.click("form[action$='/pay'] button").await?;
        browser.find("#link").await?;
        eventually("the code is listed", async || {
            let count = "return document.querySelectorAll('#codes li button').length";
            Ok(browser.evaluate(count).await? == paid * 4)
        })
        .await?;
    }
    let stats = "#codes li:first-child button:nth-of-type(3)";
    eventually("the scan by the page itself is told", async || {
        browser.click(stats).await?;
        let message = browser.find("#message").await?.text().await?;
        Ok(message.contains("扫码 1 次") && message.contains("wechat"))
    })
    .await?;
    browser
        .click("#codes li:first-child button:nth-of-type(2)")
        .await?;
    browser.client.send_alert_text("新店").await?;
    browser.client.accept_alert().await?;
    eventually("the new name and that it was changed", async || {
        let listed = browser.find("#codes li:first-child").await?.text().await;
        Ok(listed.is_ok_and(|listed| listed.contains("新店") && listed.contains("改过 changed")))
    })
    .await?;
    assert!(app.world.sandbox.ledger().refused.is_empty());
    browser.stop().await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn the_demo_page_reads_pictures_of_codes() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__REQUEST_TIMEOUT", "120s")]).await?;
    let browser = sign_in(&app).await?;
    let path = app.world.dir().join("code.png");
    let choose = async |text: &str| -> Result<()> {
        let picture = file(pictures::code(text, 6), ImageFormat::Png)?;
        std::fs::write(&path, picture)?;
        let picker = browser.find("#payloads input[type=file]").await?;
        eventually("a picker that waits", async || {
            Ok(picker.is_enabled().await?)
        })
        .await?;
        Ok(picker.send_keys(&path.to_string_lossy()).await?)
    };
    // The first is WeChat's, but the picture says whose it is.
    for platform in ["alipay", "wechat"] {
        let payload = payloads()[platform].clone();
        choose(payload.as_str().unwrap_or_default()).await?;
        let field = format!("return document.querySelector('#order-form [name={platform}]').value");
        eventually("the payload in its field", async || {
            Ok(browser.evaluate(&field).await? == payload)
        })
        .await?;
    }
    choose("134567890123456789").await?;
    eventually("the refusal", async || {
        let message = browser.find("#message").await?.text().await?;
        Ok(message.contains("付款码"))
    })
    .await?;
    assert!(browser.fits().await?, "the demo page is wider than a phone");
    browser.stop().await?;
    app.finish().await
}

/// What cannot be used by who reads only one of the languages, among all that is shown.
const MONOLINGUAL: &str = "
    const text = (it) => `${it.textContent} ${it.getAttribute('aria-label') ?? ''}`;
    const known = (it) => ['QQ'].includes(it.textContent.trim()) || it.id === 'link';
    return [...document.querySelectorAll('button, label, summary, a, option, dt, h2')]
        .filter((it) => (it.tagName === 'OPTION' || it.checkVisibility()) && !known(it))
        .map(text)
        .filter((it) => !/[\\u4e00-\\u9fff]/.test(it) || !/[A-Za-z]{2}/.test(it))";

/// What is shown of the steps, each of which counts those before it.
const STEPS: &str = "
    return [...document.querySelectorAll('h2')].filter((it) => it.checkVisibility())
        .map((it) => getComputedStyle(it, '::before').content)";

#[tokio::test]
async fn the_demo_page_fits_a_small_phone_in_both_languages_light_and_dark() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let browser = sign_in(&app).await?;
    browser.be("Mozilla/5.0", "en", SMALL_PHONE).await?;
    let look = async |steps: usize| -> Result<()> {
        for scheme in ["light", "dark"] {
            browser.show_as("screen", scheme).await?;
            assert!(browser.fits().await?, "{scheme}, {steps} steps: too wide");
            assert_eq!(browser.escaping().await?, json!([]), "{steps} steps");
            let paper = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((it) => it > 127)";
            assert_eq!(browser.evaluate(paper).await?, scheme == "light");
        }
        assert_eq!(browser.evaluate(MONOLINGUAL).await?, json!([]));
        let numbered = vec!["counter(step)"; steps];
        assert_eq!(browser.evaluate(STEPS).await?, json!(numbered));
        Ok(())
    };
    browser.find("#order-form").await?;
    look(3).await?;
    browser.click("#fill").await?;
    browser.click("#order-form button.primary").await?;
    browser.find("form[action$='/pay'] button").await?;
    look(0).await?;
    browser.click("form[action$='/pay'] button").await?;
    browser.find("#link").await?;
    browser.find("#codes li button").await?;
    look(4).await?;
    browser.stop().await?;
    worker.stop().await?;
    app.finish().await
}
