//! A table stand of A6, to be printed at its size and cut: 3 mm of ground stand over, marks say where to cut.

use qrcode::types::QrError;

use super::Content;
use crate::pictures::poster::{
    canvas::{Align, Area, BLACK, Canvas, Colour, Line, WHITE},
    font::Font,
    parts::{INK, Look, apps, centred},
    text::write_into,
};

const UNITS_PER_MM: f32 = 10.0;
/// Paper around what is cut out.
const BORDER: f32 = 100.0;
/// How far the ground stands over.
const BLEED: f32 = 30.0;
const MARK: f32 = 50.0;

const GROUND: Colour = Colour(0x12_3B_4A);
const WARM: Colour = Colour(0xFF_C8_57);
const PALE: Colour = Colour(0xB9_CF_D4);

pub(in crate::pictures::poster) fn draw<'a>(
    font: &'a Font,
    content: &Content<'_>,
) -> Result<Canvas<'a>, QrError> {
    let mut page = Canvas::new(1050.0 + 2.0 * BORDER, 1480.0 + 2.0 * BORDER, font);
    page.units_per_mm = Some(UNITS_PER_MM);
    page.block(page.area(), 0.0, WHITE);
    page.block(page.area().within(BORDER - BLEED), 0.0, GROUND);
    cut_marks(&mut page);
    let trim = page.area().within(BORDER);
    let middle = trim.centre().0;
    let name = Area::new(trim.x + 70.0, trim.y + 66.0, trim.width - 140.0, 170.0);
    write_into(&mut page, content.name, Align::Centre, name, 108.0, WHITE);
    let plate = Area::new(trim.x + 75.0, trim.y + 272.0, 900.0, 1010.0);
    page.block(plate, 52.0, WHITE);
    let band = Area {
        height: 110.0,
        ..plate
    };
    page.tab(band, 52.0, WARM);
    let scan = Line {
        text: content.words.scan,
        size: 50.0,
        colour: INK,
    };
    centred(&mut page, scan, 800.0, middle, band.centre().1);
    let code = Area::new(plate.x + 20.0, plate.y + 130.0, 860.0, 860.0);
    page.code(content.composite()?, code);
    let look = Look {
        pill: WHITE,
        text: INK,
        tile: None,
    };
    let row = Area::new(trim.x + 75.0, trim.y + 1296.0, 900.0, 92.0);
    apps(&mut page, &content.apps, Align::Centre, row, 33.0, &look);
    let check = Line {
        text: content.words.check,
        size: 27.0,
        colour: PALE,
    };
    centred(&mut page, check, 900.0, middle, trim.y + 1425.0);
    Ok(page)
}

/// Two lines at each corner, outside of the ground.
fn cut_marks(page: &mut Canvas<'_>) {
    let trim = page.area().within(BORDER);
    let (right, bottom) = (trim.x + trim.width, trim.y + trim.height);
    for x in [trim.x - 1.0, right - 1.0] {
        for y in [10.0, page.height - 10.0 - MARK] {
            page.block(Area::new(x, y, 2.0, MARK), 0.0, BLACK);
        }
    }
    for y in [trim.y - 1.0, bottom - 1.0] {
        for x in [10.0, page.width - 10.0 - MARK] {
            page.block(Area::new(x, y, MARK, 2.0), 0.0, BLACK);
        }
    }
}
