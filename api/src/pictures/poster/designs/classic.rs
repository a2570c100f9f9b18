//! A white card on a warm ground, with one accent.

use qrcode::types::QrError;

use super::Content;
use crate::pictures::poster::{
    canvas::{Align, Area, Canvas, Colour, Line, WHITE},
    font::Font,
    parts::{INK, Look, apps, centred},
    text::write_into,
};

const PAPER: Colour = Colour(0xF6_F3_EE);
const ACCENT: Colour = Colour(0xC8_34_24);
const ON_ACCENT: Colour = Colour(0xFF_DC_D3);
const SHADE: Colour = Colour(0xE7_E1_D8);
const QUIET: Colour = Colour(0x6B_66_60);

pub(in crate::pictures::poster) fn draw<'a>(
    font: &'a Font,
    content: &Content<'_>,
) -> Result<Canvas<'a>, QrError> {
    let mut page = Canvas::new(1080.0, 1440.0, font);
    page.block(page.area(), 0.0, PAPER);
    page.block(Area::new(0.0, 0.0, 1080.0, 640.0), 0.0, ACCENT);
    let scan = Line {
        text: content.words.scan,
        size: 40.0,
        colour: ON_ACCENT,
    };
    centred(&mut page, scan, 840.0, 540.0, 106.0);
    let name = Area::new(90.0, 146.0, 900.0, 178.0);
    write_into(&mut page, content.name, Align::Centre, name, 104.0, WHITE);
    let card = Area::new(110.0, 354.0, 860.0, 924.0);
    page.block(Area { y: 362.0, ..card }, 56.0, SHADE);
    page.block(card, 56.0, WHITE);
    let code = Area::new(134.0, 370.0, 812.0, 812.0);
    page.code(content.composite()?, code);
    let look = Look {
        pill: PAPER,
        text: INK,
        tile: None,
    };
    let row = Area::new(150.0, 1164.0, 780.0, 96.0);
    apps(&mut page, &content.apps, Align::Centre, row, 31.0, &look);
    let check = Line {
        text: content.words.check,
        size: 30.0,
        colour: QUIET,
    };
    centred(&mut page, check, 900.0, 540.0, 1360.0);
    Ok(page)
}
