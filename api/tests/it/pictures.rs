//! Pictures of receive codes, as phones and people make them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "what is drawn is small, and looked at by a decoder only"
)]

use std::io::Cursor;

use anyhow::Result;
use image::{
    DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, codecs::jpeg::JpegEncoder, imageops,
};
use qrcode::{Color, EcLevel, QrCode};

const WHITE: Rgb<u8> = Rgb([255; 3]);
const WECHAT_GREEN: Rgb<u8> = Rgb([0x2a, 0xad, 0x67]);
const ALIPAY_BLUE: Rgb<u8> = Rgb([0x16, 0x77, 0xff]);
const DESK: Rgb<u8> = Rgb([0x8a, 0x6f, 0x55]);

/// The code alone, with a quiet zone of four modules.
pub(crate) fn code(text: &str, module: u32) -> RgbImage {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let modules = u32::try_from(code.width()).unwrap_or_default();
    let colors = code.to_colors();
    let side = (modules + 8) * module;
    RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = ((x / module).wrapping_sub(4), (y / module).wrapping_sub(4));
        let is_dark =
            x < modules && y < modules && colors[(y * modules + x) as usize] == Color::Dark;
        if is_dark { Rgb([0; 3]) } else { WHITE }
    })
}

/// A screenshot of an app's page: bars of text, a coloured background, a card with the code and a logo in its middle.
fn screenshot(text: &str, background: Rgb<u8>, ink: Rgb<u8>) -> RgbImage {
    let (width, height) = (1080, 2340);
    let mut page = RgbImage::from_pixel(width, height, background);
    fill(&mut page, 120, 560, 840, 1080, WHITE);
    let mut code = code(text, 14);
    for pixel in code.pixels_mut().filter(|pixel| pixel.0[0] == 0) {
        *pixel = ink;
    }
    let logo = code.width() / 9;
    let middle = code.width() / 2;
    fill(
        &mut code,
        middle - logo / 2,
        middle - logo / 2,
        logo,
        logo,
        WHITE,
    );
    let inner = logo * 4 / 5;
    fill(
        &mut code,
        middle - inner / 2,
        middle - inner / 2,
        inner,
        inner,
        background,
    );
    let (x, y) = ((width - code.width()) / 2, 640);
    imageops::overlay(&mut page, &code, x.into(), y.into());
    // Letters are about so large.
    for line in 0..12_u32 {
        let y = [
            60, 130, 600, 1480, 1540, 1700, 1790, 1880, 1970, 2060, 2150, 2240,
        ][line as usize];
        for letter in 0..(8 + line * 5 % 11) {
            let size = 14 + (letter * 7 + line * 3) % 20;
            fill(&mut page, 180 + letter * 40, y, size, 30, Rgb([40; 3]));
            fill(&mut page, 184 + letter * 40, y + 8, size / 2, 10, WHITE);
        }
    }
    page
}

pub(crate) fn wechat_page(text: &str) -> RgbImage {
    screenshot(text, WECHAT_GREEN, Rgb([0; 3]))
}

pub(crate) fn alipay_page(text: &str) -> RgbImage {
    screenshot(text, ALIPAY_BLUE, Rgb([0x10, 0x50, 0xb8]))
}

fn fill(picture: &mut RgbImage, x: u32, y: u32, width: u32, height: u32, color: Rgb<u8>) {
    for y in y..(y + height).min(picture.height()) {
        for x in x..(x + width).min(picture.width()) {
            picture.put_pixel(x, y, color);
        }
    }
}

/// Several pictures side by side, in rows of `columns`.
pub(crate) fn beside(pictures: &[RgbImage], columns: u32) -> RgbImage {
    let width = pictures.iter().map(RgbImage::width).max().unwrap_or(1);
    let height = pictures.iter().map(RgbImage::height).max().unwrap_or(1);
    let rows = u32::try_from(pictures.len())
        .unwrap_or_default()
        .div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(width * columns, height * rows, WHITE);
    for (index, picture) in (0_u32..).zip(pictures) {
        let (x, y) = (index % columns * width, index / columns * height);
        imageops::replace(&mut sheet, picture, x.into(), y.into());
    }
    sheet
}

/// A photo: the picture lies on a desk, turned by `degrees`, `share` of the photo's side wide, and seen at a slant
/// that makes its far side narrower by `slant`.
pub(crate) fn photo(
    picture: &RgbImage,
    side: u32,
    share: f32,
    degrees: f32,
    slant: f32,
) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let scale = width.max(height) / (side as f32 * share);
    RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (x as f32 - side as f32 / 2.0, y as f32 - side as f32 / 2.0);
        let depth = 1.0 + slant * y / (side as f32 * share);
        let (x, y) = (x / depth, y / depth);
        let (x, y) = ((x * cos - y * sin) * scale, (x * sin + y * cos) * scale);
        sample(picture, x + width / 2.0, y + height / 2.0)
    })
}

/// The mean of the four pixels around a point.
fn sample(picture: &RgbImage, x: f32, y: f32) -> Rgb<u8> {
    let (x, y) = (x - 0.5, y - 0.5);
    let at = |x: f32, y: f32| {
        let inside =
            x >= 0.0 && y >= 0.0 && x < picture.width() as f32 && y < picture.height() as f32;
        if inside {
            *picture.get_pixel(x as u32, y as u32)
        } else {
            DESK
        }
    };
    let (left, top) = (x.floor(), y.floor());
    let (right, below) = (x - left, y - top);
    let corners = [
        (at(left, top), (1.0 - right) * (1.0 - below)),
        (at(left + 1.0, top), right * (1.0 - below)),
        (at(left, top + 1.0), (1.0 - right) * below),
        (at(left + 1.0, top + 1.0), right * below),
    ];
    Rgb([0, 1, 2].map(|channel| {
        let sum: f32 = corners
            .iter()
            .map(|(pixel, weight)| f32::from(pixel.0[channel]) * weight)
            .sum();
        sum as u8
    }))
}

/// Out of focus.
pub(crate) fn blurred(picture: &RgbImage, sigma: f32) -> RgbImage {
    imageops::fast_blur(picture, sigma)
}

/// Grain of up to `strength` and light that falls off to the right, as in a dim room.
pub(crate) fn dim(picture: &RgbImage, strength: i32, darkest: f32) -> RgbImage {
    let mut random = 0x2545_f491_u32;
    let mut picture = picture.clone();
    let width = picture.width() as f32;
    for (x, _, pixel) in picture.enumerate_pixels_mut() {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let grain = (random % 2001) as i32 * strength / 1000 - strength;
        let light = 1.0 - (1.0 - darkest) * x as f32 / width;
        pixel.0 = pixel
            .0
            .map(|value| (f32::from(value) * light + grain as f32).clamp(0.0, 255.0) as u8);
    }
    picture
}

pub(crate) fn inverted(picture: &RgbImage) -> RgbImage {
    let mut picture = picture.clone();
    imageops::invert(&mut picture);
    picture
}

/// With a hole that is too large to be corrected.
pub(crate) fn damaged(picture: &RgbImage) -> RgbImage {
    let mut picture = picture.clone();
    let side = picture.width() / 3;
    fill(&mut picture, side, side, side, side, WHITE);
    picture
}

/// Black on nothing.
pub(crate) fn transparent(picture: &RgbImage) -> DynamicImage {
    let mut picture = DynamicImage::from(picture.clone()).to_rgba8();
    for pixel in picture.pixels_mut() {
        pixel.0 = [0, 0, 0, 255 - pixel.0[0]];
    }
    picture.into()
}

/// White on nothing, as exported for dark mode.
pub(crate) fn white_on_nothing(picture: &RgbImage) -> DynamicImage {
    let mut picture = transparent(picture).to_rgba8();
    for pixel in picture.pixels_mut() {
        pixel.0 = [255, 255, 255, pixel.0[3]];
    }
    picture.into()
}

/// Modules cut out of a white field.
pub(crate) fn cut_out(picture: &RgbImage) -> DynamicImage {
    let mut picture = DynamicImage::from(picture.clone()).to_rgba8();
    for pixel in picture.pixels_mut() {
        pixel.0 = [255, 255, 255, pixel.0[0]];
    }
    picture.into()
}

/// A code whose modules are squares with gaps of a fifth between them.
pub(crate) fn separate_modules(text: &str, module: u32) -> RgbImage {
    let mut picture = code(text, module);
    let gap = (module / 5).max(1);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if x % module < gap || y % module < gap {
            *pixel = WHITE;
        }
    }
    picture
}

/// A long screenshot with a small code in it.
pub(crate) fn long_screenshot(text: &str) -> RgbImage {
    let mut page = RgbImage::from_pixel(1080, 8000, WHITE);
    for line in 0..90 {
        for letter in 0..20 {
            fill(
                &mut page,
                60 + letter * 48,
                40 + line * 80,
                8 + letter,
                30,
                Rgb([60; 3]),
            );
        }
    }
    let code = code(text, 6);
    imageops::replace(&mut page, &code, 400, 5300);
    page
}

/// A square tiled with finder patterns of `module` pixels.
pub(crate) fn finders(side: u32, module: u32) -> GrayImage {
    let period = 9 * module;
    GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (x % period / module, y % period / module);
        let is_gap = x >= 7 || y >= 7;
        let from_edge = x
            .min(y)
            .min(6_u32.saturating_sub(x))
            .min(6_u32.saturating_sub(y));
        Luma([if is_gap || from_edge == 1 { 255 } else { 0 }])
    })
}

/// Noise alone.
pub(crate) fn noise(side: u32) -> GrayImage {
    let mut random = 0x9e37_79b9_u32;
    GrayImage::from_fn(side, side, |_, _| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        Luma([(random >> 11) as u8])
    })
}

pub(crate) fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    picture
        .into()
        .write_to(&mut Cursor::new(&mut file), format)?;
    Ok(file)
}

pub(crate) fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))?;
    Ok(file)
}
