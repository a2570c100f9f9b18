//! The page of a code in a real browser: what each app's users see, and what the page requests.

use anyhow::{Context, Result};
use heyi_common::store::Code;
use heyi_testkit::world::{
    Person,
    browser::{Browser, DESKTOP, PHONE, SMALL_PHONE},
    payloads,
};
use serde_json::json;

use crate::{
    agents::{ALIPAY, CHROME, JD, QQ, QQ_BROWSER, UNIONPAY, WECHAT, WECHAT_ON_WINDOWS},
    qr_picture::read,
    support::TestApp,
};

const NAME: &str = "<img src=x onerror=alert(1)>";

/// A browser that shows the page of a code of all platforms.
struct Payer {
    app: TestApp,
    browser: Browser,
    alice: Person,
    code: Code,
}

impl Payer {
    async fn new() -> Result<Self> {
        let app = TestApp::start().await?;
        let alice = app.client.login("alice").await?;
        let code = app.code(&alice, NAME).await?;
        let browser = Browser::start(&app.world.dir().join("browser")).await?;
        Ok(Self {
            app,
            browser,
            alice,
            code,
        })
    }

    /// Switches off the scripts of pages; those of the test run all the same.
    async fn switch_scripts_off(&self) -> Result<()> {
        let off = json!({ "value": true });
        self.browser
            .tell("Emulation.setScriptExecutionDisabled", off)
            .await
    }

    fn url(&self) -> String {
        format!("{}/qr?id={}", self.app.api.url(), self.code.id.to_hex())
    }

    /// What the large picture holds, as a scanner sees it on the screen.
    async fn scanned(&self) -> Result<String> {
        let picture = self.browser.find("img.code").await?;
        Ok(read(&picture.screenshot().await?)?.1)
    }

    /// Asserts that nothing was refused, nothing failed, and nobody else was asked.
    async fn assert_kept_to_itself(&self) -> Result<()> {
        let (console, asked) = self.browser.records().await?;
        assert_eq!(console, Vec::<String>::new());
        assert!(!asked.is_empty());
        let own = self.app.api.url();
        for url in asked {
            // The last is the browser's own first page.
            let is_own =
                url.as_str().starts_with(&own) || ["data", "chrome"].contains(&url.scheme());
            assert!(is_own, "{url}");
        }
        Ok(())
    }

    async fn finish(self) -> Result<()> {
        self.browser.stop().await?;
        self.app.finish().await
    }
}

fn payload(platform: &str) -> String {
    payloads()[platform].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_app_shows_its_code_and_switches_to_every_other_without_scripts() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    payer.switch_scripts_off().await?;
    for (agent, own) in [
        (WECHAT, "wechat"),
        (QQ, "qq"),
        (UNIONPAY, "unionpay"),
        (JD, "jd"),
    ] {
        browser.be(agent, "zh-CN", PHONE).await?;
        browser.client.goto(&payer.url()).await?;
        let heading = browser.find("h1").await?.text().await?;
        assert_eq!(heading, NAME);
        assert_eq!(payer.scanned().await?, payload(own), "{agent}");
        assert!(browser.fits().await?, "{agent}: wider than a phone");
        let others = ["wechat", "alipay", "qq", "unionpay", "jd"];
        for other in others.into_iter().filter(|other| *other != own) {
            browser.click(&format!("nav a.{other}")).await?;
            browser.find(&format!("section.{other}")).await?;
            assert_eq!(payer.scanned().await?, payload(other), "{agent}");
            assert!(
                browser.fits().await?,
                "{agent}: {other} is wider than a phone"
            );
        }
    }
    payer.assert_kept_to_itself().await?;
    payer.finish().await
}

#[tokio::test]
async fn who_is_no_app_of_ours_gets_the_composite_code() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    for (agent, screen) in [
        (QQ_BROWSER, PHONE),
        (CHROME, DESKTOP),
        (WECHAT_ON_WINDOWS, DESKTOP),
    ] {
        browser.be(agent, "zh-CN", screen).await?;
        browser.client.goto(&payer.url()).await?;
        assert_eq!(payer.scanned().await?, payer.url(), "{agent}");
        assert!(browser.fits().await?, "{agent}: too wide");
        for platform in ["wechat", "alipay", "qq", "unionpay", "jd"] {
            if screen == DESKTOP {
                let small = browser.find(&format!("nav a.{platform} img")).await?;
                let shown = read(&small.screenshot().await?)?.1;
                assert_eq!(shown, payload(platform), "{agent}");
            }
            browser.click(&format!("nav a.{platform}")).await?;
            assert_eq!(payer.scanned().await?, payload(platform), "{agent}");
            browser.click("a.back").await?;
        }
        assert_eq!(payer.scanned().await?, payer.url(), "{agent}");
    }
    payer.assert_kept_to_itself().await?;
    payer.finish().await
}

#[tokio::test]
async fn a_page_and_its_pictures_stay_below_30_kb() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    let sizes = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .reduce((sum, entry) => sum + entry.transferSize, 0)";
    for (agent, screen) in [(WECHAT, PHONE), (QQ_BROWSER, PHONE), (CHROME, DESKTOP)] {
        for language in ["zh-CN", "en"] {
            browser.be(agent, language, screen).await?;
            let clear = json!({});
            browser.tell("Network.clearBrowserCache", clear).await?;
            browser.client.goto(&payer.url()).await?;
            let bytes = browser.evaluate(sizes).await?;
            let bytes = bytes.as_f64().context("no size")?;
            assert!((1000.0..30_000.0).contains(&bytes), "{agent}: {bytes}");
        }
    }
    payer.finish().await
}

#[tokio::test]
async fn a_code_is_read_back_in_the_dark_and_on_paper() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    for (medium, scheme) in [("screen", "dark"), ("print", "light"), ("print", "dark")] {
        browser.show_as(medium, scheme).await?;
        for (agent, screen, text) in [
            (WECHAT, PHONE, payload("wechat")),
            (CHROME, DESKTOP, payer.url()),
        ] {
            browser.be(agent, "zh-CN", screen).await?;
            browser.client.goto(&payer.url()).await?;
            assert_eq!(payer.scanned().await?, text, "{medium}, {scheme}");
            let shown = "return [...document.querySelectorAll('nav, footer')].map(it => it.checkVisibility())";
            let on_screen = medium == "screen";
            assert_eq!(
                browser.evaluate(shown).await?,
                json!([on_screen, on_screen])
            );
            let advice = "const it = document.querySelector('.print'); return it.checkVisibility() && it.textContent";
            let advice = browser.evaluate(advice).await?;
            let apps = if agent == WECHAT {
                "微信"
            } else {
                "微信、支付宝、QQ、云闪付或京东"
            };
            let expected = format!("打开{apps}，用「扫一扫」扫描，核对收款人，再付款。");
            assert_eq!(
                advice,
                if on_screen {
                    json!(false)
                } else {
                    json!(expected)
                }
            );
        }
    }
    payer.finish().await
}

#[tokio::test]
async fn letters_of_twice_the_size_fit_into_their_cards() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    let report = payer.url().replace("/qr?", "/report?");
    let login = format!("{}/login", payer.app.api.url());
    for (url, agent, screen) in [
        (payer.url(), WECHAT, SMALL_PHONE),
        (payer.url(), QQ_BROWSER, SMALL_PHONE),
        (payer.url() + "&as=alipay", QQ_BROWSER, SMALL_PHONE),
        (payer.url(), CHROME, DESKTOP),
        (report.clone() + "&sent=1", WECHAT, SMALL_PHONE),
        (report, WECHAT, SMALL_PHONE),
        (payer.url() + "0", WECHAT, SMALL_PHONE),
        (login, WECHAT, SMALL_PHONE),
    ] {
        for language in ["en", "zh-CN"] {
            browser.be(agent, language, screen).await?;
            browser.client.goto(&url).await?;
            let height = "return document.querySelector('h1').getBoundingClientRect().height";
            let before = browser.evaluate(height).await?;
            assert!(browser.fits().await?, "{url} {agent}: too wide");
            browser
                .evaluate("document.documentElement.style.fontSize = '200%'")
                .await?;
            let after = browser.evaluate(height).await?;
            let (before, after) = (before.as_f64(), after.as_f64());
            let grown = after.context("no height")? / before.context("no height")?;
            assert!(grown >= 2.0, "{url} {agent}: {before:?}, {after:?}");
            assert!(browser.fits().await?, "{url} {agent}: too wide");
            assert_eq!(browser.escaping().await?, json!([]), "{url} {agent}");
        }
    }
    payer.finish().await
}

#[tokio::test]
async fn the_choice_of_apps_is_above_the_fold() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    let code = payer.app.code(&payer.alice, "巷口小店").await?.id.to_hex();
    let url = format!("{}/qr?id={code}", payer.app.api.url());
    for screen in [PHONE, SMALL_PHONE] {
        for language in ["en", "zh-CN"] {
            browser.be(QQ_BROWSER, language, screen).await?;
            browser.client.goto(&url).await?;
            let above = "return document.querySelector('nav').getBoundingClientRect().bottom <= innerHeight";
            assert_eq!(browser.evaluate(above).await?, true, "{screen:?}");
        }
    }
    payer.finish().await
}

#[tokio::test]
async fn alipay_goes_straight_on() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    browser.be(ALIPAY, "zh-CN", PHONE).await?;
    // The test's machine may have no way there; the attempt is what counts.
    let offline = json!({ "urls": ["*://qr.alipay.com/*"] });
    browser.tell("Network.enable", json!({})).await?;
    browser.tell("Network.setBlockedURLs", offline).await?;
    assert!(browser.client.goto(&payer.url()).await.is_err());
    let (_, asked) = browser.records().await?;
    let asked: Vec<&str> = asked.iter().map(url::Url::as_str).collect();
    assert!(asked.contains(&payload("alipay").as_str()), "{asked:?}");
    payer.finish().await
}

#[tokio::test]
async fn a_payer_reports_a_code_without_scripts() -> Result<()> {
    let payer = Payer::new().await?;
    let browser = &payer.browser;
    payer.switch_scripts_off().await?;
    browser.be(WECHAT, "zh-CN", PHONE).await?;
    browser.client.goto(&payer.url()).await?;
    browser.click("footer a").await?;
    browser.click("input[value=swapped]").await?;
    let text = browser.find("textarea").await?;
    text.send_keys("贴在我的码上面").await?;
    assert!(browser.fits().await?, "the form is wider than a phone");
    browser.click("button").await?;
    browser.find("a.back").await?;
    let thanks = browser.find("h1").await?.text().await?;
    assert_eq!(thanks, "已收到，谢谢");
    let reports = payer.app.store.reports(Some(payer.code.id), 10).await?;
    assert_eq!(reports[0].text, "贴在我的码上面");
    browser.client.refresh().await?;
    browser.find("a.back").await?;
    let reports = payer.app.store.reports(Some(payer.code.id), 10).await?;
    assert_eq!((reports.len(), reports[0].repeats), (1, 0));
    payer.assert_kept_to_itself().await?;
    payer.finish().await
}
