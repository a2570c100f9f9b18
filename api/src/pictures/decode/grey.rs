//! Greyscale pictures.

use image::{
    DynamicImage, GrayAlphaImage, GrayImage,
    imageops::{self, FilterType},
};

const WHITE: usize = 255;
const BLACK: usize = 0;

/// Brightness by pixel.
#[derive(Debug, Clone)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

impl Grey {
    /// Converts a picture. A partly transparent picture gives two: on white, for dark modules, and on black, for light
    /// or cut-out ones.
    pub(super) fn of(picture: DynamicImage) -> Vec<Self> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let with_pixels = |pixels| Self {
            width,
            height,
            pixels,
        };
        if !picture.color().has_alpha() {
            return vec![with_pixels(picture.into_luma8().into_raw())];
        }
        let picture = picture.into_luma_alpha8();
        if picture.pixels().all(|pixel| pixel.0[1] == u8::MAX) {
            return vec![with_pixels(on(&picture, WHITE))];
        }
        [WHITE, BLACK]
            .map(|ground| with_pixels(on(&picture, ground)))
            .into()
    }

    /// Scales down by `factor`; each pixel is the mean of a square.
    pub(super) fn shrunk(&self, factor: usize) -> Self {
        let (width, height) = (self.width / factor, self.height / factor);
        let mut pixels = Vec::with_capacity(width * height);
        let mut sums = vec![0_usize; width];
        for y in 0..height {
            sums.fill(0);
            for row in y * factor..(y + 1) * factor {
                let row = &self.pixels[row * self.width..][..width * factor];
                for (sum, square) in sums.iter_mut().zip(row.chunks_exact(factor)) {
                    *sum += square
                        .iter()
                        .map(|pixel| usize::from(*pixel))
                        .sum::<usize>();
                }
            }
            pixels.extend(sums.iter().map(|sum| byte(sum / (factor * factor))));
        }
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Scales up to double size.
    pub(super) fn doubled(&self) -> Option<Self> {
        let side = |side: usize| u32::try_from(side).ok();
        let picture =
            GrayImage::from_raw(side(self.width)?, side(self.height)?, self.pixels.clone())?;
        let (width, height) = (side(self.width * 2)?, side(self.height * 2)?);
        let larger = imageops::resize(&picture, width, height, FilterType::Triangle);
        Some(Self {
            width: self.width * 2,
            height: self.height * 2,
            pixels: larger.into_raw(),
        })
    }

    /// The longer side.
    pub(super) fn side(&self) -> usize {
        self.width.max(self.height)
    }

    /// Inverts the picture.
    pub(super) fn inverted(&self) -> Self {
        Self {
            pixels: self.pixels.iter().map(|pixel| !pixel).collect(),
            ..*self
        }
    }
}

fn on(picture: &GrayAlphaImage, ground: usize) -> Vec<u8> {
    let pixels = picture.pixels().map(|pixel| {
        let [light, alpha] = pixel.0.map(usize::from);
        byte((light * alpha + ground * (WHITE - alpha)) / WHITE)
    });
    pixels.collect()
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}
