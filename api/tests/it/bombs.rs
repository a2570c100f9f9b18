//! Image bombs: small files that decode to large pictures, and other hostile pictures.

use anyhow::Result;
use image::ImageFormat;

use crate::pictures::{self, file, jpeg, noise, wechat_page};

/// Nearly what a picture may have.
const FULL: usize = 5 * 1024 * 1024 - 1024;

/// PNGs that unpack to much more than they are.
pub(crate) fn pngs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = zeros(FULL);
    let pixels = chunk("IDAT", &zeros);
    let half = zeros.get(..FULL / 2).unwrap_or_default();
    let profile = chunk("iCCP", &[b"profile\0\0".as_slice(), half].concat());
    let text = chunk("zTXt", &[b"Comment\0\0".as_slice(), half].concat());
    vec![
        ("50,000 pixels square", png(50_000, 50_000, 8, 6, &pixels)),
        (
            "as large as a PNG can be",
            png(0x7fff_ffff, 0x7fff_ffff, 16, 6, &pixels),
        ),
        ("a very long strip", png(25_000_000, 1, 8, 0, &pixels)),
        (
            "as many pixels as are taken",
            png(5000, 5000, 8, 6, &pixels),
        ),
        ("the same with 16 bits", png(5000, 5000, 16, 2, &pixels)),
        (
            "a profile of zeros",
            png(2000, 2000, 8, 0, &[profile, chunk("IDAT", half)].concat()),
        ),
        (
            "a text of zeros",
            png(2000, 2000, 8, 0, &[text, chunk("IDAT", half)].concat()),
        ),
    ]
}

/// Files that end or go wrong in the middle.
pub(crate) fn broken() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let page = wechat_page("https://qr.alipay.com/fkx00000EXAMPLE000000");
    let mut cut_png = file(page.clone(), ImageFormat::Png)?;
    cut_png.truncate(cut_png.len() / 3);
    let mut cut_gif = file(page.clone(), ImageFormat::Gif)?;
    cut_gif.truncate(cut_gif.len() / 8);
    let mut head = jpeg(&page, 80)?;
    head.truncate(100);
    Ok(vec![
        ("a third of a PNG", cut_png),
        ("the start of a GIF", cut_gif),
        ("the head of a JPEG", head),
    ])
}

/// A JPEG that says that it is 65,500 pixels square.
pub(crate) fn large_jpeg() -> Result<Vec<u8>> {
    let mut file = jpeg(&wechat_page("x"), 30)?;
    let head = file
        .windows(2)
        .position(|bytes| bytes == [0xff, 0xc0])
        .unwrap_or_default();
    file[head + 5..head + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    Ok(file)
}

/// Finder patterns side by side, each three of which could belong together.
pub(crate) fn finders() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let tiles = [
        ("finder patterns of 2 pixels", 3000, 2),
        ("finder patterns of a pixel", 5000, 1),
        ("large finder patterns", 5000, 60),
    ];
    let tiles = tiles.map(|(what, side, module)| {
        Ok((
            what,
            file(pictures::finders(side, module), ImageFormat::Png)?,
        ))
    });
    tiles.into_iter().collect()
}

/// Noise, in which every search looks for long.
pub(crate) fn noisy() -> Result<Vec<u8>> {
    file(noise(2200), ImageFormat::Png)
}

fn png(width: u32, height: u32, depth: u8, color: u8, chunks: &[u8]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let head = [size.as_slice(), &[depth, color, 0, 0, 0]].concat();
    let head = chunk("IHDR", &head);
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &head,
        chunks,
        &chunk("IEND", &[]),
    ]
    .concat()
}

fn chunk(kind: &str, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default();
    let summed = [kind.as_bytes(), content].concat();
    let crc = summed.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    [
        length.to_be_bytes().as_slice(),
        &summed,
        &(!crc).to_be_bytes(),
    ]
    .concat()
}

/// `length` bytes of zlib that unpack to 158 times as many zeros: one of them, and then again and again 258 copies.
fn zeros(length: usize) -> Vec<u8> {
    // A block of fixed codes that never ends, a literal 0, and copies of length 258 from distance 1.
    let start = [
        false, true, false, false, false, true, true, false, false, false, false,
    ];
    let copy = [
        true, true, false, false, false, true, false, true, false, false, false, false, false,
    ];
    let bits = start.into_iter().chain(copy.into_iter().cycle());
    let bits: Vec<bool> = bits.take((length - 2) * 8).collect();
    let byte = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
    };
    [0x78, 0x9c]
        .into_iter()
        .chain(bits.chunks(8).map(byte))
        .collect()
}
