//! Pictures in shades of grey, and in black and white.

use image::{DynamicImage, GrayImage, Luma};

/// What a pixel must be darker than its surroundings to be black, in hundredths.
const DARKER: usize = 6;
/// The surroundings of a pixel, in parts of the picture's side.
const SURROUNDINGS: usize = 8;
const LEAST_SURROUNDINGS: usize = 24;

/// Brightness by pixel.
#[derive(Debug, Clone)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    /// A picture as on white paper.
    pub(super) fn of(picture: &DynamicImage) -> Self {
        let grey = if picture.color().has_alpha() {
            on_white(picture)
        } else {
            picture.to_luma8()
        };
        Self {
            width: grey.width() as usize,
            height: grey.height() as usize,
            pixels: grey.into_raw(),
        }
    }

    /// The longer side.
    pub(super) fn side(&self) -> usize {
        self.width.max(self.height)
    }

    /// The mean of each square of `factor` pixels.
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

    /// Twice as large, with means between the pixels.
    pub(super) fn doubled(&self) -> Self {
        let (width, height) = (self.width * 2, self.height * 2);
        let at = |x: usize, y: usize| {
            let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
            usize::from(self.pixels[y * self.width + x])
        };
        let pixels = (0..width * height).map(|index| {
            let (x, y) = (index % width, index / width);
            let (right, below) = (x / 2 + x % 2, y / 2 + y % 2);
            let sum = at(x / 2, y / 2) + at(right, y / 2) + at(x / 2, below) + at(right, below);
            byte(sum / 4)
        });
        Self {
            pixels: pixels.collect(),
            width,
            height,
        }
    }

    /// Dark for light.
    pub(super) fn inverted(&self) -> Self {
        Self {
            pixels: self.pixels.iter().map(|pixel| !pixel).collect(),
            ..*self
        }
    }

    /// Which pixels are darker than their surroundings.
    pub(super) fn black(&self) -> Bits {
        let sums = self.sums();
        let stride = self.width + 1;
        let reach = (self.width.min(self.height) / SURROUNDINGS).max(LEAST_SURROUNDINGS) / 2;
        let mut black = Vec::with_capacity(self.pixels.len());
        for y in 0..self.height {
            let (top, bottom) = (y.saturating_sub(reach), (y + reach + 1).min(self.height));
            for x in 0..self.width {
                let (left, right) = (x.saturating_sub(reach), (x + reach + 1).min(self.width));
                let sum = sums[bottom * stride + right]
                    - sums[top * stride + right]
                    - (sums[bottom * stride + left] - sums[top * stride + left]);
                let count = (right - left) * (bottom - top);
                let pixel = usize::from(self.pixels[y * self.width + x]);
                black.push(pixel * count * 100 < sum as usize * (100 - DARKER));
            }
        }
        Bits {
            width: self.width,
            height: self.height,
            black,
        }
    }

    /// The sum of all pixels above and left of each corner; of up to 16 million pixels it fits.
    fn sums(&self) -> Vec<u32> {
        let stride = self.width + 1;
        let mut sums = vec![0; stride * (self.height + 1)];
        for y in 0..self.height {
            let mut row = 0;
            for x in 0..self.width {
                row += u32::from(self.pixels[y * self.width + x]);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        sums
    }
}

/// Which pixels are black.
#[derive(Debug, Clone)]
pub(super) struct Bits {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) black: Vec<bool>,
}

fn on_white(picture: &DynamicImage) -> GrayImage {
    let with_alpha = picture.to_luma_alpha8();
    let mut grey = GrayImage::new(with_alpha.width(), with_alpha.height());
    for (to, from) in grey.pixels_mut().zip(with_alpha.pixels()) {
        let [light, alpha] = from.0.map(usize::from);
        *to = Luma([byte((light * alpha + 255 * (255 - alpha)) / 255)]);
    }
    grey
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}
