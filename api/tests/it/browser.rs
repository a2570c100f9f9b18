//! The demo page and the page of a code in a real browser, at the size of a phone.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use heyi_sandbox::{
    servers::process::{find, free_port, tethered},
    world::eventually,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::support::TestApp;

const WECHAT: &str =
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.50";
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=390,844",
    "--accept-lang=zh-CN",
];

/// A chromedriver, which ends with this value, and its browser with it.
struct Browser {
    client: Client,
    process: Child,
}

impl Browser {
    async fn start(user_agent: &str, data: &Path) -> Result<Self> {
        let program = find("chromedriver")
            .context("chromedriver is not on PATH: run the tests with `cargo xtask test`")?;
        let port = free_port()?;
        let process = tethered(&program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--user-data-dir={}", data.display()));
        flags.push(format!("--user-agent={user_agent}"));
        let wanted = json!({ "goog:chromeOptions": { "args": flags } });
        let wanted = wanted.as_object().context("no object")?;
        let url = format!("http://127.0.0.1:{port}");
        let mut client = None;
        eventually("a browser", async || {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            client = builder
                .capabilities(wanted.clone())
                .connect(&url)
                .await
                .ok();
            Ok(client.is_some())
        })
        .await?;
        Ok(Self {
            client: client.context("no browser")?,
            process,
        })
    }

    /// The element, as soon as it is shown.
    async fn find(&self, css: &str) -> Result<Element> {
        let mut found = None;
        eventually(css, async || {
            let element = self.client.find(Locator::Css(css)).await;
            if let Ok(element) = element
                && element.is_displayed().await.unwrap_or(false)
            {
                found = Some(element);
            }
            Ok(found.is_some())
        })
        .await?;
        found.context("no element")
    }

    async fn click(&self, css: &str) -> Result<()> {
        Ok(self.find(css).await?.click().await?)
    }

    async fn evaluate(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    async fn stop(mut self) -> Result<()> {
        self.client.close().await?;
        Ok(self.process.kill().await?)
    }
}

#[tokio::test]
async fn the_whole_flow_is_clicked_through_on_the_demo_page() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let browser = Browser::start("Mozilla/5.0", &app.world.dir().join("browser")).await?;
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
    assert!(fits(&browser).await?, "the demo page is wider than a phone");
    assert_eq!(app.world.sandbox.ledger().orders.len(), 1);
    let id = link.rsplit('=').next().context("no id")?;
    assert!(app.store.code(id.parse()?).await?.is_some());
    browser.stop().await?;
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn the_page_of_a_code_shows_what_the_app_can_use_and_asks_nobody_else() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "<img src=x onerror=alert(1)>").await?;
    let browser = Browser::start(WECHAT, &app.world.dir().join("browser")).await?;
    browser
        .client
        .goto(&format!("{}/qr?id={}", app.api.url(), code.id.to_hex()))
        .await?;
    let heading = browser.find("h1").await?.text().await?;
    assert!(
        heading.contains("<img src=x onerror=alert(1)>"),
        "{heading}"
    );
    let first = "return [...document.images].map(image => [image.alt, image.complete && image.naturalWidth > 0])";
    let images = browser.evaluate(first).await?;
    assert!(
        images[0][0]
            .as_str()
            .is_some_and(|alt| alt.contains("微信")),
        "{images}"
    );
    let all = images.as_array().context("no images")?;
    assert!(
        all.len() == 1 && all.iter().all(|image| image[1] == true),
        "{images}"
    );
    let hosts = "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith('data:') && !name.startsWith(location.origin))";
    assert_eq!(browser.evaluate(hosts).await?, serde_json::json!([]));
    assert!(fits(&browser).await?, "the page is wider than a phone");
    browser.stop().await?;
    app.finish().await
}

/// Whether nothing is cut off at the side.
async fn fits(browser: &Browser) -> Result<bool> {
    let overflow =
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    Ok(browser.evaluate(overflow).await? == true)
}
