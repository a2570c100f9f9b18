//! Accessibility of the pages: low vision, screen readers, keyboards.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use heyi_testkit::world::{
    browser::{Browser, DESKTOP, PHONE, Screen},
    data, payloads,
};
use serde_json::{Value, json};

use crate::{
    agents::{CHROME, JD, QQ_BROWSER, WECHAT},
    support::TestApp,
};

/// Runs axe-core and answers what it finds serious or critical.
const JUDGE: &str = "const done = arguments[0];
    axe.run().then(found => done(found.violations
        .filter(it => ['serious', 'critical'].includes(it.impact))
        .map(it => [it.id, it.nodes.map(node => node.html + ': ' + node.failureSummary)])))
        .catch(error => done(String(error)))";

struct Judge {
    browser: Browser,
    axe: String,
}

impl Judge {
    async fn new(data: &Path) -> Result<Self> {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.heyi/tools/axe.min.js");
        let axe = fs::read_to_string(axe)
            .context("axe-core is not installed: run the tests with `cargo xtask test`")?;
        let browser = Browser::start(data).await?;
        Ok(Self { browser, axe })
    }

    /// Asserts that axe-core finds nothing serious on a page, in light and dark.
    async fn assert_fine(
        &self,
        url: &str,
        agent: &str,
        language: &str,
        screen: Screen,
    ) -> Result<()> {
        self.browser.be(agent, language, screen).await?;
        for scheme in ["light", "dark"] {
            self.browser.show_as("screen", scheme).await?;
            self.browser.client.goto(url).await?;
            self.browser.evaluate(&self.axe).await?;
            let found = self.browser.client.execute_async(JUDGE, Vec::new()).await?;
            assert_eq!(found, json!([]), "{url} {agent} {language} {scheme}");
        }
        Ok(())
    }
}

#[tokio::test]
async fn axe_finds_nothing_serious() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "巷口小店").await?.id.to_hex();
    let mut few = data(&alice.openid, "小店");
    few["payloads"] = json!({ "alipay": payloads()["alipay"] });
    let few = app.code_of(few).await?.id.to_hex();
    let judge = Judge::new(&app.world.dir().join("browser")).await?;
    let base = app.api.url();
    for (path, agent, screen) in [
        (format!("qr?id={code}"), WECHAT, PHONE),
        (format!("qr?id={code}"), JD, PHONE),
        (format!("qr?id={code}"), QQ_BROWSER, PHONE),
        (format!("qr?id={code}"), CHROME, DESKTOP),
        (format!("qr?id={code}&as=qq"), CHROME, DESKTOP),
        (format!("qr?id={code}&as=alipay"), QQ_BROWSER, PHONE),
        (format!("qr?id={few}"), WECHAT, PHONE),
        (format!("qr?id={few}"), QQ_BROWSER, PHONE),
        (format!("report?id={code}"), WECHAT, PHONE),
        (format!("report?id={code}&sent=1"), WECHAT, PHONE),
        ("login".to_owned(), WECHAT, PHONE),
        ("nowhere".to_owned(), WECHAT, PHONE),
        ("qr".to_owned(), WECHAT, PHONE),
        ("checkOrder?out_trade_no=A".to_owned(), CHROME, DESKTOP),
    ] {
        let url = format!("{base}/{path}");
        judge.assert_fine(&url, agent, "zh-CN", screen).await?;
        judge.assert_fine(&url, agent, "en", screen).await?;
    }
    judge.browser.stop().await?;
    app.finish().await
}

/// Tab alone leads through all there is to click, and what has the focus shows it.
#[tokio::test]
async fn every_control_is_reached_by_the_keyboard() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    for (path, agent, screen) in [
        (format!("qr?id={id}"), WECHAT, PHONE),
        (format!("qr?id={id}"), CHROME, DESKTOP),
        (format!("report?id={id}"), WECHAT, PHONE),
    ] {
        browser.be(agent, "zh-CN", screen).await?;
        let url = format!("{}/{path}", app.api.url());
        browser.client.goto(&url).await?;
        // The radio buttons of a group are one stop.
        let all = "return [...document.querySelectorAll('a, button, input:not([type=hidden]):not([type=radio]), \
            textarea, input[type=radio]:first-of-type')].filter((it, at, all) => it.type !== 'radio' || \
            all.findIndex(other => other.name === it.name) === at).length";
        let all = browser.evaluate(all).await?.as_u64().context("no number")?;
        let mut reached: Vec<Value> = Vec::new();
        for _ in 0..all {
            for kind in ["rawKeyDown", "keyUp"] {
                let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
                browser.tell("Input.dispatchKeyEvent", key).await?;
            }
            let focused = "const it = document.activeElement;
                return [it.tagName, it.href || it.id || it.value, getComputedStyle(it).outlineStyle]";
            let focused = browser.evaluate(focused).await?;
            assert_eq!(focused[2], "solid", "{path}: {focused}");
            assert!(!reached.contains(&focused), "{path}: {focused} twice");
            reached.push(focused);
        }
        assert!(all > 3, "{path}: {reached:?}");
    }
    browser.stop().await?;
    app.finish().await
}
