//! What a poster is drawn on: shapes, one over the other, which `svg` and `png` write down.

use tiny_skia::{Path, PathBuilder};

use super::font::Font;
use crate::pictures::qr::Picture;

/// How far a quarter of a circle's curve is pulled out.
const ROUND: f32 = 0.552_285;

/// Red, green and blue as `0xRRGGBB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u32);

pub(super) const WHITE: Colour = Colour(0xFF_FF_FF);
pub(super) const BLACK: Colour = Colour(0);

/// One thing on a poster.
pub(super) enum Shape {
    /// A filled outline.
    Fill(Path, Colour),
    /// A QR code with its quiet zone, black on white, in a square.
    Code {
        /// What it holds.
        picture: Picture,
        /// Its left edge.
        x: f32,
        /// Its upper edge.
        y: f32,
        /// Its width and height.
        side: f32,
    },
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Area {
    pub(super) const fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The same without a border of this width.
    pub(super) const fn within(self, border: f32) -> Self {
        Self {
            x: self.x + border,
            y: self.y + border,
            width: self.width - 2.0 * border,
            height: self.height - 2.0 * border,
        }
    }

    pub(super) fn centre(self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// Where a line of text is, seen from its `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// It begins there.
    Left,
    /// It has its middle there.
    Centre,
}

/// A line of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) size: f32,
    pub(super) colour: Colour,
}

/// A poster.
pub(super) struct Canvas<'a> {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) shapes: Vec<Shape>,
    /// Units of a millimetre on paper, where that matters.
    pub(super) units_per_mm: Option<f32>,
    font: &'a Font,
}

impl<'a> Canvas<'a> {
    /// An empty one, in units of its own.
    pub(super) fn new(width: f32, height: f32, font: &'a Font) -> Self {
        Self {
            width,
            height,
            shapes: Vec::new(),
            units_per_mm: None,
            font,
        }
    }

    /// All of it.
    pub(super) fn area(&self) -> Area {
        Area::new(0.0, 0.0, self.width, self.height)
    }

    pub(super) fn font(&self) -> &'a Font {
        self.font
    }

    /// A filled rectangle with round corners.
    pub(super) fn block(&mut self, area: Area, radius: f32, colour: Colour) {
        let mut path = PathBuilder::new();
        add_block(&mut path, area, [radius; 2]);
        self.fill(path, colour);
    }

    /// The same with round corners above only.
    pub(super) fn tab(&mut self, area: Area, radius: f32, colour: Colour) {
        let mut path = PathBuilder::new();
        add_block(&mut path, area, [radius, 0.0]);
        self.fill(path, colour);
    }

    /// A frame of a rectangle with round corners; its line is inside of it.
    pub(super) fn frame(&mut self, area: Area, radius: f32, line: f32, colour: Colour) {
        let mut path = PathBuilder::new();
        add_block(&mut path, area, [radius; 2]);
        let inner = area.within(line);
        // The other way round, so that it is a hole.
        let mut hole = PathBuilder::new();
        add_block(&mut hole, inner, [radius - line; 2]);
        let mirrored =
            tiny_skia::Transform::from_row(-1.0, 0.0, 0.0, 1.0, 2.0 * inner.x + inner.width, 0.0);
        if let Some(hole) = hole.finish().and_then(|hole| hole.transform(mirrored)) {
            path.push_path(&hole);
        }
        self.fill(path, colour);
    }

    /// A line of text with its middle at the height of `y`.
    pub(super) fn text(&mut self, line: &Line<'_>, align: Align, x: f32, y: f32) {
        let start = match align {
            Align::Left => x,
            Align::Centre => x - self.font.width(line.text) * line.size / 2.0,
        };
        let outline = self.font.outline(line.text, start, y, line.size);
        self.shapes
            .extend(outline.map(|outline| Shape::Fill(outline, line.colour)));
    }

    /// A QR code in the middle of `area`, as large as it fits.
    pub(super) fn code(&mut self, picture: Picture, area: Area) {
        let side = area.width.min(area.height);
        let (x, y) = area.centre();
        self.shapes.push(Shape::Code {
            picture,
            x: x - side / 2.0,
            y: y - side / 2.0,
            side,
        });
    }

    fn fill(&mut self, path: PathBuilder, colour: Colour) {
        self.shapes
            .extend(path.finish().map(|path| Shape::Fill(path, colour)));
    }
}

/// A rectangle with the radii of its upper and its lower corners.
fn add_block(path: &mut PathBuilder, area: Area, radii: [f32; 2]) {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    let [above, below] = radii.map(|radius| radius.min(width / 2.0).min(height / 2.0));
    let (right, bottom) = (x + width, y + height);
    // From a corner to where its curve's handles are.
    let [up, down] = [above, below].map(|radius| radius * (1.0 - ROUND));
    path.move_to(x + above, y);
    path.line_to(right - above, y);
    path.cubic_to(right - up, y, right, y + up, right, y + above);
    path.line_to(right, bottom - below);
    path.cubic_to(
        right,
        bottom - down,
        right - down,
        bottom,
        right - below,
        bottom,
    );
    path.line_to(x + below, bottom);
    path.cubic_to(x + down, bottom, x, bottom - down, x, bottom - below);
    path.line_to(x, y + above);
    path.cubic_to(x, y + up, x + up, y, x + above, y);
    path.close();
}
