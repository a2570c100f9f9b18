//! A poster as PNG.

use std::io::Write as _;

use png::EncodingError;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::Tree,
};

use crate::pictures::qr::PngError;

/// Minimum size of a module in pixels, on a screen and on paper.
const PIXELS_A_MODULE: f32 = 2.0;

/// Paints a PNG, `width` pixels wide. `codes` are the ids of its QR codes.
pub(super) fn paint<'a>(
    tree: &Tree,
    codes: impl Iterator<Item = &'a str>,
    width: u16,
) -> Result<Vec<u8>, PngError> {
    let size = tree.size();
    let scale = f32::from(width) / size.width();
    let modules = codes.filter_map(|id| Some(tree.node_by_id(id)?.abs_transform().sx));
    let module = modules.fold(f32::INFINITY, f32::min);
    // Allows for rounding errors of floats.
    if module * scale < PIXELS_A_MODULE - 1e-3 {
        let least = PIXELS_A_MODULE * size.width() / module;
        return Err(PngError::TooSmall(pixels(least.ceil())));
    }
    // Whole rows only: a partial row would be half empty.
    let height = pixels((size.height() * scale).floor());
    let mut pixmap = Pixmap::new(width.into(), height).ok_or(EncodingError::LimitsExceeded)?;
    let scale = Transform::from_scale(scale, scale);
    resvg::render(tree, scale, &mut pixmap.as_mut());
    Ok(encode(&pixmap)?)
}

/// Encodes row by row, because a poster is large.
fn encode(pixmap: &Pixmap) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixmap.width(), pixmap.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    let mut rows = writer.stream_writer()?;
    let mut line = Vec::new();
    for row in pixmap.data().chunks(pixmap.width() as usize * 4) {
        line.clear();
        for pixel in row.chunks_exact(4) {
            line.extend_from_slice(&pixel[..3]);
        }
        rows.write_all(&line)?;
    }
    rows.finish()?;
    writer.finish()?;
    Ok(file)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, above zero, and thousands at most"
)]
pub(super) fn pixels(value: f32) -> u32 {
    value as u32
}
