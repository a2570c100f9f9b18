//! The pictures of pages and posters in docs/images.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use heyi_testkit::world::{
    browser::{Browser, DESKTOP, PHONE, Screen},
    data,
};

use crate::{
    agents::{CHROME, QQ_BROWSER, WECHAT},
    support::TestApp,
};

/// The most that a picture may weigh in the repository.
const LIMIT: usize = 60 * 1024;
/// How many colours a picture keeps.
const COLOURS: usize = 64;

struct Shot {
    file: &'static str,
    path: &'static str,
    agent: &'static str,
    language: &'static str,
    scheme: &'static str,
    screen: Screen,
}

const SHOTS: [Shot; 4] = [
    Shot {
        file: "page-wechat.png",
        path: "/qr?id={id}",
        agent: WECHAT,
        language: "zh-CN",
        scheme: "light",
        screen: PHONE,
    },
    Shot {
        file: "page-phone-dark.png",
        path: "/qr?id={id}",
        agent: QQ_BROWSER,
        language: "en",
        scheme: "dark",
        screen: PHONE,
    },
    Shot {
        file: "page-desktop.png",
        path: "/qr?id={id}",
        agent: CHROME,
        language: "zh-CN",
        scheme: "light",
        screen: DESKTOP,
    },
    Shot {
        file: "page-gone.png",
        path: "/qr",
        agent: WECHAT,
        language: "zh-CN",
        scheme: "light",
        screen: PHONE,
    },
];

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images")
}

/// Takes every picture; with `HEYI_SCREENSHOTS` set it also replaces those in docs/images.
#[tokio::test]
async fn the_pages_can_be_pictured() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code_of(data(&alice.openid, "巷口小店")).await?;
    let browser = Browser::start(&app.world.dir().join("browser")).await?;
    for shot in SHOTS {
        browser.be(shot.agent, shot.language, shot.screen).await?;
        browser.show_as("screen", shot.scheme).await?;
        let path = shot.path.replace("{id}", &code.id.to_hex());
        browser
            .client
            .goto(&format!("{}{path}", app.api.url()))
            .await?;
        let (size, picture) = smaller(&browser.client.screenshot().await?)?;
        let Screen {
            width,
            height,
            density,
        } = shot.screen;
        assert_eq!(size, (width * density, height * density), "{}", shot.file);
        keep(shot.file, &picture)?;
    }
    browser.stop().await?;
    app.finish().await
}

/// Fetches a poster of every style; with `HEYI_SCREENSHOTS` set it also replaces those in docs/images.
#[tokio::test]
async fn the_posters_can_be_pictured() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code_of(data(&alice.openid, "巷口小店")).await?;
    for style in ["classic", "dark", "stand", "sticker", "pair"] {
        let path = format!("/qr/{}/poster.png?style={style}&size=720", code.id.to_hex());
        let (size, picture) = smaller(&app.get_with(&path, &[]).await?.bytes)?;
        assert_eq!(size.0, 720, "{style}");
        keep(&format!("poster-{style}.png"), &picture)?;
    }
    app.finish().await
}

/// Asserts that a picture is light enough and in docs/images, where it is put if that is wanted.
fn keep(file: &str, picture: &[u8]) -> Result<()> {
    assert!(picture.len() < LIMIT, "{file}: {}", picture.len());
    if env::var_os("HEYI_SCREENSHOTS").is_some() {
        fs::create_dir_all(images())?;
        fs::write(images().join(file), picture)?;
    }
    assert!(images().join(file).is_file(), "{file} is missing");
    Ok(())
}

/// The same picture in its most frequent colours: text on screens has a thousand shades that nobody sees.
fn smaller(screenshot: &[u8]) -> Result<((u32, u32), Vec<u8>)> {
    let mut decoder = png::Decoder::new(Cursor::new(screenshot));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("no size")?];
    let info = reader.next_frame(&mut pixels)?;
    let samples = info.color_type.samples();
    let colours: Vec<Colour> = pixels
        .chunks(samples)
        .map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let palette = palette(&colours);
    let mut nearest = BTreeMap::new();
    let mut indexes = Vec::new();
    for colour in colours {
        let index = nearest.entry(colour).or_insert_with(|| {
            let distances = palette.iter().map(|kept| distance(*kept, colour));
            let (_, index) = distances.zip(0u8..).min().unwrap_or_default();
            index
        });
        indexes.push(*index);
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, info.width, info.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indexes)?;
    Ok(((info.width, info.height), file))
}

type Colour = [u8; 3];

fn palette(colours: &[Colour]) -> Vec<Colour> {
    let mut counts = BTreeMap::<Colour, usize>::new();
    for colour in colours {
        *counts.entry(*colour).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
        .into_iter()
        .take(COLOURS)
        .map(|(colour, _)| colour)
        .collect()
}

fn distance(one: Colour, other: Colour) -> u32 {
    let squares = one
        .iter()
        .zip(other)
        .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2));
    squares.sum()
}
