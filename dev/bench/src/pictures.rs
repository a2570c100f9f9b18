//! Success rate and speed of `/decode` on receive codes that are drawn and distorted from a seed, compared with plain
//! rqrr.

#[path = "../../../api/tests/it/pictures.rs"]
#[expect(dead_code, reason = "the tests of the api draw more")]
mod draw;

use std::time::Instant;

use anyhow::{Context as _, Result};
use heyi_testkit::world::{Client, payloads};
use image::{ImageFormat, RgbImage, imageops};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::frame::{LIMIT_MIB, Scenario, Setup, ms, peak_mib};

const PICTURES: u32 = 300;
/// The side of the largest accepted picture.
const LARGEST: u32 = 5_000;
/// Module sizes, in pixels, of the finder patterns that fill such a picture.
const MODULES: [u32; 5] = [1, 2, 8, 60, 75];
/// The memory limit of decoding, in addition to the api's.
const DECODER_MIB: f64 = 300.0;

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let api = setup.world.api().await?;
    let client = setup.world.client()?;
    let (mut right, mut wrong) = ([0.0; 2], 0.0);
    scenario.say("receive codes");
    for seed in 0..scenario.count(PICTURES) {
        let (payload, file) = drawn(u64::from(seed))?;
        let start = Instant::now();
        match decode(&client, &file).await? {
            Some(read) if read == payload => right[0] += 1.0,
            Some(_) => wrong += 1.0,
            None => {}
        }
        let ours = ms(start);
        let start = Instant::now();
        if by_rqrr(&file).as_deref() == Some(&payload) {
            right[1] += 1.0;
        }
        let both = [ours, ms(start)];
        let rqrr = "rqrr as it is, in process";
        scenario.compare("from upload to answer", "ms", both, rqrr);
    }
    let right = scenario.compare("read rightly", "of 300", right, "rqrr as it is");
    right.at_least(1.1);
    scenario.add("read wrongly", "pictures", wrong).below(0.5);
    for module in MODULES {
        scenario.say(&format!("finder patterns, {module} pixels a module"));
        let bomb = draw::file(draw::finders(LARGEST, module), ImageFormat::Png)?;
        let start = Instant::now();
        decode(&client, &bomb).await?;
        let what = "finder patterns on 25 megapixels";
        scenario.add(what, "s", ms(start) / 1000.0).below(5.0);
    }
    let peak = scenario.add("peak memory of the api", "MiB", peak_mib(&api)?);
    peak.below(LIMIT_MIB + DECODER_MIB);
    Ok(())
}

async fn decode(client: &Client, file: &[u8]) -> Result<Option<String>> {
    const HEAD: &[u8] =
        b"--wall\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"code\"\r\n\r\n";
    let request = client.request(reqwest::Method::POST, "/decode");
    let request = request.header("content-type", "multipart/form-data; boundary=wall");
    let body = [HEAD, file, b"\r\n--wall--\r\n"].concat();
    let answer = client.send(request.body(body)).await?;
    Ok(answer.json()["payload"].as_str().map(str::to_owned))
}

/// The result of plain rqrr.
fn by_rqrr(file: &[u8]) -> Option<String> {
    let grey = image::load_from_memory(file).ok()?.into_luma8();
    let at = |x: usize, y: usize| grey.as_raw()[y * grey.width() as usize + x];
    let size = (grey.width() as usize, grey.height() as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(size.0, size.1, at);
    let grids = image.detect_grids();
    let mut texts = grids.iter().filter_map(|grid| grid.decode().ok());
    texts.next().map(|(_, text)| text)
}

/// A picture of a receive code and its payload.
fn drawn(seed: u64) -> Result<(String, Vec<u8>)> {
    let mut random = StdRng::seed_from_u64(seed);
    let platforms = ["wechat", "alipay", "qq", "unionpay", "jd"];
    let platform = platforms[random.random_range(0..platforms.len())];
    let payload = payloads()[platform]
        .as_str()
        .context("a payload")?
        .to_owned();
    let module = random.random_range(2..12);
    let picture = match random.random_range(0..5) {
        0 => draw::code(&payload, module),
        1 => draw::separate_modules(&payload, module.max(4)),
        2 => draw::alipay_page(&payload),
        3 => draw::long_screenshot(&payload),
        _ => draw::wechat_page(&payload),
    };
    let picture = distorted(picture, &mut random);
    let file = if random.random_bool(0.3) {
        draw::file(picture, ImageFormat::Png)?
    } else {
        draw::jpeg(&picture, random.random_range(25..95))?
    };
    Ok((payload, file))
}

fn distorted(picture: RgbImage, random: &mut StdRng) -> RgbImage {
    match random.random_range(0..7) {
        0 => picture,
        1 => draw::inverted(&picture),
        2 => draw::blurred(&picture, random.random_range(0.5..2.5)),
        3 => {
            let (most, gain) = (random.random_range(5..50), random.random_range(0.3..0.9));
            draw::dim(&picture, most, gain)
        }
        4 => resized(&picture, random.random_range(30..120)),
        _ => {
            let side = random.random_range(900..2400);
            let share = random.random_range(0.4..0.95);
            let degrees = random.random_range(0.0..360.0);
            let slant = random.random_range(0.0..0.25);
            draw::photo(&picture, side, share, degrees, slant)
        }
    }
}

fn resized(picture: &RgbImage, percent: u32) -> RgbImage {
    let side = |side: u32| (side * percent / 100).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    imageops::resize(picture, width, height, imageops::FilterType::Triangle)
}
