use anyhow::Result;
use heyi_common::store::Code;
use heyi_sandbox::world::{Answer, data, params, payloads};
use serde_json::json;

use crate::support::{TestApp, header};

const ALIPAY: &str = "Mozilla/5.0 (Linux; U; Android 13) AppleWebKit/537.36 UCBrowser/11.8 Mobile Safari/537.36 \
    AlipayDefined(nt:WIFI,ws:393|0|2.75) AliApp(AP/10.5.0.8000) AlipayClient/10.5.0.8000 Language/zh-Hans";
const WECHAT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 \
    MicroMessenger/8.0.38(0x1800262c) NetType/WIFI Language/zh_CN";
const WECHAT_ON_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 Chrome/107.0 Safari/537.36 \
    MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x6309092b) XWEB/8555";
const UNIONPAY: &str = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 (com.unionpay.chsp) (cordova 4.5.4) \
    (updebug 0) (version 1009) (UnionPay/1.0 CloudPay)";
const JD: &str = "jdapp;android;11.0.0;12;network/wifi;Mozilla/5.0 (Linux; Android 12) MQQBrowser/6.2 TBS/046033";
const QQ: &str = "Mozilla/5.0 (Linux; Android 13) MQQBrowser/6.2 TBS/046613 Mobile Safari/537.36 \
    V1_AND_SQ_8.9.80_4614 QQ/8.9.80.12440 NetType/WIFI";
const QQ_BROWSER: &str =
    "Mozilla/5.0 (Linux; U; Android 13) AppleWebKit/537.36 MQQBrowser/14.0 Mobile Safari/537.36";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";

async fn scan(app: &TestApp, code: &Code, agent: &str) -> Result<Answer> {
    app.get_with(
        &format!("/qr?id={}", code.id.to_hex()),
        &[("user-agent", agent)],
    )
    .await
}

/// The codes on a page, in their order.
fn labels(page: &str) -> Vec<&str> {
    let headings = page.split("<h2>").skip(1);
    headings
        .filter_map(|rest| rest.split("收款码</h2>").next())
        .collect()
}

#[tokio::test]
async fn each_app_sees_its_own_code_first() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for (agent, first, steps) in [
        (WECHAT, "微信", "「扫一扫」，点右下角的「相册」"),
        (UNIONPAY, "云闪付", "打开云闪付「扫一扫」"),
        (JD, "京东", "用京东付款"),
        (QQ, "QQ", "识别图中二维码"),
        (WECHAT_ON_WINDOWS, "微信", "扫描下面任意一个收款码"),
        (QQ_BROWSER, "微信", "扫描下面任意一个收款码"),
        (CHROME, "微信", "扫描下面任意一个收款码"),
        ("", "微信", "扫描下面任意一个收款码"),
    ] {
        let page = scan(&app, &code, agent).await?;
        assert_eq!(page.status, 200);
        let labels = labels(&page.body);
        assert_eq!((labels.len(), labels[0]), (5, first), "{agent}");
        assert!(page.body.contains(steps), "{agent}: {}", page.body);
        assert!(page.body.contains("向「小店」付款"));
    }
    app.finish().await
}

#[tokio::test]
async fn alipay_is_sent_to_its_own_code_or_told_that_there_is_none() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let answer = scan(&app, &code, ALIPAY).await?;
    assert_eq!(answer.status, 302);
    assert_eq!(header(&answer, "location"), payloads()["alipay"]);
    assert_eq!(header(&answer, "vary"), "user-agent");
    assert_eq!(header(&answer, "cache-control"), "no-store");

    let wechat = json!({"wechat": payloads()["wechat"]});
    let only_wechat = json!({"openId": alice.openid, "name": "小店", "payloads": wechat});
    let page = scan(&app, &app.code_of(only_wechat).await?, ALIPAY).await?;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("收款人没有提供支付宝收款码"));
    assert_eq!(labels(&page.body), ["微信"]);
    app.finish().await
}

#[tokio::test]
async fn payloads_that_are_no_known_form_any_more_are_not_shown() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let evil = "https://qr.alipay.com.evil.example/fkx0123456789";
    let mut mixed = data(&alice.openid, "小店");
    mixed["payloads"]["alipay"] = evil.into();
    let code = app.code_of(mixed).await?;
    let page = scan(&app, &code, ALIPAY).await?;
    assert_eq!(page.status, 200);
    assert!(!labels(&page.body).contains(&"支付宝"));

    let only_evil = json!({"openId": alice.openid, "name": "小店", "payloads": {"alipay": evil}});
    let code = app.code_of(only_evil).await?;
    assert_eq!(scan(&app, &code, ALIPAY).await?.status, 410);
    assert_eq!(scan(&app, &code, CHROME).await?.status, 410);
    app.finish().await
}

#[tokio::test]
async fn a_name_is_text_whatever_it_holds() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'); alert(1); ('",
        "{{ 7 * 7 }}{% raw %}",
        "</title><svg/onload=alert(1)>",
    ] {
        let code = app.code(&alice, name).await?;
        for agent in [WECHAT, CHROME] {
            let page = scan(&app, &code, agent).await?.body;
            for markup in ["<script", "<img src=x", "<svg", "onerror=alert(1)>", "「49"] {
                assert!(!page.contains(markup), "{name}: {page}");
            }
            assert_eq!(page.matches("</title>").count(), 1);
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_page_runs_no_scripts_and_tells_nobody_where_it_was_read() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let page = scan(&app, &code, CHROME).await?;
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("script"), "{policy}");
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("vary", "user-agent"),
    ] {
        assert_eq!(header(&page, name), value, "{name}");
    }
    app.finish().await
}

#[tokio::test]
async fn what_is_not_there_is_gone_in_the_format_that_is_wanted() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let store = &app.store;
    let deleted = app.code(&alice, "小店").await?.id;
    store.delete(deleted).await?;
    let disabled = app.code(&alice, "小店").await?.id;
    store.set_disabled(disabled, true).await?;
    for id in [
        "",
        "malformed",
        "000000000000000000000000",
        &deleted.to_hex(),
        &disabled.to_hex(),
    ] {
        for answer in app.in_every_way("/qr", &params(&[("id", id)])).await? {
            assert_eq!(answer.status, 410, "{id}");
            assert!(answer.body.contains("收款码已失效"), "{}", answer.body);
        }
        let path = format!("/qr?id={id}");
        let answer = app
            .get_with(&path, &[("accept", "application/json")])
            .await?;
        assert_eq!(answer.json()["errcode"], 410, "{}", answer.body);
    }
    assert_eq!(app.get_with("/qr", &[]).await?.status, 410);
    store.set_disabled(disabled, false).await?;
    let shown = app
        .client
        .get("/qr", &params(&[("id", &disabled.to_hex())]))
        .await?;
    assert_eq!(shown.status, 200);
    app.finish().await
}
