//! `/decode`: pictures that are read, and the reasons for the others.

use std::time::Duration;

use anyhow::Result;
use heyi_testkit::world::{Answer, payloads};
use image::ImageFormat;
use serde_json::json;

use crate::{
    bombs,
    pictures::{self, file, jpeg},
    support::{TestApp, assert_fails, header},
};

pub(crate) const KIND: &str = "multipart/form-data; boundary=wall";
/// For a program without optimizations on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A form with a picture.
pub(crate) fn form(picture: &[u8]) -> Vec<u8> {
    let head = "--wall\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"code.png\"\r\n\
        Content-Type: image/png\r\n\r\n";
    [head.as_bytes(), picture, b"\r\n--wall--\r\n"].concat()
}

pub(crate) async fn decode(app: &TestApp, picture: &[u8]) -> Result<Answer> {
    let request = app.client.request(reqwest::Method::POST, "/decode");
    // To draw the next picture may take so long that a connection that is kept is closed meanwhile.
    let request = request.header("connection", "close");
    let request = request.header("content-type", KIND).timeout(PATIENCE);
    app.client.send(request.body(form(picture))).await
}

#[track_caller]
pub(crate) fn assert_unread(answer: &Answer, status: u16, reason: &str, words: &str) {
    assert_fails(answer, status, words);
    assert_eq!(answer.text("reason"), reason, "{}", answer.body);
}

/// With time for a program without optimizations on a busy machine.
pub(crate) async fn start() -> Result<TestApp> {
    let settings = [
        ("HTTP__REQUEST_TIMEOUT", "120s"),
        ("ORDERS__OPEN_PER_PERSON", "0"),
    ];
    TestApp::start_with(&settings).await
}

/// The payload of a platform.
pub(crate) fn payload(platform: &str) -> String {
    payloads()[platform].as_str().unwrap_or_default().to_owned()
}

/// Each picture holds the receive code of its platform, and no other is read.
async fn are_read(app: &TestApp, cases: impl IntoIterator<Item = (&str, Vec<u8>)>) -> Result<()> {
    for (what, picture) in cases {
        let answer = decode(app, &picture).await?;
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        let platform = answer.text("platform");
        assert_eq!(answer.text("payload"), payload(&platform), "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn the_code_of_every_platform_is_read_in_every_format() -> Result<()> {
    let app = start().await?;
    for platform in ["wechat", "alipay", "qq", "unionpay", "jd"] {
        let payload = payload(platform);
        let code = pictures::code(&payload, 5);
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Gif,
            ImageFormat::WebP,
            ImageFormat::Bmp,
        ] {
            let answer = decode(&app, &file(code.clone(), format)?).await?;
            assert_eq!(answer.status, 200, "{platform} {format:?}: {}", answer.body);
            let expected = json!({ "payload": payload, "platform": platform, "errcode": 200 });
            assert_eq!(answer.json(), expected);
        }
    }
    let log = app.api.log();
    assert!(
        !log.contains("qr.alipay.com") && !log.contains("wxp://"),
        "{log}"
    );
    app.finish().await
}

#[tokio::test]
async fn a_code_is_read_as_people_send_it() -> Result<()> {
    let app = start().await?;
    let wechat = pictures::wechat_page(&payload("wechat"));
    let alipay = pictures::alipay_page(&payload("alipay"));
    let bare = pictures::code(&payload("wechat"), 8);
    let photo = pictures::photo(&wechat, 1800, 0.9, 8.0, 0.1);
    let cases = [
        ("a screenshot", file(wechat.clone(), ImageFormat::Png)?),
        ("a screenshot that was sent on", jpeg(&wechat, 30)?),
        ("a coloured code", jpeg(&alipay, 80)?),
        ("a dark screenshot", jpeg(&pictures::inverted(&alipay), 80)?),
        ("a photo of a phone", jpeg(&photo, 80)?),
        (
            "one out of focus",
            jpeg(&pictures::blurred(&photo, 2.0), 80)?,
        ),
        (
            "one in dim light",
            jpeg(&pictures::dim(&photo, 40, 0.4), 80)?,
        ),
        (
            "one from the side",
            jpeg(&pictures::photo(&wechat, 1800, 0.9, 30.0, 0.3), 80)?,
        ),
        (
            "one upside down",
            jpeg(&pictures::photo(&alipay, 1800, 0.9, 185.0, 0.1), 80)?,
        ),
        (
            "a small code in a large photo",
            jpeg(&pictures::photo(&bare, 3600, 0.12, 33.0, 0.1), 80)?,
        ),
        (
            "a code with a pixel for each module",
            file(pictures::code(&payload("wechat"), 1), ImageFormat::Png)?,
        ),
        (
            "black on nothing",
            file(pictures::transparent(&bare), ImageFormat::Png)?,
        ),
        (
            "the same code twice",
            file(pictures::beside(&[bare.clone(), bare], 2), ImageFormat::Png)?,
        ),
    ];
    are_read(&app, cases).await?;
    app.finish().await
}

#[tokio::test]
async fn a_styled_code_is_read_and_one_on_any_ground() -> Result<()> {
    let app = start().await?;
    let bare = pictures::code(&payload("wechat"), 8);
    let cases = [
        (
            "white on nothing",
            file(pictures::white_on_nothing(&bare), ImageFormat::Png)?,
        ),
        (
            "modules cut out of a field",
            file(pictures::cut_out(&bare), ImageFormat::Png)?,
        ),
        (
            "a code of separate squares",
            file(
                pictures::separate_modules(&payload("alipay"), 10),
                ImageFormat::Png,
            )?,
        ),
        (
            "the same on a dark ground",
            jpeg(
                &pictures::inverted(&pictures::separate_modules(&payload("qq"), 10)),
                80,
            )?,
        ),
        (
            "a small code in a long screenshot",
            file(
                pictures::long_screenshot(&payload("wechat")),
                ImageFormat::Png,
            )?,
        ),
    ];
    are_read(&app, cases).await?;
    app.finish().await
}

#[tokio::test]
async fn a_code_that_is_no_receive_code_is_told_what_it_is() -> Result<()> {
    let app = start().await?;
    let png = |text: &str| file(pictures::code(text, 6), ImageFormat::Png);
    for (picture, reason, words) in [
        (png("6212018902461749238")?, "payment_code", "付款码"),
        (png("912181106464283706")?, "payment_code", "付款码"),
        (
            png(&format!("wxp://f2f6{}", "aZ0_-".repeat(8)))?,
            "receive_screen",
            "保存收款码",
        ),
        (
            png("https://weixin.qq.com/g/AbCdEfGhIjKl")?,
            "unknown_code",
            "WeChat group",
        ),
        (
            png("https://qm.qq.com/q/AbCdEfGhIj")?,
            "unknown_code",
            "QQ friend or group",
        ),
        (
            png("https://qr.alipay.com/c1x0123456789abcdefghij")?,
            "unknown_code",
            "red packet",
        ),
    ] {
        assert_unread(&decode(&app, &picture).await?, 422, reason, words);
    }
    app.finish().await
}

#[tokio::test]
async fn what_is_no_receive_code_is_told_with_a_reason() -> Result<()> {
    let app = start().await?;
    let png = |text: &str| file(pictures::code(text, 6), ImageFormat::Png);
    let damaged = pictures::damaged(&pictures::code(&payload("wechat"), 8));
    let blank = image::RgbImage::from_pixel(600, 400, image::Rgb([200; 3]));
    for (picture, reason, words) in [
        (png("134567890123456789")?, "payment_code", "付款码"),
        (
            png("2812 3456 7890 1234 56")?,
            "payment_code",
            "show it to nobody",
        ),
        (
            png("https://qr.alipay.com.evil.example/fkx00000EXAMPLE000000")?,
            "unknown_code",
            "a link to a website",
        ),
        (
            file(blank, ImageFormat::Png)?,
            "no_code",
            "reward code (赞赏码)",
        ),
        (file(damaged, ImageFormat::Png)?, "unreadable", "sharp"),
        (
            file(image::RgbImage::new(9, 9), ImageFormat::Png)?,
            "too_small",
            "larger picture",
        ),
        (Vec::new(), "not_a_picture", "PNG, JPEG"),
        (
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            "not_a_picture",
            "PNG, JPEG",
        ),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0".to_vec(),
            "unsupported_format",
            "screenshot",
        ),
        (
            b"II*\0\x08\0\0\0\0\0\0\0".to_vec(),
            "unsupported_format",
            "PNG or JPEG",
        ),
        (bombs::large_jpeg()?, "too_many_pixels", "25 megapixels"),
    ] {
        assert_unread(&decode(&app, &picture).await?, 422, reason, words);
    }
    for (what, picture) in bombs::broken()? {
        let answer = decode(&app, &picture).await?;
        assert_eq!(
            answer.text("reason"),
            "unreadable",
            "{what}: {}",
            answer.body
        );
    }
    app.finish().await
}

#[tokio::test]
async fn several_codes_are_counted() -> Result<()> {
    let app = start().await?;
    let codes = [
        payload("wechat"),
        payload("alipay"),
        "https://example.com/".to_owned(),
    ];
    let codes = codes.map(|text| pictures::code(&text, 6));
    let answer = decode(&app, &file(pictures::beside(&codes, 2), ImageFormat::Png)?).await?;
    assert_unread(&answer, 422, "several_codes", "cut it down to one");
    assert_eq!(answer.json()["codes"], 3);
    assert_eq!(answer.json()["platforms"], json!(["wechat", "alipay"]));
    let both = json!({ "wechat": payload("wechat"), "alipay": payload("alipay") });
    assert_eq!(answer.json()["payloads"], both);

    let other = pictures::code("https://qr.alipay.com/fkx00000ANOTHER000000", 6);
    let three = [codes[0].clone(), codes[1].clone(), other];
    let answer = decode(&app, &file(pictures::beside(&three, 2), ImageFormat::Png)?).await?;
    assert_eq!(answer.json()["codes"], 3);
    let once = json!({ "wechat": payload("wechat") });
    assert_eq!(answer.json()["payloads"], once);

    let payment = [codes[0].clone(), pictures::code("134567890123456789", 6)];
    let answer = decode(
        &app,
        &file(pictures::beside(&payment, 2), ImageFormat::Png)?,
    )
    .await?;
    assert_unread(&answer, 422, "payment_code", "付款码");

    let hundred: Vec<_> = (0..100)
        .map(|number| pictures::code(&format!("https://qr.alipay.com/fkx{number:020}"), 3))
        .collect();
    let answer = decode(
        &app,
        &file(pictures::beside(&hundred, 10), ImageFormat::Png)?,
    )
    .await?;
    assert_unread(&answer, 422, "several_codes", "several QR codes");
    assert!(
        answer.json()["codes"].as_u64() > Some(10),
        "{}",
        answer.body
    );
    app.finish().await
}

#[tokio::test]
async fn a_code_that_is_perhaps_a_receive_code_is_handed_out_to_be_confirmed() -> Result<()> {
    let app = start().await?;
    let payload = "https://qr.alipay.com/zzx0123456789abcdefghij";
    let answer = decode(&app, &file(pictures::code(payload, 6), ImageFormat::Png)?).await?;
    assert_unread(&answer, 422, "unknown_code", "a code of Alipay");
    assert_eq!(answer.json()["payloads"], json!({ "alipay": payload }));
    app.finish().await
}

#[tokio::test]
async fn one_of_several_codes_is_not_taken_for_all() -> Result<()> {
    let app = start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    for size in [400, 555, 720, 1080, 1440, 2048] {
        let poster = format!("/qr/{id}/poster.png?style=pair&size={size}");
        let poster = app.get_with(&poster, &[]).await?;
        let answer = decode(&app, &poster.bytes).await?;
        assert_unread(&answer, 422, "several_codes", "cut it down to one");
        assert_eq!(answer.json()["codes"], 3, "{size}: {}", answer.body);
    }
    app.finish().await
}

#[tokio::test]
async fn a_request_that_is_no_upload_is_told_what_to_send() -> Result<()> {
    let app = start().await?;
    let picture = file(pictures::code(&payload("wechat"), 4), ImageFormat::Png)?;
    let other = String::from_utf8_lossy(&form(b"x")).replace("\"picture\"", "\"photo\"");
    let twice = [&form(b"x")[..form(b"x").len() - 10], &form(b"x")].concat();
    for (kind, body, words) in [
        ("image/png", picture.clone(), "multipart/form-data"),
        ("application/json", b"{}".to_vec(), "multipart/form-data"),
        ("", form(&picture), "multipart/form-data"),
        (KIND, other.into_bytes(), "in the field `picture`"),
        (KIND, twice, "two pictures"),
        (KIND, form(&picture)[..200].to_vec(), "send it again"),
    ] {
        assert_fails(&app.post("/decode", kind, body).await?, 400, words);
    }
    assert_fails(&app.get_with("/decode", &[]).await?, 405, "");
    let page = app.client.request(reqwest::Method::POST, "/decode");
    let page = page
        .header("content-type", KIND)
        .header("accept", "text/html");
    let page = app.client.send(page.body(form(b"x"))).await?;
    assert_eq!(
        (page.status.as_u16(), header(&page, "content-type")),
        (422, "text/html; charset=utf-8")
    );
    app.finish().await
}
