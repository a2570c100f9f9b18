//! Attacks on the page of a code: running a script there, or redirecting elsewhere.

use anyhow::Result;
use heyi_testkit::world::{data, params, payloads};
use serde_json::json;

use crate::{
    agents::{ALIPAY, CHROME, QQ_BROWSER, WECHAT},
    qr::scan,
    support::{TestApp, header},
};

/// Texts that want to be more than text.
const MARKUP: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'); alert(1); ('",
    "{{ 7 * 7 }}{% raw %}",
    "</title><svg/onload=alert(1)>",
    "</style><style>*{color:red}",
];

/// Asserts that a page has no element and no attribute but those of its template.
#[track_caller]
fn assert_harmless(page: &str, tried: &str) {
    for markup in [
        "<script",
        "<img src=x",
        "<svg",
        "「49",
        "<style>*",
        "javascript:",
    ] {
        assert!(!page.contains(markup), "{tried}: {page}");
    }
    for tag in ["</title>", "<style>", "</style>", "<h1"] {
        assert!(page.matches(tag).count() <= 1, "{tried}: {page}");
    }
    // An attribute that the page has not: its quotes would have to be escaped.
    assert!(!page.contains("onerror=alert(1)>"), "{tried}: {page}");
}

#[tokio::test]
async fn a_name_is_text_whatever_it_holds() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for name in MARKUP {
        let code = app.code(&alice, name).await?;
        for (agent, more) in [(WECHAT, ""), (CHROME, ""), (QQ_BROWSER, "&as=alipay")] {
            let page = scan(&app, &code, agent, more).await?.body;
            assert_harmless(&page, name);
            assert!(page.contains("<bdi>"), "{page}");
        }
    }
    app.finish().await
}

#[tokio::test]
async fn what_a_request_says_of_itself_is_shown_nowhere() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    for tried in MARKUP {
        let encoded = heyi_common::form::write(&params(&[("", tried)]));
        let encoded = encoded.trim_start_matches('=');
        let agent = format!("{WECHAT} {tried}");
        let language = format!("en;q=1, {tried}");
        let headers = [
            ("user-agent", agent.as_str()),
            ("accept-language", &language),
            ("accept", "text/html"),
        ];
        for path in [
            format!("/qr?id={id}"),
            format!("/qr?id={id}&as={encoded}"),
            format!("/qr?id={encoded}"),
            format!("/qr/{encoded}.png"),
            format!("/qr/{id}.png?as={encoded}"),
            format!("/{encoded}"),
        ] {
            let answer = app.get_with(&path, &headers).await?;
            assert_harmless(&answer.body, &path);
            assert_eq!(header(&answer, "location"), "", "{path}");
            assert!(!answer.body.contains("alert(1)"), "{path}: {}", answer.body);
        }
    }
    app.finish().await
}

/// Payloads as only somebody with a hand on the database could write them.
#[tokio::test]
async fn nothing_leads_off_the_list_of_known_forms() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for evil in [
        "https://qr.alipay.com.evil.example/fkx0123456789",
        "https://qr.alipay.com@evil.example/fkx0123456789",
        "https://qr.alipay.com/fkx0123456789\r\nset-cookie: a=b",
        "https://qr.alipay.com/\"><script>alert(1)</script>",
        "//evil.example/fkx0123456789",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
    ] {
        let mut mixed = data(&alice.openid, "小店");
        mixed["payloads"]["alipay"] = evil.into();
        let code = app.code_of(mixed).await?;
        for (agent, more) in [
            (ALIPAY, ""),
            (ALIPAY, "&as=alipay"),
            (QQ_BROWSER, "&as=alipay"),
        ] {
            let page = scan(&app, &code, agent, more).await?;
            assert_eq!(page.status, 200, "{evil}");
            assert_eq!(header(&page, "location"), "", "{evil}");
            assert_harmless(&page.body, evil);
            assert!(!page.body.contains("as=alipay"), "{evil}: {}", page.body);
            assert!(!page.body.contains("evil.example"), "{evil}");
        }
        let picture = format!("/qr/{}.png?as=alipay", code.id.to_hex());
        assert_eq!(app.get_with(&picture, &[]).await?.status, 400, "{evil}");

        let only_evil =
            json!({"openId": alice.openid, "name": "小店", "payloads": {"alipay": evil}});
        let code = app.code_of(only_evil).await?;
        for agent in [ALIPAY, CHROME] {
            assert_eq!(scan(&app, &code, agent, "").await?.status, 410, "{evil}");
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_page_links_to_itself_and_to_known_forms_only() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let own = format!("qr?id={}", code.id.to_hex());
    let report = format!("report?id={}", code.id.to_hex());
    let known = payloads();
    for agent in [WECHAT, QQ_BROWSER, CHROME, "jdapp;"] {
        for wanted in ["", "&as=wechat", "&as=alipay", "&as=jd"] {
            let page = scan(&app, &code, agent, wanted).await?.body;
            for rest in page.split(" href=\"").skip(1) {
                let link = rest.split('"').next().unwrap_or_default();
                let is_known = [&known["alipay"], &known["jd"]]
                    .into_iter()
                    .any(|it| it == link);
                assert!(
                    is_known || link.starts_with(&own) || link == report || link == "data:,",
                    "{agent}{wanted}: {link}"
                );
            }
        }
    }
    app.finish().await
}
