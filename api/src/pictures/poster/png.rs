//! A poster as PNG.

use std::io::Write as _;

use png::EncodingError;
use tiny_skia::{Color, FillRule, Paint, Path, Pixmap, Rect, Transform};

use super::canvas::{BLACK, Canvas, Colour, Shape, WHITE};
use crate::pictures::qr::{Picture, PngError};

/// What a module must have at least, on a screen and on paper.
const PIXELS_A_MODULE: f32 = 2.0;

/// Paints it `width` pixels wide.
pub(super) fn paint(canvas: &Canvas<'_>, width: u16) -> Result<Vec<u8>, PngError> {
    let least = canvas.shapes.iter().filter_map(|shape| match shape {
        Shape::Code { picture, side, .. } => Some(modules(picture) * PIXELS_A_MODULE / side),
        Shape::Fill(..) => None,
    });
    let least = pixels((least.fold(0.0, f32::max) * canvas.width).ceil());
    if u32::from(width) < least {
        return Err(PngError::TooSmall(least));
    }
    let scale = f32::from(width) / canvas.width;
    // Whole rows only: a part of one would be half empty.
    let height = pixels((canvas.height * scale).floor());
    let mut pixmap = Pixmap::new(width.into(), height).ok_or(EncodingError::LimitsExceeded)?;
    for shape in &canvas.shapes {
        match shape {
            Shape::Fill(path, colour) => fill(&mut pixmap, path, *colour, scale),
            Shape::Code {
                picture,
                x,
                y,
                side,
            } => {
                let middle = ((x + side / 2.0) * scale, (y + side / 2.0) * scale);
                code(&mut pixmap, picture, middle, side * scale);
            }
        }
    }
    Ok(encode(&pixmap)?)
}

fn fill(pixmap: &mut Pixmap, path: &Path, colour: Colour, scale: f32) {
    let scale = Transform::from_scale(scale, scale);
    pixmap.fill_path(path, &paint_of(colour), FillRule::Winding, scale, None);
}

/// Modules have a whole number of pixels, so that their edges are sharp; what is left over is white margin.
fn code(pixmap: &mut Pixmap, picture: &Picture, middle: (f32, f32), side: f32) {
    // Side by side in floats, a module would be missing where two pixels are just too few.
    let module = (side / modules(picture) + 1e-3).floor();
    let whole = module * modules(picture);
    let left = (middle.0 - whole / 2.0).round();
    let top = (middle.1 - whole / 2.0).round();
    let mut block = |x: f32, y: f32, width: f32, height: f32, colour| {
        if let Some(block) = Rect::from_xywh(left + x, top + y, width, height) {
            pixmap.fill_rect(block, &paint_of(colour), Transform::identity(), None);
        }
    };
    block(0.0, 0.0, whole, whole, WHITE);
    for (x, y, length) in picture.runs() {
        let [x, y, length] = [x, y, length].map(|modules| f32::from(modules) * module);
        block(x, y, length, module, BLACK);
    }
}

fn paint_of(Colour(rgb): Colour) -> Paint<'static> {
    let [_, red, green, blue] = rgb.to_be_bytes();
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(red, green, blue, 255));
    paint
}

/// Row by row, because a poster is large.
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

/// Modules of a side, with the quiet zone.
fn modules(picture: &Picture) -> f32 {
    f32::from(picture.side())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, above zero, and thousands at most"
)]
fn pixels(value: f32) -> u32 {
    value as u32
}
