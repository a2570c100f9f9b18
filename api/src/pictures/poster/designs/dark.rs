//! Gold on black, for a bar or an evening.

use qrcode::types::QrError;

use super::Content;
use crate::pictures::poster::{
    canvas::{Align, Area, Canvas, Colour, Line, WHITE},
    font::Font,
    parts::{Look, apps, centred},
    text::write_into,
};

const NIGHT: Colour = Colour(0x12_14_17);
const RAISED: Colour = Colour(0x22_26_2B);
const GOLD: Colour = Colour(0xD9_B8_74);
const LIGHT: Colour = Colour(0xF3_EC_DF);
const QUIET: Colour = Colour(0x9A_95_8B);

pub(in crate::pictures::poster) fn draw<'a>(
    font: &'a Font,
    content: &Content<'_>,
) -> Result<Canvas<'a>, QrError> {
    let mut page = Canvas::new(1080.0, 1440.0, font);
    page.block(page.area(), 0.0, NIGHT);
    page.frame(page.area().within(36.0), 40.0, 2.5, GOLD);
    let scan = Line {
        text: content.words.scan,
        size: 36.0,
        colour: GOLD,
    };
    centred(&mut page, scan, 700.0, 540.0, 128.0);
    let half = page.font().width(scan.text) * scan.size / 2.0 + 36.0;
    for x in [540.0 - half - 120.0, 540.0 + half] {
        page.block(Area::new(x, 127.0, 120.0, 2.5), 0.0, GOLD);
    }
    let name = Area::new(110.0, 176.0, 860.0, 168.0);
    write_into(&mut page, content.name, Align::Centre, name, 100.0, LIGHT);
    let plate = Area::new(140.0, 372.0, 800.0, 800.0);
    page.block(plate, 44.0, WHITE);
    page.code(content.composite()?, plate.within(16.0));
    let look = Look {
        pill: RAISED,
        text: LIGHT,
        tile: Some((GOLD, NIGHT)),
    };
    let row = Area::new(110.0, 1194.0, 860.0, 96.0);
    apps(&mut page, &content.apps, Align::Centre, row, 32.0, &look);
    let check = Line {
        text: content.words.check,
        size: 28.0,
        colour: QUIET,
    };
    centred(&mut page, check, 860.0, 540.0, 1340.0);
    Ok(page)
}
