//! How well and how fast `/decode` reads: receive codes that are drawn and distorted from a seed, beside rqrr as it is.

#[path = "../../../api/tests/it/pictures.rs"]
#[expect(dead_code, reason = "the tests of the api draw more")]
mod draw;

use std::time::Instant;

use anyhow::{Context as _, Result};
use heyi_testkit::world::{Client, World, payloads};
use image::{ImageFormat, RgbImage, imageops};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    memory,
    report::{Row, Target},
    series::Series,
};

const PICTURES: u64 = 300;
/// The side of the largest picture that is taken.
const LARGEST: u32 = 5_000;
const BOUNDARY: &str = "wall";

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let api = world.api().await?;
    let client = world.client()?;
    let (mut ours, mut theirs) = (Reader::default(), Reader::default());
    for seed in 0..PICTURES {
        let (payload, file) = drawn(seed)?;
        let start = Instant::now();
        let read = decode(&client, &file).await?;
        ours.count(start, read.as_deref(), &payload);
        let start = Instant::now();
        theirs.count(start, plain(&file).as_deref(), &payload);
    }
    let mut bombs = Vec::new();
    for module in [1, 2, 8, 60, 75] {
        let bomb = draw::file(draw::finders(LARGEST, module), ImageFormat::Png)?;
        let start = Instant::now();
        decode(&client, &bomb).await?;
        bombs.push(start.elapsed().as_secs_f64());
    }
    let one = |value: f64| Series::new(vec![value]);
    Ok(vec![
        Row::new("read rightly", "of 300", one(ours.right))
            .beside("rqrr as it is", one(theirs.right))
            .target(Target::RatioAtLeast(1.1)),
        Row::new("read wrongly", "pictures", one(ours.wrong)).target(Target::Below(0.5)),
        Row::new("from upload to answer", "ms", Series::new(ours.ms))
            .beside("rqrr as it is, in process", Series::new(theirs.ms)),
        Row::new("finder patterns on 25 megapixels", "s", Series::new(bombs))
            .target(Target::Below(5.0)),
        Row::new(
            "peak memory of the api",
            "MiB",
            one(memory::peak_mib(&api)?),
        )
        .target(Target::Below(memory::LIMIT_MIB + 300.0)),
    ])
}

/// What a reader has read so far.
#[derive(Default)]
struct Reader {
    right: f64,
    wrong: f64,
    ms: Vec<f64>,
}

impl Reader {
    fn count(&mut self, start: Instant, read: Option<&str>, payload: &str) {
        self.ms.push(start.elapsed().as_secs_f64() * 1e3);
        match read {
            Some(read) if read == payload => self.right += 1.0,
            Some(_) => self.wrong += 1.0,
            None => {}
        }
    }
}

async fn decode(client: &Client, file: &[u8]) -> Result<Option<String>> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"code\"\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = client.request(reqwest::Method::POST, "/decode");
    let request = request.header("content-type", kind);
    let body = [head.as_bytes(), file, end.as_bytes()].concat();
    let answer = client.send(request.body(body)).await?;
    Ok(answer.json()["payload"].as_str().map(str::to_owned))
}

fn plain(file: &[u8]) -> Option<String> {
    let grey = image::load_from_memory(file).ok()?.into_luma8();
    let at = |x: usize, y: usize| grey.as_raw()[y * grey.width() as usize + x];
    let size = (grey.width() as usize, grey.height() as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(size.0, size.1, at);
    let grids = image.detect_grids();
    let mut texts = grids.iter().filter_map(|grid| grid.decode().ok());
    texts.next().map(|(_, text)| text)
}

/// A receive code as somebody may send it, and its payload.
fn drawn(seed: u64) -> Result<(String, Vec<u8>)> {
    let mut random = StdRng::seed_from_u64(seed);
    let all = payloads();
    let platforms = ["wechat", "alipay", "qq", "unionpay", "jd"];
    let platform = platforms[random.random_range(0..platforms.len())];
    let payload = all[platform].as_str().context("a payload")?.to_owned();
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
        3 => draw::dim(
            &picture,
            random.random_range(5..50),
            random.random_range(0.3..0.9),
        ),
        4 => {
            let share = random.random_range(0.3..1.2);
            let side = |side: u32| (f64::from(side) * share).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "some thousand pixels"
            )]
            let (width, height) = (side(picture.width()) as u32, side(picture.height()) as u32);
            imageops::resize(
                &picture,
                width.max(1),
                height.max(1),
                imageops::FilterType::Triangle,
            )
        }
        _ => {
            let side = random.random_range(900..2400);
            let share = random.random_range(0.4..0.95);
            let degrees = random.random_range(0.0..360.0);
            draw::photo(
                &picture,
                side,
                share,
                degrees,
                random.random_range(0.0..0.25),
            )
        }
    }
}
