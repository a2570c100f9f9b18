//! Names: refused ones, the stored form, and that no name blends into our own text.

use anyhow::{Context as _, Result};
use heyi_common::store::Code;
use heyi_testkit::world::{Answer, Person, payloads, signed};
use serde_json::{Value, json};

use crate::{
    agents::{ALIPAY, CHROME, JD, QQ, QQ_BROWSER, UNIONPAY, WECHAT},
    support::{TestApp, assert_fails},
};

/// Names that close what could stand around them, and go on as if we spoke.
const POSING: [&str; 4] = [
    "商户」已通过合一官方认证，可放心付款。「商户",
    "the shop”. Heyi has verified it. “",
    "官方 · 合一收款码",
    "<b>&amp;\"'",
];

async fn new_order(app: &TestApp, person: &Person, data: &Value) -> Result<Answer> {
    let data = data.to_string();
    let params = signed(
        "/newOrder",
        &[("data", &data), ("totalFee", "990")],
        &person.key,
    );
    app.client.post_form("/newOrder", &params).await
}

async fn update(app: &TestApp, person: &Person, code: &Code, data: &Value) -> Result<Answer> {
    let (id, data) = (code.id.to_hex(), data.to_string());
    let params = signed("/update", &[("id", &id), ("data", &data)], &person.key);
    app.client.post_form("/update", &params).await
}

/// The answers of both routes to this content.
async fn both(
    app: &TestApp,
    person: &Person,
    code: &Code,
    name: &str,
    payloads: &Value,
) -> Result<[Answer; 2]> {
    let order = json!({ "openId": person.openid, "name": name, "payloads": payloads });
    let content = json!({ "name": name, "payloads": payloads });
    Ok([
        new_order(app, person, &order).await?,
        update(app, person, code, &content).await?,
    ])
}

#[tokio::test]
async fn a_name_that_is_invisible_or_hides_something_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for (name, words) in [
        ("\u{200b}", "U+200B"),
        ("\u{3164}", "U+3164"),
        ("\u{2800}", "U+2800"),
        ("\u{e0041}", "U+E0041"),
        (&"\u{301}".repeat(32), "marks"),
        ("a\u{200f}b", "U+200F"),
        ("a\u{200d}官方", "U+200D"),
        ("a\u{2028}b", "U+2028"),
        ("a\u{1b}[2J", "U+001B"),
    ] {
        for answer in both(&app, &alice, &code, name, &payloads()).await? {
            assert_fails(&answer, 400, "data.name");
            assert_fails(&answer, 400, words);
        }
    }
    let kept = app.store.code(code.id).await?.context("no code")?;
    assert_eq!(kept.content.name, "小店");
    app.finish().await
}

#[tokio::test]
async fn a_name_is_stored_in_one_form() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let orders = app.world.orders()?;
    for (name, stored) in [
        (" Cafe\u{301}\u{3000} 小店 ", "Café 小店"),
        (
            "👨\u{200d}👩\u{200d}👧 𠮷野家",
            "👨\u{200d}👩\u{200d}👧 𠮷野家",
        ),
    ] {
        let [ordered, updated] = both(&app, &alice, &code, name, &payloads()).await?;
        assert_eq!(
            (ordered.status.as_u16(), updated.status.as_u16()),
            (200, 200)
        );
        let number = ordered.json()["params"]["out_trade_no"].clone();
        let order = orders.get(&serde_json::from_value(number)?).await?;
        assert_eq!(order.context("no order")?.content.name, stored);
        let kept = app.store.code(code.id).await?.context("no code")?;
        assert_eq!(kept.content.name, stored);
    }
    app.finish().await
}

/// Asserts that a page has the name once, in an element of its own, and nowhere within our words.
fn assert_stands_apart(page: &str, name: &str) {
    let escaped = name
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let alone = format!("\n<h1><bdi>{escaped}</bdi></h1>\n");
    assert_eq!(page.matches(&alone).count(), 1, "{page}");
    assert_eq!(page.matches(&*escaped).count(), 1, "{page}");
    assert!(!page.replace(&alone, "").contains(name), "{page}");
}

#[tokio::test]
async fn a_name_continues_no_words_of_ours() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for name in POSING {
        let id = app.code(&alice, name).await?.id.to_hex();
        for language in ["zh", "en"] {
            for agent in [WECHAT, QQ, UNIONPAY, JD, QQ_BROWSER, CHROME, ""] {
                let headers = [("user-agent", agent), ("accept-language", language)];
                for path in [format!("/qr?id={id}"), format!("/qr?id={id}&as=alipay")] {
                    let page = app.get_with(&path, &headers).await?;
                    assert_eq!(page.status, 200);
                    assert_stands_apart(&page.body, name);
                }
            }
            let headers = [("user-agent", ALIPAY), ("accept-language", language)];
            let other = app
                .get_with(&format!("/qr?id={id}&as=jd"), &headers)
                .await?;
            assert_stands_apart(&other.body, name);
            let report = app.get_with(&format!("/report?id={id}"), &headers).await?;
            assert_stands_apart(&report.body, name);
        }
        let thanks = format!("/report?id={id}&sent=1");
        let thanks = app.get_with(&thanks, &[]).await?;
        assert_eq!(thanks.status, 200);
        assert!(!thanks.body.contains(&name[..6]), "{}", thanks.body);
    }
    app.finish().await
}

#[tokio::test]
async fn payloads_that_no_qr_code_holds_are_refused_with_the_platform_and_the_limit() -> Result<()>
{
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let start = "https://i.qianbao.qq.com/wallet/sqrcode.htm?";
    for count in [1_000, 700] {
        let qq = format!("{start}{}", "码".repeat(count - start.len()));
        let words = format!("2048 bytes in all, and qq has {} bytes", qq.len());
        for answer in both(&app, &alice, &code, "小店", &json!({ "qq": qq })).await? {
            if qq.len() > 2_048 {
                assert_fails(&answer, 400, &words);
            } else {
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    }
    // Together they are too long.
    let mut all = payloads();
    all["qq"] = format!("{start}{}", "码".repeat(600)).into();
    for answer in both(&app, &alice, &code, "小店", &all).await? {
        assert_fails(
            &answer,
            400,
            "data.payloads must have at most 2048 bytes in all",
        );
    }
    // What was accepted can be drawn.
    let picture = app
        .get_with(&format!("/qr/{}.png?as=qq", code.id), &[])
        .await?;
    assert_eq!(picture.status, 200, "{}", picture.body);
    app.finish().await
}
