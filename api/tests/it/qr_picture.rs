use std::io::Cursor;

use anyhow::{Context, Result};
use heyi_testkit::world::payloads;

use crate::support::{TestApp, assert_fails, header};

/// The side and the text of the QR code in a PNG.
pub(crate) fn read(png: &[u8]) -> Result<(u32, String)> {
    read_within(png, [0, 0, 100, u32::MAX])
}

/// The width of a PNG, and the text of the QR code between a left, upper, right and lower edge, in hundredths of
/// that width.
pub(crate) fn read_within(png: &[u8], edges: [u32; 4]) -> Result<(u32, String)> {
    let mut decoder = png::Decoder::new(Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("no size")?];
    let info = reader.next_frame(&mut pixels)?;
    let all = info.width as usize;
    let [left, top, right, bottom] = edges.map(|edge| edge as usize * all / 100);
    let (width, height) = (right - left, bottom.min(info.height as usize) - top);
    // The codes are black and white, so one channel says it all.
    let samples = info.color_type.samples();
    let at = |x: usize, y: usize| pixels[((top + y) * all + left + x) * samples];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, at);
    let grids = image.detect_grids();
    let (_, text) = grids.first().context("no QR code")?.decode()?;
    Ok((info.width, text))
}

#[tokio::test]
async fn the_composite_code_points_to_its_page() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let page = format!("{}/qr?id={id}", app.api.url());
    for (query, side) in [
        ("", 512),
        ("?size=64", 64),
        ("?size=333", 333),
        ("?size=2048", 2048),
    ] {
        let answer = app.get_with(&format!("/qr/{id}.png{query}"), &[]).await?;
        assert_eq!(answer.status, 200);
        assert_eq!(header(&answer, "content-type"), "image/png");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=300");
        assert_eq!(read(&answer.bytes)?, (side, page.clone()));
    }
    let svg = app.get_with(&format!("/qr/{id}.svg"), &[]).await?;
    assert_eq!(header(&svg, "content-type"), "image/svg+xml");
    assert!(svg.body.starts_with("<svg xmlns="), "{}", svg.body);
    app.finish().await
}

#[tokio::test]
async fn each_receive_code_has_a_picture_of_its_own() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let payloads = payloads();
    for platform in ["wechat", "alipay", "qq", "unionpay", "jd"] {
        for size in [300, 600] {
            let path = format!("/qr/{id}.png?as={platform}&size={size}");
            let answer = app.get_with(&path, &[]).await?;
            let text = payloads[platform].as_str().unwrap_or_default().to_owned();
            assert_eq!(read(&answer.bytes)?, (size, text));
        }
    }
    for name in ["", "paypal", "WECHAT"] {
        let path = format!("/qr/{id}.png?as={name}");
        assert_fails(
            &app.get_with(&path, &[]).await?,
            400,
            "as must be wechat, alipay, qq, unionpay, jd or ecny",
        );
    }
    app.finish().await
}

#[tokio::test]
async fn a_picture_that_cannot_be_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id;
    let id = code.to_hex();
    for size in ["63", "2049", "0", "-1", "big", ""] {
        let answer = app
            .get_with(&format!("/qr/{id}.png?size={size}"), &[])
            .await?;
        assert_fails(&answer, 400, "size must be from 64 to 2048");
    }
    for file in [format!("{id}.gif"), id.clone(), "x".to_owned()] {
        assert_fails(&app.get_with(&format!("/qr/{file}"), &[]).await?, 404, "");
    }
    for file in ["malformed.png", "000000000000000000000000.svg", ".png"] {
        assert_fails(&app.get_with(&format!("/qr/{file}"), &[]).await?, 410, "");
    }
    app.store.delete(code).await?;
    let gone = app.gone(&format!("/qr/{id}.svg"), &[]).await?;
    assert_fails(&gone, 410, "ask its owner");
    app.finish().await
}
