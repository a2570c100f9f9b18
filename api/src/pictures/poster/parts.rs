//! What several designs have in common.

use heyi_common::platform::Platform;

use super::canvas::{Align, Area, Canvas, Colour, Line, WHITE};
use crate::pages::App;

/// Almost black.
pub(super) const INK: Colour = Colour(0x16_18_1B);

/// The colour by which an app is known; white can be read on it.
pub(super) fn brand(platform: Platform) -> Colour {
    Colour(platform.row().colour)
}

/// The colours of a row of apps.
pub(super) struct Look {
    /// Behind each.
    pub(super) pill: Colour,
    /// Of the names.
    pub(super) text: Colour,
    /// Of the sign's square and the sign in it; the app's own without.
    pub(super) tile: Option<(Colour, Colour)>,
}

/// The apps in one row within `area`, with letters of `size` or less.
pub(super) fn apps(
    canvas: &mut Canvas<'_>,
    apps: &[App],
    align: Align,
    area: Area,
    size: f32,
    look: &Look,
) {
    /// In ems: between two apps, their height, before the sign, beside it, behind the name.
    const GAP: f32 = 0.55;
    const HEIGHT: f32 = 2.15;
    const BEFORE: f32 = 0.35;
    const BESIDE: f32 = 0.42;
    const BEHIND: f32 = 0.8;
    let sign = HEIGHT - 2.0 * BEFORE;
    let font = canvas.font();
    let width = |app: &App| BEFORE + sign + BESIDE + font.width(app.label) + BEHIND;
    let all: f32 = apps.iter().map(|app| width(app) + GAP).sum::<f32>() - GAP;
    let size = size.min(area.width / all).min(area.height / HEIGHT);
    let (middle, y) = area.centre();
    let mut x = match align {
        Align::Left => area.x,
        Align::Centre => middle - all * size / 2.0,
    };
    for app in apps {
        let pill = Area::new(x, y - HEIGHT * size / 2.0, width(app) * size, HEIGHT * size);
        canvas.block(pill, pill.height / 2.0, look.pill);
        let square = Area::new(
            x + BEFORE * size,
            y - sign * size / 2.0,
            sign * size,
            sign * size,
        );
        // Round, as the end of the pill around it is.
        tile(canvas, *app, square, square.height / 2.0, look.tile);
        let line = Line {
            text: app.label,
            size,
            colour: look.text,
        };
        let start = square.x + square.width + BESIDE * size;
        canvas.text(&line, Align::Left, start, y);
        x += (width(app) + GAP) * size;
    }
}

/// The sign of an app: one character on a square.
pub(super) fn tile(
    canvas: &mut Canvas<'_>,
    app: App,
    area: Area,
    radius: f32,
    colours: Option<(Colour, Colour)>,
) {
    let (ground, sign) = colours.unwrap_or((brand(app.platform), WHITE));
    canvas.block(area, radius, ground);
    let (x, y) = area.centre();
    let line = Line {
        text: app.glyph,
        size: area.height * 0.6,
        colour: sign,
    };
    canvas.text(&line, Align::Centre, x, y);
}

/// A line of text in the middle between left and right, smaller if it would be wider than `width`.
pub(super) fn centred(canvas: &mut Canvas<'_>, line: Line<'_>, width: f32, x: f32, y: f32) {
    let whole = canvas.font().width(line.text).max(f32::EPSILON);
    let line = Line {
        size: line.size.min(width / whole),
        ..line
    };
    canvas.text(&line, Align::Centre, x, y);
}
