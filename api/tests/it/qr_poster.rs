use std::{fs, io::Cursor, time::Duration};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use heyi_testkit::world::{
    browser::{Browser, Screen},
    data, payloads,
};
use tokio::time::{Instant, timeout};

use crate::{
    agents::CHROME,
    qr_picture::{read, read_within},
    support::{TestApp, assert_fails, header},
};

const STYLES: [&str; 5] = ["classic", "dark", "stand", "sticker", "pair"];
/// Where the codes of `pair` are, in hundredths of its width: left, upper, right and lower edge.
const PAIR: [(&str, [u32; 4]); 3] = [
    ("wechat", [4, 29, 49, 85]),
    ("alipay", [51, 29, 96, 85]),
    ("", [6, 87, 42, 122]),
];
const NAME: &str = "</title><script>alert(1)</script><a href='//x.example'>🍜 店";

/// Asserts that the picture of a poster has the right codes in the right places.
fn assert_read_back(style: &str, png: &[u8], page: &str) -> Result<()> {
    if style != "pair" {
        assert_eq!(read(png)?.1, page, "{style}");
        return Ok(());
    }
    for (platform, window) in PAIR {
        let text = payloads()[platform].as_str().unwrap_or(page).to_owned();
        assert_eq!(read_within(png, window)?.1, text, "{style}: {platform}");
    }
    Ok(())
}

#[tokio::test]
async fn every_poster_holds_the_codes() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, NAME).await?.id.to_hex();
    let page = format!("{}/qr?id={id}", app.api.url());
    for style in STYLES {
        for (query, width) in [("", 1080), ("&size=400", 400), ("&size=777", 777)] {
            let path = format!("/qr/{id}/poster.png?style={style}{query}");
            let answer = app.get_with(&path, &[]).await?;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(header(&answer, "content-type"), "image/png");
            assert_eq!(header(&answer, "cache-control"), "public, max-age=300");
            assert_eq!(header(&answer, "vary"), "accept-language");
            let reader = png::Decoder::new(Cursor::new(&answer.bytes)).read_info()?;
            assert_eq!(reader.info().width, width);
            assert_read_back(style, &answer.bytes, &page)?;
        }
    }
    let plain = app.get_with(&format!("/qr/{id}/poster.png"), &[]).await?;
    let classic = format!("/qr/{id}/poster.png?style=classic&lang=zh&size=1080");
    assert_eq!(plain.bytes, app.get_with(&classic, &[]).await?.bytes);
    app.finish().await
}

#[tokio::test]
async fn a_browser_shows_the_svg_as_it_is_and_runs_nothing() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, NAME).await?.id.to_hex();
    let page = format!("{}/qr?id={id}", app.api.url());
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    for (style, width, height) in [
        ("classic", 540, 720),
        ("dark", 540, 720),
        // As large as its millimetres are.
        ("stand", 473, 635),
        ("sticker", 500, 500),
        ("pair", 540, 720),
    ] {
        let screen = Screen {
            width,
            height,
            density: 2,
        };
        browser.be(CHROME, "zh-CN", screen).await?;
        let url = format!("{}/qr/{id}/poster.svg?style={style}", app.api.url());
        browser.client.goto(&url).await?;
        assert_read_back(style, &browser.client.screenshot().await?, &page)?;
        let title = "return document.querySelector('title').textContent";
        assert_eq!(browser.evaluate(title).await?, NAME);
        // Emoji are pictures if such a font is installed.
        let scripts = "return document.querySelectorAll('script, a, use, style, image:not([*|href^=\"data:\"])').length";
        assert_eq!(browser.evaluate(scripts).await?, 0);
    }
    let (console, asked) = browser.records().await?;
    assert_eq!(console, Vec::<String>::new());
    for url in asked {
        let is_own =
            url.as_str().starts_with(&app.api.url()) || ["data", "chrome"].contains(&url.scheme());
        assert!(is_own, "{url}");
    }
    browser.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn a_poster_is_in_the_language_that_is_asked_for() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let drawn = async |query: &str, accepted: &str| -> Result<String> {
        let path = format!("/qr/{id}/poster.svg{query}");
        let answer = app
            .get_with(&path, &[("accept-language", accepted)])
            .await?;
        assert_eq!(header(&answer, "content-type"), "image/svg+xml");
        assert_eq!(
            header(&answer, "content-security-policy"),
            "default-src 'none'; img-src data:"
        );
        Ok(answer.body)
    };
    let chinese = drawn("?lang=zh", "en").await?;
    let english = drawn("?lang=en", "zh").await?;
    assert_ne!(chinese, english);
    assert_eq!(drawn("", "fr").await?, chinese);
    assert_eq!(drawn("", "zh-CN,en;q=0.5").await?, chinese);
    assert_eq!(drawn("", "en-GB,zh;q=0.5").await?, english);
    app.finish().await
}

#[tokio::test]
async fn a_character_that_no_font_has_is_named() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for (name, missing) in [("小店", None), ("店\u{16100}", Some("U+16100"))] {
        let id = app.code(&alice, name).await?.id.to_hex();
        for kind in ["png", "svg"] {
            let answer = app
                .get_with(&format!("/qr/{id}/poster.{kind}"), &[])
                .await?;
            let named = answer.headers.get("x-missing-glyphs");
            assert_eq!(named.and_then(|named| named.to_str().ok()), missing);
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_poster_that_cannot_be_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id;
    let id = code.to_hex();
    for (query, words) in [
        ("style=", "style must be classic"),
        ("style=CLASSIC", "style must be classic"),
        ("style=classic&style=dark", "style"),
        ("lang=fr", "lang must be zh or en"),
        ("lang=", "lang must be zh or en"),
        ("size=399", "size must be from 400 to 2048"),
        ("size=2049", "size must be from 400 to 2048"),
        ("size=99999999999", "size must be from 400 to 2048"),
        ("size=-1", "size must be from 400 to 2048"),
        ("size=", "size must be from 400 to 2048"),
    ] {
        for kind in ["png", "svg"] {
            let path = format!("/qr/{id}/poster.{kind}?{query}");
            assert_fails(&app.get_with(&path, &[]).await?, 400, words);
        }
    }
    for path in [
        format!("/qr/{id}/poster.gif"),
        format!("/qr/{id}/poster"),
        format!("/qr/{id}.png/poster"),
    ] {
        assert_fails(&app.get_with(&path, &[]).await?, 404, "");
    }
    for path in ["malformed", "000000000000000000000000", "%00"] {
        for kind in ["png", "svg"] {
            let path = format!("/qr/{path}/poster.{kind}");
            assert_fails(&app.get_with(&path, &[]).await?, 410, "ask its owner");
        }
    }
    app.store.set_disabled(code, true).await?;
    let path = format!("/qr/{id}/poster.svg");
    assert_fails(&app.gone(&path, &[]).await?, 410, "ask its owner");
    app.store.set_disabled(code, false).await?;
    assert_eq!(app.get_with(&path, &[]).await?.status, 200);
    app.store.delete(code).await?;
    assert_fails(&app.gone(&path, &[]).await?, 410, "ask its owner");
    app.finish().await
}

#[tokio::test]
async fn two_codes_in_one_picture_need_both() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    for (has, missing) in [
        (&["wechat", "qq"][..], "none of alipay:"),
        (&["alipay"], "none of wechat:"),
        (&["jd"], "none of wechat and alipay:"),
    ] {
        let mut data = data(&alice.openid, "小店");
        let payloads = data["payloads"].as_object_mut().context("no payloads")?;
        payloads.retain(|platform, _| has.contains(&platform.as_str()));
        let id = app.code_of(data).await?.id.to_hex();
        let path = format!("/qr/{id}/poster.png?style=pair");
        assert_fails(&app.get_with(&path, &[]).await?, 400, missing);
        let path = format!("/qr/{id}/poster.png?style=stand&size=500");
        let answer = app.get_with(&path, &[]).await?;
        let page = format!("{}/qr?id={id}", app.api.url());
        assert_eq!(read(&answer.bytes)?.1, page, "{has:?}");
    }
    app.finish().await
}

#[tokio::test]
async fn many_large_posters_at_once_leave_room_for_payments_and_memory() -> Result<()> {
    // A debug build on a busy machine takes its time.
    let app = TestApp::start_with(&[("HTTP__REQUEST_TIMEOUT", "60s")]).await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let before = peak_mib(&app)?;
    let path = format!("/qr/{id}/poster.png?style=stand&size=2048");
    let posters = try_join_all((0..12).map(|_| app.get_with(&path, &[])));
    let payments = async {
        for _ in 0..20 {
            let start = Instant::now();
            app.client.order(&alice, "小店", 990).await?;
            assert!(start.elapsed() < Duration::from_secs(3));
        }
        anyhow::Ok(())
    };
    let both = async { tokio::try_join!(posters, payments) };
    let (posters, ()) = timeout(Duration::from_secs(60), both).await??;
    let mut drawn = 0;
    for answer in posters {
        if answer.status == 200 {
            drawn += 1;
        } else {
            assert_fails(
                &answer,
                503,
                "too many pictures are being worked on: wait 1 s",
            );
            assert_eq!(header(&answer, "retry-after"), "1");
        }
    }
    assert!(drawn > 0);
    // An image of 2048 times 2752 pixels has 22 MiB, and half of the processors paint one each.
    let processors = std::thread::available_parallelism()?.get();
    let most = 40 * (processors / 2).max(1) + 40;
    let grown = peak_mib(&app)? - before;
    assert!(grown < most, "{grown} MiB");
    app.finish().await
}

/// The most memory that the api ever had.
fn peak_mib(app: &TestApp) -> Result<usize> {
    let id = app.api.id().context("the api has ended")?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.context("no peak")?.parse::<usize>()? / 1024)
}

#[tokio::test]
async fn posters_count_for_the_rate_limit() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "1")]).await?;
    let path = "/qr/000000000000000000000000/poster.png";
    for _ in 0..100 {
        let answer = app.get_with(path, &[]).await?;
        if answer.status == 429 {
            return app.finish().await;
        }
        assert_eq!(answer.status, 410);
    }
    anyhow::bail!("a hundred posters were looked for")
}
