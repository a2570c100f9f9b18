use std::io::Read as _;

use anyhow::Result;
use flate2::read::GzDecoder;
use heyi_common::store::Code;
use heyi_testkit::world::{Answer, params, payloads};
use serde_json::json;

use crate::{
    agents::{
        ALIPAY, CHROME, HARMONY_PC, JD, JD_FINANCE, JD_LITE, QQ, QQ_BROWSER, QQ_ON_WINDOWS,
        UNIONPAY, WECHAT, WECHAT_ON_WINDOWS,
    },
    support::{TestApp, header},
};

/// The page of a code as an app gets it that says `agent`, with more parameters.
pub(crate) async fn scan(app: &TestApp, code: &Code, agent: &str, more: &str) -> Result<Answer> {
    let path = format!("/qr?id={}{more}", code.id.to_hex());
    app.get_with(&path, &[("user-agent", agent)]).await
}

/// The `as` of the pictures on a page; empty for that of the composite code.
fn pictures(page: &str) -> Vec<&str> {
    let sources = page.split("src=\"qr/").skip(1);
    sources
        .map(|rest| {
            let source = rest.split('"').next().unwrap_or_default();
            let wanted = source.split("?as=").nth(1).unwrap_or_default();
            wanted.split("&amp;").next().unwrap_or_default()
        })
        .collect()
}

/// The apps that a page has buttons for.
fn buttons(page: &str) -> Vec<&str> {
    let links = page.split("&amp;as=").skip(1);
    links.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn each_app_sees_its_own_code_and_may_choose_another() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for (agent, own, steps) in [
        (JD_FINANCE, "jd", "打开京东付款"),
        (JD_LITE, "jd", "打开京东付款"),
        (WECHAT, "wechat", "「扫一扫」，点右下角的「相册」"),
        (UNIONPAY, "unionpay", "打开云闪付「扫一扫」"),
        (JD, "jd", "打开京东付款"),
        (QQ, "qq", "识别图中二维码"),
    ] {
        let page = scan(&app, &code, agent, "").await?;
        assert_eq!(page.status, 200);
        assert_eq!(pictures(&page.body), [own], "{agent}");
        let mut others = vec!["wechat", "alipay", "qq", "unionpay", "jd"];
        others.retain(|other| *other != own);
        assert_eq!(buttons(&page.body), others, "{agent}");
        assert!(page.body.contains(steps), "{agent}: {}", page.body);
        assert!(page.body.contains("<title>合一收款码</title>"));
        for other in others {
            let page = scan(&app, &code, agent, &format!("&as={other}")).await?;
            assert_eq!(pictures(&page.body), [other], "{agent}");
            assert!(buttons(&page.body).contains(&own), "{agent}");
        }
    }
    app.finish().await
}

#[tokio::test]
async fn who_is_no_app_of_ours_sees_the_composite_code_and_chooses() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let all = ["wechat", "alipay", "qq", "unionpay", "jd"];
    for agent in [QQ_BROWSER, ""] {
        let page = scan(&app, &code, agent, "").await?.body;
        assert_eq!((pictures(&page), buttons(&page)), (vec![""], all.to_vec()));
        // The choice comes first.
        assert!(page.find("<nav") < page.find("<img"), "{page}");
    }
    for agent in [CHROME, WECHAT_ON_WINDOWS, QQ_ON_WINDOWS, HARMONY_PC] {
        let page = scan(&app, &code, agent, "").await?.body;
        assert_eq!(
            pictures(&page),
            ["", "wechat", "alipay", "qq", "unionpay", "jd"]
        );
        assert_eq!(buttons(&page), all);
        let one = scan(&app, &code, agent, "&as=jd").await?.body;
        assert_eq!(pictures(&one), ["jd"]);
    }
    // Another app would not let the address through.
    let payload = format!("href=\"{}\"", payloads()["alipay"].as_str().unwrap());
    let button = async |agent| -> Result<bool> {
        Ok(scan(&app, &code, agent, "&as=alipay")
            .await?
            .body
            .contains(&payload))
    };
    assert!(button(QQ_BROWSER).await?);
    assert!(!button(WECHAT).await?);
    assert!(!button(CHROME).await?);
    app.finish().await
}

#[tokio::test]
async fn alipay_is_sent_to_its_own_code_or_told_that_there_is_none() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for more in ["", "&as=alipay", "&as=nonsense"] {
        let answer = scan(&app, &code, ALIPAY, more).await?;
        assert_eq!(answer.status, 302);
        assert_eq!(header(&answer, "location"), payloads()["alipay"]);
        assert_eq!(
            header(&answer, "vary"),
            "user-agent, accept-language, accept-encoding"
        );
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
    let other = scan(&app, &code, ALIPAY, "&as=wechat").await?;
    assert_eq!(
        (other.status.as_u16(), pictures(&other.body)),
        (200, vec!["wechat"])
    );

    let wechat = json!({"wechat": payloads()["wechat"]});
    let only_wechat = json!({"openId": alice.openid, "name": "小店", "payloads": wechat});
    let page = scan(&app, &app.code_of(only_wechat).await?, ALIPAY, "&as=alipay").await?;
    assert_eq!(page.status, 200);
    assert!(
        page.body
            .contains("收款人没有提供支付宝收款码，请改用微信付款")
    );
    assert_eq!(
        (pictures(&page.body), buttons(&page.body)),
        (vec![], vec!["wechat"])
    );
    app.finish().await
}

#[tokio::test]
async fn a_page_is_in_the_language_that_is_wanted() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let path = format!("/qr?id={id}");
    for (wanted, tag, words) in [
        ("", "zh-CN", "长按上面的图片"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "长按上面的图片"),
        (
            "en-US,en;q=0.9,zh;q=0.8",
            "en",
            "Touch and hold the picture",
        ),
        ("zh;q=0.5, en;q=0.6", "en", "Touch and hold the picture"),
        ("fr", "zh-CN", "长按上面的图片"),
    ] {
        let headers = [("user-agent", WECHAT), ("accept-language", wanted)];
        let page = app.get_with(&path, &headers).await?.body;
        assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{wanted}");
        assert!(page.contains(words), "{wanted}: {page}");
        let headers = [("accept", "text/html"), ("accept-language", wanted)];
        let page = app.get_with("/nowhere", &headers).await?.body;
        assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{wanted}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_model_that_is_not_ascii_hides_no_app() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    for model in ["示例畅玩".as_bytes(), b"AIR\xae"] {
        for (agent, own) in [(WECHAT, "wechat"), (QQ, "qq")] {
            let agent = [model, b" ", agent.as_bytes()].concat();
            let path = format!("/qr?id={}", code.id.to_hex());
            let request = app.client.request(reqwest::Method::GET, &path);
            let agent = reqwest::header::HeaderValue::from_bytes(&agent)?;
            let page = app.client.send(request.header("user-agent", agent)).await?;
            assert_eq!(pictures(&page.body), [own]);
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_code_of_few_apps_names_those_and_no_others() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for (platforms, phrase) in [
        (&["wechat"][..], "微信"),
        (&["alipay", "jd"], "支付宝或京东"),
        (&["wechat", "alipay", "qq"], "微信、支付宝或QQ"),
    ] {
        let some = platforms
            .iter()
            .map(|platform| (*platform, payloads()[platform].clone()));
        let some: serde_json::Map<_, _> = some.map(|(name, one)| (name.to_owned(), one)).collect();
        let few = json!({"openId": alice.openid, "name": "小店", "payloads": some});
        let code = app.code_of(few).await?;
        for agent in [QQ_BROWSER, CHROME] {
            let page = scan(&app, &code, agent, "").await?.body;
            assert_eq!(buttons(&page), platforms, "{page}");
            // On paper and beside the code.
            assert!(page.matches(phrase).count() >= 2, "{page}");
            let promises_more = page.contains("一个码，多种付款方式");
            assert_eq!(promises_more, platforms.len() > 1, "{page}");
        }
    }
    app.finish().await
}

/// But for the names of apps.
#[tokio::test]
async fn a_chinese_page_holds_no_english() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let order = app.client.order(&alice, "小店", 990).await?;
    let number = &order["out_trade_no"];
    for agent in [WECHAT, QQ, QQ_BROWSER, CHROME, JD, UNIONPAY] {
        for path in [
            format!("/qr?id={id}"),
            format!("/qr?id={id}&as=alipay"),
            format!("/report?id={id}"),
            format!("/report?id={id}&sent=1"),
            format!("/qr/{id}.png?size=1"),
            format!("/checkOrder?out_trade_no={number}"),
            "/checkOrder?out_trade_no=A".to_owned(),
            "/report".to_owned(),
            "/login?unknown=1".to_owned(),
            "/nowhere".to_owned(),
            "/notify".to_owned(),
            "/qr".to_owned(),
        ] {
            let headers = [
                ("user-agent", agent),
                ("accept", "text/html"),
                ("accept-language", "zh-CN"),
            ];
            let page = app.get_with(&path, &headers).await?.body;
            let (_, body) = page.split_once("<body>").unwrap_or_default();
            let texts = body
                .split('>')
                .map(|rest| rest.split('<').next().unwrap_or_default());
            let texts = texts.chain(
                body.split("alt=\"")
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next()),
            );
            for text in texts {
                let text = text.replace("QQ", "");
                let is_english =
                    text.trim() != "Q" && text.contains(|it: char| it.is_ascii_alphabetic());
                assert!(!is_english, "{path}: {text}");
            }
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_page_is_packed_for_those_who_unpack_it() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "<小店> & 'Söhne'").await?;
    for (agent, more) in [
        (WECHAT, ""),
        (CHROME, ""),
        (QQ_BROWSER, "&as=alipay"),
        (WECHAT, "&as=jd"),
    ] {
        let path = format!("/qr?id={}{more}", code.id.to_hex());
        let plain = app.get_with(&path, &[("user-agent", agent)]).await?;
        assert_eq!(header(&plain, "content-encoding"), "");
        let headers = [("user-agent", agent), ("accept-encoding", "gzip, br")];
        let packed = app.get_with(&path, &headers).await?;
        assert_eq!(header(&packed, "content-encoding"), "gzip");
        // About a half: what is between the texts that differ is packed by itself.
        assert!(packed.bytes.len() * 3 < plain.bytes.len() * 2);
        let mut page = String::new();
        GzDecoder::new(&*packed.bytes).read_to_string(&mut page)?;
        assert_eq!(page, plain.body);
    }
    app.finish().await
}

#[tokio::test]
async fn a_page_runs_no_scripts_and_tells_nobody_where_it_was_read() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let page = scan(&app, &code, CHROME, "").await?;
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(
        !policy.contains("script") && !policy.contains("unsafe"),
        "{policy}"
    );
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("vary", "user-agent, accept-language, accept-encoding"),
        ("set-cookie", ""),
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

#[tokio::test]
async fn nothing_of_a_code_is_for_search_engines() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    for (path, agent, status) in [
        (format!("/qr?id={id}"), WECHAT, 200),
        (format!("/qr?id={id}"), ALIPAY, 302),
        (format!("/qr/{id}.png"), "", 200),
        (format!("/qr/{id}.svg?as=jd"), "", 200),
        (format!("/qr/{id}/poster.svg"), "", 200),
        (format!("/report?id={id}"), "", 200),
        ("/qr?id=gone".to_owned(), "", 410),
    ] {
        let answer = app.get_with(&path, &[("user-agent", agent)]).await?;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            header(&answer, "x-robots-tag").contains("noindex"),
            "{path}"
        );
    }
    let robots = app.get_with("/robots.txt", &[]).await?;
    assert_eq!(robots.status, 200);
    assert!(header(&robots, "content-type").starts_with("text/plain"));
    assert_eq!(robots.body, "User-agent: *\nDisallow: /\n");
    app.finish().await
}

#[tokio::test]
async fn what_apps_add_to_a_link_is_ignored_however_often_it_comes() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    for added in [
        "",
        "&from=timeline&isappinstalled=0&from=singlemessage&isappinstalled=0",
        "&fbclid=a&fbclid=b",
        "&amp;from=timeline",
        "&scene=0&nsukey=ab%2Bc%3D",
        "&utm_source=%CE%A2%D0%C5&%CE%A2=%FF",
        "&&=&%",
    ] {
        for path in [
            format!("/qr?id={id}{added}"),
            format!("/qr?{}&id={id}", added.trim_start_matches('&')),
            format!("/qr?id={}{added}", id.to_uppercase()),
            format!("/qr/{id}.png?size=64{added}"),
            format!("/qr/{id}/poster.svg?style=dark{added}"),
            format!("/report?id={id}{added}"),
        ] {
            let answer = app.get_with(&path, &[("user-agent", WECHAT)]).await?;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
    }
    let long = format!("/qr?id={id}{}", "&from=singlemessage".repeat(200));
    assert_eq!(app.get_with(&long, &[]).await?.status, 200);
    let twice = format!("/qr?id={id}&id=6b02eeb2f52aad4ee8ee84d9");
    assert_eq!(app.get_with(&twice, &[]).await?.status, 400);
    app.finish().await
}
