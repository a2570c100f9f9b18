//! The image on which `rqrr` searches, which ends a search that takes too long.

use std::{cell::Cell, panic::resume_unwind, rc::Rc};

use image::{GenericImage, GenericImageView, Luma};

use crate::reading::grey::Bits;

/// How often a pixel may be looked at or painted in all: far more than any honest picture takes, a few seconds.
const STEPS: usize = 400_000_000;
/// Pixels that are copied in the time of a step.
const COPIED: usize = 8;

/// What a search unwinds with when it takes too long: `rqrr` has no other way to be stopped.
pub(in crate::reading) struct OutOfSteps;

/// Pixels, and the steps that are left for this search and all of its images.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Luma<u8>>,
    steps: Rc<Cell<usize>>,
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            width: 0,
            height: 0,
            pixels: Vec::new(),
            steps: Rc::new(Cell::new(STEPS)),
        }
    }
}

impl Canvas {
    /// The image of these.
    pub(super) fn of(&self, bits: &Bits) -> Self {
        Self {
            width: u32::try_from(bits.width).unwrap_or(0),
            height: u32::try_from(bits.height).unwrap_or(0),
            pixels: bits
                .black
                .iter()
                .map(|black| Luma([u8::from(*black)]))
                .collect(),
            steps: self.steps.clone(),
        }
    }

    fn step(&self, steps: usize) {
        match self.steps.get().checked_sub(steps) {
            Some(left) => self.steps.set(left),
            None => resume_unwind(Box::new(OutOfSteps)),
        }
    }

    fn index(&self, x: u32, y: u32) -> usize {
        y as usize * self.width as usize + x as usize
    }
}

/// `rqrr` copies it for every three finder patterns that may belong together.
impl Clone for Canvas {
    fn clone(&self) -> Self {
        self.step(self.pixels.len() / COPIED);
        Self {
            pixels: self.pixels.clone(),
            steps: self.steps.clone(),
            ..*self
        }
    }
}

impl GenericImageView for Canvas {
    type Pixel = Luma<u8>;

    fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn get_pixel(&self, x: u32, y: u32) -> Luma<u8> {
        self.step(1);
        self.pixels[self.index(x, y)]
    }
}

impl GenericImage for Canvas {
    fn get_pixel_mut(&mut self, x: u32, y: u32) -> &mut Luma<u8> {
        self.step(1);
        let index = self.index(x, y);
        &mut self.pixels[index]
    }

    fn put_pixel(&mut self, x: u32, y: u32, pixel: Luma<u8>) {
        self.step(1);
        let index = self.index(x, y);
        self.pixels[index] = pixel;
    }

    fn blend_pixel(&mut self, x: u32, y: u32, pixel: Luma<u8>) {
        self.put_pixel(x, y, pixel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::panics::catch;

    fn canvas(steps: usize) -> Canvas {
        let bits = Bits {
            width: 4,
            height: 4,
            black: vec![true; 16],
        };
        let canvas = Canvas::default();
        canvas.steps.set(steps);
        canvas.of(&bits)
    }

    #[test]
    fn a_search_and_its_copies_have_so_many_steps_together() {
        let canvas = canvas(6);
        let looked = catch(|| {
            let copy = canvas.clone();
            (canvas.get_pixel(0, 0), copy.get_pixel(3, 3))
        });
        assert_eq!(looked.ok(), Some((Luma([1]), Luma([1]))));
        assert_eq!(canvas.steps.get(), 2);
        let ended = catch(|| {
            canvas.get_pixel(0, 0).0[0] + canvas.get_pixel(1, 0).0[0] + canvas.get_pixel(2, 0).0[0]
        });
        assert!(ended.is_err_and(|cause| cause.is::<OutOfSteps>()));
    }
}
